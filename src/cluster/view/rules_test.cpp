#include "cluster/view/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace muster::cluster {
namespace {

const member_id a{1, 1};
const member_id b{1, 2};
const member_id c{1, 3};

member_id id_of(std::uint64_t number) {
    return {1, number};
}

seen_member online(std::string name, std::int64_t started = 0) {
    seen_member seen;
    seen.described.emplace();
    seen.described->name = std::move(name);
    seen.described->started_unix_ms = started;
    seen.status.emplace();
    seen.status->state = lifecycle::online;
    return seen;
}

view_inputs led_by(member_id leader, std::map<member_id, seen_member> present) {
    view_inputs inputs;
    inputs.leader = leader;
    inputs.epoch = 9;
    inputs.unix_ms = 1000;
    inputs.present = std::move(present);
    return inputs;
}

/// `count` members online, the first of which leads.
view_inputs many(std::uint64_t count) {
    view_inputs inputs = led_by(id_of(1), {});
    for (std::uint64_t i = 1; i <= count; ++i) {
        inputs.present[id_of(i)] = online("m" + std::to_string(i));
    }
    return inputs;
}

lifecycle state_in(const view_record& view, member_id id) {
    const auto at = std::ranges::find(view.members, id, &view_member::id);
    return at == view.members.end() ? lifecycle::left : at->state;
}

std::vector<member_id> ids(const view_record& view) {
    std::vector<member_id> all;
    for (const view_member& one : view.members) {
        all.push_back(one.id);
    }
    return all;
}

TEST(next_view, admits_who_has_both_znodes) {
    const auto view = next_view(led_by(a, {{a, online("a")}, {b, online("b")}}));
    ASSERT_TRUE(view);
    EXPECT_EQ(view->number, 1);
    EXPECT_EQ(view->leader, a);
    EXPECT_EQ(view->epoch, 9);
    EXPECT_EQ(view->since_unix_ms, 1000);
    EXPECT_EQ(ids(*view), (std::vector{a, b}));
}

TEST(next_view, is_nothing_where_the_truth_has_not_changed) {
    view_inputs inputs = led_by(a, {{a, online("a")}});
    inputs.before = *next_view(inputs);
    inputs.unix_ms = 2000;
    EXPECT_FALSE(next_view(inputs));
    inputs.damaged = true;
    ASSERT_TRUE(next_view(inputs)) << "though somebody has damaged what is stored of it";
    EXPECT_EQ(next_view(inputs)->members, inputs.before.members);
}

TEST(next_view, copies_states_and_counts_on) {
    view_inputs inputs = led_by(a, {{a, online("a")}});
    inputs.before = *next_view(inputs);
    inputs.present[a].status->state = lifecycle::draining;
    const auto view = next_view(inputs);
    EXPECT_EQ(view->number, 2);
    EXPECT_EQ(view->members[0].state, lifecycle::draining);
    EXPECT_EQ(view->since_unix_ms, 1000);
}

TEST(next_view, names_a_new_leader) {
    view_inputs inputs = led_by(a, {{a, online("a")}, {b, online("b")}});
    inputs.before = *next_view(inputs);
    inputs.leader = b;
    inputs.epoch = 12;
    inputs.unix_ms = 5000;
    const auto view = next_view(inputs);
    EXPECT_EQ(view->leader, b);
    EXPECT_EQ(view->since_unix_ms, 5000);
}

TEST(next_view, lets_a_second_incarnation_of_a_name_wait_until_the_first_is_gone) {  // row 70
    view_inputs inputs = led_by(a, {{b, online("x", 50)}});
    inputs.before = *next_view(inputs);
    inputs.present[a] = online("x", 10);  // by start time it would be first
    EXPECT_FALSE(next_view(inputs));
    inputs.present.erase(b);
    EXPECT_EQ(ids(*next_view(inputs)), std::vector{a});
}

TEST(next_view, admits_the_earlier_of_two_new_incarnations_of_a_name) {
    EXPECT_EQ(ids(*next_view(led_by(a, {{a, online("x", 9)}, {b, online("x", 5)}}))),
              std::vector{b});
    EXPECT_EQ(
        ids(*next_view(led_by(a, {{c, online("x", 5)}, {b, online("x", 5)}, {a, online("x", 6)}}))),
        std::vector{b});
}

TEST(next_view, suspects_who_has_one_znode_of_two) {
    view_inputs inputs = led_by(a, {{a, online("a")}, {b, online("b")}, {c, online("c")}});
    inputs.present[b].status.reset();
    inputs.present[c].described.reset();
    const auto view = next_view(inputs);
    EXPECT_EQ(state_in(*view, b), lifecycle::suspect);
    EXPECT_EQ(state_in(*view, c), lifecycle::suspect);
}

TEST(next_view, suspects_whom_two_members_other_than_the_leader_cannot_reach) {  // row 139
    view_inputs inputs = many(6);
    inputs.present[id_of(1)].status->unreachable = {id_of(6)};
    inputs.present[id_of(2)].status->unreachable = {id_of(6), id_of(6)};
    EXPECT_EQ(state_in(*next_view(inputs), id_of(6)), lifecycle::online);
    inputs.present[id_of(3)].status->unreachable = {id_of(6)};
    EXPECT_EQ(state_in(*next_view(inputs), id_of(6)), lifecycle::suspect);
}

TEST(next_view, does_not_let_a_member_report_itself) {
    view_inputs inputs = many(6);
    inputs.present[id_of(6)].status->unreachable = {id_of(6)};
    inputs.present[id_of(2)].status->unreachable = {id_of(6)};
    EXPECT_EQ(state_in(*next_view(inputs), id_of(6)), lifecycle::online);
}

TEST(next_view, suspects_a_third_of_the_members_at_most) {
    view_inputs inputs = many(7);
    for (const std::uint64_t reporter : {2U, 3U, 4U}) {
        inputs.present[id_of(reporter)].status->unreachable = {id_of(5), id_of(6), id_of(7)};
    }
    const view_record view = *next_view(inputs);
    EXPECT_EQ(std::ranges::count(view.members, lifecycle::suspect, &view_member::state), 2);

    inputs.before = view;  // and they stay the same two
    EXPECT_FALSE(next_view(inputs));
}

TEST(next_view, leaves_a_draining_member_draining) {
    view_inputs inputs = many(6);
    inputs.present[id_of(6)].status->state = lifecycle::draining;
    inputs.present[id_of(2)].status->unreachable = {id_of(6)};
    inputs.present[id_of(3)].status->unreachable = {id_of(6)};
    EXPECT_EQ(state_in(*next_view(inputs), id_of(6)), lifecycle::draining);
}

TEST(next_view, keeps_a_drain_mark_until_it_is_taken_away) {
    view_inputs inputs = led_by(a, {{a, online("a")}});
    inputs.drained[a] = "operator";
    inputs.before = *next_view(inputs);
    EXPECT_TRUE(inputs.before.members[0].drain);
    inputs.drained.clear();
    EXPECT_FALSE(next_view(inputs));
    inputs.resumed = {a};
    EXPECT_FALSE(next_view(inputs)->members[0].drain);
}

}  // namespace
}  // namespace muster::cluster
