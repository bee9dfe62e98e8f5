// The same processes on real loops, with several threads at once.

#include "muster/channel.hpp"
#include "muster/supervisor.hpp"

#include "process/host.hpp"
#include "runtime/real.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace muster {
namespace {

struct count {
    std::uint32_t from = 0;
    std::uint32_t n = 0;
};
struct sum {
    using reply = std::uint64_t;
};
struct echo {
    using reply = std::string;
    std::string value;
};
struct ping {
    std::uint32_t n = 0;
};

struct real_stage {
    real_stage() {
        workers = {machine->make_loop("one"), machine->make_loop("two")};
        host.emplace(machine, workers, member_id{1, 2}, "real");
    }
    ~real_stage() {
        host.reset();
        for (const auto& one : workers) {
            one->stop();
        }
    }

    std::shared_ptr<runtime::platform> machine = runtime::make_real_platform();
    std::vector<std::shared_ptr<runtime::loop>> workers;
    std::optional<process_host> host;
};

process adding(self me, std::uint32_t senders) {
    std::uint64_t total = 0;
    std::vector<std::uint32_t> next(senders);
    while (auto in = co_await me.receive<count, sum>()) {
        if (auto* one = in->get_if<count>()) {
            EXPECT_EQ(one->body.n, next.at(one->body.from)) << "out of order";
            next[one->body.from] = one->body.n + 1;
            ++total;
        }
        if (auto* asked = in->get_if<sum>()) {
            asked->reply(total);
        }
    }
}

process flooding(self me, pid to, std::uint32_t number, std::uint32_t many) {
    for (std::uint32_t n = 0; n < many; ++n) {
        while (!me.send(to, count{number, n})) {
            const auto room = co_await me.writable(to);
            if (!room) {
                co_return;
            }
        }
    }
}

TEST(threads, many_processes_send_to_one_without_losing_or_reordering) {
    constexpr std::uint32_t senders = 8;
    constexpr std::uint32_t each = 20'000;
    real_stage on;
    const auto to = on.host->spawn(adding, senders);
    const auto all_sent = on.machine->make_gate();
    std::atomic<std::uint32_t> left = senders;
    for (std::uint32_t i = 0; i < senders; ++i) {
        on.host->watch(on.host->spawn(flooding, to, i, each),
                       [&](const pid&, const exit_reason& why) {
                           EXPECT_NE(why.how, ending::crashed);  // It may have ended before.
                           if (--left == 0) {
                               all_sent->open();
                           }
                       });
    }
    ASSERT_TRUE(all_sent->wait(on.machine->now() + 60s));
    // The mailbox may be full still; the request has its place behind what is in it.
    auto total = on.host->within(60s).ask<sum>(to).get();
    while (!total && total.error().code == errc::overloaded) {
        total = on.host->within(60s).ask<sum>(to).get();
    }
    EXPECT_EQ(total, result<std::uint64_t>{senders * each});
}

process echoing(self me) {
    while (auto in = co_await me.receive<echo>()) {
        in->reply(std::move(in->body.value));
    }
}

process asking_much(self me, pid to, int many, std::atomic<int>* right) {
    for (int i = 0; i < many; ++i) {
        auto text = std::to_string(i) + " is long enough to be on the heap";
        const auto expected = text;
        const auto got = co_await me.within(60s).ask<echo>(to, std::move(text));
        if (got && *got == expected) {
            ++*right;
        }
    }
}

TEST(threads, asks_from_processes_and_threads_are_answered_rightly) {
    real_stage on;
    std::atomic<int> right = 0;
    const auto to = on.host->spawn(echoing);
    const auto ended = on.machine->make_gate();
    std::atomic<int> left = 4;
    for (int i = 0; i < 4; ++i) {
        on.host->watch(on.host->spawn(asking_much, to, 500, &right),
                       [&](const pid&, const exit_reason&) {
                           if (--left == 0) {
                               ended->open();
                           }
                       });
    }
    for (int i = 0; i < 500; ++i) {
        EXPECT_EQ(on.host->within(60s).ask<echo>(to, "a").get(), result<std::string>{"a"});
    }
    EXPECT_TRUE(ended->wait(on.machine->now() + 60s));
    EXPECT_EQ(right, 2000);
}

process short_lived(self me, std::uint32_t own) {
    const auto in = co_await me.receive<ping>();
    EXPECT_TRUE(!in || in->body.n == own) << "meant for another life of this place";
}

TEST(threads, places_are_reused_while_others_still_send_to_who_lived_there) {
    real_stage on;
    const auto done = on.machine->make_gate();
    std::atomic<std::uint32_t> downs = 0;
    constexpr std::uint32_t rounds = 3'000;
    for (std::uint32_t i = 0; i < rounds; ++i) {
        const auto one = on.host->spawn(short_lived, i);
        on.host->watch(one, [&](const pid&, const exit_reason&) {
            if (++downs == rounds) {
                done->open();
            }
        });
        // The second one may find it gone, or somebody else there, who must not get it.
        on.host->send(one, ping{i});
        on.host->send(one, ping{i});
    }
    EXPECT_TRUE(done->wait(on.machine->now() + 60s));
    EXPECT_EQ(downs, rounds);
}

process working(self me, std::atomic<int>* inside) {
    const int mine = 1;
    while (true) {
        const auto one = co_await me.blocking([&] {
            inside->fetch_add(mine);
            return inside->fetch_sub(mine);
        });
        if (!one) {
            co_return;
        }
    }
}

TEST(threads, a_host_ends_while_blocking_jobs_and_asks_are_under_way) {
    std::atomic<int> inside = 0;
    std::atomic<int> right = 0;
    {
        real_stage on;
        const auto to = on.host->spawn(echoing);
        for (int i = 0; i < 4; ++i) {
            on.host->spawn(working, &inside);
            on.host->spawn(asking_much, to, 1'000'000, &right);
        }
        EXPECT_EQ(on.host->within(60s).ask<echo>(to, "a").get(), result<std::string>{"a"});
        on.host.reset();
        EXPECT_EQ(inside, 0);
    }
}

process streaming(self me, sender<count> out, std::uint32_t number, std::uint32_t many) {
    for (std::uint32_t n = 0; n < many; ++n) {
        const auto sent = co_await out.send_within(60s, me, number, n);
        EXPECT_TRUE(sent);
    }
}

TEST(threads, a_channel_carries_each_item_once_and_in_order_to_a_plain_thread) {
    constexpr std::uint32_t senders = 4;
    constexpr std::uint32_t each = 500;
    real_stage on;
    channel<count> items{*on.host, 16};
    for (std::uint32_t i = 0; i < senders; ++i) {
        on.host->spawn(streaming, items.in(), i, each);
    }
    std::vector<std::uint32_t> next(senders);
    for (std::uint32_t i = 0; i < senders * each; ++i) {
        const auto one = items.receive(60s).get();
        ASSERT_TRUE(one) << one.error().text;
        ASSERT_EQ(one->n, next.at(one->from)++);
    }
    EXPECT_FALSE(items.receive(10ms).get());
}

process brief(self me, std::atomic<int>* starts) {
    starts->fetch_add(1);
    co_await me.pause(100us);
    throw std::runtime_error{"again"};
}

TEST(threads, a_supervisor_misses_no_end_of_its_children) {
    real_stage on;
    std::atomic<int> starts = 0;
    supervision how;
    how.at_most = 500;
    how.within = 60s;
    how.child("brief", brief, &starts);
    how.child("other", brief, &starts);
    const auto ended = on.machine->make_gate();
    std::string why;
    on.host->watch(on.host->spawn(supervise, std::move(how)),
                   [&](const pid&, const exit_reason& reason) {
                       why = reason.text;
                       ended->open();
                   });
    ASSERT_TRUE(ended->wait(on.machine->now() + 60s));
    EXPECT_EQ(starts, 502);
    EXPECT_NE(why.find("it crashed: again"), std::string::npos) << why;
}

}  // namespace
}  // namespace muster
