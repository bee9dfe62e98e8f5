#include "node/asking.hpp"

#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace muster::detail {
namespace {

const member_id ann{0, 1};
const member_id bob{0, 2};
const member_id cid{0, 3};

/// A mesh that answers as a script says, and keeps who was asked.
class scripted_mesh final : public mesh::mesh {
public:
    using script = std::function<std::optional<result<std::string>>(const ask_envelope&)>;

    explicit scripted_mesh(std::shared_ptr<runtime::loop> loop) : loop_{std::move(loop)} {}

    [[nodiscard]] runtime::endpoint local() const override { return {}; }
    void become(member_id) override {}
    void set_key(std::string) override {}
    void request(const muster::mesh::peer& to,
                 std::string body,
                 instant,
                 callback<result<std::string>> done) override {
        auto what = decode<ask_envelope>(body);
        asked.emplace_back(to.id, what->fence);
        auto got = by[to.id](*what);
        if (!got) {
            open.push_back(std::move(done));
            return;
        }
        loop_->post([done = std::move(done), got = std::move(*got)]() mutable { done(got); });
    }
    [[nodiscard]] result<void> post(const muster::mesh::peer&,
                                    std::uint8_t,
                                    std::uint64_t,
                                    std::string_view) override {
        return {};
    }
    [[nodiscard]] std::shared_ptr<muster::mesh::way> way_to(const muster::mesh::peer&) override {
        return nullptr;
    }
    void request(muster::mesh::way&,
                 std::string_view,
                 instant,
                 callback<result<std::string>>) override {}
    [[nodiscard]] result<void> post(muster::mesh::way&,
                                    std::uint8_t,
                                    std::uint64_t,
                                    std::string_view) override {
        return {};
    }
    [[nodiscard]] result<void> post(muster::mesh::way&,
                                    std::uint8_t,
                                    std::string_view,
                                    std::string_view) override {
        return {};
    }
    [[nodiscard]] std::size_t waiting_for(const muster::mesh::peer&) const override { return 0; }
    [[nodiscard]] bool is_connected(const member_id&) const override { return false; }
    [[nodiscard]] muster::mesh::counters count() const override { return {}; }
    [[nodiscard]] std::vector<muster::mesh::peer_counters> peers() const override { return {}; }
    void stop(task_fn) override {}
    void stop() override {}
    void drop() override {}

    std::map<member_id, script> by;
    std::vector<std::pair<member_id, std::int64_t>> asked;
    std::vector<callback<result<std::string>>> open;

private:
    std::shared_ptr<runtime::loop> loop_;
};

result<std::string> said(ask_end how, std::string body = {}) {
    return encode(ask_answer{.how = how, .body = std::move(body), .code = 0, .text = {}});
}

/// The node `ann`, as little of it as asking needs.
class services final : public node_services {
public:
    services() {
        loops = {machine->make_loop("one"), machine->make_loop("two")};
        net = std::make_unique<scripted_mesh>(loops[1]);
        auto now = std::make_shared<view>();
        for (const auto& [id, name] : {std::pair{ann, "ann"}, {bob, "bob"}, {cid, "cid"}}) {
            member one;
            one.id = id;
            one.name = name;
            now->members.push_back(one);
        }
        seen = now;
    }
    [[nodiscard]] const std::shared_ptr<runtime::platform>& platform() const override {
        return machine;
    }
    [[nodiscard]] const std::shared_ptr<runtime::loop>& worker(std::size_t number) const override {
        return loops[number];
    }
    [[nodiscard]] std::size_t worker_count() const override { return loops.size(); }
    [[nodiscard]] mesh::mesh* mesh() const override { return net.get(); }
    [[nodiscard]] member_id self() const override { return ann; }
    [[nodiscard]] std::shared_ptr<const view> newest_view() const override { return seen; }
    [[nodiscard]] std::chrono::nanoseconds ask_deadline() const override { return 5s; }
    [[nodiscard]] bool stopped() const override { return has_stopped; }
    [[nodiscard]] bool stranded() const override { return is_stranded; }
    void heard(const mesh::peer&, const result<std::string>&) override {}
    void no_longer_stuck(const cluster::right::identity&) override {}
    void change_list(const std::string&,
                     const std::string&,
                     bool,
                     instant,
                     callback<result<void>> done) override {
        done({});
    }

    runtime::sim::world in{3};
    std::shared_ptr<runtime::platform> machine = in.add_host("ann").process();
    std::vector<std::shared_ptr<runtime::loop>> loops;
    std::unique_ptr<scripted_mesh> net;
    std::shared_ptr<const view> seen;
    bool has_stopped = false;
    bool is_stranded = false;
};

class asking_an_owner : public testing::Test {
protected:
    ~asking_an_owner() override {
        for (const auto& loop : node->loops) {
            loop->stop();
        }
        node->net->open.clear();  // What is never answered holds those who ask.
        resource->shut();
    }
    void plan(std::int64_t number, member_id owner) {
        cluster::specification spec;
        spec.kind = cluster::resource_kind::hash;
        spec.partitions = 1;
        cluster::plan whole;
        whole.number = number;
        cluster::entry one;
        one.partition = "0";
        one.owner = owner;
        one.fence = number;
        whole.chunks.push_back({.number = number, .entries = {one}});
        resource->plan_read(
            std::make_shared<const cluster::plan_snapshot>("shelves", 0, spec, whole));
    }
    void ask(duration within = 5s) {
        begun = node->in.now();
        resource->ask("key", false, "get", "body", within, [this](result<answered> got) {
            answers.push_back(std::move(got));
            took = node->in.now() - begun;
        });
    }
    std::string outcome() const {
        if (answers.size() != 1) {
            return std::to_string(answers.size()) + " answers";
        }
        return answers[0] ? answers[0]->body : std::string{name_of(answers[0].error().code)};
    }

    std::shared_ptr<services> node = std::make_shared<services>();
    std::shared_ptr<resource_host> resource = std::make_shared<resource_host>("shelves", node);
    std::vector<result<answered>> answers;
    instant begun{};
    duration took{};
    std::vector<std::pair<member_id, std::int64_t>>& asked = node->net->asked;
    using asks = std::vector<std::pair<member_id, std::int64_t>>;
};

TEST_F(asking_an_owner, carries_the_fence_of_the_plan_and_brings_the_answer) {
    plan(7, bob);
    node->net->by[bob] = [](const ask_envelope& what) {
        return said(ask_end::answered,
                    what.resource + "/" + what.partition + " " + what.type + " " + what.body);
    };
    ask();
    node->in.run_for(1s);
    EXPECT_EQ(outcome(), "shelves/0 get body");
    EXPECT_EQ(asked, (asks{{bob, 7}}));
}

// faults.md row 114: the former owner says so, and the asker follows.
TEST_F(asking_an_owner, row_114_goes_to_the_new_owner_as_soon_as_the_plan_says_so) {
    plan(7, bob);
    node->net->by[bob] = [](const ask_envelope&) { return said(ask_end::not_owner); };
    node->net->by[cid] = [](const ask_envelope&) { return said(ask_end::answered, "cid's"); };
    ask();
    node->in.run_for(500ms);
    EXPECT_EQ(outcome(), "0 answers");
    const auto polls = asked.size();
    EXPECT_LE(polls, 20U);  // It does not hammer.
    const instant moved = node->in.now();
    plan(8, cid);
    node->in.run_for(1s);
    EXPECT_EQ(outcome(), "cid's");
    EXPECT_LT(begun + took - moved, 1ms);  // It was woken, not due.
    EXPECT_EQ(asked.back(), (std::pair{cid, std::int64_t{8}}));
    EXPECT_EQ(asked.size(), polls + 1);
}

TEST_F(asking_an_owner, waits_while_there_is_none_and_says_so_at_the_deadline) {
    plan(7, {});
    ask(2s);
    node->in.run_for(1900ms);
    EXPECT_EQ(outcome(), "0 answers");
    node->in.run_for(1s);
    EXPECT_EQ(outcome(), "moving");
    EXPECT_LT(took, 2100ms);
    EXPECT_TRUE(asked.empty());
}

TEST_F(asking_an_owner, who_is_leaving_waits_for_the_next_one) {
    plan(7, bob);
    node->net->by[bob] = [](const ask_envelope&) -> result<std::string> {
        return fail(errc::closed, "the member asked is leaving");
    };
    node->net->by[cid] = [](const ask_envelope&) { return said(ask_end::answered, "cid's"); };
    ask();
    node->in.run_for(100ms);
    EXPECT_EQ(outcome(), "0 answers");
    plan(8, cid);
    node->in.run_for(1s);
    EXPECT_EQ(outcome(), "cid's");
}

TEST_F(asking_an_owner,
       of_a_name_that_a_stranded_node_does_not_know_is_no_proof_that_it_is_not_there) {
    cluster::specification spec;
    spec.kind = cluster::resource_kind::list;
    cluster::plan whole;
    whole.number = 7;
    whole.chunks.push_back({.number = 7, .entries = {}});
    resource->plan_read(std::make_shared<const cluster::plan_snapshot>("shelves", 0, spec, whole));
    node->is_stranded = true;
    ask(2s);
    node->in.run_for(3s);
    EXPECT_EQ(outcome(), "stranded");
    node->is_stranded = false;
    answers.clear();
    ask(2s);
    node->in.run_for(3s);
    EXPECT_EQ(outcome(), "not_found");
}

TEST_F(asking_an_owner, once_woken_is_not_sent_again_by_the_pause_that_it_was_woken_from) {
    plan(7, bob);
    node->net->by[bob] = [](const ask_envelope&) { return said(ask_end::not_owner); };
    ask();
    node->in.run_for(200ms);  // The pauses are 50 ms long by now.
    asked.clear();
    node->net->by[cid] = [](const ask_envelope&) -> std::optional<result<std::string>> {
        return std::nullopt;  // It is slow to answer.
    };
    plan(8, cid);
    node->in.run_for(1s);
    EXPECT_EQ(asked, (asks{{cid, 8}}));
}

TEST_F(asking_an_owner, is_never_repeated_after_it_may_have_run) {
    for (const errc code : {errc::outcome_unknown, errc::timed_out, errc::incompatible}) {
        answers.clear();
        asked.clear();
        plan(7, bob);
        node->net->by[bob] = [code](const ask_envelope&) -> result<std::string> {
            return fail(code, "as the script says");
        };
        ask();
        node->in.run_for(10s);
        EXPECT_EQ(outcome(), name_of(code));
        EXPECT_EQ(asked.size(), 1U);
    }
}

TEST_F(asking_an_owner, is_repeated_while_it_certainly_did_not_run) {
    for (const errc code : {errc::unavailable, errc::gone, errc::overloaded}) {
        answers.clear();
        asked.clear();
        plan(7, bob);
        int left = 3;
        node->net->by[bob] = [code, &left](const ask_envelope&) -> result<std::string> {
            if (left-- > 0) {
                return fail(code, "as the script says");
            }
            return said(ask_end::answered, "at last");
        };
        ask();
        node->in.run_for(10s);
        EXPECT_EQ(outcome(), "at last");
        EXPECT_EQ(asked.size(), 4U);
    }
}

TEST_F(asking_an_owner, is_repeated_whichever_way_the_owner_says_that_it_did_not_run) {
    for (const ask_end how : {ask_end::not_owner, ask_end::moving, ask_end::stranded}) {
        answers.clear();
        asked.clear();
        plan(7, bob);
        int left = 3;
        node->net->by[bob] = [how, &left](const ask_envelope&) {
            return left-- > 0 ? said(how) : said(ask_end::answered, "at last");
        };
        ask();
        node->in.run_for(10s);
        EXPECT_EQ(outcome(), "at last");
        EXPECT_EQ(asked.size(), 4U);
    }
}

TEST_F(asking_an_owner, is_not_repeated_for_an_error_of_the_handler_whatever_its_code) {
    for (const errc code : {errc::unavailable,
                            errc::stranded,
                            errc::moving,
                            errc::overloaded,
                            errc::gone,
                            errc::closed}) {
        answers.clear();
        asked.clear();
        plan(7, bob);
        node->net->by[bob] = [code](const ask_envelope&) -> result<std::string> {
            return encode(ask_answer{.how = ask_end::failed,
                                     .body = {},
                                     .code = static_cast<std::uint8_t>(code),
                                     .text = "of the handler"});
        };
        ask();
        node->in.run_for(10s);
        EXPECT_EQ(outcome(), name_of(code));
        EXPECT_EQ(asked.size(), 1U);
    }
}

TEST_F(asking_an_owner, brings_the_error_of_the_handler_as_it_was) {
    plan(7, bob);
    node->net->by[bob] = [](const ask_envelope&) -> result<std::string> {
        return encode(ask_answer{.how = ask_end::failed,
                                 .body = {},
                                 .code = static_cast<std::uint8_t>(errc::conflict),
                                 .text = "taken"});
    };
    ask();
    node->in.run_for(1s);
    EXPECT_EQ(outcome(), "conflict");
    EXPECT_EQ(answers[0].error().text, "taken");
}

TEST_F(asking_an_owner, takes_bytes_that_are_no_answer_for_an_unknown_outcome) {
    plan(7, bob);
    for (const std::string& bytes :
         {std::string{},
          std::string{"\xff\xff"},
          encode(ask_answer{.how = static_cast<ask_end>(99), .body = {}, .code = 0, .text = {}})}) {
        answers.clear();
        node->net->by[bob] = [bytes](const ask_envelope&) { return result<std::string>{bytes}; };
        ask();
        node->in.run_for(1s);
        EXPECT_EQ(outcome(), "outcome_unknown");
    }
}

TEST_F(asking_an_owner, ends_when_its_node_does) {
    plan(7, bob);
    node->net->by[bob] = [](const ask_envelope&) { return std::nullopt; };  // Says nothing.
    ask(1h);
    plan(7, bob);
    node->in.run_for(1s);
    for (const auto& loop : node->loops) {
        loop->stop();
    }
    resource->shut();
    node->net->open.clear();
    EXPECT_EQ(outcome(), "outcome_unknown");
    answers.clear();
    node->has_stopped = true;
    ask(1h);
    EXPECT_EQ(outcome(), "closed");
}

struct probe {
    using reply = std::string;
    std::string key;
};
struct probed {
    using handles = requests<probe>;
};

/// Asks all partitions of a list while plans change.
class a_scatter_while_plans_change : public asking_an_owner {
protected:
    void plan(std::int64_t number, const std::map<std::string, member_id>& owners) {
        cluster::specification spec;
        spec.kind = cluster::resource_kind::list;
        cluster::plan_chunk all{.number = number, .entries = {}};
        for (const auto& [name, owner] : owners) {
            auto& one = all.entries.emplace_back();
            one.partition = name;
            one.owner = owner;
            one.fence = number;
        }
        resource->plan_read(std::make_shared<const cluster::plan_snapshot>(
            "shelves",
            0,
            spec,
            cluster::plan{.number = number, .since = {}, .chunks = {std::move(all)}}));
    }
    static scripted_mesh::script says(const std::string& name) {
        return [name](const ask_envelope& what) {
            return said(ask_end::answered, encode(name + " of " + what.partition));
        };
    }
};

TEST_F(a_scatter_while_plans_change, follows_what_moves_and_misses_what_is_removed) {
    plan(7, {{"a", bob}, {"b", bob}, {"c", cid}});
    node->net->by[bob] = [](const ask_envelope&) { return said(ask_end::not_owner); };
    node->net->by[cid] = says("cid");
    auto got = muster::resource<probed>{resource}.scatter<probe>("");
    node->in.run_for(10ms);
    EXPECT_FALSE(got.is_ready());
    plan(8, {{"a", cid}, {"c", cid}, {"d", cid}});
    node->in.run_for(1s);
    ASSERT_TRUE(got.is_ready());
    const auto all = got.get();
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_EQ(all->plan, 7);
    ASSERT_EQ(all->answers.size(), 2U);
    EXPECT_EQ(all->answers[0].partition, "a");
    EXPECT_EQ(all->answers[0].reply, "cid of a");
    EXPECT_EQ(all->answers[0].plan, 8) << "it was routed by a newer one";
    EXPECT_EQ(all->answers[1].partition, "c");
    EXPECT_EQ(all->answers[1].reply, "cid of c");
    EXPECT_EQ(all->answers[1].plan, 7);
    ASSERT_EQ(all->missing.size(), 1U);
    EXPECT_EQ(all->missing[0].partition, "b");
    EXPECT_EQ(all->missing[0].why.code, errc::not_found) << all->missing[0].why.text;
}

TEST_F(asking_an_owner, ends_when_its_node_does_while_it_waits_for_one) {
    plan(7, {});
    ask(1h);
    node->in.run_for(1s);
    for (const auto& loop : node->loops) {
        loop->stop();
    }
    resource->shut();
    EXPECT_EQ(outcome(), "closed");
}

class a_route : public asking_an_owner {
protected:
    /// Where the key is served, as this thread finds it, and as another does that has looked
    /// before.
    std::pair<std::string, std::string> address() {
        const auto here = resource->where("key");
        return {here ? here->address : "none", other.ask([this] {
                    const auto there = resource->where("key");
                    return there ? there->address : "none";
                })};
    }
    void move_all_to(const std::string& host) {
        auto next = std::make_shared<view>(*node->seen);
        for (member& one : next->members) {
            one.address = host + ":" + one.name;
        }
        node->seen = next;
        resource->view_read();
    }
    static std::pair<std::string, std::string> both(const std::string& text) {
        return {text, text};
    }

    /// A thread that answers a question at a time.
    class answering_thread {
    public:
        answering_thread() = default;
        answering_thread(const answering_thread&) = delete;
        answering_thread& operator=(const answering_thread&) = delete;
        ~answering_thread() {
            question_ = nullptr;
            turn_.arrive_and_wait();
            thread_.join();
        }
        std::string ask(std::function<std::string()> question) {
            question_ = std::move(question);
            turn_.arrive_and_wait();
            turn_.arrive_and_wait();
            return answer_;
        }

    private:
        void work() {
            for (turn_.arrive_and_wait(); question_; turn_.arrive_and_wait()) {
                answer_ = question_();
                turn_.arrive_and_wait();
            }
        }
        std::function<std::string()> question_;
        std::string answer_;
        std::barrier<> turn_{2};
        std::thread thread_{[this] { work(); }};
    };
    answering_thread other;
};

TEST_F(a_route, is_that_of_the_newest_plan_and_view_on_every_thread) {
    EXPECT_EQ(address(), both("none"));
    move_all_to("a");
    EXPECT_EQ(address(), both("none")) << "there is no plan";
    plan(7, bob);
    EXPECT_EQ(address(), both("a:bob"));
    for (std::int64_t i = 8; i < 50; i += 2) {
        plan(i, cid);
        EXPECT_EQ(address(), both(i == 8 ? "a:cid" : "b:cid"));
        plan(i + 1, bob);
        move_all_to("b");
        EXPECT_EQ(address(), both("b:bob"));
    }
}

TEST_F(a_route, does_not_change_while_it_is_kept) {
    move_all_to("a");
    plan(7, bob);
    const auto before = resource->where("key");
    const route copy = *before;
    plan(8, cid);
    resource->shut();
    resource = std::make_shared<resource_host>("others", node);
    EXPECT_EQ(*before, copy);
    EXPECT_EQ(before->plan, 7);
}

TEST_F(a_route, does_not_keep_an_old_plan) {
    plan(7, bob);
    EXPECT_EQ(address(), both(""));
    const std::weak_ptr<const cluster::plan_snapshot> before = resource->plan();
    plan(8, cid);
    EXPECT_TRUE(before.expired());
}

}  // namespace
}  // namespace muster::detail
