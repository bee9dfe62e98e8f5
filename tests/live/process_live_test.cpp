// Processes of members that are programs of their own: what becomes of them when such a program is
// killed, paused or started again.

#include "live/far_program.hpp"
#include "live/keeper_room.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster::live {
namespace {

/// What processes of the test have heard, for its thread.
class heard_texts {
public:
    void add(std::string one) {
        const std::lock_guard lock{mutex_};
        all_.push_back(std::move(one));
    }
    [[nodiscard]] std::vector<std::string> all() const {
        const std::lock_guard lock{mutex_};
        return all_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> all_;
};

std::string said(const exit_reason& why) {
    switch (why.how) {
        case ending::exited:
            return "exited " + why.text;
        case ending::crashed:
            return "crashed " + why.text;
        case ending::killed:
            return "killed";
        case ending::no_process:
            return "no process";
        case ending::node_lost:
            return "node lost";
        case ending::unreachable:
            return "unreachable";
    }
    return "?";
}

process watch_over(self me, pid who, std::shared_ptr<heard_texts> heard) {
    me.monitor(who);
    heard->add("watching");
    while (auto in = co_await me.receive<down>()) {
        heard->add(said(in->body.why));
    }
}

process kill_it(self me, pid who) {
    me.kill(who);
    co_return;
}

process be_linked(self me, pid who) {
    me.link(who);
    const auto never_sent = co_await me.receive<leave>();
    static_cast<void>(never_sent);
}

process send_many(self me, pid to, std::int64_t many, std::atomic<std::int64_t>* lost) {
    for (std::int64_t i = 1; i <= many; ++i) {
        if (!me.send(to, note{i})) {
            ++*lost;
        }
        if (i % 100 == 0) {
            const auto paused = co_await me.pause(1ms);
            static_cast<void>(paused);
        }
    }
    while (auto in = co_await me.receive<undelivered>()) {
        *lost += static_cast<std::int64_t>(in->body.count);
    }
}

class members_apart : public agents_on_a_keeper {
protected:
    void SetUp() override {
        agents_on_a_keeper::SetUp();
        for (const char* name : {"bob", "eve"}) {
            run(name);
        }
        // They have joined before this one: one of them leads.
        ASSERT_TRUE(
            until([&] { return ask({"members", "-o", "name"}).second == "bob\neve\n"; }, 20s));
        config mine;
        mine.cluster = "default";
        mine.name = "ann";
        mine.zookeeper = address_;
        mine.session_timeout = 2s;
        node_ = std::make_unique<node>(mine);
        ASSERT_EQ(node_->start(), result<void>{});
        ASSERT_TRUE(
            until([&] { return node_->view().members.size() == 3 && found().size() == 2; }, 20s));
    }
    void TearDown() override {
        node_.reset();
        for (auto& [name, one] : others_) {
            one->terminate();
            EXPECT_TRUE(one->wait(20s).has_value()) << name;
        }
        agents_on_a_keeper::TearDown();
    }
    void run(const std::string& name) {
        others_[name] =
            std::make_unique<child_process>(std::vector<std::string>{"/usr/bin/env",
                                                                     "MUSTER_ZOOKEEPER=" + address_,
                                                                     "MUSTER_NAME=" + name,
                                                                     "MUSTER_SESSION_TIMEOUT=2s",
                                                                     FAR_PROGRAM},
                                            folder_ / (name + ".log"));
    }
    /// Where the name is registered, by member.
    std::map<std::string, pid> found() {
        std::map<std::string, pid> by_member;
        const auto all = node_->find("obedient").get();
        if (all) {
            for (const auto& one : *all) {
                by_member.emplace(one.who.member(), one.who);
            }
        }
        return by_member;
    }
    bool hear(std::size_t count) {
        return until([&] { return heard_->all().size() >= count; }, 20s);
    }
    /// What a new process there is watched to hear after `cause`.
    std::string heard_after(const std::function<void(const pid&)>& cause) {
        const auto view = node_->view();
        const auto who = node_->spawn_on(*view.find("bob"), "obedient").get();
        if (!who) {
            return who.error().text;
        }
        const auto mine = std::make_shared<heard_texts>();
        node_->spawn(watch_over, *who, mine);
        static_cast<void>(until([&] { return mine->all().size() == 1; }, 20s));
        cause(*who);
        static_cast<void>(until([&] { return mine->all().size() == 2; }, 20s));
        return mine->all().back();
    }

    std::unique_ptr<node> node_;
    std::map<std::string, std::unique_ptr<child_process>> others_;
    std::shared_ptr<heard_texts> heard_ = std::make_shared<heard_texts>();
};

TEST_F(members_apart, start_watch_and_end_processes_of_each_other) {
    EXPECT_EQ(heard_after([&](const pid& who) { EXPECT_TRUE(node_->send(who, leave{})); }),
              "exited ");
    EXPECT_EQ(heard_after([&](const pid& who) { EXPECT_TRUE(node_->send(who, crash{"ouch"})); }),
              "crashed ouch");
    EXPECT_EQ(heard_after([&](const pid& who) { node_->spawn(kill_it, who); }), "killed");
}

TEST_F(members_apart, hear_in_one_notice_that_a_program_was_killed_and_find_what_follows_it) {
    const pid old = found().at("bob");
    const pid linked = node_->spawn(be_linked, old);
    node_->spawn(watch_over, old, heard_);
    node_->spawn(watch_over, linked, heard_);
    ASSERT_TRUE(hear(2));
    // Links and monitors have gone before it, on the same way.
    ASSERT_EQ(node_->ask<whoami>(old).get(), result<std::string>{"bob"});
    others_.at("bob")->kill();
    ASSERT_TRUE(hear(4));
    ASSERT_TRUE(until([&] { return found().size() == 1; }, 20s));
    run("bob");
    ASSERT_TRUE(until([&] { return found().contains("bob"); }, 20s));
    const pid fresh = found().at("bob");
    EXPECT_NE(fresh, old);
    EXPECT_EQ(node_->ask<whoami>(fresh).get(), result<std::string>{"bob"});
    const auto stale = node_->ask<whoami>(old).get();
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().code, errc::gone) << stale.error().text;
    const auto all = heard_->all();
    ASSERT_EQ(all.size(), 4U);
    for (std::size_t i = 2; i < 4; ++i) {
        EXPECT_TRUE(all.at(i) == "node lost" || all.at(i) == "unreachable") << all.at(i);
    }
}

TEST_F(members_apart, lose_nothing_to_one_that_stands_still_for_a_while) {
    const pid there = found().at("bob");
    std::atomic<std::int64_t> lost{0};
    ASSERT_TRUE(node_->ask<whoami>(there).get()) << "so that there is a connection";
    others_.at("bob")->pause();
    node_->spawn(send_many, there, 5000, &lost);
    const auto late = node_->within(300ms).ask<whoami>(there).get();
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, errc::outcome_unknown) << late.error().text;
    others_.at("bob")->resume();
    std::vector<std::int64_t> expected(5000);
    std::iota(expected.begin(), expected.end(), 1);
    std::vector<std::int64_t> arrived;
    ASSERT_TRUE(until(
        [&] {
            arrived = node_->ask<noted>(there).get().value_or(arrived);
            return arrived.size() >= expected.size();
        },
        20s));
    EXPECT_EQ(arrived, expected) << "each once, in order";
    EXPECT_EQ(lost, 0);
}

TEST_F(members_apart, tell_the_sender_what_a_killed_program_did_not_take) {
    const pid there = found().at("bob");
    std::atomic<std::int64_t> lost{0};
    ASSERT_TRUE(node_->ask<whoami>(there).get()) << "so that there is a connection";
    others_.at("bob")->pause();
    node_->spawn(send_many, there, 2000, &lost);
    // Behind some of them, on the same way: they have left.
    EXPECT_FALSE(node_->within(300ms).ask<whoami>(there).get());
    others_.at("bob")->kill();
    EXPECT_TRUE(until([&] { return lost == 2000; }, 20s)) << lost;
}

TEST_F(members_apart, follow_the_leadership_to_another_program) {
    // Who leads, and under which epoch.
    const auto led = [&]() -> std::optional<std::pair<std::string, std::int64_t>> {
        const auto said = node_->leader().within(15s).ask<whoami>().get();
        if (!said) {
            return std::nullopt;  // As of whoever had been asked when it was killed.
        }
        const auto space = said->find(' ');
        return std::pair{said->substr(0, space), std::stoll(said->substr(space + 1))};
    };
    const auto first = led();
    ASSERT_TRUE(first);
    ASSERT_TRUE(others_.contains(first->first)) << first->first;
    others_.at(first->first)->kill();
    std::optional<std::pair<std::string, std::int64_t>> next;
    ASSERT_TRUE(until(
        [&] {
            next = led();
            return next && next->first != first->first;
        },
        30s));
    EXPECT_GT(next->second, first->second);
}

}  // namespace
}  // namespace muster::live
