// What operators, other programs and the application itself do to a cluster.

#include "simulation/bystander.hpp"
#include "simulation/sim_cluster.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace muster::simulation {
namespace {

using cluster::lifecycle;

const std::map<std::string, std::size_t> all_orders{{"orders", 8}};

class an_operator : public testing::Test {
protected:
    void SetUp() override {
        box.start_keeper();
        for (const char* name : {"a", "b", "c"}) {
            process_shape shape;
            shape.name = name;
            shape.serves = {
                {"orders", spec()}, {"dates", list_of_names()}, {"globals", list_of_names()}};
            shape.application.effect_takes = 30ms;
            shape.application.effect_every = 30ms;
            box.start(box.add(std::move(shape)));
        }
        ASSERT_TRUE(box.run_until([&] { return box.settled(all_orders); }, 5s));
        desk = std::make_unique<bystander>(box.world().add_host("desk"),
                                           box.judge(),
                                           box.servers(),
                                           "test",
                                           std::vector<std::string>{"orders", "dates"},
                                           50ms);
        box.run_for(1s);
    }
    void TearDown() override {
        EXPECT_TRUE(box.judge().ok()) << box.judge().report();
        desk.reset();
    }
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
    void expect_peace(const std::map<std::string, std::size_t>& partitions, duration within) {
        EXPECT_TRUE(box.run_until([&] { return box.settled(partitions); }, within))
            << box.unsettled(partitions) << "\n"
            << box.judge().report();
    }
    result<void> change(const std::string& name, bool add) {
        auto outcome = std::make_shared<std::optional<result<void>>>();
        follower().running->ask([&, name, add, outcome](cluster::member& self) {
            self.change_list("dates",
                             name,
                             add,
                             follower().running->control()->now() + 2s,
                             [outcome](result<void> how) { *outcome = std::move(how); });
        });
        box.run_until([&] { return outcome->has_value(); }, 3s);
        return outcome->value_or(fail(errc::timed_out, "no answer at all"));
    }

    sim_cluster box{11};
    std::unique_ptr<bystander> desk;
};

// Row 23.
TEST_F(an_operator, who_deletes_a_members_znode_makes_it_join_anew) {
    for (const bool of_the_leader : {false, true}) {
        for (int which = 0; which < 3; ++which) {
            sim_cluster::node& robbed = of_the_leader ? *box.leader() : follower();
            const member_id before = robbed.running->ids().back();
            switch (which) {
                case 0:
                    desk->remove(desk->where().member(before));
                    break;
                case 1:
                    desk->remove(desk->where().status(before));
                    break;
                default:
                    for (const std::string& child : desk->children(desk->where().succession())) {
                        if (child.starts_with(before.text())) {
                            desk->remove(desk->where().succession() + "/" + child);
                        }
                    }
                    break;
            }
            EXPECT_TRUE(box.run_until([&] { return robbed.running->ids().back() != before; }, 3s))
                << box.judge().report();
            expect_peace(all_orders, 3s);
            box.run_for(1s);
        }
    }
}

// Row 53: who loses its place goes to the end of the queue, once, and waits for whoever stands
// before it; candidates that all lose theirs in one moment do not put each other off.
TEST_F(an_operator, who_takes_all_candidates_places_at_once_gets_a_leader_in_one_round) {
    for (int round = 0; round < 10; ++round) {
        std::map<std::string, std::size_t> lives;
        for (const auto& one : box.nodes()) {
            lives[one->shape.name] = one->running->ids().size();
        }
        const std::vector<std::string> places = desk->children(desk->where().succession());
        ASSERT_EQ(places.size(), box.nodes().size());
        for (const std::string& place : places) {
            desk->remove(desk->where().succession() + "/" + place);
        }
        box.run_for(100ms);
        expect_peace(all_orders, 3s);
        ASSERT_NE(box.leader(), nullptr);
        for (const auto& one : box.nodes()) {
            // Who led takes a new place in the same life, others begin a new one.
            EXPECT_LE(one->running->ids().size(), lives[one->shape.name] + 1) << one->shape.name;
        }
        box.run_for(1s);
    }
}

// Row 123: nobody stops, and what is owned stays owned.
TEST_F(an_operator, who_damages_what_is_stored_harms_nobody) {
    const std::string none;
    const auto before = box.judge().acquires();
    for (const std::string& rubbish :
         {none,
          std::string{"x"},
          std::string{"{}"},
          std::string{"{\"format\":1}"},
          std::string{"{\"format\":99,\"number\":\"1\"}"},
          std::string(1000, '\xff'),
          std::string{"{\"format\":1,\"number\":\"9223372036854775807\",\"chunks\":["
                      "\"9223372036854775807\"],\"since\":{}}"},
          std::string{"{\"format\":1,\"number\":\"-5\",\"leader\":\"\",\"epoch\":"
                      "\"9223372036854775807\",\"chunks\":[],\"after\":\"0\",\"changes\":[],"
                      "\"members\":[]}"}}) {
        for (const std::string& path : {desk->where().plan("orders"),
                                        desk->where().chunk("orders", 0),
                                        desk->where().resource("orders"),
                                        desk->where().view(),
                                        desk->where().view_chunk(0),
                                        desk->where().root(),
                                        desk->where().resource("dates"),
                                        desk->where().plan("dates")}) {
            desk->set(path, rubbish);
        }
        box.run_for(300ms);
    }
    EXPECT_EQ(box.judge().owners().size(), 8U) << box.judge().report();
    EXPECT_EQ(box.judge().acquires(), before);
    for (auto& one : box.nodes()) {
        EXPECT_TRUE(one->running && one->running->state() == lifecycle::online);
    }
}

// Row 123: a damaged status is no release, and one of a live member is written again in time.
TEST_F(an_operator, who_damages_a_status_stops_no_move_for_ever) {
    for (auto& one : box.nodes()) {
        desk->set(desk->where().status(one->running->ids().back()), "rubbish");
        desk->set(desk->where().member(one->running->ids().back()), "rubbish");
    }
    box.run_for(500ms);
    EXPECT_EQ(box.judge().owners().size(), 8U);
    sim_cluster::node& lost = follower();
    box.restart(lost);
    expect_peace(all_orders, 90s);
}

// Row 49: a view that was deleted is written again, and goes on upwards.
TEST_F(an_operator, who_deletes_the_view_gets_it_back) {
    desk->remove(desk->where().view_chunk(0));
    desk->remove(desk->where().view());
    box.run_for(200ms);
    box.restart(follower());
    expect_peace(all_orders, 5s);
}

TEST_F(an_operator, who_adds_and_removes_partitions_is_answered) {
    for (const char* name : {"2026-01-01", "2026-01-02", "2026-01-03"}) {
        const result<void> how = change(name, true);
        EXPECT_TRUE(how) << how.error().text;
    }
    expect_peace({{"orders", 8}, {"dates", 3}}, 1s);
    EXPECT_TRUE(change("2026-01-02", true)) << "it exists already";
    EXPECT_TRUE(change("2026-01-02", false));
    expect_peace({{"orders", 8}, {"dates", 2}}, 1s);
    EXPECT_TRUE(change("2026-01-02", true));
    expect_peace({{"orders", 8}, {"dates", 3}}, 1s);
}

// Row 62 and the rest of them: one process each, wherever its candidates are.
TEST_F(an_operator, who_stages_global_processes_sees_one_of_each) {
    for (auto& one : box.nodes()) {
        one->running->ask([](cluster::member& self) { self.stand_for({"boss"}); });
    }
    expect_peace({{"orders", 8}, {"globals", 1}}, 1s);
    const std::string first = box.judge().owners().at("globals/boss");
    for (auto& one : box.nodes()) {
        if (one->shape.name == first) {
            one->running->ask([](cluster::member& self) { self.stand_for({}); });
        }
    }
    box.run_for(500ms);
    EXPECT_NE(box.judge().owners().at("globals/boss"), first);
    for (auto& one : box.nodes()) {
        one->running->ask([](cluster::member& self) { self.stand_for({}); });
    }
    box.run_for(500ms);
    EXPECT_FALSE(box.judge().owners().contains("globals/boss"));
}

// An init that fails ends the member, and the others go on without it.
TEST_F(an_operator, who_starts_a_program_whose_init_fails_is_told) {
    process_shape shape;
    shape.name = "d";
    shape.serves = {{"orders", spec()}};
    shape.application.init_fails = true;
    sim_cluster::node& broken = box.add(std::move(shape));
    box.start(broken);
    EXPECT_TRUE(box.run_until([&] { return broken.running->failure().has_value(); }, 5s));
    EXPECT_NE(broken.running->failure()->text.find("init"), std::string::npos);
    EXPECT_TRUE(box.run_until(
        [&] { return box.shares("orders").size() == 3 && box.judge().owners().size() == 8; }, 5s))
        << box.judge().report();
}

// One whose specification differs does not serve the resource, and says so.
TEST_F(an_operator, who_describes_a_resource_otherwise_is_told) {
    process_shape shape;
    shape.name = "d";
    shape.serves = {{"orders", hash_of(16)}};
    sim_cluster::node& other = box.add(std::move(shape));
    box.start(other);
    box.run_for(3s);
    ASSERT_EQ(other.running->troubles().size(), 1U);
    EXPECT_NE(other.running->troubles()[0].find("8 there, 16 here"), std::string::npos)
        << other.running->troubles()[0];
    EXPECT_FALSE(box.shares("orders").contains("d"));
}

// Row 21: it keeps its session; what it has moves away after the grace.
TEST_F(an_operator, who_wedges_a_member_sees_its_partitions_move) {
    sim_cluster::node& wedged = follower();
    const member_id before = wedged.running->ids().back();
    wedged.running->ask([](cluster::member& self) { self.suspect_itself(true); });
    box.run_for(2s);
    EXPECT_TRUE(box.shares("orders").contains(wedged.shape.name)) << "before the grace is over";
    box.run_for(10s);
    EXPECT_FALSE(box.shares("orders").contains(wedged.shape.name));
    EXPECT_EQ(box.judge().owners().size(), 8U);
    EXPECT_EQ(wedged.running->ids().back(), before);
    wedged.running->ask([](cluster::member& self) { self.suspect_itself(false); });
    expect_peace(all_orders, 2s);
}

// Row 139: a report by one is not enough, by two it is, and never more than a third are suspected.
TEST_F(an_operator, who_cuts_the_mesh_sees_two_reporters_needed) {
    sim_cluster::node& accused = follower();
    const auto report = [&](sim_cluster::node& by) {
        by.running->ask([who = accused.running->ids().back()](cluster::member& self) {
            self.report_unreachable({who});
        });
    };
    report(*box.leader());
    for (auto& one : box.nodes()) {
        if (one.get() != box.leader() && one.get() != &accused) {
            report(*one);
        }
    }
    box.run_for(1s);
    EXPECT_EQ(accused.running->state(), lifecycle::online) << "the leader's report does not count";
    sim_cluster::node& fourth = box.add("d", {{"orders", spec()}});
    box.start(fourth);
    expect_peace(all_orders, 3s);
    report(fourth);
    box.run_for(1s);
    EXPECT_EQ(accused.running->state(), lifecycle::suspect);
}

}  // namespace
}  // namespace muster::simulation
