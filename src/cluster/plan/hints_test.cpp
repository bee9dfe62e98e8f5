// Rule 4: a planned move that is prepared first, as the leader decides it.

#include "cluster/plan/rules.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace muster::cluster {
namespace {

using ms = std::chrono::milliseconds;

const member_id a{1, 1};
const member_id b{1, 2};
const member_id c{1, 3};
const instant now{std::chrono::seconds{100}};

class a_prepared_move : public testing::Test {
protected:
    a_prepared_move() {
        spec.partitions = 1;
        spec.handover_delay = ms{0};
        spec.prepare_deadline = ms{400};
        for (const member_id who : {a, b, c}) {
            facts.statuses[who].state = lifecycle::online;
            planned_member one;
            one.id = who;
            one.name = std::string(1, static_cast<char>('a' + who.low() - 1));
            facts.takers.push_back(std::move(one));
        }
    }

    static plan owned_by(member_id owner, member_id next = {}) {
        plan whole;
        whole.number = 5;
        entry one;
        one.partition = "0";
        one.owner = owner;
        one.fence = owner.empty() ? 0 : 5;
        one.next = next;
        whole.chunks.push_back({.number = 5, .entries = {std::move(one)}});
        return whole;
    }

    static planner to(member_id who) {
        return [who](const planner_input&) { return planned_owners{{who}}; };
    }

    std::optional<plan_change> change(const plan& before, const planner& choose) {
        return next_plan(spec, before, facts, 9, when, choose, "orders");
    }
    std::optional<entry> becomes(const plan& before, const planner& choose) {
        const auto made = change(before, choose);
        return made ? std::optional{made->next.chunks[0].entries[0]} : std::nullopt;
    }

    /// The entry as it was, with that hint.
    static entry hinted(member_id owner, member_id next) {
        return owned_by(owner, next).chunks[0].entries[0];
    }
    /// Moved to `who` by plan 9.
    static entry moved(member_id who, std::vector<member_id> waits) {
        entry one;
        one.partition = "0";
        one.owner = who;
        one.fence = 9;
        one.waits = std::move(waits);
        return one;
    }
    void takes_no_more(member_id who) {
        std::erase_if(facts.takers, [&](const planned_member& one) { return one.id == who; });
    }
    void is_gone(member_id who) {
        takes_no_more(who);
        facts.statuses.erase(who);
        facts.gone.insert(who);
    }
    void says_ready(member_id who) { facts.statuses[who].resources["orders"].ready.insert("0"); }

    specification spec;
    plan_facts facts;
    instant when = now;
};

TEST_F(a_prepared_move, is_hinted_at_first_and_nobodys_right_changes) {
    const auto made = change(owned_by(a), to(b));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->next.chunks[0].entries[0], hinted(a, b));
    EXPECT_EQ(made->next.number, 9);
    EXPECT_EQ(made->next.chunks[0].number, 9);
    EXPECT_EQ(made->look_again, now + ms{400});
    EXPECT_EQ(made->reasons, (std::vector<std::string>{"orders/0 b prepares to take it from a"}));
}

TEST_F(a_prepared_move, is_no_more_than_a_move_where_nothing_asks_for_it) {
    spec.prepare_deadline = ms{0};
    EXPECT_EQ(becomes(owned_by(a), to(b)), moved(b, {a}));
}

TEST_F(a_prepared_move, is_done_when_the_new_owner_is_ready) {
    facts.hints["0"] = {b, now};
    EXPECT_FALSE(change(owned_by(a, b), to(b)));
    says_ready(b);
    EXPECT_EQ(becomes(owned_by(a, b), to(b)), moved(b, {a}));
}

TEST_F(a_prepared_move, is_done_without_preparation_after_the_deadline) {
    facts.hints["0"] = {b, now};
    when = now + ms{399};
    EXPECT_FALSE(change(owned_by(a, b), to(b)));
    EXPECT_EQ(look_again_at(spec, owned_by(a, b), facts, when, "orders"), now + ms{400});
    when = now + ms{400};
    EXPECT_EQ(becomes(owned_by(a, b), to(b)), moved(b, {a}));
}

TEST_F(a_prepared_move, gets_its_whole_time_from_a_new_leader) {
    EXPECT_FALSE(change(owned_by(a, b), to(b)));
    EXPECT_EQ(look_again_at(spec, owned_by(a, b), facts, now, "orders"), now + ms{400});
    facts.hints["0"] = {c, now - ms{500}};  // of a hint to somebody else
    EXPECT_FALSE(change(owned_by(a, b), to(b)));
}

TEST_F(a_prepared_move, is_shown_to_the_planner_as_if_it_were_done) {
    std::vector<planned_partition> asked;
    static_cast<void>(change(owned_by(a, b), [&](const planner_input& input) {
        asked = input.partitions;
        return planned_owners{{b}};
    }));
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].owners, std::vector{b});
}

TEST_F(a_prepared_move, is_given_up_when_the_plan_changes_back) {
    says_ready(b);
    EXPECT_EQ(becomes(owned_by(a, b), to(a)), hinted(a, {}));
}

TEST_F(a_prepared_move, goes_to_somebody_else_when_the_plan_changes) {
    says_ready(b);
    EXPECT_EQ(becomes(owned_by(a, b), to(c)), hinted(a, c));
}

TEST_F(a_prepared_move, is_given_up_when_its_new_owner_is_gone_or_may_take_nothing) {
    is_gone(b);
    EXPECT_EQ(becomes(owned_by(a, b), to(a)), hinted(a, {}));
    facts.gone.clear();
    facts.statuses[b].state = lifecycle::draining;
    EXPECT_EQ(becomes(owned_by(a, b), to(c)), hinted(a, c));
}

TEST_F(a_prepared_move, is_given_up_too_where_nobody_may_take_anything) {
    facts.takers.clear();
    EXPECT_EQ(becomes(owned_by(a, b), to(a)), hinted(a, {}));
}

TEST_F(a_prepared_move, of_somebody_that_has_not_been_read_yet_stays) {
    takes_no_more(b);
    facts.statuses.erase(b);
    facts.statuses.erase(a);
    takes_no_more(a);
    EXPECT_FALSE(change(owned_by(a, b), to(c))) << "a is not known yet either, and keeps it";
}

TEST_F(a_prepared_move, is_done_at_once_when_the_owner_is_gone) {
    is_gone(a);
    EXPECT_EQ(becomes(owned_by(a, b), {}), moved(b, {})) << "the hint says who is warm";
    EXPECT_EQ(becomes(owned_by(a), to(b)), moved(b, {})) << "and none is begun";
}

TEST_F(a_prepared_move, is_dropped_while_a_crash_is_waited_for) {
    spec.handover_delay = ms{500};
    is_gone(a);
    facts.gone_at[a] = now;
    EXPECT_EQ(becomes(owned_by(a, b), to(b)), moved({}, {a}));
}

TEST_F(a_prepared_move, is_not_for_what_nobody_owns) {
    EXPECT_EQ(becomes(owned_by({}), to(b)), moved(b, {}));
}

TEST_F(a_prepared_move, is_made_from_a_member_that_drains_and_not_from_one_that_is_suspect) {
    takes_no_more(a);
    facts.statuses[a].state = lifecycle::draining;
    EXPECT_EQ(becomes(owned_by(a), to(b)), hinted(a, b));
    facts.statuses[a].state = lifecycle::suspect;
    EXPECT_EQ(becomes(owned_by(a), to(b)), moved(b, {a}));
}

TEST_F(a_prepared_move, is_not_made_from_an_owner_that_failed_to_start_it) {
    facts.statuses[a].resources["orders"].failed["0"] = 5;
    EXPECT_EQ(becomes(owned_by(a), to(b)), moved(b, {a}));
}

TEST_F(a_prepared_move, of_one_slot_never_makes_a_member_own_two_of_a_partition) {
    spec.replicas = 2;
    plan before = owned_by(a);
    before.chunks[0].entries.push_back(before.chunks[0].entries[0]);
    entry& second = before.chunks[0].entries[1];
    second.slot = 1;
    second.owner = b;
    const planner swapped = [](const planner_input&) { return planned_owners{{b, a}}; };
    auto made = change(before, swapped);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->next.chunks[0].entries[0].next, b);
    EXPECT_EQ(made->next.chunks[0].entries[1].next, a);
    says_ready(b);
    const plan hinted_at = made->next;
    EXPECT_FALSE(next_plan(spec, hinted_at, facts, 12, now, swapped, "orders"));
    facts.statuses[a].resources["orders"].ready.insert("0#1");
    made = next_plan(spec, hinted_at, facts, 12, now, swapped, "orders");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->next.chunks[0].entries[0].owner, b);
    EXPECT_EQ(made->next.chunks[0].entries[1].owner, a);
}

TEST_F(a_prepared_move, is_dropped_with_its_resource) {
    spec.tombstone = true;
    EXPECT_EQ(becomes(owned_by(a, b), to(b)), moved({}, {a}));
}

}  // namespace
}  // namespace muster::cluster
