#include "muster/message.hpp"

#include "mesh/world_test.hpp"

namespace muster::mesh {
namespace {

TEST_F(mesh_in_a_world, carries_requests_and_replies_both_ways_on_one_connection) {
    const auto there = ann_.ask(bob_.as_peer(), "hello");
    run();
    const auto back = bob_.ask(ann_.as_peer(), "hello yourself");
    run();
    EXPECT_EQ(**there->value, "re: hello");
    EXPECT_EQ(**back->value, "re: hello yourself");
    EXPECT_EQ(ann_.net().count().connections, 1U);
    EXPECT_EQ(bob_.net().count().connections, 1U);
}

TEST_F(mesh_in_a_world, opens_no_connection_that_nobody_needs) {
    run(10s);
    EXPECT_EQ(ann_.net().count().connections, 0U);
}

TEST_F(mesh_in_a_world, a_request_to_oneself_needs_no_connection) {
    const auto own = ann_.ask(ann_.as_peer(), "note");
    EXPECT_EQ(own->times, 0);
    run();
    EXPECT_EQ(**own->value, "re: note");
    EXPECT_EQ(ann_.net().count().connections, 0U);
    ann_.answer = [](incoming one) { static auto kept = std::move(one.answer); };
    const auto unanswered = ann_.ask(ann_.as_peer(), "never", 1s);
    run(2s);
    EXPECT_EQ(unanswered->code(), errc::outcome_unknown);
}

TEST_F(mesh_in_a_world, tells_who_asks_and_how_long_it_waits) {
    std::optional<duration> left;
    member_id from;
    bob_.answer = [&](incoming one) {
        left = one.deadline - bob_.now();
        from = one.from;
        one.answer.fail({errc::moving, "not here"});
    };
    const auto asked = ann_.ask(bob_.as_peer(), "x", 3s);
    run();
    EXPECT_EQ(from, (member_id{1, 1}));
    EXPECT_LE(*left, 3s);
    EXPECT_GT(*left, 2900ms);
    EXPECT_EQ(*asked->value, result<std::string>{fail(errc::moving, "not here")});
}

TEST_F(mesh_in_a_world, an_unanswered_request_is_told_so_at_once) {
    bob_.answer = [](incoming) {};
    const auto dropped = ann_.ask(bob_.as_peer(), "x");
    run();
    EXPECT_EQ(dropped->code(), errc::handler_failed);
}

TEST_F(mesh_in_a_world, ends_at_its_deadline_with_the_outcome_unknown) {
    std::vector<responder> kept;
    bob_.answer = [&](incoming one) { kept.push_back(std::move(one.answer)); };
    const auto slow = ann_.ask(bob_.as_peer(), "x", 800ms);
    run(799ms);
    EXPECT_EQ(slow->times, 0);
    run(20ms);
    EXPECT_EQ(slow->code(), errc::outcome_unknown);
    kept.clear();  // The late answer finds nobody.
    run();
    EXPECT_EQ(slow->times, 1);
}

TEST_F(mesh_in_a_world, a_member_that_is_not_there_is_unavailable_at_once) {
    const auto nobody = ann_.ask({member_id{9, 9}, bob_.on().address() + ":7999"}, "x");
    run(50ms);
    EXPECT_EQ(nobody->code(), errc::unavailable);
    const auto no_name = ann_.ask({member_id{9, 8}, "nowhere.invalid:1"}, "x");
    run(3s);
    EXPECT_EQ(no_name->code(), errc::unavailable);
}

TEST_F(mesh_in_a_world, a_request_does_not_wait_for_the_next_dial_of_a_dead_member) {
    const peer dead{member_id{9, 9}, bob_.on().address() + ":7999"};
    for (int i = 0; i < 6; ++i) {  // Until the pause between dials is as long as it gets.
        static_cast<void>(ann_.ask(dead, "x"));
        run(1s);
    }
    static_cast<void>(ann_.ask(dead, "x"));
    run(5ms);
    const auto next = ann_.ask(dead, "y");
    run(5ms);
    EXPECT_EQ(next->times, 1);
    EXPECT_EQ(next->code(), errc::unavailable);
}

TEST_F(mesh_in_a_world, a_storm_of_requests_to_a_dead_member_ends_each_one) {
    std::vector<std::shared_ptr<node::outcome>> all;
    for (int i = 0; i < 1000; ++i) {
        all.push_back(ann_.ask({member_id{9, 9}, bob_.on().address() + ":7999"}, "x", 500ms));
        run(2ms);
    }
    run(1s);
    EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](const auto& one) {
        return one->times == 1 &&
               (one->code() == errc::unavailable || one->code() == errc::timed_out);
    }));
}

TEST_F(mesh_in_a_world, a_silent_network_is_timed_out_and_nothing_was_sent) {
    world_.cut(ann_.on(), bob_.on());
    const auto asked = ann_.ask(bob_.as_peer(), "x", 1s);
    run(1100ms);
    EXPECT_EQ(asked->code(), errc::timed_out);
    EXPECT_TRUE(bob_.heard.empty());
}

// faults.md row 105
TEST_F(mesh_in_a_world, row_105_a_request_to_a_former_incarnation_is_refused) {
    const peer former = bob_.as_peer();
    EXPECT_TRUE(ann_.ask(former, "first") != nullptr);
    run();
    bob_.on().restart();
    run();
    node next{bob_.on(), member_id{3, 3}};
    const auto stale = ann_.ask(former, "for the dead");
    const auto fresh = ann_.ask(next.as_peer(), "for the living");
    run(3s);
    EXPECT_EQ(stale->code(), errc::gone);
    EXPECT_EQ(**fresh->value, "re: for the living");
    EXPECT_EQ(next.heard, (std::vector<std::string>{"for the living"}));
}

TEST_F(mesh_in_a_world, a_new_life_of_the_same_process_closes_what_the_old_one_had) {
    const peer former = bob_.as_peer();
    static_cast<void>(ann_.ask(former, "first"));
    run();
    bob_.net().become(member_id{5, 5});
    run();
    EXPECT_EQ(ann_.net().count().connections, 0U);
    const auto stale = ann_.ask(former, "x");
    run(3s);
    EXPECT_EQ(stale->code(), errc::gone);
}

TEST_F(mesh_in_a_world, a_handshake_waits_until_the_member_knows_its_id) {
    node late{world_, "late", member_id{}};
    const auto asked = ann_.ask({member_id{7, 7}, late.on().address() + ":7000"}, "early");
    run(1s);
    EXPECT_EQ(asked->times, 0);
    late.net().become(member_id{7, 7});
    run();
    EXPECT_EQ(**asked->value, "re: early");
}

// faults.md row 107
TEST_F(mesh_in_a_world, row_107_members_of_another_cluster_are_refused) {
    settings other;
    other.cluster = "garage";
    node stranger{world_, "stranger", member_id{8, 8}, other};
    const auto asked = stranger.ask(bob_.as_peer(), "x");
    run();
    EXPECT_EQ(asked->code(), errc::incompatible);
    EXPECT_TRUE(bob_.heard.empty());
    EXPECT_EQ(bob_.net().count().refused_handshakes, 1U);
}

TEST_F(mesh_in_a_world, clients_have_no_id_and_are_answered) {
    settings dials_only;
    dials_only.accept = false;
    node client{world_, "client", member_id{}, dials_only};
    member_id from{1, 1};
    bob_.answer = [&](incoming one) {
        from = one.from;
        one.answer.reply("welcome");
    };
    const auto asked = client.ask(bob_.as_peer(), "x");
    const auto anybody = client.ask({member_id{}, bob_.as_peer().address}, "y");
    run();
    EXPECT_EQ(**asked->value, "welcome");
    EXPECT_EQ(**anybody->value, "welcome");
    EXPECT_TRUE(from.empty());
}

// faults.md row 113
TEST(mesh_worlds, row_113_dialling_at_once_leaves_one_connection_and_loses_nothing) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        world one{seed};
        node ann{one, "ann", member_id{1, 1}};
        node bob{one, "bob", member_id{2, 2}};
        const auto there = ann.ask(bob.as_peer(), "a");
        one.run_for(std::chrono::microseconds{one.random_below(1500)});
        const auto back = bob.ask(ann.as_peer(), "b");
        one.run_for(3s);
        ASSERT_EQ(**there->value, "re: a") << seed;
        ASSERT_EQ(**back->value, "re: b") << seed;
        ASSERT_EQ(ann.net().count().connections, 1U) << seed;
        ASSERT_EQ(bob.net().count().connections, 1U) << seed;
        ASSERT_EQ(ann.heard.size() + bob.heard.size(), 2U) << seed;
    }
}

// faults.md row 113: whose dial was refused because the other's counts, is not unreachable.
TEST(mesh_worlds, row_113_who_asks_while_both_dial_is_answered_too) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        world one{seed};
        node ann{one, "ann", member_id{1, 1}};
        node bob{one, "bob", member_id{2, 2}};
        const auto there = ann.ask(bob.as_peer(), "a");
        one.run_for(std::chrono::microseconds{one.random_below(1500)});
        std::vector<std::shared_ptr<node::outcome>> back;
        for (int i = 0; i < 100; ++i) {
            back.push_back(bob.ask(ann.as_peer(), "b"));
            one.run_for(50us);
        }
        one.run_for(3s);
        for (const auto& got : back) {
            ASSERT_TRUE(got->value && *got->value)
                << seed << (got->value ? ": " + got->value->error().text : "");
        }
    }
}

TEST_F(mesh_in_a_world, row_113_a_lost_connection_is_replaced_though_the_other_side_trusts_it) {
    static_cast<void>(ann_.ask(bob_.as_peer(), "first"));  // Dialled by the smaller one.
    run();
    // Bob loses it without Ann's hearing of it.
    world_.cut(bob_.on(), ann_.on());
    world_.cut(ann_.on(), bob_.on());
    bob_.net().become(member_id{2, 3});
    run(1ms);
    EXPECT_EQ(bob_.net().count().connections, 0U);
    EXPECT_EQ(ann_.net().count().connections, 1U);
    bob_.net().become(member_id{2, 2});
    run(100ms);
    world_.heal();
    const auto again = bob_.ask(ann_.as_peer(), "again");
    run(4s);
    EXPECT_EQ(**again->value, "re: again");
    EXPECT_EQ(ann_.net().count().connections, 1U);
}

// faults.md rows 101 and 106
TEST(mesh_worlds, row_106_requests_run_at_most_once_whatever_breaks) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        world one{seed};
        node ann{one, "ann", member_id{1, 1}};
        node bob{one, "bob", member_id{2, 2}};
        std::vector<std::shared_ptr<node::outcome>> asked;
        for (int i = 0; i < 100; ++i) {
            asked.push_back(ann.ask(bob.as_peer(), std::to_string(i), 2s));
            one.run_for(std::chrono::microseconds{one.random_below(3000)});
            if (one.random_below(10) == 0) {
                one.break_connections(ann.on(), bob.on());
            }
        }
        one.run_for(5s);
        auto heard = bob.heard;
        std::sort(heard.begin(), heard.end());
        ASSERT_TRUE(std::adjacent_find(heard.begin(), heard.end()) == heard.end()) << seed;
        for (int i = 0; i < 100; ++i) {
            const auto& got = *asked[static_cast<std::size_t>(i)];
            ASSERT_EQ(got.times, 1) << seed;
            const bool ran = std::binary_search(heard.begin(), heard.end(), std::to_string(i));
            if (*got.value) {
                ASSERT_TRUE(ran) << seed;
            } else if (next_of(got.code()) == next_step::wait) {
                ASSERT_FALSE(ran) << seed << " " << got.value->error().text;
            } else {
                ASSERT_EQ(got.code(), errc::outcome_unknown) << seed;
            }
        }
    }
}

// faults.md row 104
TEST_F(mesh_in_a_world, row_104_a_paused_peer_is_noticed_by_its_silence) {
    const auto first = ann_.ask(bob_.as_peer(), "x");
    run();
    bob_.on().pause();
    const auto second = ann_.ask(bob_.as_peer(), "y", 60s);
    run(8s);
    EXPECT_EQ(second->code(), errc::outcome_unknown);
    EXPECT_EQ(ann_.net().count().connections, 0U);
    EXPECT_EQ(ann_.net().count().broken, 1U);
}

TEST_F(mesh_in_a_world, heartbeats_keep_an_idle_connection) {
    static_cast<void>(ann_.ask(bob_.as_peer(), "x"));
    run(60s);
    EXPECT_EQ(ann_.net().count().connections, 1U);
    EXPECT_EQ(bob_.net().count().broken, 0U);
}

TEST_F(mesh_in_a_world, what_waits_for_one_peer_is_bounded) {
    settings small;
    small.max_queue = 10'000;
    node sender{world_, "sender", member_id{4, 4}, small};
    world_.cut(sender.on(), bob_.on());
    std::vector<std::shared_ptr<node::outcome>> all;
    for (int i = 0; i < 20; ++i) {
        all.push_back(sender.ask(bob_.as_peer(), std::string(1000, 'x'), 1s));
    }
    run(1500ms);
    const auto refused = std::count_if(
        all.begin(), all.end(), [](const auto& one) { return one->code() == errc::overloaded; });
    EXPECT_EQ(refused, 10);
    const auto other = sender.ask(ann_.as_peer(), "a third member");
    run();
    EXPECT_EQ(**other->value, "re: a third member");
}

TEST_F(mesh_in_a_world, a_request_longer_than_allowed_is_refused_here) {
    settings small;
    small.max_frame = 100;
    node sender{world_, "sender", member_id{4, 4}, small};
    const auto asked = sender.ask(bob_.as_peer(), std::string(101, 'x'));
    bob_.answer = [](incoming one) { one.answer.reply(std::string(90, 'y')); };
    const auto fits = sender.ask(bob_.as_peer(), std::string(100, 'x'));
    run();
    EXPECT_EQ(asked->code(), errc::invalid_argument);
    EXPECT_TRUE(fits->value->has_value());
}

TEST_F(mesh_in_a_world, large_messages_arrive_whole) {
    std::string large(5'000'000, 'x');
    large[4'321'000] = 'y';
    const auto asked = ann_.ask(bob_.as_peer(), large, 60s);
    world_.run_for(30s);
    ASSERT_TRUE(asked->value.has_value());
    EXPECT_EQ(**asked->value, "re: " + large);
}

// The asker has to do while the rest of a batch is worked on.
TEST_F(mesh_in_a_world, the_first_answers_to_many_requests_leave_before_the_last_is_read) {
    static_cast<void>(ann_.ask(bob_.as_peer(), "to connect"));
    run();
    const std::uint64_t before = bob_.net().count().frames_out;
    std::vector<std::uint64_t> left;
    bob_.answer = [&](incoming one) {
        left.push_back(bob_.net().count().frames_out - before);
        one.answer.reply("yes");
    };
    std::vector<std::shared_ptr<node::outcome>> all;
    for (int i = 0; i < 100; ++i) {
        all.push_back(ann_.ask(bob_.as_peer(), "x"));
    }
    run();
    ASSERT_EQ(left.size(), 100U);
    EXPECT_EQ(left[10], 0U) << "each answer by itself would cost more than it is worth";
    EXPECT_GE(left[50], 32U);
    EXPECT_GE(left[99], 80U);
    EXPECT_TRUE(std::ranges::all_of(
        all, [](const auto& one) { return one->value == result<std::string>{"yes"}; }));
}

TEST_F(mesh_in_a_world, frames_of_ones_own_arrive_in_order) {
    settings with_frames;
    std::vector<std::uint64_t> ids;
    with_frames.frames[70] = [&](const arrival& one) { ids.push_back(one.id); };
    node receiver{world_, "receiver", member_id{6, 6}, with_frames};
    for (std::uint64_t i = 0; i < 500; ++i) {
        ASSERT_TRUE(ann_.net().post(receiver.as_peer(), 70, i, "x").has_value());
        if (i % 50 == 0) {
            run(300us);
        }
    }
    run();
    ASSERT_EQ(ids.size(), 500U);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST_F(mesh_in_a_world, stopping_ends_every_request) {
    std::vector<responder> kept;
    bob_.answer = [&](incoming one) { kept.push_back(std::move(one.answer)); };
    const auto sent = ann_.ask(bob_.as_peer(), "sent");
    run();
    const auto waiting = ann_.ask({member_id{9, 9}, "10.9.9.9:1"}, "waiting");
    ann_.net().stop();
    EXPECT_EQ(sent->times, 1);
    EXPECT_EQ(waiting->times, 1);
    EXPECT_EQ(waiting->code(), errc::closed);
    const auto after = ann_.ask(bob_.as_peer(), "after");
    run();
    EXPECT_EQ(after->code(), errc::closed);
    EXPECT_EQ(bob_.net().count().connections, 0U);
}

// --- Strangers on the port ---------------------------------------------------------------------

}  // namespace
}  // namespace muster::mesh
