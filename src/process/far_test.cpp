// Processes of several nodes, on a simulated network.

#include "process/places_test.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace far {

struct add {
    long n = 0;
};
struct total {
    using reply = long;
};
struct echo {
    using reply = std::string;
    std::string text;
};
struct introduce {
    muster::pid who;
};
struct stop_now {};
struct throw_now {
    std::string text;
};
struct silent {
    using reply = void;
};

/// One message, as two versions of a program have it.
struct order {
    using reply = std::string;
    static constexpr std::string_view wire_name = "far.order";
    std::string item;
};
struct newer_order {
    using reply = std::string;
    static constexpr std::string_view wire_name = "far.order";
    std::string item;
    int count = 1;
    std::optional<std::string> note;
};

/// One name for two messages that have nothing in common.
struct numbered {
    static constexpr std::string_view wire_name = "far.mixed";
    long n = 0;
};
struct worded {
    static constexpr std::string_view wire_name = "far.mixed";
    std::string text;
};

/// A message that brings its bytes, as those of Protocol Buffers do.
class point {
public:
    point() = default;
    point(int x, int y) : x_{x}, y_{y} {}
    [[nodiscard]] std::string serialize() const {
        return {static_cast<char>(x_), static_cast<char>(y_)};
    }
    [[nodiscard]] bool parse(std::string_view bytes) {
        if (bytes.size() != 2) {
            return false;
        }
        x_ = bytes[0];
        y_ = bytes[1];
        return true;
    }
    friend bool operator==(const point&, const point&) = default;

private:
    int x_ = 0;
    int y_ = 0;
};
struct segment {
    using reply = point;
    point from, to;
};

}  // namespace far

template <>
struct muster::codec<far::point> {
    static void write(cbor_writer& out, const far::point& value) {
        out.write_bytes(value.serialize());
    }
    static bool read(cbor_reader& in, far::point& value) {
        std::string_view bytes;
        return in.read_bytes(bytes) && (value.parse(bytes) || in.fail("expected a point"));
    }
};

namespace muster {
namespace {

using far::add;
using far::echo;
using far::introduce;
using far::numbered;
using far::silent;
using far::stop_now;
using far::throw_now;
using far::total;
using far::worded;

process counter(self me) {
    long sum = 0;
    while (auto in = co_await me.receive<add, total>()) {
        if (const auto* one = in->get_if<add>()) {
            // Shows the order, too; of many, that of the last.
            sum = static_cast<long>(static_cast<unsigned long>(sum) % 1'000'000'000'000 * 10 +
                                    static_cast<unsigned long>(one->body.n));
        }
        if (auto* asked = in->get_if<total>()) {
            asked->reply(sum);
        }
    }
}

process obedient(self me) {
    while (auto in = co_await me.receive<stop_now, throw_now, echo, silent>()) {
        if (in->get_if<stop_now>() != nullptr) {
            co_return;
        }
        if (const auto* one = in->get_if<throw_now>()) {
            throw std::runtime_error{one->body.text};
        }
        if (auto* asked = in->get_if<echo>()) {
            asked->reply(asked->body.text + " for " + asked->from.member());
        }
    }
}

TEST_F(two_nodes, send_and_ask_alike_here_and_there_and_keep_the_order) {
    for (place* where : {&*ann, &*bob}) {
        const pid to = where->host().spawn(counter);
        const pid from = ann->host().spawn([to](self me) -> process {
            for (const long n : {1L, 2L, 3L, 4L}) {
                EXPECT_TRUE(me.send(to, add{n}));
            }
            const auto sum = co_await me.ask<total>(to);
            EXPECT_EQ(sum, result<long>{1234});
            me.send(to, add{5});
        });
        run();
        EXPECT_EQ(answer(ann->host().ask<total>(to)), result<long>{12345}) << from.text();
    }
    EXPECT_EQ(ann->net().count().connections, 1U);
}

TEST_F(two_nodes, lose_and_double_none_of_many_messages) {
    const pid to = bob->host().spawn([](self me) -> process {
        long next = 0;
        while (auto in = co_await me.receive<add, total>()) {
            if (const auto* one = in->get_if<add>()) {
                EXPECT_EQ(one->body.n, next);
                ++next;
            }
            if (auto* asked = in->get_if<total>()) {
                asked->reply(next);
            }
        }
    });
    ann->host().spawn([to](self me) -> process {
        for (long i = 0; i < 20'000; ++i) {
            while (!me.send(to, add{i})) {
                const auto room = co_await me.writable(to);
                if (!room) {
                    co_return;
                }
            }
        }
    });
    run(20s);
    EXPECT_EQ(answer(ann->host().ask<total>(to)), result<long>{20'000});
}

TEST_F(two_nodes, tell_a_receiver_who_sends_so_that_it_can_answer) {
    const pid to = bob->host().spawn([](self me) -> process {
        const auto in = co_await me.receive<introduce>();
        EXPECT_EQ(in->from.member(), "ann");
        EXPECT_EQ(in->from, in->body.who);  // Also within a message.
        me.send(in->from, add{42});
    });
    std::optional<long> got;
    ann->host().spawn([to, &got](self me) -> process {
        me.send(to, introduce{me.pid()});
        const auto in = co_await me.receive<add>(5s);
        got = in ? in->body.n : -1;
    });
    run();
    EXPECT_EQ(got, 42);
}

TEST_F(two_nodes, end_every_ask_in_one_definite_way) {
    const pid to = bob->host().spawn(obedient);
    EXPECT_EQ(answer(ann->host().ask<echo>(to, "hello")), result<std::string>{"hello for "});
    const auto dropped = answer(ann->host().ask<silent>(to));
    ASSERT_FALSE(dropped);
    EXPECT_EQ(dropped.error().code, errc::handler_failed);
    // One that nobody receives is still in the mailbox at its deadline.
    const auto unread = answer(ann->host().within(1s).ask<total>(to));
    ASSERT_FALSE(unread);
    EXPECT_EQ(unread.error().code, errc::outcome_unknown);
    EXPECT_TRUE(ann->host().send(to, stop_now{}));
    run();
    const auto gone = answer(ann->host().ask<echo>(to, "hello"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, errc::gone);
}

TEST_F(two_nodes, forward_the_duty_to_answer_to_a_third) {
    place cid{world.add_host("cid"), "cid", member_id{3, 3}, all};
    const pid worker = cid.host().spawn(obedient);
    const pid boss = bob->host().spawn([worker](self me) -> process {
        while (auto in = co_await me.receive<echo>()) {
            in->forward(worker);
        }
    });
    std::optional<std::string> got;
    ann->host().spawn([boss, &got](self me) -> process {
        const auto answered = co_await me.ask<echo>(boss, "job");
        got = answered ? *answered : answered.error().text;
    });
    run();
    EXPECT_TRUE(got && got->starts_with("job for ")) << got.value_or("nothing");
}

TEST_F(two_nodes, ask_for_no_longer_than_they_are_asked_themselves) {
    for (place* where : {&*ann, &*bob}) {
        const pid mute = bob->host().spawn([](self me) -> process {
            const auto in = co_await me.receive<stop_now>();
            EXPECT_FALSE(in);
        });
        std::map<std::string, std::chrono::nanoseconds> took;
        const pid asked = where->host().spawn([mute, &took](self me) -> process {
            while (auto in = co_await me.receive<echo>()) {
                const auto began = me.now();
                const std::string how = in->body.text;
                if (how == "answered first") {
                    in->reply("");
                }
                if (how == "held for too long") {
                    const auto paused = co_await me.pause(1s);
                    EXPECT_TRUE(paused);
                }
                const auto got = co_await me.ask<total>(mute);
                EXPECT_FALSE(got);
                took[how] = me.now() - began;
            }
        });
        const auto within = ann->host().within(300ms);
        static_cast<void>(answer(within.ask<echo>(asked, "answered last")));
        EXPECT_TRUE(answer(within.ask<echo>(asked, "answered first")));
        EXPECT_TRUE(ann->host().send(asked, echo{"only sent"}));
        run(20s);
        static_cast<void>(answer(within.ask<echo>(asked, "held for too long")));
        run(20s);
        EXPECT_GT(took["answered last"], 200ms);
        EXPECT_LE(took["answered last"], 300ms);
        EXPECT_GE(took["held for too long"], 6s) << "nobody waits for its answer any more";
        EXPECT_GE(took["answered first"], 5s);
        EXPECT_GE(took["only sent"], 5s);
    }
}

TEST_F(two_nodes, tell_a_sender_of_a_message_that_cannot_be_read) {
    const pid waits = bob->host().spawn([](self me) -> process {
        while (auto in = co_await me.receive<numbered>()) {
        }
    });
    const pid busy = bob->host().spawn([](self me) -> process {
        const auto waited = co_await me.pause(2s);
        EXPECT_TRUE(waited);
        while (auto in = co_await me.receive<numbered>()) {
        }
    });
    std::map<pid, std::uint64_t> lost;
    ann->host().spawn([&lost, waits, busy](self me) -> process {
        me.send(waits, worded{"no number"});
        me.send(busy, worded{"no number"});
        while (auto in = co_await me.receive<undelivered>(5s)) {
            lost[in->body.to] += in->body.count;
        }
    });
    run(10s);
    EXPECT_EQ(lost, (std::map<pid, std::uint64_t>{{waits, 1}, {busy, 1}}));
}

TEST_F(two_nodes, tell_a_sender_of_all_that_came_in_a_row_after_its_receiver_had_ended) {
    const pid counting = bob->host().spawn(counter);
    int taken = 0;
    const pid brief = bob->host().spawn([&taken](self me) -> process {
        while (auto in = co_await me.receive<add>()) {
            if (++taken == 3) {
                co_return;
            }
        }
    });
    std::map<pid, std::uint64_t> lost;
    for (int i = 0; i < 4; ++i) {  // One of them, at least, where the connection is.
        ann->host().spawn([&lost, counting, brief](self me) -> process {
            const auto connected = co_await me.ask<total>(counting);
            EXPECT_TRUE(connected);
            for (long n = 0; n < 10; ++n) {
                me.send(brief, add{n});
            }
            while (auto in = co_await me.receive<undelivered>(5s)) {
                lost[in->body.to] += in->body.count;
            }
        });
    }
    run(10s);
    EXPECT_EQ(taken, 3);
    EXPECT_GE(lost[brief], 36U) << "one may have lain in its mailbox, and so was delivered";
    EXPECT_LE(lost[brief], 37U);
}

TEST_F(two_nodes, tell_a_sender_what_came_too_late_to_be_sent) {
    const pid to = bob->host().spawn(obedient);
    std::uint64_t lost = 0;
    ann->host().spawn([&lost, to](self me) -> process {
        me.send_after(1s, to, add{1});
        const auto in = co_await me.receive<undelivered>(5s);
        lost = in ? in->body.count : 0;
    });
    run(500ms);
    all.erase(to.life());
    ann->host().life_ended(to.life());
    run(10s);
    EXPECT_EQ(lost, 1U);
}

TEST_F(two_nodes, tell_a_sender_what_was_lost) {
    const pid to = bob->host().spawn(obedient);
    texts lost;
    const pid from = ann->host().spawn([to, &lost](self me) -> process {
        while (auto in = co_await me.receive<undelivered, stop_now>()) {
            if (const auto* one = in->get_if<undelivered>()) {
                lost.push_back(std::to_string(one->body.count) + " to " +
                               std::to_string(one->body.to.index()));
            } else {
                me.send(to, add{1});
            }
        }
    });
    // To a process that has ended.
    EXPECT_TRUE(ann->host().send(from, stop_now{}));
    run();
    EXPECT_EQ(lost, texts{});  // Received by nobody yet, but accepted.
    bob->host().kill(to);
    run();
    EXPECT_EQ(lost, (texts{"1 to " + std::to_string(to.index())}));
    EXPECT_TRUE(ann->host().send(from, stop_now{}));
    run();
    EXPECT_EQ(lost.size(), 2U);
    // To a node that does not take it any more.
    world.cut(ann->on(), bob->on());
    EXPECT_TRUE(ann->host().send(from, stop_now{}));
    run(100ms);
    world.break_connections(ann->on(), bob->on());
    run(100ms);
    EXPECT_EQ(lost.size(), 3U);
}

TEST_F(two_nodes, deliver_to_the_addressed_life_alone) {
    const pid to = bob->host().spawn(counter);
    EXPECT_TRUE(ann->host().send(to, add{1}));
    run();
    const member_id old = to.life();
    bob.reset();
    runtime::sim::host& where = world.add_host("bob-again");
    bob.emplace(where, "bob", member_id{4, 4}, all, process_limits{});
    const pid other = bob->host().spawn(counter);
    // The old life's address has a new tenant; its place and generation are those of a living one.
    all[old] = all[other.life()];
    ann->host().peers_changed();
    const pid stale{old, "bob", other.index(), other.generation()};
    EXPECT_TRUE(ann->host().send(stale, add{7}));
    const auto asked = answer(ann->host().ask<total>(stale));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().code, errc::gone);
    EXPECT_EQ(answer(ann->host().ask<total>(other)), result<long>{0});
    EXPECT_EQ(ann->host().lost(), 1U);
}

TEST_F(two_nodes, start_processes_on_each_other_by_the_name_of_a_factory) {
    bob->host().add_factory(
        "counter", [](std::string_view bytes) -> result<std::move_only_function<process(self)>> {
            const auto given = decode<add>(bytes);
            if (!given) {
                return std::unexpected{given.error()};
            }
            return detail::process_body(
                [](self me, long first) -> process {
                    while (auto in = co_await me.receive<total>()) {
                        in->reply(first);
                    }
                },
                given->n);
        });
    const auto made = answer(ann->host().spawn_on(bob->host().life(), "counter", encode(add{17})));
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->member(), "bob");
    EXPECT_EQ(answer(ann->host().ask<total>(*made)), result<long>{17});
    const auto none = answer(ann->host().spawn_on(bob->host().life(), "clerk", ""));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::not_found);
}

TEST_F(two_nodes, row_109_read_messages_of_newer_and_older_versions) {
    const pid old = bob->host().spawn([](self me) -> process {
        while (auto in = co_await me.receive<far::order>()) {
            in->reply(in->body.item);
        }
    });
    const pid recent = bob->host().spawn([](self me) -> process {
        while (auto in = co_await me.receive<far::newer_order>()) {
            in->reply(in->body.item + " " + std::to_string(in->body.count) +
                      in->body.note.value_or(""));
        }
    });
    EXPECT_EQ(answer(ann->host().ask<far::newer_order>(old, "tea", 3, "hot")),
              result<std::string>{"tea"});
    EXPECT_EQ(answer(ann->host().ask<far::order>(recent, "tea")), result<std::string>{"tea 1"});
}

TEST_F(two_nodes, carry_types_that_bring_their_own_encoding) {
    for (place* where : {&*ann, &*bob}) {
        const pid to = where->host().spawn([](self me) -> process {
            while (auto in = co_await me.receive<far::segment>()) {
                in->reply(in->body.to);
            }
        });
        EXPECT_EQ(answer(ann->host().ask<far::segment>(to, far::point{1, 2}, far::point{3, 4})),
                  (result<far::point>{far::point{3, 4}}));
    }
}

/// Takes nothing for a while, then 60 messages.
process slow(self me) {
    co_await me.pause(15s);
    for (int i = 0; i < 60; ++i) {
        const auto one = co_await me.receive<add>();
        EXPECT_TRUE(one);
    }
    const auto none = co_await me.receive<stop_now>();
    EXPECT_FALSE(none);
}

TEST_F(two_nodes, wait_until_a_full_mailbox_of_the_other_has_room) {
    texts events;
    place cid{world.add_host("cid"), "cid", member_id{3, 3}, all, {.mailbox_messages = 100}};
    const pid to = cid.host().spawn(slow);
    const pid other = cid.host().spawn(counter);
    ann->host().spawn([to, &events](self me) -> process {
        for (long n = 0; n < 110; ++n) {
            me.send(to, add{n});
        }
        const auto lost = co_await me.receive<undelivered>(1s);
        events.emplace_back(lost ? "lost" : lost.error().text);
        const auto room = co_await me.writable(to);
        events.emplace_back(room ? "room" : room.error().text);
        const pid nobody{to.life(), "cid", 99, 1};
        const auto none = co_await me.writable(nobody);
        events.emplace_back(none ? "room" : std::string{name_of(none.error().code)});
    });
    run(14s);
    EXPECT_EQ(events, texts{"lost"});  // However long it takes.
    EXPECT_TRUE(ann->host().send(other, add{7}));
    EXPECT_EQ(answer(ann->host().ask<total>(other)), result<long>{7});  // No business of others.
    run(10s);
    EXPECT_EQ(events, (texts{"lost", "room", "gone"}));
}

TEST_F(two_nodes, row_104_notice_nothing_of_a_stop_that_is_short) {
    const pid one = bob->host().spawn(counter);
    watch_from(*ann, one);
    run();
    bob->on().pause();
    for (long n = 1; n <= 5; ++n) {
        EXPECT_TRUE(ann->host().send(one, add{n}));
    }
    run(3s);
    bob->on().resume();
    EXPECT_EQ(answer(ann->host().ask<total>(one)), result<long>{12345});
    EXPECT_EQ(ends, texts{});
    EXPECT_EQ(ann->host().lost(), 0U);
}

}  // namespace
}  // namespace muster
