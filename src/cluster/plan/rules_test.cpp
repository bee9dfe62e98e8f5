#include "cluster/plan/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace muster::cluster {
namespace {

using ms = std::chrono::milliseconds;

const member_id a{1, 1};
const member_id b{1, 2};
const member_id c{1, 3};
const member_id d{1, 4};
const instant now{std::chrono::seconds{100}};

specification hash(std::uint32_t partitions, std::uint32_t replicas = 1) {
    specification spec;
    spec.partitions = partitions;
    spec.replicas = replicas;
    spec.handover_delay = ms{0};
    return spec;
}

specification list() {
    specification spec;
    spec.kind = resource_kind::list;
    spec.handover_delay = ms{0};
    return spec;
}

planned_member taker(member_id who) {
    planned_member one;
    one.id = who;
    one.name = std::string(1, static_cast<char>('a' + who.low() - 1));
    return one;
}

/// Everybody is there, online, may be given partitions, and has said nothing of the resource.
plan_facts present(const std::vector<member_id>& members) {
    plan_facts facts;
    for (const member_id who : members) {
        facts.statuses[who].state = lifecycle::online;
        facts.takers.push_back(taker(who));
    }
    return facts;
}

plan_facts& loses(plan_facts& facts, member_id who) {
    facts.statuses.erase(who);
    std::erase_if(facts.takers, [&](const planned_member& one) { return one.id == who; });
    facts.gone.insert(who);
    return facts;
}

release_record& record(plan_facts& facts, member_id who) {
    return facts.statuses[who].resources["orders"];
}

entry owned(std::string partition,
            member_id owner,
            plan_number fence,
            std::vector<member_id> waits = {}) {
    entry one;
    one.partition = std::move(partition);
    one.owner = owner;
    one.fence = fence;
    one.waits = std::move(waits);
    return one;
}

plan with(plan_number number, std::vector<entry> entries) {
    plan whole;
    whole.number = number;
    whole.chunks.push_back({.number = number, .entries = std::move(entries)});
    return whole;
}

planner always(std::vector<std::vector<member_id>> owners) {
    return [owners = std::move(owners)](const planner_input&) { return owners; };
}

std::optional<plan_change> change(const specification& spec,
                                  const plan& before,
                                  const plan_facts& facts,
                                  const planner& choose = {},
                                  instant when = now) {
    return next_plan(spec, before, facts, before.number + 10, when, choose, "orders");
}

std::vector<entry> entries(const std::optional<plan_change>& made) {
    std::vector<entry> all;
    for (const plan_chunk& chunk : made->next.chunks) {
        all.insert(all.end(), chunk.entries.begin(), chunk.entries.end());
    }
    return all;
}

std::vector<member_id> ids(std::initializer_list<member_id> list) {
    return list;
}

// --- The first plan
// -------------------------------------------------------------------------------

TEST(first_plan, has_an_entry_for_each_partition_and_slot_owned_by_nobody) {
    const plan first = first_plan(hash(2, 2), 7);
    EXPECT_EQ(first.number, 7);
    ASSERT_EQ(first.chunks.size(), 1U);
    std::vector<std::string> keys;
    for (const entry& one : first.chunks[0].entries) {
        keys.push_back(entry_key(one));
        EXPECT_TRUE(one.owner.empty());
        EXPECT_EQ(one.fence, 0);
    }
    EXPECT_EQ(keys, (std::vector<std::string>{"0", "0#1", "1", "1#1"}));
}

TEST(first_plan, names_the_partitions_of_a_range_by_their_first_keys) {
    specification spec;
    spec.kind = resource_kind::range;
    spec.from = {"A", "H", "N"};
    EXPECT_EQ(first_plan(spec, 1).chunks[0].entries[2].partition, "N");
}

TEST(first_plan, splits_into_chunks) {
    const plan first = first_plan(hash(1500), 1);
    ASSERT_EQ(first.chunks.size(), 2U);
    EXPECT_EQ(first.chunks[0].entries.size(), 1024U);
    EXPECT_EQ(first.chunks[1].entries.back().partition, "1499");
}

TEST(first_plan, is_made_chunk_by_chunk_too) {
    for (const specification& spec : {hash(1500), hash(700, 3)}) {
        const plan first = first_plan(spec, 7);
        for (std::size_t i = 0; i < first.chunks.size(); ++i) {
            EXPECT_EQ(first_chunk(spec, 7, i), first.chunks[i]);
        }
        EXPECT_TRUE(first_chunk(spec, 7, first.chunks.size()).entries.empty());
    }
    EXPECT_EQ(first_chunk(list(), 7, 0), first_plan(list(), 7).chunks[0]);
}

TEST(first_plan, waits_for_everybody_where_a_plan_was_lost) {
    const specification spec = hash(1);
    const plan first = first_plan(spec, 7, {a, b});
    EXPECT_EQ(first.chunks[0].entries[0], owned("0", {}, 7, {a, b}));
    const auto made = change(spec, first, present({a, b}), always({{a}}));
    EXPECT_EQ(entries(made)[0], owned("0", a, 17, {b}));
}

// --- Rule 1
// ---------------------------------------------------------------------------------------

TEST(next_plan, gives_unowned_partitions_and_waits_for_nobody) {
    const auto made = change(hash(2), first_plan(hash(2), 1), present({a, b}));
    EXPECT_EQ(entries(made), (std::vector{owned("0", a, 11), owned("1", b, 11)}));
    EXPECT_EQ(made->chunks, std::set<std::size_t>{0});
    EXPECT_EQ(made->next.chunks[0].number, 11);
    EXPECT_EQ(made->reasons,
              (std::vector<std::string>{"orders/0 nobody->a first", "orders/1 nobody->b first"}));
}

TEST(next_plan, is_nothing_where_nothing_changes) {
    const plan before = with(5, {owned("0", a, 3), owned("1", b, 5)});
    EXPECT_FALSE(change(hash(2), before, present({a, b})));
}

TEST(next_plan, is_not_written_to_clean_waits_alone) {
    const plan before = with(5, {owned("0", a, 3, {b})});
    plan_facts facts = present({a});
    facts.gone.insert(b);
    EXPECT_FALSE(change(hash(1), before, facts));
}

TEST(next_plan, waits_for_the_former_owner_whatever_it_released) {
    const plan before = with(5, {owned("0", a, 3)});
    plan_facts facts = present({a, b});
    record(facts, a).through = 5;  // it has read the plan under which it owns
    const auto made = change(hash(1), before, facts, always({{b}}));
    EXPECT_EQ(entries(made)[0], owned("0", b, 15, {a}));
}

TEST(next_plan, carries_waits_on_until_released_up_to_the_old_fence) {
    const plan before = with(5, {owned("0", b, 5, {a})});
    plan_facts facts = present({a, b, c});
    record(facts, a).through = 4;
    EXPECT_EQ(entries(change(hash(1), before, facts, always({{c}})))[0], owned("0", c, 15, {a, b}));
    record(facts, a).through = 5;
    record(facts, a).except = {"0"};  // read, but still draining
    EXPECT_EQ(entries(change(hash(1), before, facts, always({{c}})))[0], owned("0", c, 15, {a, b}));
    record(facts, a).except = {};
    EXPECT_EQ(entries(change(hash(1), before, facts, always({{c}})))[0], owned("0", c, 15, {b}));
}

TEST(next_plan, never_lets_an_owner_wait_for_itself) {
    const plan before = with(5, {owned("0", b, 5, {a})});
    EXPECT_EQ(entries(change(hash(1), before, present({a, b}), always({{a}})))[0],
              owned("0", a, 15, {b}));
}

TEST(next_plan, leaves_out_who_is_gone) {
    const plan before = with(5, {owned("0", a, 3, {c})});
    plan_facts facts = present({a, b, c});
    loses(facts, a);
    loses(facts, c);
    const auto made = change(hash(1), before, facts);
    EXPECT_EQ(entries(made)[0], owned("0", b, 15));
    EXPECT_EQ(made->reasons, std::vector<std::string>{"orders/0 " + a.brief() + "->b left"});
}

TEST(next_plan, cleans_other_waits_once_it_is_written_anyway) {
    const plan before = with(5, {owned("0", a, 3, {c}), owned("1", {}, 0)});
    plan_facts facts = present({a, b});
    facts.gone.insert(c);
    EXPECT_EQ(entries(change(hash(2), before, facts)),
              (std::vector{owned("0", a, 3), owned("1", b, 15)}));
}

TEST(next_plan, leaves_what_an_unread_member_has) {
    const plan before = with(5, {owned("0", d, 3)});
    EXPECT_FALSE(change(hash(1), before, present({a, b})));
}

TEST(next_plan, leaves_what_a_suspect_within_its_grace_has_and_gives_it_nothing) {
    const plan before = with(5, {owned("0", a, 3), owned("1", {}, 0), owned("2", {}, 0)});
    plan_facts facts = present({b});
    facts.statuses[a].state = lifecycle::online;
    facts.keepers = {a};
    EXPECT_EQ(entries(change(hash(3), before, facts)),
              (std::vector{owned("0", a, 3), owned("1", b, 15), owned("2", b, 15)}));
}

TEST(next_plan, drains_to_nobody_where_nobody_else_is) {
    const plan before = with(5, {owned("0", a, 3)});
    plan_facts facts;
    facts.statuses[a].state = lifecycle::draining;
    EXPECT_EQ(entries(change(hash(1), before, facts))[0], owned("0", {}, 15, {a}));
    facts.statuses[a].state = lifecycle::online;  // Suspect in the view: better than nobody
    EXPECT_FALSE(change(hash(1), before, facts));
}

TEST(next_plan, releases_all_of_a_removed_resource) {
    specification spec = hash(2);
    spec.tombstone = true;
    const plan before = with(5, {owned("0", a, 3), owned("1", {}, 0)});
    EXPECT_EQ(entries(change(spec, before, present({a}))),
              (std::vector{owned("0", {}, 15, {a}), owned("1", {}, 0)}));
}

// --- Re-admission
// ---------------------------------------------------------------------------------

TEST(next_plan, readmits_a_lapsed_member_under_larger_fences_with_one_write) {
    const plan before = with(5, {owned("0", a, 3), owned("1", b, 5)});
    plan_facts facts = present({a, b});
    record(facts, a).revoked = 5;
    const auto made = change(hash(2), before, facts);
    EXPECT_TRUE(made->chunks.empty());
    EXPECT_EQ(made->next.since, (std::map<member_id, plan_number>{{a, 15}}));
    EXPECT_EQ(fence_of(made->next, entries(made)[0]), 15);
    EXPECT_EQ(fence_of(made->next, entries(made)[1]), 5);
    EXPECT_FALSE(change(hash(2), made->next, facts));
}

TEST(next_plan, does_not_readmit_for_grants_above_what_was_revoked) {
    const plan before = with(9, {owned("0", a, 9)});
    plan_facts facts = present({a});
    record(facts, a).revoked = 8;
    EXPECT_FALSE(change(hash(1), before, facts));
}

TEST(next_plan, forgets_since_only_where_no_older_grant_is_left) {
    plan before = with(9, {owned("0", a, 3), owned("1", b, 9), owned("2", {}, 0)});
    before.since = {{a, 6}, {b, 7}};
    const auto made = change(hash(3), before, present({a, b}), always({{a}, {b}, {b}}));
    EXPECT_EQ(made->next.since, (std::map<member_id, plan_number>{{a, 6}}));
}

// --- Failed acquires
// ------------------------------------------------------------------------------

TEST(next_plan, retries_a_failed_acquire_elsewhere) {
    const plan before = with(5, {owned("0", a, 5)});
    plan_facts facts = present({a, b});
    record(facts, a).failed["0"] = 5;
    const auto made = change(hash(1), before, facts);
    EXPECT_EQ(entries(made)[0], owned("0", b, 15, {a}));
    EXPECT_EQ(made->reasons, std::vector<std::string>{"orders/0 a->b failed to start"});
}

TEST(next_plan, does_not_choose_a_member_that_failed_before) {
    const plan before = with(15, {owned("0", b, 15)});
    plan_facts facts = present({a, b});
    record(facts, a).failed["0"] = 5;
    record(facts, b).failed["0"] = 15;
    EXPECT_EQ(entries(change(hash(1), before, facts))[0], owned("0", {}, 25, {b}));
    record(facts, a).failed.clear();  // its back-off is over
    EXPECT_EQ(entries(change(hash(1), before, facts))[0], owned("0", a, 25, {b}));
}

TEST(next_plan, keeps_an_owner_whose_failure_was_under_an_older_fence) {
    const plan before = with(15, {owned("0", a, 15)});
    plan_facts facts = present({a, b});
    record(facts, a).failed["0"] = 5;
    EXPECT_FALSE(change(hash(1), before, facts));
}

TEST(next_plan, quarantines_what_three_members_failed_to_start) {
    const plan before = with(5, {owned("0", c, 5)});
    plan_facts facts = present({a, b, c, d});
    record(facts, a).failed["0"] = 3;
    record(facts, b).failed["0"] = 4;
    record(facts, c).failed["0"] = 5;
    const auto made = change(hash(1), before, facts);
    EXPECT_TRUE(entries(made)[0].owner.empty());
    EXPECT_EQ(
        made->reasons,
        std::vector<std::string>{"orders/0 c->nobody quarantined: 3 members failed to start it"});
}

// --- handover_delay
// -------------------------------------------------------------------------------

TEST(next_plan, leaves_a_crashed_owners_partition_to_nobody_for_the_delay) {
    specification spec = hash(1);
    spec.handover_delay = ms{500};
    const plan before = with(5, {owned("0", a, 3)});
    plan_facts facts = present({a, b});
    loses(facts, a).gone_at[a] = now;

    const auto made = change(spec, before, facts);
    EXPECT_EQ(entries(made)[0], owned("0", {}, 15, {a}));  // so that any leader knows
    EXPECT_EQ(made->look_again, now + 500ms);

    EXPECT_FALSE(change(spec, made->next, facts, {}, now + 499ms));
    EXPECT_EQ(look_again_at(spec, made->next, facts, now + 499ms, "orders"), now + 500ms);
    EXPECT_EQ(entries(change(spec, made->next, facts, {}, now + 500ms))[0], owned("0", b, 25));
    EXPECT_EQ(look_again_at(spec, made->next, facts, now + 500ms, "orders"), std::nullopt);
}

TEST(next_plan, grants_at_once_after_a_clean_leave) {
    specification spec = hash(1);
    spec.handover_delay = ms{500};
    plan_facts facts = present({a, b});
    loses(facts, a);
    EXPECT_EQ(entries(change(spec, with(5, {owned("0", a, 3)}), facts))[0], owned("0", b, 15));
}

// --- Lists and globals
// ----------------------------------------------------------------------------

TEST(next_plan, adds_wanted_names_and_gives_them_at_once) {
    plan_facts facts = present({a});
    facts.wanted = {"mon", "tue"};
    const auto made = change(list(), first_plan(list(), 1), facts);
    EXPECT_EQ(entries(made), (std::vector{owned("mon", a, 11), owned("tue", a, 11)}));
}

TEST(next_plan, drops_an_unwanted_name_only_once_it_is_released) {
    plan_facts facts = present({a});
    facts.wanted = {"tue"};
    const plan before = with(5, {owned("mon", a, 5), owned("tue", a, 5)});
    const auto first = change(list(), before, facts);
    entry leaving = owned("mon", {}, 15, {a});
    leaving.removed = true;
    EXPECT_EQ(entries(first), (std::vector{leaving, owned("tue", a, 5)}));

    record(facts, a).through = 14;
    EXPECT_FALSE(change(list(), first->next, facts));
    record(facts, a).through = 15;
    const auto second = change(list(), first->next, facts);
    EXPECT_EQ(entries(second), std::vector{owned("tue", a, 5)});
}

TEST(next_plan, takes_a_name_back_that_was_on_its_way_out) {
    plan_facts facts = present({b});
    facts.statuses[a].state = lifecycle::online;
    facts.wanted = {"mon"};
    entry leaving = owned("mon", {}, 15, {a});
    leaving.removed = true;
    EXPECT_EQ(entries(change(list(), with(15, {leaving}), facts)),
              std::vector{owned("mon", b, 25, {a})});
}

TEST(next_plan, puts_a_new_name_into_the_first_chunk_with_room) {
    plan before = with(5, {});
    for (std::size_t i = 0; i < entries_per_chunk; ++i) {
        before.chunks[0].entries.push_back(owned("n" + std::to_string(i), a, 5));
    }
    plan_facts facts = present({a});
    facts.wanted.emplace();
    for (std::size_t i = 0; i <= entries_per_chunk; ++i) {
        facts.wanted->push_back("n" + std::to_string(i));
    }
    const auto made = change(list(), before, facts);
    ASSERT_EQ(made->next.chunks.size(), 2U);
    EXPECT_EQ(made->chunks, std::set<std::size_t>{1});
    EXPECT_EQ(made->next.chunks[1].entries, std::vector{owned("n1024", a, 15)});
}

TEST(next_plan, keeps_globals_with_their_candidates) {
    plan_facts facts = present({a, b});
    facts.wanted = {"boss"};
    facts.eligible["boss"] = {b};
    const plan before = with(5, {owned("boss", a, 5)});
    EXPECT_EQ(entries(change(list(), before, facts))[0], owned("boss", b, 15, {a}));
    facts.eligible["boss"] = {};
    EXPECT_EQ(entries(change(list(), before, facts))[0], owned("boss", {}, 15, {a}));
}

// --- The user's planner
// ---------------------------------------------------------------------------

TEST(next_plan, falls_back_on_the_built_in_planner_where_the_answer_is_refused) {
    const plan before = first_plan(hash(1), 1);
    for (const planner& bad : {always({}),
                               always({{d}}),
                               always({{a, b}}),
                               planner{[](const planner_input&) -> planned_owners {
                                   throw std::runtime_error{"no"};
                               }}}) {
        const auto made = change(hash(1), before, present({a, b}), bad);
        EXPECT_EQ(entries(made)[0], owned("0", a, 11));
        EXPECT_NE(made->reasons[0].find("the built-in planner decides"), std::string::npos);
    }
}

TEST(next_plan, leaves_a_slot_empty_where_the_planner_does) {
    const auto made = change(hash(2), first_plan(hash(2), 1), present({a, b}), always({{}, {b}}));
    EXPECT_EQ(entries(made), (std::vector{owned("0", {}, 0), owned("1", b, 11)}));
}

TEST(validate, refuses_a_member_twice_and_one_that_is_not_eligible) {
    planner_input input;
    input.replicas = 2;
    input.members = {taker(a), taker(b)};
    input.partitions.emplace_back().eligible = {a};
    EXPECT_TRUE(validate(input, {{a}}));
    EXPECT_TRUE(validate(input, {{member_id{}, a}}));
    EXPECT_FALSE(validate(input, {{b}}));
    input.partitions[0].eligible.clear();
    EXPECT_TRUE(validate(input, {{a, b}}));
    EXPECT_EQ(validate(input, {{a, a}}).error().code, errc::invalid_argument);
}

TEST(next_plan, asks_what_planner_question_says) {
    const plan before = with(5, {owned("0", a, 5), owned("1", {}, 0)});
    planner_input asked;
    const planner note = [&](const planner_input& input) {
        asked = input;
        return balanced(input);
    };
    const plan_facts facts = present({b, a});
    static_cast<void>(change(hash(2), before, facts, note));
    const auto question = planner_question(hash(2), before, facts, now, "orders");
    EXPECT_EQ(asked.members, question->members);
    EXPECT_EQ(asked.partitions, question->partitions);
    EXPECT_EQ(asked.members[0].id, a);  // ordered by name
    EXPECT_EQ(asked.partitions[0].owners, ids({a}));
}

// --- Large plans
// ----------------------------------------------------------------------------------

TEST(next_plan, is_several_plans_where_one_would_be_too_large) {
    const specification spec = hash(1024 * (2 * chunks_per_change + 6));
    plan whole = first_plan(spec, 1);
    const plan_facts facts = present({a, b, c});
    int plans = 0;
    for (bool more = true; more; ++plans) {
        const auto made = change(spec, whole, facts);
        ASSERT_TRUE(made);
        EXPECT_LE(made->chunks.size(), chunks_per_change);
        whole = made->next;
        more = made->more;
    }
    EXPECT_EQ(plans, 3);
    EXPECT_FALSE(change(spec, whole, facts));
    for (const plan_chunk& chunk : whole.chunks) {
        EXPECT_TRUE(std::ranges::none_of(chunk.entries, &member_id::empty, &entry::owner));
    }
}

// --- Head and chunks
// ------------------------------------------------------------------------------

TEST(assemble, puts_head_and_chunks_together_and_takes_newer_chunks) {
    const specification spec = hash(2);
    plan whole = with(5, {owned("0", a, 3), owned("1", b, 5)});
    whole.since = {{a, 4}};
    const plan_head head = head_of(whole);
    EXPECT_EQ(assemble(spec, head, whole.chunks), whole);
    auto newer = whole.chunks;
    newer[0].number = 9;
    EXPECT_EQ(assemble(spec, head, newer)->number, 5);
}

TEST(assemble, takes_what_is_not_written_yet_for_owned_by_nobody) {
    const specification spec = hash(2500);
    plan begun = first_plan(spec, 5);
    begun.chunks.resize(1);
    begun.chunks[0].entries[3] = owned("3", a, 5);
    begun.fresh = true;
    const auto whole = assemble(spec, head_of(begun), begun.chunks);
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->number, 5);
    EXPECT_TRUE(whole->fresh);
    ASSERT_EQ(whole->chunks.size(), 3U);
    EXPECT_EQ(whole->chunks[0], begun.chunks[0]);
    EXPECT_EQ(whole->chunks[1], first_chunk(spec, 0, 1));
    EXPECT_EQ(whole->chunks[2].entries.back(), owned("2499", {}, 0));
    begun.chunks.clear();
    EXPECT_EQ(assemble(spec, head_of(begun), {})->chunks[0], first_chunk(spec, 0, 0));
}

TEST(assemble, refuses_an_older_chunk_and_what_does_not_belong_together) {
    const plan whole = with(5, {owned("0", a, 3), owned("1", b, 5)});
    auto older = whole.chunks;
    older[0].number = 4;
    EXPECT_EQ(assemble(hash(2), head_of(whole), older).error().code, errc::unavailable);
    EXPECT_EQ(assemble(hash(2), head_of(whole), {}).error().code, errc::invalid_argument);
    EXPECT_EQ(assemble(hash(3), head_of(whole), whole.chunks).error().code, errc::invalid_argument);
}

}  // namespace
}  // namespace muster::cluster
