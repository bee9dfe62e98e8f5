// faults.md rows 104, 106 and 113, as processes see them: random lives of a network, by seed.

#include "process/places_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace storm {

struct numbered {
    long n = 0;
};

}  // namespace storm

namespace muster {
namespace {

using storm::numbered;
using ends_of_a_way = std::pair<pid, pid>;  ///< from, to

struct account {
    std::map<ends_of_a_way, std::vector<long>> got;
    std::map<ends_of_a_way, std::uint64_t> sent, lost;
};

process hearer(self me, account* into) {
    while (auto in = co_await me.receive<numbered>()) {
        into->got[{in->from, me.pid()}].push_back(in->body.n);
    }
}

process talker(self me, account* into, std::vector<pid> to, long rounds) {
    long n = 0;
    while (true) {
        const auto lost = co_await me.receive<undelivered>(3ms);
        if (lost) {
            into->lost[{me.pid(), lost->body.to}] += lost->body.count;
        } else if (lost.error().code != errc::timed_out) {
            co_return;
        }
        if (++n > rounds) {
            continue;
        }
        for (const pid& one : to) {
            if (me.send(one, numbered{n})) {
                ++into->sent[{me.pid(), one}];
            }
        }
    }
}

class three_places {
public:
    explicit three_places(std::uint64_t seed) : world{seed} {
        static constexpr std::array names{"ann", "bob", "cid"};
        for (std::size_t i = 0; i < 3; ++i) {
            at[i].emplace(world.add_host(names[i]), names[i], member_id{i + 1, i + 1}, all);
        }
        std::vector<pid> hear;
        for (auto& one : at) {
            hear.push_back(one->host().spawn(hearer, &book));
            hear.push_back(one->host().spawn(hearer, &book));
        }
        for (auto& one : at) {
            one->host().spawn(talker, &book, hear, 200L);
        }
    }

    void harm() {
        auto& one = *at[world.random_below(3)];
        auto& other = *at[world.random_below(3)];
        switch (world.random_below(8)) {
            case 0:
                world.break_connections(one.on(), other.on());
                break;
            case 1:
                world.cut(one.on(), other.on());
                break;
            case 2:
                world.isolate(one.on());
                break;
            case 3:
                world.set_delay(one.on(), other.on(), 100us, 30ms);
                break;
            case 4:
                one.on().pause();
                break;
            case 5:
                heal();
                break;
            default:
                break;
        }
    }
    void heal() {
        world.heal();
        for (auto& one : at) {
            if (one->on().is_paused()) {
                one->on().resume();
            }
        }
    }

    runtime::sim::world world;
    account book;
    directory all;
    std::array<std::optional<place>, 3> at;
};

TEST(a_storm_of_messages, rows_104_106_113_keeps_order_doubles_none_and_tells_each_loss) {
    std::uint64_t got = 0;
    std::uint64_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
        three_places life{seed};
        for (int i = 0; i < 60; ++i) {
            life.world.run_for(std::chrono::milliseconds{life.world.random_below(60)});
            life.harm();
            if (i % 10 == 9) {
                life.world.run_for(std::chrono::milliseconds{life.world.random_below(8000)});
                life.heal();
            }
        }
        life.heal();
        life.world.run_for(60s);
        for (const auto& [way, sent] : life.book.sent) {
            const auto& heard = life.book.got[way];
            const std::uint64_t told = life.book.lost[way];
            ASSERT_TRUE(std::ranges::is_sorted(heard)) << seed;
            ASSERT_TRUE(std::ranges::adjacent_find(heard) == heard.end()) << seed;
            ASSERT_GE(heard.size() + told, sent) << seed << ": a loss that nobody was told of";
            got += heard.size();
            lost += told;
        }
    }
    // The storm is one, and most of it arrives all the same.
    EXPECT_GT(lost, 0U);
    EXPECT_GT(got, lost);
}

}  // namespace
}  // namespace muster
