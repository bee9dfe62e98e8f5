// The process of the cluster's leader, in a simulated world.

#include "node/globals_world_test.hpp"

#include <string>
#include <vector>

namespace muster {
namespace {

class led : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "bob", "cid"}) {
            node& one = world.make(world.settings(name));
            static_cast<void>(one.lead(boss, &book));
            ASSERT_TRUE(one.start());
        }
        ASSERT_TRUE(world.until(
            [&] { return book.begun.size() == 1 && world.at("ann").view().members.size() == 3; }));
    }
    [[nodiscard]] std::string leader() const { return book.begun.back().member; }
    std::string answers(const std::string& by) {
        const auto got = world.answer(world.at(by).leader().within(20s).ask<who_are_you>());
        return got ? *got : got.error().text;
    }
    boss_book book, other;
    node_world world;
};

TEST_F(led, the_leader_is_asked_in_the_same_way_from_everywhere) {
    for (const char* name : {"ann", "bob", "cid"}) {
        EXPECT_EQ(answers(name), leader()) << "by " << name;
        const auto seen = world.at(name).view();
        EXPECT_EQ(seen.find(seen.leader)->name, leader());
        EXPECT_EQ(seen.epoch.value(), book.begun.back().fence.value());
    }
    EXPECT_EQ(book.most, 1);
}

TEST_F(led, the_process_goes_with_the_leadership_when_the_leader_is_killed) {
    const std::string first = leader();
    world.kill(first);
    book.running = 0;
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    world.in.run_for(2s);
    EXPECT_NE(leader(), first);
    EXPECT_TRUE(fences_grow(book));
    for (const std::string name : {"ann", "bob", "cid"}) {
        if (name != first) {
            EXPECT_EQ(answers(name), leader());
        }
    }
}

TEST_F(led, the_process_ends_with_the_lease_before_anybody_else_leads) {
    const std::string first = leader();
    world.in.isolate(world.host(first));
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    EXPECT_EQ(book.most, 1);
    EXPECT_NE(leader(), first);
    world.in.heal();
    world.in.run_for(20s);
    EXPECT_EQ(answers(first), leader());
    EXPECT_EQ(book.most, 1);
}

// Row 58: the leadership flaps; what is tied to it begins and ends with it, every time.
TEST_F(led, the_process_follows_a_leadership_that_flaps) {
    for (int i = 0; i < 12; ++i) {
        const std::size_t before = book.begun.size();
        world.in.isolate(world.host(leader()));
        ASSERT_TRUE(world.until([&] { return book.begun.size() > before; })) << i;
        world.in.heal();
        world.in.run_for(20s);
        ASSERT_EQ(book.running, 1) << i;
        ASSERT_EQ(book.most, 1) << i;
    }
    EXPECT_TRUE(fences_grow(book));
    for (const char* name : {"ann", "bob", "cid"}) {
        EXPECT_EQ(answers(name), leader());
    }
}

// Row 64: whom its peers do not reach, and ZooKeeper does, goes on to lead.
TEST_F(led, the_process_stays_with_a_leader_that_its_peers_do_not_reach) {
    const std::string first = leader();
    for (const char* name : {"ann", "bob", "cid"}) {
        if (name != first) {
            world.in.cut(world.host(name), world.host(first));
            world.in.cut(world.host(first), world.host(name));
        }
    }
    world.in.run_for(60s);
    EXPECT_EQ(book.most, 1);
    EXPECT_EQ(book.running, 1);
    EXPECT_EQ(answers(first), first);
}

TEST_F(led, the_process_ends_before_anybody_else_leads_when_the_leader_leaves) {
    const std::string first = leader();
    ASSERT_TRUE(world.answer(world.at(first).leave()));
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    EXPECT_EQ(book.most, 1);
    EXPECT_NE(leader(), first);
    EXPECT_TRUE(fences_grow(book));
}

TEST_F(led, a_process_that_ends_is_started_again_while_its_node_leads) {
    const std::string first = leader();
    ASSERT_TRUE(world.at(first).leader().send(crash_now{}));
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    EXPECT_EQ(leader(), first);
    EXPECT_EQ(book.most, 1);
    for (const char* name : {"ann", "bob", "cid"}) {
        EXPECT_EQ(answers(name), first);
    }
}

TEST_F(led, a_second_body_takes_the_place_of_the_first) {
    for (const char* name : {"ann", "bob", "cid"}) {
        static_cast<void>(world.at(name).lead(boss, &other));
    }
    ASSERT_TRUE(world.until([&] { return other.running == 1; }));
    EXPECT_EQ(book.running, 0);
    EXPECT_EQ(other.begun.front().member, leader());
    EXPECT_EQ(answers("ann"), leader());
}

/// Two nodes, on which the process of the leader takes its time to end.
class slowly_led : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const std::string name : {"ann", "bob"}) {
            application program;
            program.check_health = [this, name] {
                return name == suspect ? health::suspect : health::good;
            };
            node& one = world.make(world.settings(name), std::move(program));
            const pid silent = one.spawn([](self me) -> process {
                const auto in = co_await me.receive<end_now>();
                static_cast<void>(in);
            });
            static_cast<void>(one.lead(slow_to_end, silent, &book));
            ASSERT_TRUE(one.start());
        }
        ASSERT_TRUE(world.until([&] {
            return book.begun.size() == 1 && world.at("ann").view().members.size() == 2 &&
                   world.at("ann").state() == member_state::online &&
                   world.at("bob").state() == member_state::online;
        }));
        first = book.begun.front().member;
    }
    /// The other one leads, after the process of the first has had its 5 seconds and not before.
    void expect_the_other_after(instant asked) {
        ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
        EXPECT_GE(world.in.now() - asked, 5s);
        EXPECT_LT(world.in.now() - asked, 8s);
        EXPECT_EQ(book.most, 1);
        EXPECT_NE(book.begun.back().member, first);
        EXPECT_TRUE(fences_grow(book));
    }
    std::string suspect;
    std::string first;
    boss_book book;
    node_world world;
};

TEST_F(slowly_led, nobody_else_leads_before_the_process_has_ended_when_the_leader_leaves) {
    const instant asked = world.in.now();
    auto left = world.at(first).leave();
    expect_the_other_after(asked);
    EXPECT_TRUE(world.answer(std::move(left)));
}

TEST_F(slowly_led, nobody_else_leads_before_the_process_has_ended_when_the_leader_steps_down) {
    const instant asked = world.in.now();
    suspect = first;
    expect_the_other_after(asked);
}

TEST(a_leader, that_has_no_process_lets_the_asker_wait_until_its_deadline) {
    node_world world;
    world.start_keeper();
    node& one = world.make(world.settings("ann"));
    ASSERT_TRUE(one.start());
    ASSERT_TRUE(world.until([&] { return one.state() == member_state::online; }));
    auto asked = one.leader().within(2s).ask<who_are_you>();
    world.in.run_for(1s);
    EXPECT_FALSE(asked.is_ready());
    const auto got = world.answer(std::move(asked));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().next(), next_step::wait);
    boss_book book;
    auto later = one.leader().within(5s).ask<who_are_you>();
    static_cast<void>(one.lead(boss, &book));
    EXPECT_EQ(world.answer(std::move(later)), result<std::string>{"ann"});
    world.forget("ann");
}

}  // namespace
}  // namespace muster
