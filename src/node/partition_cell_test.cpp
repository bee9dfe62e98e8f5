#include "node/cell_room_test.hpp"

#include <gtest/gtest.h>

namespace muster::detail {
namespace {

using texts = std::vector<std::string>;

TEST(a_partition, is_made_before_its_first_call_and_gone_before_it_counts_as_released) {
    cell_room room;
    const auto mine = room.acquire(5);
    const auto got = room.call<echo>("a", 5);
    room.in.run_for(10ms);
    room.stop(mine, false);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(got), "answered a!");
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5"}));
    EXPECT_EQ(room.stopped, 1);
}

TEST(a_partition, keeps_calls_that_come_while_it_is_being_made) {
    cell_room room;
    room.blocking_takes = 2s;
    room.begin_acquire(room.right_under(5));
    room.in.run_for(100ms);
    const auto got = room.call<echo>("a", 5);
    room.in.run_for(1s);
    EXPECT_EQ(cell_room::end_of(got), "0 answers");
    room.in.run_for(2s);
    EXPECT_EQ(cell_room::end_of(got), "answered a!");
}

TEST(a_partition, says_of_each_answer_what_became_of_the_call) {
    cell_room room;
    room.acquire(5);
    const auto noted = room.call<note>("n");
    const auto refused = room.call<fail_with>("no");
    const auto thrown = room.call<throw_now>("oh");
    const auto after = room.call<echo>("still here");
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(noted), "answered ");
    EXPECT_EQ(cell_room::end_of(refused), "failed conflict");
    EXPECT_EQ(cell_room::end_of(thrown), "failed handler_failed");
    EXPECT_EQ(thrown->front().text, "the handler threw: oh");
    EXPECT_EQ(cell_room::end_of(after), "answered still here!");
}

TEST(a_partition, answers_incompatible_to_bytes_that_are_no_such_request) {
    cell_room room;
    room.acquire(5);
    ask_answer got;
    room.cell->call({.type = std::string{wire_name_of<echo>()},
                     .body = "\xff nonsense",
                     .fence = 1,
                     .from = {},
                     .deadline = never,
                     .answer = [&](ask_answer one) { got = std::move(one); }});
    room.in.run_for(10ms);
    EXPECT_EQ(got.how, ask_end::failed);
    EXPECT_EQ(static_cast<errc>(got.code), errc::incompatible);
}

TEST(a_partition, runs_one_call_at_a_time_also_while_a_coroutine_waits) {
    cell_room room;
    room.acquire(5);
    const auto first = room.call<hold>("h");
    const auto second = room.call<note>("n");
    room.in.run_for(1s);
    EXPECT_EQ(room.on->told, (texts{"made 5", "holds h"}));
    room.on->held[0](std::string{"!"});
    room.in.run_for(1s);
    EXPECT_EQ(room.on->told, (texts{"made 5", "holds h", "goes on h", "note n"}));
    EXPECT_EQ(cell_room::end_of(first), "answered h!");
    EXPECT_EQ(cell_room::end_of(second), "answered ");
}

TEST(a_partition, ends_a_coroutine_whose_awaited_answer_was_dropped) {
    cell_room room;
    room.acquire(5);
    const auto got = room.call<hold>("h");
    room.in.run_for(1s);
    room.on->held.clear();
    room.in.run_for(1s);
    EXPECT_EQ(cell_room::end_of(got),
              "answered hwhat was to answer this was dropped without an answer");
}

TEST(a_partition, answers_for_a_handler_that_is_dropped_when_its_node_ends) {
    std::shared_ptr<std::vector<ask_answer>> running;
    std::shared_ptr<std::vector<ask_answer>> waiting;
    std::shared_ptr<stage> on;
    {
        cell_room room;
        on = room.on;
        room.acquire(5);
        running = room.call<hold>("h");
        waiting = room.call<echo>("e");
        room.in.run_for(1s);
    }
    EXPECT_EQ(cell_room::end_of(running), "failed outcome_unknown");
    EXPECT_EQ(cell_room::end_of(waiting), "moving");
    EXPECT_EQ(on->told, (texts{"made 5", "holds h", "gone 5"}));
}

TEST(a_partition, is_not_released_while_a_call_runs) {
    cell_room room;
    const auto mine = room.acquire(5);
    const auto got = room.call<hold>("h");
    room.in.run_for(10ms);
    room.stop(mine, false);
    room.in.run_for(1s);
    EXPECT_EQ(room.stopped, 0);
    const auto late = room.call<echo>("late", 5);
    room.in.run_for(1s);
    EXPECT_EQ(cell_room::end_of(late), "moving");
    room.on->held[0](std::string{"!"});
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(got), "answered h!");  // Its guard held the right.
    EXPECT_EQ(room.stopped, 1);
}

TEST(a_partition, reports_a_planned_release_that_takes_too_long_once) {
    cell_room room;
    const auto mine = room.acquire(5);
    const auto got = room.call<hold>("h", 5, 1h);
    room.in.run_for(10ms);
    room.stop(mine, false);
    room.in.run_for(60s);
    EXPECT_EQ(room.said, (texts{"partition.release_late"}));
    EXPECT_EQ(room.stopped, 0);
}

TEST(a_partition, throws_away_answers_that_come_after_the_lease_end) {
    cell_room room;
    const auto mine = room.acquire(5);
    const auto got = room.call<hold>("h");
    const auto queued = room.call<echo>("q", 5);
    room.in.run_for(10ms);
    room.lease->set(instant{});
    room.stop(mine, true);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(queued), "stranded");
    // The lease comes back; the right that ended does not.
    room.lease->set(room.machine->now() + 1h);
    room.on->held[0](std::string{"!"});
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(got), "failed outcome_unknown");
    EXPECT_EQ(room.stopped, 1);
}

TEST(a_partition, refuses_calls_once_the_lease_has_ended_even_before_it_is_told) {
    cell_room room;
    room.acquire(5);
    room.lease->set(instant{});
    const auto got = room.call<echo>("a", 5);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(got), "stranded");
}

TEST(a_partition, serves_reads_alone_while_it_is_stale) {
    cell_room room{true};
    const auto mine = room.acquire(5);
    room.lease->set(instant{});
    room.stop(mine, true);
    room.in.run_for(10ms);
    EXPECT_EQ(room.stopped, 1);
    const auto read = room.call<echo>("r", 5);
    const auto write = room.call<note>("w", 5);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(read), "answered r?");
    EXPECT_EQ(cell_room::end_of(write), "stranded");
    room.in.run_for(partition_cell::max_stale);
    const auto too_old = room.call<echo>("r", 5, 20min);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(too_old), "stranded");
    room.cell->drop_stale();
    room.in.run_for(10ms);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5"}));
    const auto gone = room.call<echo>("r", 5);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(gone), "not owner");
}

TEST(a_partition, that_comes_back_after_being_stale_is_made_anew) {
    cell_room room{true};
    const auto mine = room.acquire(5);
    room.lease->set(instant{});
    room.stop(mine, true);
    room.in.run_for(10ms);
    room.lease->set(room.machine->now() + 1h);
    room.acquire(9);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5", "made 9"}));
    EXPECT_EQ(room.acquired.size(), 2U);
    const auto got = room.call<note>("w", 9);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(got), "answered ");
}

TEST(a_partition, is_made_anew_only_after_a_slow_destructor_of_the_last_one) {
    cell_room room;
    const auto mine = room.acquire(5);
    room.blocking_takes = 3s;
    room.stop(mine, false);
    room.begin_acquire(room.right_under(6));
    room.in.run_for(1s);
    EXPECT_EQ(room.on->told, (texts{"made 5"}));
    EXPECT_EQ(room.stopped, 0);
    room.in.run_for(3s);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5"}));
    EXPECT_EQ(room.stopped, 1);
    room.in.run_for(3s);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5", "made 6"}));
}

TEST(a_partition, whose_constructor_throws_is_a_failed_acquire) {
    cell_room room;
    room.on->constructor_throws = "no disk";
    room.acquire(5);
    ASSERT_EQ(room.acquired.size(), 1U);
    EXPECT_EQ(room.acquired[0].error().code, errc::handler_failed);
    const auto got = room.call<echo>("a", 5);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(got), "not owner");
    room.on->constructor_throws.clear();
    room.acquire(6);
    EXPECT_EQ(room.on->told, (texts{"made 6"}));
}

TEST(a_partition, is_not_made_under_a_right_that_has_ended_meanwhile) {
    cell_room room;
    const auto mine = room.acquire(5);
    room.blocking_takes = 1s;
    room.stop(mine, false);
    const auto second = room.right_under(6);
    room.begin_acquire(second);
    second->close();
    room.in.run_for(2s);
    ASSERT_EQ(room.acquired.size(), 2U);
    EXPECT_EQ(room.acquired[1].error().code, errc::fenced);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5"}));
}

TEST(a_partition, whose_acquire_is_late_holds_it_until_it_returns_then_counts_as_failed) {
    cell_room room;
    room.blocking_takes = 40s;
    room.begin_acquire(room.right_under(5));
    room.in.run_for(35s);
    EXPECT_EQ(room.said, (texts{"partition.acquire_late"}));
    EXPECT_TRUE(room.acquired.empty());  // Its effects are unfenced: nobody may begin beside it.
    room.in.run_for(50s);
    ASSERT_EQ(room.acquired.size(), 1U);
    EXPECT_EQ(room.acquired[0].error().code, errc::timed_out);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5"}));
}

TEST(a_partition, whose_effects_are_fenced_is_given_up_at_its_acquire_deadline) {
    cell_room room{false, true};
    room.blocking_takes = 40s;
    room.begin_acquire(room.right_under(5));
    room.in.run_for(31s);
    ASSERT_EQ(room.acquired.size(), 1U);
    EXPECT_EQ(room.acquired[0].error().code, errc::timed_out);
    room.begin_acquire(room.right_under(6));
    room.in.run_for(1s);
    ASSERT_EQ(room.acquired.size(), 2U);  // Not kept waiting for who knows how long.
    EXPECT_EQ(room.acquired[1].error().code, errc::timed_out);
    room.in.run_for(60s);
    EXPECT_EQ(room.on->told, (texts{"made 5", "gone 5"}));
    room.blocking_takes = {};
    room.acquire(7);
    EXPECT_TRUE(room.acquired[2].has_value());
}

TEST(a_partition, refuses_a_call_made_by_a_plan_that_it_has_not_read) {
    cell_room room;
    room.acquire(5);
    const auto newer = room.call<echo>("a", 6);
    const auto older = room.call<echo>("a", 4);
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(newer), "moving");
    EXPECT_EQ(cell_room::end_of(older), "answered a!");
}

TEST(a_partition, holds_so_many_calls_and_no_more) {
    cell_room room;
    room.acquire(5);
    const auto busy = room.call<hold>("h", 5, 1h);
    room.in.run_for(10ms);
    std::vector<std::shared_ptr<std::vector<ask_answer>>> all;
    for (std::size_t i = 0; i <= partition_cell::queue_max; ++i) {
        all.push_back(room.call<echo>("e", 5, 1h));
    }
    room.in.run_for(1s);
    EXPECT_EQ(cell_room::end_of(all.back()), "failed overloaded");
    EXPECT_EQ(cell_room::end_of(all.front()), "0 answers");
    room.on->held[0](std::string{});
    room.in.run_for(10s);
    EXPECT_EQ(cell_room::end_of(all.front()), "answered e!");
    EXPECT_EQ(cell_room::end_of(all[partition_cell::queue_max - 1]), "answered e!");
}

TEST(a_partition, does_not_run_a_call_whose_deadline_has_passed_or_whose_asker_gave_up) {
    cell_room room;
    room.acquire(5);
    const auto busy = room.call<hold>("h", 5, 1h);
    const auto claim = std::make_shared<call_claim>();
    const auto outdated = room.call<note>("outdated", 5, 1s);
    const auto given_up = room.call<note>("given up", 5, 1h, claim);
    room.in.run_for(2s);
    EXPECT_TRUE(claim->take());
    room.on->held[0](std::string{});
    room.in.run_for(10ms);
    EXPECT_EQ(cell_room::end_of(outdated), "failed timed_out");
    EXPECT_EQ(cell_room::end_of(given_up), "0 answers");
    EXPECT_EQ(room.on->told, (texts{"made 5", "holds h", "goes on h"}));
}

}  // namespace
}  // namespace muster::detail
