/// @file
/// Messages between the processes of two nodes, through the public interface alone: one that has a
/// name takes orders and answers them, others find it and send or ask. `bench/messages.py` runs it
/// beside its peers.
///
///     bench_messages server ZOOKEEPER
///     bench_messages client ZOOKEEPER MODE PAYLOAD SECONDS

#include "peers/measurement.hpp"

#include <muster/muster.hpp>

#include <algorithm>
#include <future>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;

/// 64 bytes as the peers count them, where the body has 36. Asked, it comes back.
struct order {
    using reply = order;
    std::uint64_t id = 0;
    std::uint64_t sent_at = 0;
    std::uint32_t kind = 0;
    std::uint32_t flags = 7;
    std::string body;
};
/// How many orders came since the last time.
struct confirm {
    using reply = std::uint64_t;
};
/// One sender or asker is through.
struct all_sent {};

muster::process serving(muster::self me) {
    std::uint64_t received = 0;
    while (auto in = co_await me.receive<order, confirm>()) {
        if (auto* one = in->get_if<order>()) {
            if (one->is_asked()) {
                one->reply(std::move(one->body));
            } else {
                ++received;
            }
        } else if (auto* asked = in->get_if<confirm>()) {
            asked->reply(std::exchange(received, 0));
        }
    }
}

muster::process asking(muster::self me,
                       muster::pid to,
                       muster::pid waiting,
                       std::uint64_t many,
                       std::string body,
                       bench::measurement* plan) {
    for (std::uint64_t i = 0; i < many; ++i) {
        const std::uint64_t began = bench::now_ns();
        const auto back = co_await me.ask<order>(to, i, began, 1U, 7U, body);
        if (!back) {
            bench::give_up(back.error().text);
        }
        plan->answered(back->sent_at, bench::now_ns());
    }
    me.send(waiting, all_sent{});
}

/// Sends `many`, and has their count confirmed.
muster::process sending(
    muster::self me, muster::pid to, muster::pid waiting, std::uint64_t many, std::string body) {
    for (std::uint64_t i = 0; i < many; ++i) {
        while (!me.send(to, order{i, i, 0, 7, body})) {
            const auto room = co_await me.writable(to);
            if (!room) {
                bench::give_up(room.error().text);
            }
        }
    }
    const auto arrived = co_await me.within(60s).ask<confirm>(to);
    if (!arrived || *arrived != many) {
        bench::give_up("only " + std::to_string(arrived.value_or(0)) + " of " +
                       std::to_string(many) + " arrived");
    }
    me.send(waiting, all_sent{});
}

muster::process measuring(muster::self me, bench::call wanted, std::promise<void>* ended) {
    muster::pid to;
    bool reached = false;
    while (!reached) {  // A name may be known a moment before its member can be reached.
        const auto found = co_await me.find("orders");
        to = found ? found->pick(muster::random).value_or(muster::pid{}) : muster::pid{};
        const auto first = co_await me.ask<confirm>(to);
        reached = first.has_value();
        const auto waited = co_await me.pause(reached ? 0ms : 5ms);
        if (!waited) {
            co_return;
        }
    }
    bench::measurement plan{wanted};
    const std::string body = wanted.body();
    const std::uint64_t askers = wanted.outstanding();
    while (const std::uint64_t many = plan.next()) {
        for (std::uint64_t i = 0; i < askers; ++i) {
            me.spawn(asking, to, me.pid(), many / askers, body, &plan);
        }
        if (askers == 0) {
            me.spawn(sending, to, me.pid(), many, body);
        }
        for (std::uint64_t i = 0; i < std::max<std::uint64_t>(askers, 1); ++i) {
            const auto one = co_await me.receive<all_sent>();
            if (!one) {
                co_return;
            }
        }
        plan.done();
    }
    plan.report("Muster");
    ended->set_value();
}

}  // namespace

int main(int argc, char** argv) {
    const bench::call wanted = bench::read_call(argc, argv);
    muster::config settings;
    settings.cluster = "bench";
    settings.zookeeper = wanted.address;
    settings.workers = 1;
    muster::node node{settings};
    if (wanted.serves) {
        node.register_name("orders", node.spawn(serving));
    }
    const auto started = node.start();
    if (!started) {
        bench::give_up(started.error().text);
    }
    std::promise<void> ended;
    if (wanted.serves) {
        bench::ready();
    } else {
        node.spawn(measuring, wanted, &ended);
    }
    ended.get_future().wait();
    std::_Exit(0);  // The cluster ends with this run: nothing is left to hand over.
}
