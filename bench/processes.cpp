/// @file
/// Messages between processes of one node, no network and no encoding: one JSON line a mode.
///
///     bench_processes [--scale percent]

#include "process/host.hpp"
#include "runtime/real.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace {

using namespace muster;

struct order {
    std::uint64_t id = 0;
    std::uint64_t at = 0;
    std::array<std::uint64_t, 6> rest{};  // 64 bytes, as the peers' messages
};
struct seen {
    using reply = std::uint64_t;
};
struct echo {
    using reply = std::uint64_t;
    std::uint64_t id = 0;
};

constexpr std::uint64_t burst = 500;

process taking(self me) {
    std::uint64_t count = 0;
    while (auto in = co_await me.receive<order, seen>()) {
        if (in->get_if<order>() != nullptr) {
            ++count;
        }
        if (auto* asked = in->get_if<seen>()) {
            asked->reply(count);
        }
    }
}

process echoing(self me) {
    while (auto in = co_await me.receive<echo>()) {
        in->reply(in->body.id);
    }
}

process sending(self me, pid to, std::uint64_t many) {
    for (std::uint64_t i = 0; i < many; ++i) {
        while (!me.send(to, order{.id = i})) {
            const auto room = co_await me.writable(to);
            if (!room) {
                co_return;
            }
        }
    }
    const auto all = co_await me.within(60s).ask<seen>(to);
    if (!all || *all != many) {
        std::fprintf(stderr,
                     "only %llu of %llu arrived\n",
                     static_cast<unsigned long long>(all.value_or(0)),
                     static_cast<unsigned long long>(many));
        std::exit(1);
    }
}

process sending_bursts(self me, pid to, std::uint64_t many) {
    for (std::uint64_t i = 0; i < many; ++i) {
        const auto sent = me.send(to, order{.id = i});
        if (!sent) {
            std::exit(1);
        }
        if (i % burst == burst - 1) {
            const auto all = co_await me.within(60s).ask<seen>(to);
            if (!all || *all != i + 1) {
                std::exit(1);
            }
        }
    }
}

process asking(self me, pid to, std::uint64_t many) {
    for (std::uint64_t i = 0; i < many; ++i) {
        const auto got = co_await me.ask<echo>(to, i);
        if (!got) {
            std::fprintf(stderr, "%s\n", got.error().text.c_str());
            std::exit(1);
        }
    }
}

template <class Body>
void measure(
    const char* mode, std::size_t loops, std::uint64_t many, process (*taker)(self), Body body) {
    std::vector<double> times;
    for (int round = 0; round < 5; ++round) {
        const auto machine = runtime::make_real_platform();
        std::vector<std::shared_ptr<runtime::loop>> workers;
        for (std::size_t i = 0; i < loops; ++i) {
            workers.push_back(machine->make_loop("worker"));
        }
        {
            process_host host{machine, workers, member_id{1, 2}, "bench"};
            const auto ended = machine->make_gate();
            const auto to = host.spawn(taker);
            const instant begin = machine->now();
            host.watch(host.spawn(body, to, many),
                       [&](const pid&, const exit_reason&) { ended->open(); });
            ended->wait(never);
            times.push_back(static_cast<double>((machine->now() - begin).count()));
        }
        for (const auto& one : workers) {
            one->stop();
        }
    }
    std::sort(times.begin(), times.end());
    const double each = times[times.size() / 2] / static_cast<double>(many);
    std::printf(
        "{\"peer\":\"muster\",\"mode\":\"%s\",\"payload\":64,\"workers\":%zu,"
        "\"ns_each\":%.1f,\"rate\":%.0f}\n",
        mode,
        loops,
        each,
        1e9 / each);
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t percent = 100;
    if (argc == 3 && std::strcmp(argv[1], "--scale") == 0) {
        percent = std::strtoull(argv[2], nullptr, 10);
    } else if (argc != 1) {
        std::fputs("usage: bench_processes [--scale percent]\n", stderr);
        return 2;
    }
    for (const std::size_t loops : {1U, 2U}) {
        const auto sends = std::max<std::uint64_t>(20'000 * percent, 1000);
        // Bursts stay in the cache; a flood fills the mailbox of 65,536 again and again.
        measure("local_send_bursts_of_500", loops, sends, taking, sending_bursts);
        measure("local_send_flood", loops, sends, taking, sending);
        measure("local_ask", loops, std::max<std::uint64_t>(2'000 * percent, 100), echoing, asking);
    }
    return 0;
}
