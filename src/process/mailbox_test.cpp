#include "process/stage_test.hpp"

#include <rapidcheck/gtest.h>

#include <stdexcept>

namespace muster {
namespace {

struct add {
    long n = 0;
};
struct total {
    using reply = long;
};
struct tick {};
struct text {
    std::string value;
};
struct job {
    using reply = std::string;
    std::string value;
};
struct done {
    using reply = void;
};

process counter(self me, long sum) {
    while (auto in = co_await me.receive<add, total>()) {
        if (auto* one = in->get_if<add>()) {
            sum += one->body.n;
        }
        if (auto* asked = in->get_if<total>()) {
            asked->reply(sum);
        }
    }
}

TEST(mailbox, a_process_counts_what_it_is_sent_and_answers) {
    stage on;
    const auto to = on.host->spawn(counter, 5);
    EXPECT_TRUE(on.host->send(to, add{3}).has_value());
    EXPECT_TRUE(on.host->send(to, add{4}).has_value());
    EXPECT_EQ(on.run(on.host->ask<total>(to)), result<long>{12});
    EXPECT_EQ(on.host->living(), 1U);
}

process selective(self me, std::vector<std::string>* seen) {
    const auto first = co_await me.receive<text>();
    seen->push_back(first ? first->body.value : "?");
    const auto late = co_await me.receive<total>(30s);
    seen->push_back(!late && late.error().code == errc::timed_out ? "timed out" : "?");
    while (auto in = co_await me.receive<tick, add>(0s)) {
        in->visit([&](auto& one) {
            seen->push_back(std::string{wire_name_of<std::remove_cvref_t<decltype(one.body)>>()});
        });
    }
}

TEST(mailbox, a_receive_takes_its_types_in_order_and_leaves_the_others) {
    stage on;
    std::vector<std::string> seen;
    const auto to = on.host->spawn(selective, &seen);
    on.host->send(to, tick{});
    on.host->send(to, add{1});
    on.host->send(to, text{"hello"});
    on.host->send(to, tick{});
    on.settle();
    EXPECT_EQ(seen, std::vector<std::string>{"hello"});
    on.world.run_for(31s);
    EXPECT_EQ(seen,
              (std::vector<std::string>{
                  "hello", "timed out", "muster::tick", "muster::add", "muster::tick"}));
    EXPECT_EQ(on.host->living(), 0U);
}

process answering(self me, int mode, pid next) {
    while (auto in = co_await me.receive<job>()) {
        if (mode == 0) {
            in->reply(in->body.value + "!");
        } else if (mode == 1) {
            in->fail("no");
        } else if (mode == 2) {
            in->forward(next);
        } else if (mode == 4) {
            throw std::runtime_error{"broken"};
        } else if (mode == 5) {
            co_await me.pause(1h);
        }
    }
}

TEST(mailbox, every_ask_ends_and_says_how) {
    stage on;
    const auto ask = [&](const pid& to) { return on.run(on.host->within(2s).ask<job>(to, "a")); };
    const auto good = on.host->spawn(answering, 0, pid{});
    EXPECT_EQ(ask(good), result<std::string>{"a!"});
    EXPECT_EQ(ask(on.host->spawn(answering, 1, pid{})).error(),
              (error{errc::handler_failed, "no"}));
    EXPECT_EQ(ask(on.host->spawn(answering, 2, good)), result<std::string>{"a!"});
    EXPECT_EQ(ask(on.host->spawn(answering, 3, pid{})).error().code, errc::handler_failed);
    const auto crashing = on.host->spawn(answering, 4, pid{});
    EXPECT_EQ(ask(crashing).error().code, errc::handler_failed);
    EXPECT_EQ(ask(crashing).error().code, errc::gone);
    EXPECT_EQ(ask(on.host->spawn(answering, 2, crashing)).error().code, errc::gone);
    const auto slow = on.host->spawn(answering, 5, pid{});
    EXPECT_EQ(ask(slow).error().code, errc::outcome_unknown);
    EXPECT_EQ(ask(slow).error().code, errc::timed_out) << "it waited in the mailbox, unseen";
    EXPECT_EQ(ask(pid{}).error().code, errc::invalid_argument);
    EXPECT_EQ(ask(pid{member_id{9, 9}, "else", 0, 1}).error().code, errc::unavailable);
}

TEST(mailbox, a_request_held_by_a_killed_process_has_an_unknown_outcome) {
    stage on;
    const auto slow = on.host->spawn(answering, 5, pid{});
    auto held = on.host->ask<job>(slow, "a");
    auto unseen = on.host->ask<job>(slow, "b");
    on.world.run_for(10ms);
    on.host->kill(slow);
    on.world.run_for(10ms);
    EXPECT_TRUE(held.is_ready() && unseen.is_ready());
    EXPECT_EQ(on.run(std::move(held)).error().code, errc::outcome_unknown);
    EXPECT_EQ(on.run(std::move(unseen)).error().code, errc::gone);
}

process idle(self me) {
    co_await me.receive<tick>();
}

TEST(mailbox, a_full_mailbox_refuses_by_number_and_by_bytes) {
    stage on{{.mailbox_messages = 10, .mailbox_bytes = 100'000}};
    const auto many = on.host->spawn(idle);
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(on.host->send(many, add{}).has_value());
    }
    EXPECT_EQ(on.host->send(many, tick{}).error().code, errc::overloaded);
    const auto large = on.host->spawn(idle);
    EXPECT_TRUE(on.host->send(large, text{std::string(60'000, 'x')}).has_value());
    EXPECT_EQ(on.host->send(large, text{std::string(60'000, 'x')}).error().code, errc::overloaded);
    EXPECT_TRUE(on.host->send(large, tick{}).has_value());
    on.settle();
    EXPECT_EQ(on.host->send(large, tick{}).error().code, errc::gone);
    EXPECT_EQ(on.host->lost(), 1U) << "the long text";
}

process pushing(self me, pid to, int* pushed) {
    for (int i = 0; i < 1000; ++i) {
        if (!me.send(to, add{1})) {
            const auto room = co_await me.writable(to);
            if (!room || !me.send(to, add{1})) {
                co_return;
            }
        }
        ++*pushed;
    }
}

process slow_counter(self me) {
    while (auto in = co_await me.receive<add>()) {
        co_await me.pause(1ms);
    }
}

TEST(mailbox, a_sender_can_wait_until_there_is_room) {
    stage on{{.mailbox_messages = 10}};
    int pushed = 0;
    const auto to = on.host->spawn(slow_counter);
    on.host->spawn(pushing, to, &pushed);
    on.world.run_for(100ms);
    EXPECT_GT(pushed, 10);
    EXPECT_LT(pushed, 300);
    on.world.run_for(10s);
    EXPECT_EQ(pushed, 1000);
}

process timing(self me, std::vector<int>* at) {
    me.send_after(2s, me.pid(), add{2});
    const auto never_sent = me.send_after(1500ms, me.pid(), add{3});
    me.send_after(1s, me.pid(), add{1});
    me.cancel(never_sent);
    while (auto in = co_await me.receive<add>(5s)) {
        at->push_back(static_cast<int>(in->body.n));
    }
}

TEST(mailbox, timers_send_in_the_order_of_their_instants_unless_cancelled) {
    stage on;
    std::vector<int> at;
    on.host->spawn(timing, &at);
    on.world.run_for(20s);
    EXPECT_EQ(at, (std::vector<int>{1, 2}));
    EXPECT_EQ(on.host->living(), 0U);
}

process blocked(self me, long* got, std::string* failed) {
    const long base = 40;
    const auto rows = co_await me.blocking([&] { return base + 2; });
    *got = rows.value_or(0);
    const auto none = co_await me.blocking([&] {
        if (base == 40) {
            throw std::runtime_error{"no store"};
        }
    });
    *failed = none ? "" : none.error().text;
}

TEST(mailbox, work_that_blocks_is_awaited_with_its_value_or_its_exception) {
    stage on;
    long got = 0;
    std::string failed;
    on.host->spawn(blocked, &got, &failed);
    on.settle();
    EXPECT_EQ(got, 42);
    EXPECT_EQ(failed, "the job threw: no store");
}

process sending(self me, pid to, std::vector<undelivered>* lost) {
    for (int i = 0; i < 5; ++i) {
        me.send(to, add{i});
    }
    me.send(to, tick{});
    while (auto in = co_await me.receive<undelivered>(10s)) {
        lost->push_back(in->body);
    }
}

TEST(mailbox, what_an_ended_process_did_not_take_comes_back_as_one_notice) {
    stage on;
    std::vector<undelivered> lost;
    const auto to = on.host->spawn(idle);
    on.host->spawn(sending, to, &lost);
    on.world.run_for(20s);
    ASSERT_EQ(lost.size(), 1U);
    EXPECT_EQ(lost[0].to, to);
    EXPECT_EQ(lost[0].count, 5U);
}

process asking(self me, pid to, std::string* got) {
    const auto first = co_await me.within(1s).ask<job>(to, "ann");
    const auto second = co_await me.ask<done>(to);
    *got =
        first.value_or("?") + (second ? "" : " then " + std::string{name_of(second.error().code)});
}

TEST(mailbox, a_process_asks_another_and_goes_on_where_it_ran) {
    stage on;
    std::string got;
    on.host->spawn(asking, on.host->spawn(answering, 0, pid{}), &got);
    on.world.run_for(10s);
    EXPECT_EQ(got, "ann! then timed_out") << "nobody takes a `done`";
}

process ending_with_node(self me, int* refusals) {
    while (true) {
        auto in = co_await me.receive<tick>();
        if (!in && ++*refusals > 1'000'000) {
            co_return;
        }
    }
}

TEST(mailbox, a_stop_ends_receives_and_kills_who_does_not_listen) {
    stage on;
    int refusals = 0;
    bool stopped = false;
    on.host->spawn(counter, 0);
    on.host->spawn(answering, 0, pid{});
    on.host->spawn(ending_with_node, &refusals);
    on.settle();
    on.host->stop(5s, [&] { stopped = true; });
    on.settle();
    EXPECT_FALSE(stopped);
    EXPECT_EQ(on.host->living(), 1U);
    EXPECT_LE(refusals, 200);
    on.world.run_for(6s);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(on.host->living(), 0U);
    EXPECT_EQ(on.host->send(on.host->spawn(counter, 0), add{1}).error().code, errc::gone);
}

TEST(mailbox, a_host_may_go_while_processes_wait_for_all_kinds_of_things) {
    stage on;
    long got = 0;
    std::string text;
    std::vector<int> at;
    on.host->spawn(blocked, &got, &text);
    on.host->spawn(asking, on.host->spawn(answering, 5, pid{}), &text);
    on.host->spawn(timing, &at);
    auto open = on.host->ask<job>(on.host->spawn(answering, 5, pid{}), "a");
    on.world.run_for(1ms);
    on.host.reset();
    EXPECT_TRUE(open.is_ready());
    EXPECT_EQ(on.run(std::move(open)).error().code, errc::outcome_unknown);
}

TEST(mailbox, a_host_may_go_after_its_loops) {
    stage on;
    on.host->spawn(counter, 0);
    auto open = on.host->ask<job>(on.host->spawn(answering, 5, pid{}), "a");
    on.world.run_for(1ms);
    on.host->spawn(counter, 0);
    for (const auto& one : on.workers) {
        one->stop();
    }
    on.host.reset();
    EXPECT_TRUE(open.is_ready());
}

process collecting(self me, std::vector<long>* seen) {
    while (auto in = co_await me.receive<add>()) {
        seen->push_back(in->body.n);
    }
}

process relaying(self me, pid to, std::vector<long> what) {
    for (const long one : what) {
        me.send(to, add{one});
        if (one % 3 == 0) {
            co_await me.pause(std::chrono::microseconds{one % 100});
        }
    }
}

RC_GTEST_PROP(mailbox,
              messages_of_one_sender_arrive_all_and_in_order,
              (const std::vector<std::uint8_t>& first, const std::vector<std::uint8_t>& second)) {
    stage on;
    std::vector<long> seen;
    const auto to = on.host->spawn(collecting, &seen);
    const std::vector<long> low(first.begin(), first.end());
    std::vector<long> high;
    for (const auto one : second) {
        high.push_back(1000 + one);
    }
    on.host->spawn(relaying, to, low);
    on.host->spawn(relaying, to, high);
    on.settle();
    std::vector<long> got_low;
    std::vector<long> got_high;
    for (const long one : seen) {
        (one < 1000 ? got_low : got_high).push_back(one);
    }
    RC_ASSERT(got_low == low);
    RC_ASSERT(got_high == high);
}

}  // namespace
}  // namespace muster
