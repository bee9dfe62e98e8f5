// Rule 4 among whole members: a planned move that its new owner prepares first.

#include "cluster/member_fixture_test.hpp"

#include <algorithm>

namespace muster::cluster {
namespace {

class prepare_test : public member_test {
protected:
    static specification prepared(milliseconds deadline) {
        specification spec = hash_of(4);
        spec.prepare_deadline = deadline;
        return spec;
    }
    node& start_slow(const std::string& name, const specification& spec) {
        node& one = start(name, {{"work", spec}});
        one.app->holds_preparing = true;
        return one;
    }
    void end_preparing(node& whose, const result<void>& how = {}) {
        on(whose, [&](node& at) {
            for (auto& done : std::exchange(at.app->preparing, {})) {
                done(how);
            }
        });
    }
    static std::size_t hints(node& by) {
        const auto& entries = by.app->plans.at("work")->whole().chunks.front().entries;
        return static_cast<std::size_t>(
            std::ranges::count_if(entries, [](const entry& one) { return !one.next.empty(); }));
    }
};

TEST_F(prepare_test, the_owner_goes_on_until_the_next_one_is_ready) {
    start_keeper();
    const specification spec = prepared(milliseconds{5000});
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait_owned(a, "work", 4));
    EXPECT_TRUE(a.app->to_prepare.empty()) << "nobody had it";
    node& b = start_slow("b", spec);
    ASSERT_TRUE(wait([&] { return b.app->preparing.size() == 2; }));
    net.run_for(1s);
    EXPECT_EQ(a.app->count("work"), 4U);
    EXPECT_EQ(b.app->count("work"), 0U);
    EXPECT_EQ(b.app->to_prepare.front().owner, a.self->id());
    end_preparing(b);
    ASSERT_TRUE(wait([&] { return b.app->count("work") == 2; }, 100ms));
    EXPECT_EQ(a.app->count("work"), 2U);
    net.run_for(100ms);
    EXPECT_EQ(hints(a), 0U);
    EXPECT_TRUE(status_of(b).resources.at("work").ready.empty());
    EXPECT_EQ(b.app->to_prepare.size(), 2U);
}

TEST_F(prepare_test, a_move_is_done_after_the_deadline_though_nobody_is_ready) {
    start_keeper();
    const specification spec = prepared(milliseconds{1500});
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait_owned(a, "work", 4));
    node& b = start_slow("b", spec);
    ASSERT_TRUE(wait([&] { return b.app->preparing.size() == 2; }));
    const instant begun = net.now();
    ASSERT_TRUE(wait_owned(b, "work", 2));
    EXPECT_GE(net.now() - begun, 1400ms);
    EXPECT_LE(net.now() - begun, 1600ms);
    end_preparing(b);
    net.run_for(100ms);
    EXPECT_TRUE(status_of(b).resources.at("work").ready.empty());
}

TEST_F(prepare_test, who_cannot_prepare_gets_it_all_the_same_and_at_once) {
    start_keeper();
    const specification spec = prepared(milliseconds{5000});
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait_owned(a, "work", 4));
    node& b = start_slow("b", spec);
    ASSERT_TRUE(wait([&] { return b.app->preparing.size() == 2; }));
    end_preparing(b, fail(errc::handler_failed, "there is nothing to read ahead"));
    EXPECT_TRUE(wait([&] { return b.app->count("work") == 2; }, 100ms));
}

TEST_F(prepare_test, another_leader_goes_on_with_what_is_prepared) {
    start_keeper();
    const specification spec = prepared(milliseconds{20'000});
    node& z = start("z");
    ASSERT_TRUE(wait([&] { return z.app->leads; }));
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait_owned(a, "work", 4));
    node& b = start_slow("b", spec);
    ASSERT_TRUE(wait([&] { return b.app->preparing.size() == 2; }));
    z.machine->kill();
    ASSERT_TRUE(wait([&] { return a.app->leads || b.app->leads; }));
    net.run_for(1s);
    EXPECT_EQ(a.app->count("work"), 4U);
    EXPECT_EQ(hints(a), 2U);
    EXPECT_EQ(b.app->to_prepare.size(), 2U) << "nothing is prepared twice";
    end_preparing(b);
    EXPECT_TRUE(wait([&] { return b.app->count("work") == 2; }, 100ms));
}

TEST_F(prepare_test, whoever_crashes_while_it_prepares_is_forgotten) {
    start_keeper();
    const specification spec = prepared(milliseconds{20'000});
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait_owned(a, "work", 4));
    node& b = start_slow("b", spec);
    ASSERT_TRUE(wait([&] { return b.app->preparing.size() == 2; }));
    ASSERT_TRUE(wait([&] { return hints(a) == 2; }));
    b.machine->kill();
    ASSERT_TRUE(wait([&] { return hints(a) == 0; }));
    EXPECT_EQ(a.app->count("work"), 4U);
}

TEST_F(prepare_test, an_owner_that_crashes_meanwhile_is_followed_at_once) {
    start_keeper();
    const specification spec = prepared(milliseconds{20'000});
    node& z = start("z");
    ASSERT_TRUE(wait([&] { return z.app->leads; }));
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait_owned(a, "work", 4));
    node& b = start_slow("b", spec);
    ASSERT_TRUE(wait([&] { return b.app->preparing.size() == 2; }));
    const std::string znode = where.member(a.self->id());
    a.machine->kill();
    while (read(znode).ok()) {
        net.run_for(1ms);
    }
    EXPECT_TRUE(wait([&] { return b.app->count("work") == 4; }, 100ms));
    EXPECT_EQ(b.app->to_prepare.size(), 2U) << "what nobody serves is not prepared";
}

TEST_F(prepare_test, a_member_that_drains_goes_on_until_others_are_ready) {
    start_keeper();
    const specification spec = prepared(milliseconds{20'000});
    node& a = start_slow("a", spec);
    ASSERT_TRUE(wait_owned(a, "work", 4));
    node& b = start("b", {{"work", spec}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    drain("b");
    ASSERT_TRUE(wait([&] { return a.app->preparing.size() == 2; }));
    net.run_for(1s);
    EXPECT_EQ(b.app->count("work"), 2U);
    end_preparing(a);
    EXPECT_TRUE(wait([&] { return a.app->count("work") == 4; }, 100ms));
}

}  // namespace
}  // namespace muster::cluster
