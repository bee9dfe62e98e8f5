#include "cluster/leader/decide.hpp"

#include "cluster/codec.hpp"
#include "cluster/leader/agent.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace muster::cluster {
namespace {

const member_id a{1, 1};
const member_id b{1, 2};
const member_id c{1, 3};
const instant now{std::chrono::seconds{100}};

specification hash_of(std::uint32_t partitions) {
    specification spec;
    spec.partitions = partitions;
    return spec;
}

specification list_of_names() {
    specification spec;
    spec.kind = resource_kind::list;
    return spec;
}

seen_member online(const std::string& name, const std::string& serves, std::int64_t started = 0) {
    seen_member seen;
    seen.described.emplace();
    seen.described->name = name;
    seen.described->started_unix_ms = started;
    seen.status.emplace();
    seen.status->state = lifecycle::online;
    seen.status->resources.emplace(serves, release_record{});
    return seen;
}

/// One resource that a and b serve, and both admitted.
leader_book book_of(const std::string& resource, specification spec, plan whole) {
    leader_book book;
    book.members[a] = online("a", resource);
    book.members[b] = online("b", resource);
    book.view.members = {{.id = a, .state = lifecycle::online},
                         {.id = b, .state = lifecycle::online}};
    book.resources[resource].spec = std::move(spec);
    book.resources[resource].whole = std::move(whole);
    return book;
}

/// As that of a resource that works: every entry with its owner and the fence it has it under.
plan owned_by(const specification& spec,
              std::vector<member_id> owners,
              const std::vector<std::string>& names = {}) {
    plan whole = first_plan(spec, 7, {}, names);
    std::size_t at = 0;
    for (plan_chunk& chunk : whole.chunks) {
        for (entry& one : chunk.entries) {
            one.owner = owners[at++ % owners.size()];
            one.fence = 7;
        }
    }
    return whole;
}

leader_decision decided(const leader_book& book, const decide_settings& settings = {}) {
    return decide(book, settings, now, 1000);
}

std::vector<member_id> owners_in(const plan& whole) {
    std::vector<member_id> owners;
    for (const plan_chunk& chunk : whole.chunks) {
        for (const entry& one : chunk.entries) {
            owners.push_back(one.owner);
        }
    }
    return owners;
}

command_record asks(command_kind kind, std::string resource, std::string partition) {
    return {.kind = kind,
            .resource = std::move(resource),
            .partition = std::move(partition),
            .member = {},
            .outcome = std::nullopt};
}

command_record drains(std::string member) {
    return {.kind = command_kind::drain,
            .resource = {},
            .partition = {},
            .member = std::move(member),
            .outcome = std::nullopt};
}

// --- Planners ------------------------------------------------------------------------------------

TEST(decide, a_planner_of_the_users_own_decides_about_its_resource_alone) {
    leader_book book = book_of("work", hash_of(4), owned_by(hash_of(4), {a, a, b, b}));
    book.members[a].status->resources.emplace("other", release_record{});
    book.members[b].status->resources.emplace("other", release_record{});
    book.resources["other"].spec = hash_of(2);
    book.resources["other"].whole = owned_by(hash_of(2), {a, b});
    decide_settings settings;
    settings.planners["work"] = [](const planner_input& input) {
        return planned_owners(input.partitions.size(), {input.members.back().id});
    };
    const leader_decision what = decided(book, settings);
    ASSERT_TRUE(what.plans.contains("work"));
    EXPECT_EQ(owners_in(what.plans.at("work").next), (std::vector{b, b, b, b}));
    EXPECT_FALSE(what.plans.contains("other"));
}

// --- After an end --------------------------------------------------------------------------------

leader_book after_the_end_of_b(bool released) {
    const specification spec = hash_of(1);
    plan whole = first_plan(spec, 9);
    whole.chunks[0].entries[0].fence = 9;  // b had it under 7; since 9 nobody has it.
    whole.chunks[0].entries[0].waits = {b};
    leader_book book = book_of("work", spec, whole);
    book.members.erase(b);
    book.gone.insert(b);
    book.gone_at[b] = now - 10ms;
    status_record& said = book.last_said[b];
    said.state = lifecycle::draining;
    said.resources["work"].through = 9;
    if (!released) {
        said.resources["work"].except.insert("0");
    }
    return book;
}

TEST(decide, who_had_let_go_before_its_end_delays_nobody) {
    const leader_decision what = decided(after_the_end_of_b(true));
    ASSERT_TRUE(what.plans.contains("work"));
    EXPECT_EQ(owners_in(what.plans.at("work").next), std::vector{a});
}

TEST(decide, who_said_that_it_left_delays_nobody) {
    leader_book book = after_the_end_of_b(false);
    book.last_said[b].state = lifecycle::left;
    EXPECT_EQ(owners_in(decided(book).plans.at("work").next), std::vector{a});
}

TEST(decide, who_had_not_let_go_before_its_end_is_waited_for_as_long_as_its_effects_may_last) {
    const leader_decision what = decided(after_the_end_of_b(false));
    EXPECT_FALSE(what.plans.contains("work"));
    EXPECT_EQ(what.look_again, now + 490ms);
}

TEST(decide, an_owner_that_is_gone_has_not_let_go_whatever_it_said_before) {
    leader_book book = after_the_end_of_b(true);
    entry& one = book.resources["work"].whole.chunks[0].entries[0];
    one.owner = b;
    one.waits.clear();
    const leader_decision what = decided(book);
    ASSERT_TRUE(what.plans.contains("work"));
    EXPECT_EQ(owners_in(what.plans.at("work").next), std::vector{member_id{}});
}

// --- Tombstones and damage -----------------------------------------------------------------------

TEST(decide, a_removed_resource_is_released_by_everybody_and_given_to_nobody) {
    specification spec = hash_of(2);
    spec.tombstone = true;
    leader_book book = book_of("work", spec, owned_by(hash_of(2), {a, b}));
    const leader_decision what = decided(book);
    ASSERT_TRUE(what.plans.contains("work"));
    const plan& next = what.plans.at("work").next;
    EXPECT_EQ(owners_in(next), (std::vector{member_id{}, member_id{}}));
    EXPECT_EQ(next.chunks[0].entries[0].waits, std::vector{a});
    book.resources["work"].whole = next;
    EXPECT_FALSE(decided(book).plans.contains("work")) << "and that was all";
}

TEST(decide, a_removed_list_is_empty_once_everybody_has_let_go) {
    specification spec = list_of_names();
    spec.tombstone = true;
    leader_book book = book_of("days", spec, owned_by(list_of_names(), {a}, {"monday"}));
    plan next = decided(book).plans.at("days").next;
    ASSERT_EQ(next.chunks[0].entries.size(), 1U);
    EXPECT_TRUE(next.chunks[0].entries[0].removed);
    book.resources["days"].whole = next;
    book.members[a].status->resources["days"].through = next.number;
    next = decided(book).plans.at("days").next;
    EXPECT_TRUE(next.chunks[0].entries.empty());
}

TEST(decide, what_is_asked_of_a_damaged_or_removed_resource_is_refused_and_says_why) {
    leader_book book = book_of("days", list_of_names(), owned_by(list_of_names(), {a}, {"monday"}));
    book.commands["1"].what = asks(command_kind::add_partition, "days", "tuesday");
    const auto answer = [&] { return *decided(book).results.at("1").outcome; };
    EXPECT_TRUE(answer());

    book.resources["days"].damaged = "/muster/x holds no JSON object";
    EXPECT_EQ(answer().error().code, errc::unavailable);
    EXPECT_NE(answer().error().text.find("/muster/x holds no JSON object"), std::string::npos);

    book.resources["days"].damaged = "";
    book.resources["days"].lost = true;
    EXPECT_EQ(answer().error().code, errc::unavailable);

    book.resources["days"].lost = false;
    book.resources["days"].spec.tombstone = true;
    EXPECT_EQ(answer().error().code, errc::not_found);
    EXPECT_NE(answer().error().text.find("removed"), std::string::npos);

    book.resources["days"].unread = true;
    EXPECT_TRUE(decided(book).results.empty()) << "it is taken when the resource has been read";
}

TEST(decide, a_lost_plan_is_begun_anew_and_waits_for_all_who_may_own_of_it) {
    leader_book book = book_of("work", hash_of(2), {});
    book.resources["work"].lost = true;
    book.resources["work"].read_zxid = 40;
    book.members[c] = online("c", "something else");
    const leader_decision what = decided(book);
    ASSERT_TRUE(what.plans.contains("work"));
    const plan& next = what.plans.at("work").next;
    EXPECT_EQ(next.number, 40);
    EXPECT_EQ(owners_in(next), (std::vector{member_id{}, member_id{}}));
    for (const entry& one : next.chunks[0].entries) {
        EXPECT_EQ(one.waits, (std::vector{a, b})) << "c serves no such resource";
    }
}

TEST(decide, a_lost_list_comes_back_with_the_names_that_are_known_or_when_nobody_may_own_of_it) {
    leader_book book = book_of("days", list_of_names(), owned_by(list_of_names(), {a}, {"monday"}));
    book.resources["days"].lost = true;
    const plan next = decided(book).plans.at("days").next;
    ASSERT_EQ(next.chunks[0].entries.size(), 1U);
    EXPECT_EQ(next.chunks[0].entries[0].waits, (std::vector{a, b}));

    book.resources["days"].whole = {};
    EXPECT_FALSE(decided(book).plans.contains("days"));
    book.members.clear();
    EXPECT_TRUE(decided(book).plans.contains("days"));
}

TEST(decide, a_long_plan_that_was_lost_is_written_in_steps_and_then_planned) {
    const specification spec = hash_of(40 * entries_per_chunk);
    leader_book book = book_of("work", spec, {});
    for (std::uint64_t i = 10; i < 40; ++i) {
        book.members[member_id{1, i}] = online("m" + std::to_string(i), "work");
    }
    book.resources["work"].lost = true;
    int steps = 0;
    for (; steps < 20; ++steps) {
        leader_decision what = decided(book);
        const bool cut = cut_to_size(what, book);
        plan_change& change = what.plans.at("work");
        std::size_t bytes = 0;
        for (const std::size_t chunk : change.chunks) {
            bytes += encode(change.next.chunks[chunk], spec).size();
        }
        EXPECT_LT(bytes, 900'000U);
        book.resources["work"].whole = change.next;
        book.resources["work"].lost = false;
        if (!cut) {
            break;
        }
    }
    EXPECT_GT(steps, 0);
    EXPECT_EQ(book.resources["work"].whole.chunks.size(), 40U);
    EXPECT_EQ(book.resources["work"].whole.chunks.back().entries.size(), entries_per_chunk);
    EXPECT_FALSE(owners_in(decided(book).plans.at("work").next).front().empty());
}

/// Decides and writes until nothing is cut any more; after how many writes.
int written_whole(leader_book& book, const std::string& resource) {
    for (int writes = 1; writes < 40; ++writes) {
        leader_decision what = decided(book);
        const bool cut = cut_to_size(what, book);
        book.resources[resource].whole = what.plans.at(resource).next;
        if (!cut) {
            return writes;
        }
    }
    return 40;
}

TEST(decide, a_new_plan_that_one_multi_could_not_hold_is_completed_and_waits_for_nobody) {
    const specification spec = hash_of(400 * entries_per_chunk);
    plan begun = first_plan(spec, 7);
    begun.chunks.resize(100);
    begun.fresh = true;
    leader_book book = book_of("work", spec, begun);
    EXPECT_GT(written_whole(book, "work"), 1);
    const plan& whole = book.resources["work"].whole;
    ASSERT_EQ(whole.chunks.size(), 400U);
    EXPECT_TRUE(whole.fresh);
    for (std::size_t i = 0; i < 400; ++i) {
        EXPECT_EQ(whole.chunks[i].entries, first_chunk(spec, 7, i).entries) << i;
    }
    const leader_decision then = decided(book);
    EXPECT_FALSE(owners_in(then.plans.at("work").next).front().empty());
    EXPECT_FALSE(then.plans.at("work").next.fresh);
}

TEST(decide, a_new_plan_that_was_lost_before_it_was_complete_waits_for_all_who_may_own_of_it) {
    const specification spec = hash_of(2 * entries_per_chunk);
    plan begun = first_plan(spec, 7);
    begun.chunks.resize(1);
    begun.fresh = true;
    leader_book book = book_of("work", spec, begun);
    book.resources["work"].lost = true;
    const plan next = decided(book).plans.at("work").next;
    EXPECT_FALSE(next.fresh);
    for (const plan_chunk& chunk : next.chunks) {
        EXPECT_EQ(chunk.entries[0].waits, (std::vector{a, b}));
    }
}

TEST(decide, a_head_that_does_not_say_it_is_fresh_is_completed_as_a_lost_one) {
    const specification spec = hash_of(2 * entries_per_chunk);
    plan begun = first_plan(spec, 7);
    begun.chunks.resize(1);
    const leader_book book = book_of("work", spec, begun);
    EXPECT_EQ(decided(book).plans.at("work").next.chunks[1].entries[0].waits, (std::vector{a, b}));
}

TEST(cut_to_size, keeps_what_the_head_has_to_say_of_chunks_that_stay_as_they_are) {
    // Each list fills most of a multi with its one chunk: the second has to wait.
    std::vector<std::string> names;
    for (std::size_t i = 0; i < entries_per_chunk; ++i) {
        names.push_back(std::string(300, 'x') + std::to_string(i));
    }
    const specification spec = list_of_names();
    plan whole = owned_by(spec, {a}, names);
    plan_chunk second = whole.chunks[0];
    for (entry& one : second.entries) {
        one.partition += "'";
    }
    whole.chunks.push_back(std::move(second));
    whole.since[a] = 8;
    leader_book book = book_of("days", spec, whole);
    leader_decision what;
    plan_change& change = what.plans["days"];
    change.next = whole;
    change.next.number = 20;
    change.next.since.clear();
    change.chunks = {0, 1};
    for (plan_chunk& chunk : change.next.chunks) {
        chunk.number = 20;
        for (entry& one : chunk.entries) {
            one.owner = b;
            one.fence = 20;
        }
    }
    EXPECT_TRUE(cut_to_size(what, book));
    EXPECT_EQ(change.chunks, std::set<std::size_t>{0});
    EXPECT_EQ(change.next.chunks[1], whole.chunks[1]);
    EXPECT_EQ(change.next.since, whole.since);
}

// --- Members by name -----------------------------------------------------------------------------

TEST(decide, a_drain_by_name_marks_the_incarnation_that_is_admitted) {
    for (const member_id waiting : {member_id{0, 1}, member_id{9, 9}}) {
        leader_book book = book_of("work", hash_of(2), owned_by(hash_of(2), {a, b}));
        book.members[waiting] = online("a", "work", 500);
        book.commands["1"].what = drains("a");
        const leader_decision what = decided(book);
        ASSERT_TRUE(what.view);
        const auto at = std::ranges::find(what.view->next.members, a, &view_member::id);
        ASSERT_NE(at, what.view->next.members.end());
        EXPECT_TRUE(at->drain);
    }
}

// --- Views too large for one request -------------------------------------------------------------

TEST(decide, half_a_view_moves_nothing_answers_nobody_and_forgets_no_mark) {
    const std::uint64_t many = 6000;
    leader_book book;
    std::vector<member_id> owners;
    for (std::uint64_t i = 1; i <= many; ++i) {
        const member_id id{5, i};
        book.members[id] = online("m" + std::to_string(i), "work");
        book.view.members.push_back({.id = id, .state = lifecycle::online});
        owners.push_back(id);
    }
    book.view.members.back().drain = true;
    book.view.number = 7;
    book.view_damaged = true;  // Nothing of it is stored: all are written anew.
    book.resources["work"].spec = hash_of(many);
    book.resources["work"].whole = owned_by(hash_of(many), owners);
    book.commands["1"].what = drains("m5999");
    decide_settings settings;
    settings.self = owners.front();
    const leader_decision half = decided(book, settings);
    ASSERT_TRUE(half.view);
    EXPECT_FALSE(half.view->complete);
    EXPECT_EQ(half.view->next.members.size(), view_chunks_at_once * members_per_chunk);
    EXPECT_TRUE(half.plans.empty()) << "whoever is not in it yet keeps what it owns";
    EXPECT_TRUE(half.results.empty()) << "its mark is not written yet";

    book.marked.insert(owners.back());
    book.view = half.view->next;
    book.view_damaged = false;
    book.stored_view.take(*half.view);
    const leader_decision rest = decided(book, settings);
    ASSERT_TRUE(rest.view);
    EXPECT_TRUE(rest.view->complete);
    ASSERT_EQ(rest.view->next.members.size(), many);
    EXPECT_TRUE(rest.view->next.members[many - 1].drain) << "as before";
    EXPECT_TRUE(rest.view->next.members[many - 2].drain) << "as asked";
    EXPECT_EQ(rest.results.size(), 1U);
}

// --- Prepared moves ------------------------------------------------------------------------------

TEST(decide, a_hint_is_looked_at_again_when_its_deadline_is_over_and_then_the_entry_moves) {
    specification spec = hash_of(2);
    spec.prepare_deadline = std::chrono::milliseconds{400};
    leader_book book = book_of("work", spec, owned_by(spec, {a, a}));
    note_hints(book, now);
    leader_decision first = decided(book);
    ASSERT_TRUE(first.plans.contains("work"));
    EXPECT_EQ(owners_in(first.plans.at("work").next), (std::vector{a, a}));
    EXPECT_EQ(first.look_again, now + 400ms);
    book.resources["work"].whole = first.plans.at("work").next;
    note_hints(book, now + 10ms);
    note_hints(book, now + 300ms);  // It is seen first but once.
    leader_decision second = decide(book, {}, now + 400ms, 1000);
    EXPECT_TRUE(second.plans.empty());
    EXPECT_EQ(second.look_again, now + 410ms);
    leader_decision third = decide(book, {}, now + 410ms, 1000);
    ASSERT_TRUE(third.plans.contains("work"));
    EXPECT_EQ(std::ranges::count(owners_in(third.plans.at("work").next), b), 1);
    EXPECT_EQ(book.hints["work"].size(), 1U);
    book.resources["work"].whole = third.plans.at("work").next;
    note_hints(book, now + 420ms);
    EXPECT_TRUE(book.hints.empty());
}

TEST(decide, who_is_hinted_at_is_among_those_whose_end_must_be_noticed) {
    plan whole = owned_by(hash_of(1), {a});
    whole.chunks[0].entries[0].next = c;
    EXPECT_TRUE(named_ids(book_of("work", hash_of(1), whole)).contains(c));
}

}  // namespace
}  // namespace muster::cluster
