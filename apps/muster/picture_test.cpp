#include "changes.hpp"
#include "cluster_picture_test.hpp"
#include "picture.hpp"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

using cluster::lifecycle;

phase first_phase(const picture& all) {
    const auto& whole = *all.resources.at("orders").plan;
    return phase_of(all, "orders", whole, whole.chunks[0].entries[0]);
}

TEST(phase, is_owned_once_nobody_is_waited_for) {
    EXPECT_EQ(first_phase(two_members()), phase::owned);
}

TEST(phase, is_switching_until_the_former_owner_has_released_up_to_the_fence) {
    picture all = two_members();
    auto& one = all.resources.at("orders").plan->chunks[0].entries[0];
    one.waits = {id_b};
    all.statuses[id_b].resources["orders"].through = one.fence - 1;
    EXPECT_EQ(first_phase(all), phase::switching);
    all.statuses[id_b].resources["orders"].through = one.fence;
    EXPECT_EQ(first_phase(all), phase::owned);
    all.statuses[id_b].resources["orders"].except = {"0"};
    EXPECT_EQ(first_phase(all), phase::switching);
}

TEST(phase, is_owned_when_the_former_owner_is_gone_and_not_before_both_znodes_are) {
    picture all = two_members();
    all.resources.at("orders").plan->chunks[0].entries[0].waits = {id_b};
    all.statuses.erase(id_b);
    EXPECT_EQ(first_phase(all), phase::switching);
    all.members.erase(id_b);
    EXPECT_EQ(first_phase(all), phase::owned);
}

TEST(phase, is_unowned_when_the_owner_is_gone_though_the_plan_names_it) {
    picture all = two_members();
    all.members.erase(id_a);
    all.statuses.erase(id_a);
    EXPECT_EQ(first_phase(all), phase::unowned);
}

TEST(phase, is_switching_while_the_owner_initializes_or_after_it_lost_its_lease) {
    picture all = two_members();
    all.statuses[id_a].state = lifecycle::initializing;
    EXPECT_EQ(first_phase(all), phase::switching);
    all.statuses[id_a].state = lifecycle::online;
    all.statuses[id_a].resources["orders"].revoked = 100;
    EXPECT_EQ(first_phase(all), phase::switching);
}

TEST(phase, is_unowned_where_the_owner_failed_to_start_it) {
    picture all = two_members();
    all.statuses[id_a].resources["orders"].failed["0"] = 100;
    EXPECT_EQ(first_phase(all), phase::unowned);
}

TEST(verdict, is_healthy_when_everything_is_owned) {
    const status_row row = status_of(two_members());
    EXPECT_TRUE(row.healthy);
    EXPECT_EQ(row.verdict, "healthy: 2 members, all 4 partitions owned");
    EXPECT_EQ(row.owned, 4U);
}

TEST(verdict, counts_what_is_still_moving_and_where_to) {
    picture all = two_members();
    all.resources.at("orders").plan->chunks[0].entries[0].waits = {id_b};
    const status_row row = status_of(all);
    EXPECT_FALSE(row.healthy);
    EXPECT_EQ(row.verdict, "rebalancing: 1 of 4 partitions still moving to a1, none unowned");
    EXPECT_EQ(row.next, "muster partitions orders");
}

TEST(verdict, says_when_partitions_have_no_owner) {
    picture all = two_members();
    all.resources.at("orders").plan->chunks[0].entries[3].owner = {};
    EXPECT_EQ(status_of(all).verdict, "1 of 4 partitions without an owner");
}

TEST(verdict, says_when_nobody_leads_or_nobody_is_there_or_nobody_ever_was) {
    picture all = two_members();
    all.leader.reset();
    EXPECT_EQ(status_of(all).verdict, "nobody leads, so nothing can be moved");
    all.members.clear();
    all.statuses.clear();
    EXPECT_EQ(status_of(all).verdict, "down: no member is there");
    EXPECT_EQ(status_of(picture{}).verdict,
              "there is no such cluster: no member ever joined it");
}

TEST(verdict, forgives_copies_that_too_few_members_could_hold) {
    picture all = two_members();
    auto& chunk = all.resources.at("orders").plan->chunks[0];
    all.resources.at("orders").spec.replicas = 3;
    for (const char* name : {"0", "1", "2", "3"}) {
        cluster::entry copy;
        copy.partition = name;
        copy.slot = 2;
        chunk.entries.push_back(copy);
    }
    EXPECT_TRUE(status_of(all).healthy);
}

TEST(members, are_suspect_when_the_view_says_so_and_joining_before_it_names_them) {
    picture all = two_members();
    all.view->members[0].state = lifecycle::suspect;
    all.view->members.pop_back();
    const auto rows = member_rows(all);
    EXPECT_EQ(rows[0].state, "suspect");
    EXPECT_EQ(rows[1].state, "joining");
}

TEST(route, finds_the_partition_of_a_key_with_its_fence_as_token) {
    const auto route = route_of(two_members(), "orders", "ann");
    ASSERT_TRUE(route);
    EXPECT_EQ(route->partition.partition, "0");  // as XXH64("ann") has it
    EXPECT_EQ(route->partition.writer.owner, "a1");
    EXPECT_EQ(route->address, "10.0.0.1:7000");
    EXPECT_EQ(route->partition.writer.fence, (std::int64_t{1} << 56) + 100);
}

std::vector<std::string> names_of(const std::vector<boost::json::object>& events) {
    std::vector<std::string> names;
    for (const auto& one : events) {
        names.emplace_back(one.at("event").as_string());
    }
    return names;
}

TEST(changes, are_none_between_equal_pictures) {
    EXPECT_TRUE(changes(two_members(), two_members()).empty());
}

TEST(changes, name_everything_that_is_there_at_first) {
    EXPECT_EQ(names_of(changes(picture{}, two_members())),
              (std::vector<std::string>{"member.joined", "member.joined", "leader.changed",
                                        "view.changed", "partition.changed", "partition.changed",
                                        "partition.changed", "partition.changed",
                                        "plan.changed"}));
}

TEST(changes, tell_of_a_member_that_left_and_of_what_it_owned) {
    picture now = two_members();
    now.members.erase(id_b);
    now.statuses.erase(id_b);
    EXPECT_EQ(names_of(changes(two_members(), now)),
              (std::vector<std::string>{"member.left", "partition.changed", "partition.changed"}));
}

}  // namespace
}  // namespace muster::cli
