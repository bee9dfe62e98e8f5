// Who hears of the end of processes of other nodes, on a simulated network: monitors and links.

#include "process/places_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

struct add {
    long n = 0;
};
struct stop_now {};
struct throw_now {
    std::string text;
};
process obedient(self me) {
    while (auto in = co_await me.receive<stop_now, throw_now>()) {
        if (in->get_if<stop_now>() != nullptr) {
            co_return;
        }
        if (const auto* one = in->get_if<throw_now>()) {
            throw std::runtime_error{one->body.text};
        }
    }
}

process be_linked(self me, pid other) {
    me.link(other);
    const auto never_sent = co_await me.receive<stop_now>();
    EXPECT_FALSE(never_sent);
}

process taking(self me) {
    while (auto in = co_await me.receive<add>()) {
    }
}

TEST_F(two_nodes, hear_of_each_end_in_exactly_one_notice) {
    const auto watched = [&](auto end) {
        ends.clear();
        const pid one = bob->host().spawn(obedient);
        watch_from(*ann, one);
        run();
        EXPECT_EQ(ends, texts{});
        end(one);
        run();
        return ends;
    };
    const auto& sender = ann->host();
    static_cast<void>(sender);
    EXPECT_EQ(watched([&](const pid& one) { EXPECT_TRUE(ann->host().send(one, stop_now{})); }),
              texts{"exited"});
    EXPECT_EQ(
        watched([&](const pid& one) { EXPECT_TRUE(ann->host().send(one, throw_now{"ouch"})); }),
        texts{"crashed: ouch"});
    EXPECT_EQ(watched([&](const pid& one) { ann->host().kill(one); }), texts{"killed"});
    EXPECT_EQ(watched([&](const pid& one) { ann->host().exit(one, "enough"); }),
              texts{"exited: enough"});
    ends.clear();
    watch_from(*ann, pid{bob->host().life(), "bob", 999, 1});
    run();
    EXPECT_EQ(ends, texts{"no process"});
}

TEST_F(two_nodes, hear_why_even_where_the_cause_follows_the_monitor_at_once) {
    const auto heard_after = [&](auto cause) {
        std::string heard;
        const pid one = bob->host().spawn(obedient);
        ann->host().spawn([one, cause, &heard](self me) -> process {
            me.monitor(one);
            cause(me, one);
            const auto in = co_await me.receive<down>(10s);
            heard = in ? said(in->body.why) : in.error().text;
        });
        run(11s);
        return heard;
    };
    for (int i = 0; i < 4; ++i) {  // On each worker, before there is a connection and after.
        EXPECT_EQ(heard_after([](self me, const pid& one) { me.send(one, throw_now{"ouch"}); }),
                  "crashed: ouch");
        EXPECT_EQ(heard_after([](self me, const pid& one) { me.kill(one); }), "killed");
        EXPECT_EQ(heard_after([](self me, const pid& one) { me.exit(one, "enough"); }),
                  "exited: enough");
    }
}

TEST_F(two_nodes, hear_of_a_process_that_ended_as_soon_as_it_was_linked) {
    for (int i = 0; i < 4; ++i) {
        ends.clear();
        const pid one = bob->host().spawn(obedient);
        watch_from(*bob, one);
        ann->host().spawn([one](self me) -> process {
            me.link(one);
            throw std::runtime_error{"at once"};
            co_return;
        });
        run();
        EXPECT_EQ(ends, texts{"crashed: at once"});
    }
}

TEST_F(two_nodes, wait_for_a_way_before_a_new_monitor_or_link_ends) {
    const pid one = bob->host().spawn(obedient);
    const auto known = all.extract(one.life());
    const pid linked = ann->host().spawn(be_linked, one);
    watch_from(*ann, one);
    watch_from(*ann, linked);
    run(2s);
    EXPECT_EQ(ends, texts{}) << "its member may have joined a moment ago";
    all[known.key()] = known.mapped();
    run(2s);
    EXPECT_EQ(ends, texts{});
    bob->host().kill(one);
    run();
    EXPECT_EQ(ends, (texts{"killed", "killed"}));
    watch_from(*ann, pid{member_id{77, 77}, "nobody", 1, 1});
    run(20s);
    EXPECT_EQ(ends.size(), 3U);
    EXPECT_EQ(ends.back(), "unreachable");
}

TEST_F(two_nodes, make_links_and_monitors_in_spite_of_connections_that_break_meanwhile) {
    for (int i = 0; i < 20; ++i) {
        ends.clear();
        const pid one = bob->host().spawn(obedient);
        static_cast<void>(answer(bob->host().watchers_of(one)));
        const pid linked = ann->host().spawn([one](self me) -> process {
            me.monitor(one);
            me.link(one);
            const auto never_sent = co_await me.receive<stop_now>();
            EXPECT_FALSE(never_sent);
        });
        watch_from(*ann, linked);
        run(1ms * i);
        world.break_connections(ann->on(), bob->on());
        run(1ms * (i % 3));
        world.break_connections(ann->on(), bob->on());
        run(5s);
        ASSERT_EQ(ends, texts{}) << i;
        EXPECT_EQ(answer(bob->host().watchers_of(one)), result<std::size_t>{1U}) << i;
        bob->host().kill(one);
        run();
        ASSERT_EQ(ends, texts{"killed"}) << i;
    }
}

TEST_F(two_nodes, make_a_link_whose_request_their_lost_connection_swallowed) {
    const pid one = bob->host().spawn(obedient);
    watch_from(*ann, one);  // So that there is a connection.
    run();
    world.cut(ann->on(), bob->on());
    const pid own = ann->host().spawn(be_linked, one);
    run(300ms);
    world.break_connections(ann->on(), bob->on());
    world.heal();
    watch_from(*ann, own);
    run(10s);
    EXPECT_EQ(ends, texts{});
    EXPECT_TRUE(ann->host().send(one, throw_now{"ouch"}));
    run();
    EXPECT_EQ(ends, (texts{"crashed: ouch", "crashed: ouch"}));
}

TEST_F(two_nodes, undo_a_link_that_was_not_there_yet) {
    const pid one = bob->host().spawn(obedient);
    watch_from(*bob, one);
    const auto known = all.extract(one.life());
    ann->host().spawn([one](self me) -> process {
        me.link(one);
        me.unlink(one);
        const auto paused = co_await me.pause(100ms);
        EXPECT_TRUE(paused);
        throw std::runtime_error{"alone"};
    });
    run(200ms);
    all[known.key()] = known.mapped();
    run(10s);
    EXPECT_EQ(ends, texts{});
}

TEST_F(two_nodes, forget_who_watched_and_is_no_more) {
    const pid one = bob->host().spawn(obedient);
    const auto watchers = [&] { return answer(bob->host().watchers_of(one)).value_or(99); };
    for (int i = 0; i < 3; ++i) {
        watch_from(*ann, one);
    }
    run();
    EXPECT_EQ(watchers(), 3U);
    for (int i = 0; i < 5; ++i) {  // Each is asked for anew.
        world.break_connections(ann->on(), bob->on());
        run(3s);
    }
    EXPECT_EQ(watchers(), 3U);
    ann->host().spawn([one](self me) -> process {
        me.demonitor(me.monitor(one));  // Before it can be there.
        co_return;
    });
    run();
    EXPECT_EQ(watchers(), 3U);
    bob->host().life_ended(ann->host().life());  // It has lost its session, and watches on.
    run(1min);
    EXPECT_EQ(watchers(), 3U);
    ann->on().kill();
    run(1min);
    EXPECT_EQ(watchers(), 0U);
}

TEST_F(two_nodes, hear_of_the_end_of_a_whole_node_once) {
    const pid one = bob->host().spawn(obedient);
    watch_from(*ann, one);
    run();
    bob->on().kill();
    run(500ms);
    EXPECT_EQ(ends, texts{});  // It may be no more than its connection.
    ann->host().life_ended(one.life());
    run(20s);
    EXPECT_EQ(ends, texts{"node lost"});
}

TEST_F(two_nodes, hear_after_a_while_that_a_node_cannot_be_reached) {
    const pid one = bob->host().spawn(obedient);
    watch_from(*ann, one);
    run();
    world.isolate(bob->on());
    run(30s);
    EXPECT_EQ(ends, texts{"unreachable"});
    world.heal();
    run(5s);
    EXPECT_EQ(ends, texts{"unreachable"});
}

TEST_F(two_nodes, hear_of_an_end_that_their_lost_connection_swallowed) {
    const pid one = bob->host().spawn(obedient);
    const pid other = bob->host().spawn(obedient);
    watch_from(*ann, one);
    watch_from(*ann, other);
    run();
    world.cut(bob->on(), ann->on());
    bob->host().kill(one);
    run(300ms);
    world.break_connections(ann->on(), bob->on());
    world.heal();
    run(10s);
    EXPECT_EQ(ends.size(), 1U);
    EXPECT_TRUE(ann->host().send(other, stop_now{}));
    run(5s);
    EXPECT_EQ(ends.size(), 2U);
}

TEST_F(two_nodes, link_processes_across) {
    const pid one = bob->host().spawn(obedient);
    const pid linked = ann->host().spawn(be_linked, one);
    watch_from(*ann, linked);
    run();
    EXPECT_TRUE(ann->host().send(one, throw_now{"ouch"}));
    run();
    EXPECT_EQ(ends, texts{"crashed: ouch"});
}

TEST_F(two_nodes, hear_every_end_also_through_a_way_that_is_full) {
    const pid to = ann->host().spawn(taking);
    std::vector<pid> watched;
    for (int i = 0; i < 50; ++i) {
        watched.push_back(bob->host().spawn(obedient));
        watch_from(*ann, watched.back());
    }
    run();
    ann->on().pause();
    while (bob->host().send(to, add{1})) {
        world.run_for(1us);
    }
    for (const pid& one : watched) {
        bob->host().kill(one);
    }
    run(2s);
    ann->on().resume();
    run(2s);
    EXPECT_EQ(ends, texts(50, "killed"));
    EXPECT_EQ(bob->net().count().broken, 0U);
}

TEST_F(two_nodes, hear_of_a_linked_end_that_their_lost_connection_swallowed) {
    const auto linked_to = [&](const pid& one) {
        const pid made = ann->host().spawn([one](self me) -> process {
            me.link(one);
            const auto never_sent = co_await me.receive<stop_now>();
            EXPECT_FALSE(never_sent);
        });
        watch_from(*ann, made);
        return made;
    };
    const pid one = bob->host().spawn(obedient);
    const pid other = bob->host().spawn(obedient);
    linked_to(one);
    linked_to(other);
    run();
    world.cut(bob->on(), ann->on());
    bob->host().kill(one);
    run(300ms);
    world.break_connections(ann->on(), bob->on());
    world.heal();
    run(10s);
    EXPECT_EQ(ends, texts{"no process"});
    EXPECT_TRUE(ann->host().send(other, throw_now{"ouch"}));  // This link has lived through it.
    run();
    EXPECT_EQ(ends, (texts{"no process", "crashed: ouch"}));
}

TEST_F(two_nodes, hear_that_the_other_end_of_a_link_cannot_be_reached) {
    const pid one = bob->host().spawn(obedient);
    const pid linked = ann->host().spawn(be_linked, one);
    watch_from(*ann, linked);
    run();
    world.isolate(bob->on());
    run(30s);
    EXPECT_EQ(ends, texts{"unreachable"});
}

}  // namespace
}  // namespace muster
