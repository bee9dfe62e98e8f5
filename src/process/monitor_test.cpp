#include "process/stage_test.hpp"

#include <stdexcept>

namespace muster {
namespace {

struct go {
    int how = 0;
};
struct stay {};

/// Ends as it is told: 1 returns, 2 throws, else goes on.
process obedient(self me) {
    while (auto in = co_await me.receive<go>()) {
        if (in->body.how == 1) {
            co_return;
        }
        if (in->body.how == 2) {
            throw std::runtime_error{"told to"};
        }
    }
}

process watching(self me, pid who, std::vector<down>* seen) {
    me.monitor(who);
    while (auto in = co_await me.receive<down>()) {
        seen->push_back(in->body);
    }
}

TEST(monitors, end_in_exactly_one_notice_that_says_why) {
    stage on;
    std::vector<down> seen;
    const auto watched = [&](auto end) {
        seen.clear();
        const auto who = on.host->spawn(obedient);
        const auto by = on.host->spawn(watching, who, &seen);
        on.settle();
        EXPECT_TRUE(seen.empty());
        end(who);
        on.settle();
        on.host->send(who, go{2});
        on.host->kill(who);
        on.settle();
        on.host->kill(by);
        on.settle();
        EXPECT_EQ(seen.size(), 1U);
        EXPECT_TRUE(!seen.empty() && seen[0].who == who);
        return seen.empty() ? exit_reason{} : seen[0].why;
    };
    EXPECT_TRUE(watched([&](const pid& who) { on.host->send(who, go{1}); }).normal());
    EXPECT_EQ(watched([&](const pid& who) { on.host->send(who, go{2}); }),
              (exit_reason{ending::crashed, "told to"}));
    EXPECT_EQ(watched([&](const pid& who) { on.host->kill(who); }),
              (exit_reason{ending::killed, ""}));
    EXPECT_EQ(watched([&](const pid& who) { on.host->exit(who, "enough"); }),
              (exit_reason{ending::exited, "enough"}));
}

TEST(monitors, of_what_is_not_there_end_at_once) {
    stage on;
    std::vector<down> seen;
    const auto ended = on.host->spawn(obedient);
    on.host->send(ended, go{1});
    on.settle();
    const pid never_there{ended.life(), "shop-1", 777'777, 9};
    const pid elsewhere{member_id{5, 5}, "shop-2", 0, 1};
    for (const auto& who : {ended, never_there, pid{}, elsewhere}) {
        on.host->spawn(watching, who, &seen);
        on.settle();
    }
    ASSERT_EQ(seen.size(), 4U);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(seen[static_cast<std::size_t>(i)].why.how, ending::no_process) << i;
    }
    EXPECT_EQ(seen[3].why.how, ending::unreachable);
}

TEST(monitors, of_a_thread_hear_it_too) {
    stage on;
    std::vector<ending> seen;
    const auto who = on.host->spawn(obedient);
    const auto note = [&](const pid&, const exit_reason& why) { seen.push_back(why.how); };
    on.host->watch(who, note);
    on.host->send(who, go{2});
    on.settle();
    on.host->watch(who, note);
    EXPECT_EQ(seen, (std::vector<ending>{ending::crashed, ending::no_process}));
}

process forgetful(self me, pid who, int when, std::vector<down>* seen) {
    const auto kept = me.monitor(who);
    const auto dropped = me.monitor(who);
    if (when == 0) {
        me.demonitor(dropped);
    }
    co_await me.receive<stay>();
    if (when == 1) {
        me.demonitor(dropped);  // Both notices are in the mailbox by now.
    }
    while (auto in = co_await me.receive<down>(1s)) {
        seen->push_back(in->body);
        EXPECT_EQ(in->body.monitor, kept);
    }
}

TEST(monitors, that_were_withdrawn_stay_silent_early_or_late) {
    for (const int when : {0, 1}) {
        stage on;
        std::vector<down> seen;
        const auto who = on.host->spawn(obedient);
        const auto by = on.host->spawn(forgetful, who, when, &seen);
        on.settle();
        on.host->send(who, go{1});
        on.settle();
        on.host->send(by, stay{});
        on.world.run_for(10s);
        EXPECT_EQ(seen.size(), 1U) << when;
    }
}

process linking(self me, pid other, bool traps, std::vector<exit_signal>* seen) {
    me.trap_exits(traps);
    me.link(other);
    while (auto in = co_await me.receive<exit_signal>()) {
        seen->push_back(in->body);
    }
}

TEST(links, carry_accidents_but_not_returns) {
    stage on;
    std::vector<exit_signal> seen;
    const auto calm = on.host->spawn(obedient);
    const auto stays = on.host->spawn(linking, calm, false, &seen);
    const auto wild = on.host->spawn(obedient);
    const auto falls = on.host->spawn(linking, wild, false, &seen);
    on.settle();
    on.host->send(calm, go{1});
    on.host->send(wild, go{2});
    std::vector<std::string> why;
    on.host->watch(falls, [&](const pid&, const exit_reason& one) { why.push_back(one.text); });
    on.settle();
    EXPECT_EQ(why, std::vector<std::string>{"told to"});
    EXPECT_TRUE(on.host->send(stays, go{}).has_value());
    EXPECT_TRUE(seen.empty());
}

TEST(links, are_messages_to_who_traps_exits_and_work_in_both_directions) {
    stage on;
    std::vector<exit_signal> seen;
    const auto one = on.host->spawn(obedient);
    const auto trapping = on.host->spawn(linking, one, true, &seen);
    on.settle();
    on.host->kill(one);
    on.settle();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].who, one);
    EXPECT_EQ(seen[0].why.how, ending::killed);
    on.host->exit(trapping, "please");
    on.settle();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].why.text, "please");
    const auto other = on.host->spawn(obedient);
    const auto linked = on.host->spawn(linking, other, true, &seen);
    on.settle();
    on.host->kill(linked);
    on.settle();
    EXPECT_EQ(on.host->send(other, go{}).error().code, errc::gone);
    const auto late = on.host->spawn(linking, other, false, &seen);
    on.settle();
    EXPECT_EQ(on.host->send(late, go{}).error().code, errc::gone) << "linked to nobody";
}

process unlinking(self me, pid other) {
    me.link(other);
    me.unlink(other);
    co_await me.receive<stay>();
}

TEST(links, that_were_undone_carry_nothing) {
    stage on;
    const auto other = on.host->spawn(obedient);
    const auto one = on.host->spawn(unlinking, other);
    on.settle();
    on.host->kill(other);
    on.settle();
    EXPECT_TRUE(on.host->send(one, go{}).has_value());
}

process supervisor(self me, int* starts) {
    auto child = me.spawn(obedient);
    me.monitor(child);
    ++*starts;
    me.send(child, go{2});
    while (auto in = co_await me.receive<down>()) {
        EXPECT_EQ(in->body.who, child);
        child = me.spawn(obedient);
        me.monitor(child);
        if (++*starts < 50) {
            me.send(child, go{2});
        }
    }
}

TEST(monitors, let_a_supervisor_start_its_child_again) {
    stage on;
    int starts = 0;
    on.host->spawn(supervisor, &starts);
    on.settle();
    EXPECT_EQ(starts, 50);
    EXPECT_EQ(on.host->living(), 2U);
}

process killed_while_working(self me, int* after, bool* job_ran) {
    int local = 1;
    co_await me.blocking([&] {
        local = 2;  // The process must still be there, killed or not.
        *job_ran = true;
    });
    *after = local;
}

TEST(kills, wait_for_a_blocking_job_and_then_run_nothing_more) {
    stage on;
    int after = 0;
    bool job_ran = false;
    const auto who = on.host->spawn(killed_while_working, &after, &job_ran);
    on.host->kill(who);
    on.settle();
    EXPECT_TRUE(job_ran);
    EXPECT_EQ(after, 0);
    EXPECT_EQ(on.host->living(), 0U);
}

}  // namespace
}  // namespace muster
