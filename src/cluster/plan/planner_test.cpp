#include "muster/planner.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace muster {
namespace {

member_id id_of(std::size_t index) {
    return {7, index + 1};
}

planner_input input_of(std::size_t members, std::size_t partitions, std::uint32_t replicas = 1) {
    planner_input input;
    input.resource = "orders";
    input.replicas = replicas;
    for (std::size_t m = 0; m < members; ++m) {
        planned_member& one = input.members.emplace_back();
        one.id = id_of(m);
        one.name = "m" + std::to_string(m);
    }
    for (std::size_t p = 0; p < partitions; ++p) {
        planned_partition& one = input.partitions.emplace_back();
        one.name = std::to_string(p);
        one.owners.resize(replicas);
    }
    return input;
}

/// The input of the next call, after `answer` has come true.
planner_input after(planner_input input, const planned_owners& answer) {
    for (std::size_t p = 0; p < answer.size(); ++p) {
        input.partitions[p].owners = answer[p];
    }
    return input;
}

planner_input without(planner_input input, member_id lost) {
    std::erase_if(input.members, [&](const planned_member& one) { return one.id == lost; });
    for (planned_partition& partition : input.partitions) {
        std::ranges::replace(partition.owners, lost, member_id{});
    }
    return input;
}

std::map<member_id, std::size_t> counts(const planner_input& input, const planned_owners& answer) {
    std::map<member_id, std::size_t> held;
    for (const planned_member& one : input.members) {
        held[one.id] = 0;
    }
    for (const auto& owners : answer) {
        for (const member_id who : owners) {
            if (!who.empty()) {
                ++held[who];
            }
        }
    }
    return held;
}

std::size_t spread(const planner_input& input, const planned_owners& answer) {
    const auto held = counts(input, answer);
    const auto [least, most] =
        std::ranges::minmax_element(held, {}, [](const auto& one) { return one.second; });
    return most->second - least->second;
}

/// Slots that had an owner, and now have another.
std::size_t moves(const planner_input& input, const planned_owners& answer) {
    std::size_t moved = 0;
    for (std::size_t p = 0; p < answer.size(); ++p) {
        for (std::size_t s = 0; s < answer[p].size(); ++s) {
            const member_id old = input.partitions[p].owners[s];
            moved += !old.empty() && old != answer[p][s] ? 1U : 0U;
        }
    }
    return moved;
}

bool all_owned_by_distinct(const planned_owners& answer, std::size_t slots) {
    return std::ranges::all_of(answer, [&](const std::vector<member_id>& owners) {
        const std::set<member_id> distinct(owners.begin(), owners.end());
        return owners.size() == slots && distinct.size() == slots && !distinct.contains({});
    });
}

TEST(balanced, nothing_is_planned_for_nobody) {
    planner_input input = input_of(0, 3);
    EXPECT_EQ(balanced(input), planned_owners(3));
    EXPECT_EQ(balanced(input_of(3, 0)), planned_owners{});
}

TEST(balanced, one_member_takes_all) {
    const planner_input input = input_of(1, 5);
    EXPECT_EQ(balanced(input), planned_owners(5, {id_of(0)}));
}

TEST(balanced, some_members_stay_empty_where_there_are_more_than_partitions) {
    const planner_input input = input_of(7, 3);
    EXPECT_EQ(spread(input, balanced(input)), 1U);
}

TEST(balanced, a_balanced_plan_stays_as_it_is) {
    planner_input input = input_of(3, 10);
    const planned_owners first = balanced(input);
    EXPECT_EQ(balanced(after(input, first)), first);
}

TEST(balanced, a_new_member_gets_its_share_and_nothing_else_moves) {
    const planned_owners first = balanced(input_of(3, 12));
    const planner_input joined = after(input_of(4, 12), first);
    const planned_owners next = balanced(joined);
    EXPECT_EQ(moves(joined, next), 3U);
    EXPECT_EQ(counts(joined, next).at(id_of(3)), 3U);
    EXPECT_EQ(spread(joined, next), 0U);
}

TEST(balanced, a_lost_member_moves_only_its_own_partitions) {
    const planner_input input = input_of(4, 12);
    const planner_input lost = without(after(input, balanced(input)), id_of(1));
    const planned_owners next = balanced(lost);
    EXPECT_EQ(moves(lost, next), 0U);
    EXPECT_EQ(spread(lost, next), 0U);
}

TEST(balanced, weights_decide_the_shares) {
    planner_input input = input_of(3, 1000);
    input.members[0].weight = 2;
    input.members[1].weight = 1;
    input.members[2].weight = 1;
    const auto held = counts(input, balanced(input));
    EXPECT_EQ(held.at(id_of(0)), 500U);
    EXPECT_EQ(held.at(id_of(1)), 250U);
    EXPECT_EQ(held.at(id_of(2)), 250U);
}

TEST(balanced, weights_that_are_no_weights_count_as_nothing) {  // row 76
    planner_input input = input_of(4, 100);
    input.members[0].weight = std::numeric_limits<double>::quiet_NaN();
    input.members[1].weight = -1;
    input.members[2].weight = 0;
    auto held = counts(input, balanced(input));
    EXPECT_EQ(held.at(id_of(3)), 100U);
    input.members[3].weight = 0;
    EXPECT_EQ(spread(input, balanced(input)), 0U);
    input.members[3].weight = std::numeric_limits<double>::infinity();
    held = counts(input, balanced(input));
    EXPECT_EQ(held.at(id_of(3)), 100U);
}

TEST(balanced, heavy_partitions_are_spread_by_weight) {
    planner_input input = input_of(4, 400);
    for (std::size_t p = 0; p < 400; ++p) {
        input.partitions[p].weight = 1 + static_cast<double>(p % 7);
    }
    const planned_owners answer = balanced(input);
    std::map<member_id, double> load;
    double all = 0;
    for (std::size_t p = 0; p < 400; ++p) {
        load[answer[p][0]] += input.partitions[p].weight;
        all += input.partitions[p].weight;
    }
    for (const auto& [who, weight] : load) {
        EXPECT_NEAR(weight, all / 4, all / 4 * 0.01);
    }
}

TEST(balanced, only_who_is_eligible_gets_a_partition) {
    planner_input input = input_of(3, 9);
    for (std::size_t p = 0; p < 3; ++p) {
        input.partitions[p].eligible = {id_of(2)};
    }
    input.partitions[3].eligible = {member_id{9, 9}};  // somebody who is not there
    const planned_owners answer = balanced(input);
    for (std::size_t p = 0; p < 3; ++p) {
        EXPECT_EQ(answer[p][0], id_of(2));
    }
    EXPECT_TRUE(answer[3][0].empty());
    const auto held = counts(input, answer);
    EXPECT_EQ(held.at(id_of(2)), 3U);
    EXPECT_EQ(spread(input, answer), 1U);
}

TEST(balanced, a_restricted_partition_leaves_whom_it_would_overload) {
    planner_input input = input_of(2, 4);
    for (auto& partition : input.partitions) {
        partition.eligible = {id_of(0), id_of(1)};
        partition.owners = {id_of(0)};
    }
    const planned_owners answer = balanced(input);
    EXPECT_EQ(spread(input, answer), 0U);
    EXPECT_EQ(moves(input, answer), 2U);
}

TEST(balanced, replicas_stand_on_distinct_members) {
    const planner_input input = input_of(3, 10, 2);
    const planned_owners answer = balanced(input);
    EXPECT_TRUE(all_owned_by_distinct(answer, 2));
    EXPECT_LE(spread(input, answer), 1U);
}

TEST(balanced, replicas_beyond_the_number_of_members_stay_empty) {
    const planned_owners answer = balanced(input_of(2, 4, 3));
    EXPECT_TRUE(all_owned_by_distinct(answer, 2));
}

TEST(balanced, writers_are_spread_too) {
    const planner_input input = input_of(2, 10, 2);
    std::map<member_id, int> writers;
    for (const auto& owners : balanced(input)) {
        ++writers[owners[0]];
    }
    EXPECT_EQ(writers[id_of(0)], 5);
}

TEST(balanced, replicas_stand_in_distinct_zones_where_there_are_several) {
    for (const std::uint32_t replicas : {2U, 3U}) {
        planner_input input = input_of(9, 99, replicas);
        for (std::size_t m = 0; m < 9; ++m) {
            input.members[m].zone = std::string(1, static_cast<char>('a' + m % 3));
        }
        const planned_owners answer = balanced(input);
        EXPECT_LE(spread(input, answer), 1U);
        for (const auto& owners : answer) {
            std::set<std::size_t> zones;
            for (const member_id who : owners) {
                zones.insert((who.low() - 1) % 3);
            }
            EXPECT_EQ(zones.size(), replicas);
        }
    }
}

TEST(balanced, owners_that_nobody_knows_or_named_twice_are_replaced) {
    planner_input input = input_of(2, 2, 2);
    input.partitions[0].owners = {member_id{9, 9}, id_of(0)};
    input.partitions[1].owners = {id_of(1), id_of(1)};
    const planned_owners answer = balanced(input);
    EXPECT_TRUE(all_owned_by_distinct(answer, 2));
    EXPECT_EQ(answer[0], (std::vector{id_of(1), id_of(0)}));
}

RC_GTEST_PROP(balanced, is_balanced_within_one_distinct_and_moves_no_more_than_it_must, ()) {
    const auto members = *rc::gen::inRange<std::size_t>(1, 12);
    const auto partitions = *rc::gen::inRange<std::size_t>(0, 80);
    planner_input input = input_of(members, partitions);
    for (planned_partition& one : input.partitions) {
        const auto drawn = *rc::gen::inRange<std::size_t>(0, members + 1);
        one.owners[0] = drawn == members ? member_id{} : id_of(drawn);
    }
    const planned_owners answer = balanced(input);
    RC_ASSERT(answer == balanced(input));
    RC_ASSERT(all_owned_by_distinct(answer, 1));
    RC_ASSERT(spread(input, answer) <= 1U);
    // No plan that is balanced within one keeps more: of what each member has, it keeps up to its
    // share, and as many members keep one more as the remainder allows.
    std::map<member_id, std::size_t> had;
    for (const planned_partition& one : input.partitions) {
        ++had[one.owners[0]];
    }
    std::size_t kept = 0;
    std::size_t ones_left = partitions % members;
    for (std::size_t m = 0; m < members; ++m) {
        const std::size_t share = partitions / members;
        const std::size_t more = had[id_of(m)] > share && ones_left > 0 ? 1 : 0;
        ones_left -= more;
        kept += std::min(had[id_of(m)], share + more);
    }
    const std::size_t owned = partitions - had[member_id{}];
    RC_ASSERT(moves(input, answer) == owned - kept);
}

RC_GTEST_PROP(balanced, keeps_replicas_distinct_and_balanced_over_any_history, ()) {
    const auto members = *rc::gen::inRange<std::size_t>(2, 9);
    const auto replicas = *rc::gen::inRange<std::uint32_t>(1, 4);
    planner_input input = input_of(members, *rc::gen::inRange<std::size_t>(1, 60), replicas);
    const bool zoned = *rc::gen::inRange(0, 2) == 1;
    for (std::size_t m = 0; zoned && m < members; ++m) {
        input.members[m].zone = m % 2 == 0 ? "even" : "odd";
    }
    for (int round = 0; round < 6; ++round) {
        const planned_owners answer = balanced(input);
        const std::size_t slots = std::min<std::size_t>(replicas, input.members.size());
        RC_ASSERT(all_owned_by_distinct(answer, slots));
        RC_ASSERT(spread(input, answer) <= 1U);
        input = after(std::move(input), answer);
        for (planned_partition& one : input.partitions) {
            one.owners.resize(replicas);
        }
        if (input.members.size() > 1 && *rc::gen::inRange(0, 2) == 0) {
            const auto lost = *rc::gen::inRange<std::size_t>(0, input.members.size());
            const member_id who = input.members[lost].id;
            input = without(std::move(input), who);
        } else {
            planned_member& fresh = input.members.emplace_back();
            fresh.id = id_of(100 + static_cast<std::size_t>(round));
            fresh.zone = "even";
        }
    }
}

TEST(balanced, a_hundred_thousand_partitions_on_a_thousand_members_move_one_per_cent_at_most) {
    planner_input input = input_of(1000, 100'000);
    const planned_owners first = balanced(input);
    EXPECT_EQ(spread(input, first), 0U);
    const planner_input lost = without(after(input, first), id_of(500));
    const planned_owners next = balanced(lost);
    EXPECT_EQ(moves(lost, next), 0U);
    EXPECT_LE(spread(lost, next), 1U);

    for (std::size_t m = 0; m < 1000; ++m) {
        input.members[m].weight = 1 + static_cast<double>(m % 4);
    }
    for (const auto& [who, held] : counts(input, balanced(input))) {
        const double share = 100'000.0 * (1 + static_cast<double>((who.low() - 1) % 4)) / 2500;
        EXPECT_NEAR(static_cast<double>(held), share, std::max(1.0, share * 0.01));
    }
}

}  // namespace
}  // namespace muster
