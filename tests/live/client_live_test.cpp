// Clients as programs have them: `muster::client` with real threads and sockets, and the verbs that
// talk to members, each as a process of its own.

#include "live/keeper_room.hpp"

#include <muster/muster.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct put {
    using reply = void;
    std::string key, value;
};
struct get {
    using reply = std::optional<std::string>;
    std::string key;
};
struct give_up {
    using reply = void;
    std::string key;
};
struct shelf {
    using handles = muster::requests<put, get, give_up>;
    void on(put p) { rows[p.key] = std::move(p.value); }
    std::optional<std::string> on(const get& g) const {
        const auto row = rows.find(g.key);
        return row == rows.end() ? std::nullopt : std::optional{row->second};
    }
    muster::result<void> on(const give_up&) const {
        return muster::fail(muster::errc::conflict, "this shelf does not give up");
    }
    std::map<std::string, std::string> rows;
};

struct remember {
    std::string text;
    int times = 1;
};
struct recall {
    using reply = std::vector<std::string>;
};

muster::process memory(muster::self me) {
    std::vector<std::string> all;
    while (auto in = co_await me.receive<remember, recall>()) {
        if (auto* one = in->get_if<remember>()) {
            all.insert(all.end(), static_cast<std::size_t>(one->body.times), one->body.text);
        } else if (auto* asked = in->get_if<recall>()) {
            asked->reply(all);
        }
    }
}

}  // namespace

namespace muster::live {
namespace {

class a_cluster : public agents_on_a_keeper {
protected:
    explicit a_cluster(std::string digest = {}) : digest_{std::move(digest)} {}
    void SetUp() override {
        agents_on_a_keeper::SetUp();
        config one = settings();
        one.name = "ann";
        node_ = std::make_unique<node>(one);
        static_cast<void>(node_->serve<shelf>("shelves", by_hash{.partitions = 4}));
        ASSERT_EQ(node_->register_name("memory", node_->spawn(memory)), result<void>{});
        ASSERT_EQ(node_->start(), result<void>{});
        ASSERT_TRUE(until(
            [&] {
                return node_->state() == member_state::online &&
                       node_->use<shelf>("shelves").ask<get>("ann").get().has_value();
            },
            20s));
    }
    void TearDown() override {
        node_.reset();
        agents_on_a_keeper::TearDown();
    }
    [[nodiscard]] config settings() const {
        config one;
        one.cluster = "default";
        one.zookeeper = address_;
        one.digest = digest_;
        return one;
    }

    std::string digest_;
    std::unique_ptr<node> node_;
};

TEST_F(a_cluster, is_found_asked_and_sent_to_by_a_client_from_several_threads) {
    client mine{settings()};
    const auto shelves = mine.use<shelf>("shelves");
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            const std::string key = std::to_string(i);
            EXPECT_EQ(shelves.ask<put>(key, "of " + key).get(), result<void>{});
            const auto found = mine.find("memory").get();
            ASSERT_TRUE(found) << found.error().text;
            const auto who = found->pick(round_robin);
            ASSERT_TRUE(who);
            EXPECT_EQ(mine.send(*who, remember{key}), result<void>{});
            const auto all = mine.ask<recall>(*who).get();
            ASSERT_TRUE(all) << all.error().text;
            EXPECT_NE(std::ranges::find(*all, key), all->end());
        });
    }
    threads.clear();
    for (int i = 0; i < 4; ++i) {
        const auto got = shelves.ask<get>(std::to_string(i)).get();
        ASSERT_TRUE(got && *got);
        EXPECT_EQ(**got, "of " + std::to_string(i));
    }
    EXPECT_EQ(node_->view().members.size(), 1U);
}

TEST_F(a_cluster, answers_muster_ask_by_the_names_of_fields) {
    EXPECT_EQ(ask({"ask", "shelves", "put", R"({"key":"ann","value":"42"})"}),
              (std::pair<int, std::string>{0, "null\n"}));
    EXPECT_EQ(ask({"ask", "shelves", "get", R"({"key":"ann"})"}),
              (std::pair<int, std::string>{0, "\"42\"\n"}));
    EXPECT_EQ(ask({"ask", "shelves", "get", R"({"key":"bob"})"}),
              (std::pair<int, std::string>{0, "null\n"}));
}

TEST_F(a_cluster, tells_muster_ask_what_is_wrong) {
    const auto says = [&](std::vector<std::string> words, int code, const std::string& text) {
        words.insert(words.begin(), {"--timeout", "2s"});
        const auto [got, said] = ask(std::move(words));
        EXPECT_EQ(got, code) << said;
        EXPECT_NE(said.find(text), std::string::npos) << said;
    };
    says({"ask", "sheves", "get", R"({"key":"ann"})"}, 1, "resource 'sheves' does not exist");
    says({"ask", "shelves", "got", R"({"key":"ann"})"}, 1, "it does not take 'got', but put, get");
    says({"ask", "shelves", "get", R"({"kee":"ann"})"}, 2, "its field 'key'");
    says(
        {"ask", "shelves", "get", R"({"key":"ann","x":1})"}, 2, "there is no field 'x', but 'key'");
    says({"ask", "shelves", "get", "{key}"}, 2, "is no JSON");
    says({"ask", "shelves", "give_up", R"({"key":"a"})"}, 6, "this shelf does not give up");
    says({"ask", "--cluster", "other", "shelves", "get", R"({"key":"a"})"}, 1, "does not exist");
    says({"ask", "--zookeeper", "127.0.0.1:1", "shelves", "get", R"({"key":"a"})"}, 3, "ZooKeeper");
}

TEST_F(a_cluster, takes_what_muster_send_sends) {
    const auto [code, said] = ask({"send", "memory", "remember", R"({"text":"this","times":2})"});
    EXPECT_EQ(code, 0) << said;
    EXPECT_TRUE(said.starts_with("ann/")) << said;
    const auto found = node_->find("memory").get();
    ASSERT_TRUE(found && !found->empty());
    EXPECT_EQ(node_->ask<recall>(found->begin()->who).get(),
              (result<std::vector<std::string>>{{"this", "this"}}));
    // The rest has its default.
    EXPECT_EQ(ask({"send", "memory", "remember", R"({"text":"that"})"}).first, 0);
    EXPECT_EQ(node_->ask<recall>(found->begin()->who).get()->size(), 3U);
}

TEST_F(a_cluster, tells_muster_send_what_is_wrong) {
    const auto says =
        [&](const std::vector<std::string>& words, int code, const std::string& text) {
            const auto [got, said] = ask(words);
            EXPECT_EQ(got, code) << said;
            EXPECT_NE(said.find(text), std::string::npos) << said;
        };
    says({"send", "nobody", "remember", "{}"}, 1, "no process is registered under 'nobody'");
    says({"send", "memory", "forget", "{}"}, 1, "it does not take 'forget', but remember, recall");
    says({"send", "memory", "remember", R"({"text":7})"}, 2, "'text': expected a text, not 7");
}

/// Whose znodes only members and those they trust may read.
class a_closed_cluster : public a_cluster {
protected:
    a_closed_cluster() : a_cluster{"shop:secret"} {}

    /// Exit code and output of a verb with credentials from a file.
    std::pair<int, std::string> ask_as(const std::string& digest, std::vector<std::string> words) {
        const fs::path file = folder_ / "muster.toml";
        std::ofstream{file} << "digest = \"" << digest << "\"\n";
        words.insert(words.end(), {"--config", file.string()});
        return ask(std::move(words));
    }

    std::vector<std::vector<std::string>> verbs_ = {
        {"status"},
        {"members", "-o", "name"},
        {"ask", "shelves", "get", R"({"key":"ann"})"},
        {"send", "memory", "remember", R"({"text":"this"})"},
    };
};

TEST_F(a_closed_cluster, is_open_to_every_verb_with_its_credentials) {
    for (const auto& words : verbs_) {
        const auto [code, said] = ask_as("shop:secret", words);
        EXPECT_EQ(code, 0) << words[0] << ": " << said;
    }
    // A member by agent is one of those that may write, and lets the others do so.
    std::ofstream{folder_ / "agent.toml"} << "digest = \"shop:secret\"\n";
    const auto bob = agent("bob", {}, "2", {"--config", (folder_ / "agent.toml").string()});
    EXPECT_TRUE(
        until([&] { return ask_as("shop:secret", verbs_[1]).second.contains("bob\n"); }, 20s))
        << bob->printed();
    bob->terminate();
    EXPECT_EQ(bob->wait(20s), 0) << bob->printed();
}

TEST_F(a_closed_cluster, takes_credentials_from_the_environment_too) {
    child_process status{{"/usr/bin/env",
                          "MUSTER_DIGEST=shop:secret",
                          MUSTER_PROGRAM,
                          "status",
                          "--zookeeper",
                          address_},
                         folder_ / "status"};
    EXPECT_EQ(status.wait(20s), 0) << status.printed();
}

TEST_F(a_closed_cluster, tells_others_what_to_do) {
    for (auto words : verbs_) {
        // More than `ask` waits for: waiting would not help.
        words.insert(words.end(), {"--timeout", "60s"});
        for (const auto& [code, said] : {ask(words), ask_as("shop:wrong", words)}) {
            EXPECT_EQ(code, 5) << words[0] << ": " << said;
            EXPECT_TRUE(said.contains("MUS0604")) << said;
            EXPECT_TRUE(said.contains("MUSTER_DIGEST")) << said;
        }
    }
}

}  // namespace
}  // namespace muster::live
