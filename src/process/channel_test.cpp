// Channels: within a node, and between two.

#include "muster/channel.hpp"

#include "process/places_test.hpp"
#include "process/stage_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace flow {

struct row {
    long n = 0;
    std::string text;
};
struct begin {
    muster::sender<row> to;
    long count = 0;
};
struct go {};

}  // namespace flow

namespace muster {
namespace {

using flow::begin;
using flow::go;
using flow::row;

/// Sends `count` rows as fast as it may, and notes how each send ended.
process source(self me, texts* ends) {
    const auto in = co_await me.receive<begin>();
    const auto out = in->body.to;
    for (long n = 1; n <= in->body.count; ++n) {
        const auto sent = co_await out.send(me, n, "row");
        ends->push_back(sent ? "sent" : std::string{name_of(sent.error().code)});
        if (!sent) {
            co_return;
        }
    }
    static_cast<void>(out.close(me));
}

/// Takes a row for each `go`, and notes what it got.
process sink(self me, pid from, long count, std::size_t size, texts* got) {
    channel<row> rows{me, size};
    me.send(from, begin{rows.in(), count});
    while (const auto on = co_await me.receive<go>()) {
        const auto one = co_await rows.receive(1s);
        got->push_back(one ? std::to_string(one->n) : std::string{name_of(one.error().code)});
    }
}

texts times(std::size_t count, const std::string& text) {
    return texts(count, text);
}

TEST(a_channel, holds_its_sender_back_and_keeps_the_order_until_it_is_closed) {
    stage on;
    texts ends, got;
    const auto from = on.host->spawn(source, &ends);
    const auto to = on.host->spawn(sink, from, 6L, std::size_t{3}, &got);
    on.settle();
    EXPECT_EQ(ends, times(3, "sent"));  // The fourth waits.
    EXPECT_TRUE(on.host->send(to, go{}));
    on.settle();
    EXPECT_EQ(ends, times(4, "sent"));
    for (int i = 0; i < 7; ++i) {
        EXPECT_TRUE(on.host->send(to, go{}));
    }
    on.settle();
    EXPECT_EQ(ends, times(6, "sent"));
    EXPECT_EQ(got, (texts{"1", "2", "3", "4", "5", "6", "closed", "closed"}));
}

TEST(a_channel, that_stays_full_refuses_what_was_not_sent) {
    stage on;
    texts ends, got;
    const auto from = on.host->spawn(source, &ends);
    const auto to = on.host->spawn(sink, from, 3L, std::size_t{2}, &got);
    on.world.run_for(10s);
    EXPECT_EQ(ends, (texts{"sent", "sent", "overloaded"}));
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(on.host->send(to, go{}));
    }
    on.world.run_for(5s);
    EXPECT_EQ(got, (texts{"1", "2", "timed_out"}));
}

TEST(a_channel, whose_receiving_end_is_gone_says_so_to_who_waits_and_who_comes) {
    stage on;
    texts ends, got;
    const auto from = on.host->spawn(source, &ends);
    const auto to = on.host->spawn(sink, from, 3L, std::size_t{2}, &got);
    on.settle();
    on.host->kill(to);
    on.settle();
    EXPECT_EQ(ends, (texts{"sent", "sent", "gone"}));
    EXPECT_EQ(on.host->living(), 0U);  // Nothing of the channel is left.
}

TEST(a_channel, of_a_thread_blocks_nobody_and_is_closed_with_the_process_it_comes_from) {
    stage on;
    channel<row> rows{*on.host, 2};
    const auto from = on.host->spawn([out = rows.in()](self me) -> process {
        static_cast<void>(out.close_with(me, me.pid()));
        const auto sent = co_await out.send(me, 1, "row");
        EXPECT_TRUE(sent);
        throw std::runtime_error{"no more rows"};
    });
    on.settle();
    EXPECT_EQ(on.run(rows.receive())->n, 1);
    const auto none = on.run(rows.receive());
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::gone);
    EXPECT_NE(none.error().text.find("no more rows"), std::string::npos) << none.error().text;
    const auto late = on.run(rows.in().send(*on.host, 2, "late"));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, errc::gone);
    EXPECT_TRUE(from.empty() || on.host->living() == 1U);
}

TEST(a_channel, gives_a_late_item_to_the_next_who_asks) {
    stage on;
    channel<row> rows{*on.host, 2};
    const auto none = on.run(rows.receive(10ms));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::timed_out);
    EXPECT_TRUE(on.run(rows.in().send(*on.host, 7, "late")));
    EXPECT_EQ(on.run(rows.receive(10ms))->n, 7);
}

TEST(a_channel, with_no_time_to_wait_takes_what_there_is_room_for) {
    stage on;
    channel<row> rows{*on.host, 1};
    EXPECT_TRUE(on.run(rows.in().send_within(0s, *on.host, 1, "fits")));
    const auto more = on.run(rows.in().send_within(0s, *on.host, 2, "does not"));
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, errc::overloaded);
    EXPECT_EQ(on.run(rows.receive(0s))->n, 1);
    EXPECT_EQ(on.run(rows.receive(0s)).error().code, errc::timed_out);
}

TEST(channels, of_one_type_are_apart) {
    stage on;
    channel<row> left{*on.host, 8};
    channel<row> right{*on.host, 8};
    EXPECT_TRUE(on.run(left.in().send(*on.host, 1, "left")));
    EXPECT_TRUE(on.run(right.in().send(*on.host, 2, "right")));
    EXPECT_EQ(on.run(right.receive())->text, "right");
    EXPECT_EQ(on.run(left.receive())->text, "left");
    EXPECT_NE(left.in(), right.in());
    EXPECT_TRUE(sender<row>{}.empty());
}

TEST(channels, of_many_senders_lose_and_double_nothing) {
    stage on;
    std::vector<long> next(20, 0);
    channel<row> rows{*on.host, 4};
    for (long who = 0; who < 20; ++who) {
        on.host->spawn([out = rows.in(), who](self me) -> process {
            for (long n = 0; n < 50; ++n) {
                const long both = who * 1000 + n;
                const auto sent = co_await out.send(me, both, "x");
                EXPECT_TRUE(sent);
            }
        });
    }
    for (int i = 0; i < 1000; ++i) {
        const auto one = on.run(rows.receive(1s));
        ASSERT_TRUE(one);
        EXPECT_EQ(one->n % 1000, next.at(static_cast<std::size_t>(one->n / 1000))++);
    }
    EXPECT_FALSE(on.run(rows.receive(1s)));
}

TEST_F(two_nodes, hold_back_the_sending_end_of_a_channel_that_has_travelled) {
    texts sent, got;
    const auto from = bob->host().spawn(source, &sent);
    const auto to = ann->host().spawn(sink, from, 5L, std::size_t{2}, &got);
    run();
    EXPECT_EQ(sent, times(2, "sent"));
    for (int i = 0; i < 6; ++i) {
        EXPECT_TRUE(ann->host().send(to, go{}));
    }
    run();
    EXPECT_EQ(sent, times(5, "sent"));
    EXPECT_EQ(got, (texts{"1", "2", "3", "4", "5", "closed"}));
}

TEST_F(two_nodes, say_definitely_what_became_of_items_when_the_way_is_lost) {
    texts sent, got;
    const auto from = bob->host().spawn(source, &sent);
    const auto to = ann->host().spawn(sink, from, 5L, std::size_t{2}, &got);
    run();
    world.break_connections(ann->on(), bob->on());
    run();
    // It waited there, and may still get in.
    EXPECT_EQ(sent, (texts{"sent", "sent", "outcome_unknown"}));
    ann->host().kill(to);
    run();
    texts again;
    const auto other = bob->host().spawn(source, &again);
    const auto end = ann->host().spawn(sink, other, 5L, std::size_t{2}, &got);
    run();
    ann->host().kill(end);
    run();
    EXPECT_EQ(again, (texts{"sent", "sent", "gone"}));
}

}  // namespace
}  // namespace muster
