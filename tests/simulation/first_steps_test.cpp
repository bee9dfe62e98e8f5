// A cluster of real members on a simulated network: the plain cases, one after the other.

#include "simulation/sim_cluster.hpp"

#include <gtest/gtest.h>

#include <string>

namespace muster::simulation {
namespace {

using cluster::lifecycle;

#define EXPECT_KEPT(box) EXPECT_TRUE((box).judge().ok()) << (box).judge().report()
#define ASSERT_SETTLES(box, partitions, patience)                                       \
    ASSERT_TRUE((box).run_until([&] { return (box).settled(partitions); }, (patience))) \
        << (box).unsettled(partitions) << "\n"                                          \
        << (box).judge().report()

const std::map<std::string, std::size_t> all_orders{{"orders", 8}};

TEST(a_simulated_cluster, gives_everything_to_its_only_member) {
    sim_cluster box{1};
    box.start_keeper();
    box.start(box.add("a", {{"orders", hash_of(8)}}));
    ASSERT_SETTLES(box, all_orders, 5s);
    EXPECT_EQ(box.shares("orders").at("a"), 8U);
    EXPECT_KEPT(box);
}

TEST(a_simulated_cluster, balances_three_members) {
    sim_cluster box{2};
    box.start_keeper();
    for (const char* name : {"a", "b", "c"}) {
        box.start(box.add(name, {{"orders", hash_of(8)}}));
    }
    ASSERT_SETTLES(box, all_orders, 5s);
    box.run_for(1s);
    for (const auto& [name, share] : box.shares("orders")) {
        EXPECT_GE(share, 2U) << name;
        EXPECT_LE(share, 3U) << name;
    }
    EXPECT_KEPT(box);
}

/// Three members that own eight partitions, settled.
class three_members : public testing::Test {
protected:
    void SetUp() override {
        box.start_keeper();
        for (const char* name : {"a", "b", "c"}) {
            box.start(box.add(name, {{"orders", spec()}}));
        }
        ASSERT_SETTLES(box, all_orders, 5s);
        box.run_for(1s);
    }
    void TearDown() override { EXPECT_KEPT(box); }

    static cluster::specification spec() {
        cluster::specification one = hash_of(8);
        one.handover_delay = 100ms;
        return one;
    }
    sim_cluster::node& follower() {
        for (auto& one : box.nodes()) {
            if (one.get() != box.leader()) {
                return *one;
            }
        }
        return *box.nodes().front();
    }
    /// L1: a host that is lost.
    static constexpr duration failover = 2000ms + 750ms + 500ms + 100ms;

    sim_cluster box{3};
};

TEST_F(three_members, show_where_each_is_and_what_it_says_of_itself_to_every_other) {
    for (auto& one : box.nodes()) {
        const auto view = one->running->view();
        ASSERT_TRUE(view);
        ASSERT_EQ(view->members.size(), box.nodes().size());
        for (std::size_t i = 0; i < view->members.size(); ++i) {
            const sim_cluster::node& shown = *box.nodes()[i];
            const auto& item = view->members[i];
            EXPECT_EQ(item.id, shown.running->id()) << one->shape.name;
            EXPECT_EQ(item.state, lifecycle::online) << one->shape.name;
            EXPECT_EQ(item.described.name, shown.shape.name) << one->shape.name;
            EXPECT_EQ(item.described.address, shown.machine->address() + ":7000");
            EXPECT_EQ(item.described.metadata,
                      (std::map<std::string, std::string>{{"home", shown.shape.name}}));
        }
    }
}

// Row 58: each way in which a leader can end, several times over.
TEST_F(three_members, are_told_strictly_in_turn_that_they_lead_and_that_they_do_not) {
    std::size_t told = 0;
    const auto count = [&](const sim_cluster::node& one) {
        bool leads = false;
        for (const bool gained : one.running->leaderships()) {
            EXPECT_NE(gained, leads) << one.shape.name;
            leads = gained;
            ++told;
        }
    };
    for (int round = 0; round < 9; ++round) {
        sim_cluster::node& leader = *box.leader();
        if (round % 3 == 0) {
            leader.running->leave(5s);
            ASSERT_TRUE(box.run_until([&] { return leader.running->has_left(); }, 6s));
            count(leader);
            EXPECT_FALSE(leader.running->leaderships().back()) << "it has left, and was not told";
            box.restart(leader);
        } else if (round % 3 == 1) {
            box.world().cut(*leader.machine, box.keeper_host());
            box.run_for(5s);
            EXPECT_FALSE(leader.running->leaderships().back()) << "its lease has ended";
            box.world().heal();
        } else {
            leader.running->pause();
            box.run_for(5s);
            leader.running->resume();
        }
        ASSERT_SETTLES(box, all_orders, 10s);
    }
    for (auto& one : box.nodes()) {
        count(*one);
    }
    EXPECT_GE(told, 18U);
}

TEST_F(three_members, hand_everything_over_when_one_leaves) {
    sim_cluster::node& leaver = follower();
    leaver.running->leave(10s);
    ASSERT_TRUE(box.run_until([&] { return leaver.running->has_left(); }, 2s))
        << box.judge().report();
    EXPECT_TRUE(leaver.running->left()->has_value()) << leaver.running->left()->error().text;
    box.kill(leaver);
    ASSERT_SETTLES(box, all_orders, 100ms);
}

TEST_F(three_members, go_on_when_the_leader_leaves) {
    sim_cluster::node& leaver = *box.leader();
    leaver.running->leave(10s);
    ASSERT_TRUE(box.run_until([&] { return leaver.running->has_left(); }, 2s))
        << box.judge().report();
    EXPECT_TRUE(leaver.running->left()->has_value()) << leaver.running->left()->error().text;
    box.kill(leaver);
    ASSERT_SETTLES(box, all_orders, 200ms);
}

TEST_F(three_members, replace_one_that_is_killed) {
    box.kill(follower());
    ASSERT_SETTLES(box, all_orders, failover);
}

TEST_F(three_members, replace_a_leader_that_is_killed) {
    box.kill(*box.leader());
    ASSERT_SETTLES(box, all_orders, failover);
}

// Rows 24 and 70: the first incarnation has to be gone before the second is admitted.
TEST_F(three_members, take_one_back_under_its_old_name) {
    sim_cluster::node& again = follower();
    const member_id before = again.running->ids().back();
    box.restart(again);
    ASSERT_SETTLES(box, all_orders, failover + 1s);
    EXPECT_NE(again.running->ids().back(), before);
    box.run_for(2s);
    EXPECT_EQ(box.shares("orders").size(), 3U) << box.judge().report();
}

// Row 5: when it goes on, it may not act any more.
TEST_F(three_members, replace_one_that_is_stopped_for_longer_than_its_lease) {
    sim_cluster::node& stopped = follower();
    stopped.running->pause();
    ASSERT_TRUE(box.run_until(
        [&] { return box.shares("orders").size() == 2 && box.judge().owners().size() == 8; },
        failover))
        << box.judge().report();
    box.run_for(5s);
    stopped.running->resume();
    ASSERT_SETTLES(box, all_orders, failover + 1s);
    box.run_for(2s);
    EXPECT_EQ(box.shares("orders").size(), 3U) << box.judge().report();
}

// Row 6, the shorter half: nothing happens.
TEST_F(three_members, do_not_notice_a_short_stop) {
    sim_cluster::node& stopped = follower();
    const std::uint64_t acquires = box.judge().acquires();
    stopped.running->pause();
    box.run_for(800ms);
    stopped.running->resume();
    box.run_for(5s);
    EXPECT_EQ(box.judge().acquires(), acquires);
    EXPECT_TRUE(box.settled(all_orders)) << box.unsettled(all_orders);
}

// Rows 2, 6 and 82: the lease ends without a call to anyone, the sessions live on.
TEST_F(three_members, let_go_of_everything_when_zookeeper_is_lost) {
    for (auto& one : box.nodes()) {
        box.world().cut(*one->machine, box.keeper_host());
        box.world().cut(box.keeper_host(), *one->machine);
    }
    box.run_for(2s);
    EXPECT_TRUE(box.judge().owners().empty());
    for (auto& one : box.nodes()) {
        EXPECT_EQ(one->running->state(), lifecycle::stranded) << one->shape.name;
    }
    box.world().heal();
    ASSERT_SETTLES(box, all_orders, 8s);
}

// Row 6, the longer half, for all at once: the leases end, the sessions live on.
TEST_F(three_members, own_again_in_the_same_sessions_under_larger_fences) {
    std::vector<member_id> before;
    for (auto& one : box.nodes()) {
        before.push_back(one->running->ids().back());
        box.world().cut(*one->machine, box.keeper_host());
    }
    box.run_for(1650ms);
    EXPECT_TRUE(box.judge().owners().empty());
    box.world().heal();
    ASSERT_SETTLES(box, all_orders, 4s);
    for (std::size_t i = 0; i < before.size(); ++i) {
        EXPECT_EQ(box.nodes()[i]->running->ids().back(), before[i]) << box.judge().report();
    }
}

// A keeper keeps nothing: what comes back is an empty server, and numbers still grow.
TEST_F(three_members, begin_anew_when_the_server_has_lost_everything) {
    for (int i = 0; i < 20; ++i) {  // A view number far above an empty server's first.
        box.nodes()[0]->running->ask([i](cluster::member& one) { one.suspect_itself(i % 2 == 0); });
        box.run_for(200ms);
    }
    box.kill_keeper();
    box.run_for(3s);
    EXPECT_TRUE(box.judge().owners().empty());
    box.start_keeper();
    ASSERT_SETTLES(box, all_orders, 10s);
}

// A handler that fails is tried again, elsewhere or later, though nothing else happens.
TEST(a_simulated_cluster, tries_again_where_a_handler_failed) {
    sim_cluster box{5};
    box.start_keeper();
    process_shape shape;
    shape.name = "a";
    shape.serves = {{"orders", hash_of(8)}};
    shape.application.acquire_fails_percent = 60;
    box.start(box.add(shape));
    ASSERT_SETTLES(box, all_orders, 120s);
    EXPECT_KEPT(box);
}

// Rows 25 and 35: the first member of all is ended, or loses its connection, after each message it
// sends while it starts; another one finds what is there of the frame.
TEST(a_simulated_cluster, begins_wherever_its_first_member_was_interrupted) {
    for (const bool dies : {true, false}) {
        unsigned steps = 0;
        for (bool reached = true; reached; ++steps) {
            sim_cluster box{6};
            box.start_keeper();
            sim_cluster::node& first = box.add("a", {{"orders", hash_of(8)}});
            sim_cluster::node& second = box.add("b", {{"orders", hash_of(8)}});
            unsigned sent = 0;
            reached = false;
            box.world().set_filter([&](const runtime::sim::packet_info& packet) {
                if (packet.from != "a" || sent++ != steps) {
                    return runtime::sim::verdict::deliver;
                }
                reached = true;
                return dies ? runtime::sim::verdict::deliver : runtime::sim::verdict::break_after;
            });
            box.start(first);
            box.run_until([&] { return reached; }, 500ms);
            box.world().set_filter({});
            if (dies) {
                box.kill(first);
            }
            box.start(second);
            ASSERT_SETTLES(box, all_orders, 5s);
            EXPECT_KEPT(box);
        }
        EXPECT_GT(steps, 15U);
    }
}

TEST(a_simulated_cluster, starts_without_zookeeper) {
    sim_cluster box{4};
    sim_cluster::node& only = box.add("a", {{"orders", hash_of(8)}});
    box.start(only);
    box.run_for(20s);
    EXPECT_EQ(only.running->state(), lifecycle::stranded);
    box.start_keeper();
    ASSERT_SETTLES(box, all_orders, 6s);
    EXPECT_KEPT(box);
}

}  // namespace
}  // namespace muster::simulation
