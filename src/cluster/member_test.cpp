#include "base/sanitized.hpp"
#include "cluster/member_fixture_test.hpp"

#include <algorithm>
#include <limits>
#include <set>

namespace muster::cluster {
namespace {

// --- What does not stop --------------------------------------------------------------------------

TEST_F(member_test, a_handler_that_a_plan_has_stopped_is_stuck_at_the_lease_end_too) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(4)}});
    node& b = start("b", {{"work", hash_of(4)}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    b.app->hangs = true;
    drain("b");
    ASSERT_TRUE(wait([&] { return b.app->hanging.size() == 2; }));
    EXPECT_EQ(a.app->count("work"), 2U) << "it waits for b";
    EXPECT_TRUE(b.self->holds_anything());
    net.isolate(*b.machine);
    const instant end = net.now() + 2s;
    ASSERT_TRUE(wait([&] { return b.app->stuck_on.size() == 2; }, 5s));
    EXPECT_LE(net.now(), end) << "before the session can have expired";
    EXPECT_EQ(a.app->count("work"), 2U);
}

TEST_F(member_test, what_hangs_when_a_member_leaves_is_still_reported_at_the_lease_end) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(2)}});
    ASSERT_TRUE(wait_owned(a, "work", 2));
    EXPECT_TRUE(a.self->holds_anything());
    a.app->hangs = true;
    std::optional<result<void>> left;
    on(a, [&](node& at) {
        at.self->leave(at.control->now() + 300ms, [&](result<void> how) { left = std::move(how); });
    });
    ASSERT_TRUE(wait([&] { return left.has_value(); }, 1s));
    EXPECT_FALSE(*left);
    EXPECT_TRUE(a.self->holds_anything());
    EXPECT_TRUE(wait([&] { return a.app->stuck_on.size() == 2; }, 3s));
    on(a, [](node& at) {
        for (auto& done : std::exchange(at.app->hanging, {})) {
            done();
        }
    });
    net.run_for(10ms);
    EXPECT_FALSE(a.self->holds_anything());
}

TEST_F(member_test, what_waits_for_its_turn_to_be_ended_is_not_stuck) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(2)}});
    ASSERT_TRUE(wait_owned(a, "work", 2));
    a.app->hangs = true;
    a.app->runs = [](const right&) { return false; };
    net.isolate(*a.machine);
    ASSERT_TRUE(wait([&] { return a.app->hanging.size() == 2; }, 10s));
    net.run_for(5s);
    EXPECT_TRUE(a.app->stuck_on.empty());
    a.app->runs = [](const right&) { return true; };
    EXPECT_TRUE(wait([&] { return a.app->stuck_on.size() == 2; }, 100ms));
}

TEST_F(member_test, what_runs_at_the_lease_end_by_chance_is_not_stuck) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(8)}});
    ASSERT_TRUE(wait_owned(a, "work", 8));
    a.app->hangs = true;
    // Many are ended one after another, each quickly: at each look the turn is another's.
    std::set<instant> looks;
    a.app->runs = [&](const right& mine) {
        looks.insert(net.now());
        return mine.what().partition == std::to_string(looks.size() % 8);
    };
    net.isolate(*a.machine);
    ASSERT_TRUE(wait([&] { return a.app->hanging.size() == 8; }, 10s));
    net.run_for(1s);
    EXPECT_EQ(a.app->stuck_on, std::vector<std::string>{});
    a.app->runs = [](const right& mine) { return mine.what().partition == "3"; };
    EXPECT_TRUE(wait([&] { return !a.app->stuck_on.empty(); }, 100ms));
    net.run_for(1s);
    EXPECT_EQ(a.app->stuck_on, std::vector<std::string>{"work/3"});
}

TEST_F(member_test, what_ran_before_the_lease_end_and_at_it_is_reported_at_the_end) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(1)}});
    ASSERT_TRUE(wait_owned(a, "work", 1));
    a.app->hangs = true;
    std::vector<instant> looks;
    a.app->runs = [&](const right&) {
        looks.push_back(net.now());
        return true;
    };
    net.isolate(*a.machine);
    ASSERT_TRUE(wait([&] { return !a.app->hanging.empty(); }, 10s));
    const instant lapsed = net.now();  // The lease's margin of 50 ms before its end.
    ASSERT_TRUE(wait([&] { return !a.app->stuck_on.empty(); }, 1s));
    ASSERT_EQ(looks.size(), 2U);
    EXPECT_EQ((looks[0] - lapsed + 200us) / 1ms, 40);
    EXPECT_EQ((net.now() - lapsed + 200us) / 1ms, 50);
}

TEST_F(member_test, handlers_that_were_stopped_with_their_process_get_time_to_end) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(1)}});
    ASSERT_TRUE(wait_owned(a, "work", 1));
    a.app->hangs = true;
    std::vector<instant> looks;
    a.app->runs = [&](const right&) {
        looks.push_back(net.now());
        return true;
    };
    net.isolate(*a.machine);
    ASSERT_TRUE(wait([&] { return looks.size() == 1; }, 10s)) << "just before the end";
    a.machine->pause();
    net.run_for(3s);
    a.machine->resume();
    ASSERT_TRUE(wait([&] { return looks.size() == 2; }, 20ms));
    EXPECT_TRUE(a.app->stuck_on.empty()) << "it had no time to end between these two looks";
    EXPECT_TRUE(wait([&] { return !a.app->stuck_on.empty(); }, 20ms)) << "and now it had";
}

// --- Leaving -------------------------------------------------------------------------------------

TEST_F(member_test, a_leader_that_leaves_is_followed_before_its_session_ends) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(4)}});
    ASSERT_TRUE(wait([&] { return a.app->leads; }));
    node& b = start("b", {{"work", hash_of(4)}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    ASSERT_TRUE(wait_owned(a, "work", 2));
    bool left = false;
    on(a, [&](node& at) {
        at.self->leave(at.control->now() + 5s, [&](const result<void>&) { left = true; });
    });
    EXPECT_TRUE(wait([&] { return (b.app->leads && b.app->count("work") == 4) || left; }));
    EXPECT_FALSE(left) << "leads: " << b.app->leads << ", owns " << b.app->count("work");
    EXPECT_FALSE(a.app->leads);
    EXPECT_TRUE(wait([&] { return left; }));
}

// --- Names ---------------------------------------------------------------------------------------

TEST_F(member_test, partitions_whose_names_need_encoding_move_and_are_removed_as_others) {
    start_keeper();
    node& a = start("a", {{"days", list_of_names()}});
    ASSERT_TRUE(wait([&] { return a.app->leads && a.self->state() == lifecycle::online; }));
    for (const char* const name : {"a b", "x/y", "\xc3\xa4", "plain"}) {
        ASSERT_TRUE(change(a, "days", name, true));
    }
    ASSERT_TRUE(wait_owned(a, "days", 4));
    node& b = start("b", {{"days", list_of_names()}});
    ASSERT_TRUE(wait_owned(b, "days", 2));
    drain("b");
    ASSERT_TRUE(wait_owned(a, "days", 4)) << "what b has stopped is known to be released";
    ASSERT_TRUE(change(a, "days", "x/y", false));
    EXPECT_TRUE(wait([&] {
        return a.app->count("days") == 3 &&
               a.app->plans.at("days")->whole().chunks.front().entries.size() == 3;
    }));
}

// --- Wishes at any time --------------------------------------------------------------------------

TEST_F(member_test, what_is_wished_for_while_it_joins_counts_as_what_was_wished_before) {
    start_keeper();
    start("z", {{"shared", hash_of(8)}});
    net.run_for(2s);
    for (int i = 0; i < 60; ++i) {
        const std::string name = "m" + std::to_string(i);
        node& one = start(name, {{"first-" + name, hash_of(1)}});
        net.run_for(i * 300us);
        on(one, [&](node& at) {
            at.self->serve("late-" + name, hash_of(2), at.app);
            at.self->serve("shared", hash_of(4), at.app);
            at.self->stand_for({"boss"});
        });
        EXPECT_TRUE(wait_owned(one, "late-" + name, 2)) << i;
        ASSERT_TRUE(wait([&] { return one.self->state() == lifecycle::online; }));
        net.run_for(200ms);
        const status_record said = status_of(one);
        EXPECT_EQ(said.candidates, std::set<std::string>{"boss"}) << i;
        EXPECT_TRUE(said.resources.contains("late-" + name)) << i;
        EXPECT_FALSE(said.resources.contains("shared")) << i << ": described otherwise";
        EXPECT_EQ(one.app->troubles.size(), 1U) << i;
        EXPECT_EQ(one.app->count("shared"), 0U) << i;
    }
}

// --- Large resources -----------------------------------------------------------------------------

/// How many chunks the head of that plan lists now, and whether it says that it is fresh.
std::pair<std::size_t, bool> listed(const std::string& head) {
    const auto read = decode<plan_head>(head, "head");
    return read ? std::pair{read->chunks.size(), read->fresh} : std::pair{std::size_t{0}, false};
}

TEST_F(member_test, a_resource_too_large_for_one_request_is_made_in_several) {
    // In one request they would have more than 1 MiB; under a sanitizer, more than is tried in one.
    constexpr std::uint32_t many = base::is_sanitized ? 60'000 : 210'000;
    start_keeper();
    start("leader");
    net.run_for(2s);
    node& a = start("a", {{"work", hash_of(many)}});
    ASSERT_TRUE(wait([&] { return a.app->plans.contains("work"); }));
    EXPECT_EQ(a.app->plans.at("work")->partitions().size(), many) << "whole to its readers at once";
    ASSERT_TRUE(wait([&] { return a.app->owned.size() == many; })) << a.app->owned.size();
    EXPECT_EQ(listed(read(where.plan("work")).value.data),
              (std::pair{std::size_t{(many + 1023) / 1024}, false}));
    EXPECT_EQ(a.app->troubles, std::vector<std::string>{});
}

TEST_F(member_test, a_resource_that_nothing_can_store_is_refused_for_good) {
    start_keeper();
    specification wide = hash_of(0);
    wide.kind = resource_kind::range;
    for (int i = 10'000; i < 20'000; ++i) {
        wide.from.push_back(std::to_string(i) + std::string(100, 'x'));
    }
    specification copied = hash_of(1'000'000);
    copied.replicas = 16;
    node& a = start("a", {{"wide", wide}, {"copied", copied}, {"work", hash_of(2)}});
    ASSERT_TRUE(wait_owned(a, "work", 2));
    ASSERT_EQ(a.app->troubles.size(), 2U);
    EXPECT_EQ(a.app->trouble_codes, (std::vector{errc::invalid_argument, errc::invalid_argument}));
    EXPECT_NE(a.app->troubles[0].find("8388608"), std::string::npos) << a.app->troubles[0];
    EXPECT_NE(a.app->troubles[1].find("specification has"), std::string::npos)
        << a.app->troubles[1];
    EXPECT_FALSE(read(where.resource("wide")).ok());
}

// --- Timeouts ------------------------------------------------------------------------------------

TEST_F(member_test, a_session_timeout_that_is_not_safe_is_refused_unless_it_is_allowed) {
    start_keeper(milliseconds{100});
    const auto brief = [](member_settings& settings) {
        settings.session_timeout = milliseconds{600};
    };
    node& a = start("a", {{"work", hash_of(2)}}, brief);
    ASSERT_TRUE(wait([&] { return a.app->failure.has_value(); }));
    EXPECT_EQ(a.app->failure->code, errc::invalid_argument);
    EXPECT_NE(a.app->failure->text.find("at least 1000 ms"), std::string::npos)
        << a.app->failure->text;
    node& b = start("b", {{"work", hash_of(2)}}, [&](member_settings& settings) {
        brief(settings);
        settings.allow_unsafe_session_timeout = true;
    });
    EXPECT_TRUE(wait_owned(b, "work", 2));
    EXPECT_EQ(a.app->count("work"), 0U);
}

TEST_F(member_test, a_server_that_grants_less_than_is_safe_is_refused_too) {
    start_keeper(milliseconds{100}, milliseconds{600});
    node& a = start("a", {{"work", hash_of(2)}});
    ASSERT_TRUE(wait([&] { return a.app->failure.has_value(); }));
    EXPECT_EQ(a.app->failure->code, errc::invalid_argument);
    net.run_for(5s);
    EXPECT_EQ(a.app->count("work"), 0U);
    EXPECT_EQ(a.self->state(), lifecycle::stranded);
}

// --- Leaving -------------------------------------------------------------------------------------

TEST_F(member_test, who_leaves_in_order_delays_nobody_however_often_it_comes_and_goes) {
    start_keeper();
    specification spec = hash_of(6);
    spec.handover_delay = milliseconds{500};
    node& a = start("a", {{"work", spec}});
    ASSERT_TRUE(wait([&] { return a.app->leads; }));
    node& b = start("b", {{"work", spec}});
    ASSERT_TRUE(wait_owned(b, "work", 3));
    for (int i = 0; i < 8; ++i) {
        node& c = start("c" + std::to_string(i), {{"work", spec}});
        ASSERT_TRUE(wait_owned(c, "work", 2));
        net.run_for(100ms);
        on(c, [](node& at) { at.self->leave(at.control->now() + 5s, [](const result<void>&) {}); });
        EXPECT_TRUE(wait([&] { return a.app->count("work") + b.app->count("work") == 6; }, 100ms))
            << i;
        net.run_for(50ms);
    }
}

// --- Crashes ------------------------------------------------------------------------------------

TEST_F(member_test, what_a_crashed_owner_had_to_give_up_is_begun_after_the_handover_delay) {
    start_keeper();
    specification spec = hash_of(4);
    spec.handover_delay = milliseconds{500};
    node& a = start("a", {{"work", spec}});
    node& b = start("b", {{"work", spec}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    b.app->hangs = true;
    drain("b");
    ASSERT_TRUE(wait([&] { return b.app->hanging.size() == 2; }));
    const std::string znode = where.member(b.self->id());
    b.machine->kill();
    while (read(znode).ok()) {
        net.run_for(1ms);
    }
    const instant gone = net.now();
    EXPECT_EQ(a.app->count("work"), 2U);
    ASSERT_TRUE(wait_owned(a, "work", 4));
    EXPECT_GE(net.now() - gone, 495ms);
    EXPECT_LE(net.now() - gone, 550ms);
}

TEST_F(member_test, a_handover_delay_that_ends_while_the_process_is_stopped_begins_nothing) {
    start_keeper();
    specification spec = hash_of(4);
    spec.handover_delay = milliseconds{500};
    node& z = start("z");
    ASSERT_TRUE(wait([&] { return z.app->leads; }));
    node& a = start("a", {{"work", spec}});
    node& b = start("b", {{"work", spec}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    b.app->hangs = true;
    drain("b");
    ASSERT_TRUE(wait([&] { return b.app->hanging.size() == 2; }));
    const std::string znode = where.member(b.self->id());
    b.machine->kill();
    while (read(znode).ok()) {
        net.run_for(1ms);
    }
    net.run_for(100ms);
    a.machine->pause();
    net.run_for(5s);
    a.app->begun_without_right = 0;
    a.machine->resume();
    net.run_for(5s);
    EXPECT_EQ(a.app->begun_without_right, 0);
    EXPECT_EQ(a.app->count("work"), 4U) << "in its next life";
}

TEST_F(member_test, what_an_owner_had_released_before_it_crashed_is_begun_at_once) {
    start_keeper();
    specification spec = hash_of(4);
    spec.handover_delay = milliseconds{500};
    node& a = start("a", {{"work", spec}});
    node& b = start("b", {{"work", spec}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    b.app->hangs = true;
    drain("b");
    ASSERT_TRUE(wait([&] { return b.app->hanging.size() == 2; }));
    on(b, [](node& at) {
        for (auto& done : std::exchange(at.app->hanging, {})) {
            done();
        }
    });
    net.run_for(10ms);
    b.machine->kill();
    EXPECT_TRUE(wait([&] { return a.app->count("work") == 4; }, 50ms));
}

// --- Planners ------------------------------------------------------------------------------------

/// Gives everything to the member with the last name, and counts how often it was asked.
planner all_to_the_last(const std::shared_ptr<int>& asked) {
    return [asked](const planner_input& input) {
        ++*asked;
        return planned_owners(input.partitions.size(), {input.members.back().id});
    };
}

TEST_F(member_test, gets_as_much_as_its_weight_among_the_others_says) {
    start_keeper();
    const auto weighs = [](double weight) {
        return [weight](member_settings& settings) { settings.self.weight = weight; };
    };
    node& ann = start("ann", {{"r", hash_of(8)}}, weighs(0.5));
    node& bob = start("bob", {{"r", hash_of(8)}}, weighs(1.5));
    EXPECT_TRUE(wait([&] { return ann.app->count("r") == 2 && bob.app->count("r") == 6; }));
}

TEST_F(member_test, has_no_copy_of_what_another_of_its_zone_has_a_copy_of) {
    start_keeper();
    specification twice = hash_of(12);
    twice.replicas = 2;
    std::map<std::string, std::vector<node*>> zones;
    for (const auto& [name, zone] : {std::pair{"ann", "east"},
                                     std::pair{"bob", "east"},
                                     std::pair{"cid", "west"},
                                     std::pair{"dan", "west"}}) {
        zones[zone].push_back(&start(name, {{"r", twice}}, [zone](member_settings& settings) {
            settings.self.zone = zone;
        }));
    }
    const auto shared_out = [&] {
        return std::ranges::all_of(nodes,
                                   [](const auto& one) { return one->app->count("r") == 6; });
    };
    ASSERT_TRUE(wait(shared_out));
    for (const auto& [zone, members] : zones) {
        std::map<std::string, std::shared_ptr<right>> both = members[0]->app->owned;
        const auto& other = members[1]->app->owned;
        both.insert(other.begin(), other.end());
        EXPECT_EQ(both.size(), 12U) << zone << " has two copies of a partition, or none";
    }
}

TEST_F(member_test, whose_init_has_not_returned_by_its_deadline_leaves) {
    start_keeper();
    node& ann = start("ann", {{"r", hash_of(4)}});
    ASSERT_TRUE(wait_owned(ann, "r", 4));
    node& bob = start("bob", {{"r", hash_of(4)}}, [](member_settings& settings) {
        settings.init_deadline = milliseconds{3000};
    });
    bob.app->holds_init = true;
    ASSERT_TRUE(wait([&] { return !bob.app->initializing.empty(); }));
    net.run_for(2900ms);
    EXPECT_FALSE(bob.app->failure);
    EXPECT_EQ(ann.app->view->members.size(), 2U);
    net.run_for(200ms);
    ASSERT_TRUE(bob.app->failure);
    EXPECT_EQ(bob.app->failure->code, errc::timed_out);
    EXPECT_TRUE(wait([&] { return ann.app->view->members.size() == 1; }));
    EXPECT_TRUE(wait_owned(ann, "r", 4));
    // It returns at last: too late.
    on(bob, [](node& at) { at.app->initializing.front()({}); });
    net.run_for(5s);
    EXPECT_EQ(bob.app->count("r"), 0U);
    EXPECT_EQ(ann.app->view->members.size(), 1U);
    EXPECT_EQ(ann.app->count("r"), 4U);
}

TEST_F(member_test, a_planner_of_the_users_own_decides_and_runs_on_the_leader_alone) {
    start_keeper();
    const auto asked_a = std::make_shared<int>(0);
    const auto asked_b = std::make_shared<int>(0);
    node& a = start("a");
    ASSERT_TRUE(wait([&] { return a.app->leads; }));
    node& b = start("b");
    // Both say so late: the leader leads already.
    on(a, [&](node& at) { at.self->serve("work", hash_of(4), at.app, all_to_the_last(asked_a)); });
    on(b, [&](node& at) { at.self->serve("work", hash_of(4), at.app, all_to_the_last(asked_b)); });
    EXPECT_TRUE(wait_owned(b, "work", 4));
    EXPECT_GT(*asked_a, 0);
    EXPECT_EQ(*asked_b, 0);
    EXPECT_EQ(a.app->count("work"), 0U);
}

TEST_F(member_test,
       a_late_planner_leaves_the_placing_to_the_built_in_one_and_the_leading_to_others) {
    start_keeper();
    const auto asked = std::make_shared<int>(0);
    node& a = start("a");
    ASSERT_TRUE(wait([&] { return a.app->leads; }));
    node& b = start("b");
    a.offloads = false;  // It is never answered.
    on(a,
       [&](node& at) { at.self->serve("days", list_of_names(), at.app, all_to_the_last(asked)); });
    on(b, [&](node& at) { at.self->serve("days", list_of_names(), at.app); });
    ASSERT_TRUE(change(a, "days", "monday", true)) << "within the deadline of the planner";
    ASSERT_TRUE(wait([&] { return a.app->count("days") + b.app->count("days") == 1; }));
    for (const char* const day : {"tuesday", "wednesday", "thursday"}) {
        ASSERT_TRUE(change(b, "days", day, true));
    }
    EXPECT_TRUE(wait([&] { return !a.app->leads && b.app->leads; }));
    EXPECT_TRUE(wait([&] { return a.app->count("days") + b.app->count("days") == 4; }));
    EXPECT_EQ(*asked, 0);
}

TEST_F(member_test, a_request_may_be_deleted_while_a_planner_runs) {
    start_keeper();
    node& a = start("a");
    ASSERT_TRUE(wait([&] { return a.app->leads; }));
    on(a, [&](node& at) {
        at.self->serve("days", list_of_names(), at.app, all_to_the_last(std::make_shared<int>(0)));
    });
    ASSERT_TRUE(change(a, "days", "monday", true));
    ASSERT_TRUE(wait_owned(a, "days", 1));
    a.offloads = false;
    const auto made =
        write({zookeeper::create_op{.path = where.commands() + "/by-hand-",
                                    .data = encode_command({.kind = command_kind::add_partition,
                                                            .resource = "days",
                                                            .partition = "tuesday",
                                                            .member = {},
                                                            .outcome = std::nullopt}),
                                    .mode = zookeeper::create_mode::persistent_sequential}});
    ASSERT_TRUE(wait([&] { return !a.offloaded.empty(); }, 500ms));
    write({zookeeper::remove_op{made.value.at(0).path}});
    net.run_for(50ms);
    on(a, [](node& at) {
        at.offloads = true;
        for (task_fn& job : std::exchange(at.offloaded, {})) {
            job();
        }
    });
    EXPECT_TRUE(wait_owned(a, "days", 2)) << "it was done all the same";
}

TEST_F(member_test, a_leader_that_suspects_itself_leaves_the_leading_to_others) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(4)}});
    ASSERT_TRUE(wait([&] { return a.app->leads; }));
    node& b = start("b", {{"work", hash_of(4)}});
    ASSERT_TRUE(wait_owned(b, "work", 2));
    on(a, [](node& at) { at.self->suspect_itself(true); });
    EXPECT_TRUE(wait([&] { return !a.app->leads && b.app->leads; }, 5s));
    EXPECT_EQ(status_of(a).state, lifecycle::suspect);
}

// --- Damage --------------------------------------------------------------------------------------

TEST_F(member_test, a_plan_that_was_deleted_is_begun_anew_and_nobody_acts_beside_another) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(4)}, {"days", list_of_names()}});
    ASSERT_TRUE(wait([&] { return a.app->leads && a.self->state() == lifecycle::online; }));
    node& b = start("b", {{"work", hash_of(4)}, {"days", list_of_names()}});
    ASSERT_TRUE(change(a, "days", "monday", true));
    ASSERT_TRUE(change(a, "days", "tuesday", true));
    ASSERT_TRUE(wait_owned(b, "work", 2));
    ASSERT_TRUE(wait([&] { return a.app->count("days") + b.app->count("days") == 2; }));
    const auto before = a.app->plans.at("work")->number();
    for (const char* const resource : {"work", "days"}) {
        write({zookeeper::remove_op{where.chunk(resource, 0)},
               zookeeper::remove_op{where.plan(resource)}});
    }
    ASSERT_TRUE(wait([&] { return a.app->plans.at("work")->number() > before; }, 90s));
    const auto whole = [&] {
        return a.app->count("work") + b.app->count("work") == 4 &&
               a.app->count("days") + b.app->count("days") == 2;
    };
    EXPECT_TRUE(wait([&] {
        for (const auto& [name, mine] : a.app->owned) {
            EXPECT_FALSE(b.app->owned.contains(name)) << name;
        }
        return whole() && a.app->plans.at("days")->partitions().size() == 2;
    }));
    b.machine->kill();
    EXPECT_TRUE(wait_owned(a, "work", 4)) << "and it is planned as ever";
}

TEST_F(member_test, rubbish_that_is_mended_is_planned_again) {
    start_keeper();
    node& a = start("a", {{"days", list_of_names()}});
    ASSERT_TRUE(wait([&] { return a.app->leads && a.self->state() == lifecycle::online; }));
    ASSERT_TRUE(change(a, "days", "monday", true));
    ASSERT_TRUE(wait_owned(a, "days", 1));
    const std::string path = where.plan("days");
    const std::string sound = read(path).value.data;
    write({zookeeper::set_op{path, "rubbish", zookeeper::any_version}});
    const result<void> meanwhile = change(a, "days", "tuesday", true);
    ASSERT_FALSE(meanwhile) << "it would be lost";
    EXPECT_EQ(meanwhile.error().code, errc::unavailable);
    EXPECT_NE(meanwhile.error().text.find("damaged"), std::string::npos) << meanwhile.error().text;
    write({zookeeper::set_op{path, sound, zookeeper::any_version}});
    net.run_for(70s);
    ASSERT_TRUE(change(a, "days", "tuesday", true));
    EXPECT_TRUE(wait_owned(a, "days", 2));
}

TEST_F(member_test, a_view_that_no_fence_could_name_ends_nobody) {
    start_keeper();
    node& a = start("a", {{"work", hash_of(2)}});
    ASSERT_TRUE(wait_owned(a, "work", 2));
    const std::string number = std::to_string(std::numeric_limits<std::int64_t>::max());
    write({zookeeper::set_op{where.view(),
                             R"({"format":1,"number":")" + number + R"(","leader":"","epoch":")" +
                                 number + R"(","chunks":[],"after":"0","changes":[]})",
                             zookeeper::any_version}});
    node& b = start("b", {{"work", hash_of(2)}});
    EXPECT_TRUE(wait_owned(b, "work", 1));
    EXPECT_EQ(a.app->count("work"), 1U);
}

}  // namespace
}  // namespace muster::cluster
