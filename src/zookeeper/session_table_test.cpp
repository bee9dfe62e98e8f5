#include "zookeeper/session_table.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace muster::zookeeper {
namespace {

instant at(std::int64_t ms) {
    return instant{std::chrono::milliseconds{ms}};
}

TEST(session_table, ends_on_a_tick_after_the_timeout) {
    session_table table{2s};
    table.open(1, 4s, at(10'500));
    EXPECT_EQ(table.next_expiry(), at(16'000));
    EXPECT_TRUE(table.expired(at(15'999)).empty());
    EXPECT_EQ(table.expired(at(16'000)), (std::vector<std::int64_t>{1}));
}

TEST(session_table, a_touch_moves_the_end) {
    session_table table{2s};
    table.open(1, 4s, at(10'500));
    EXPECT_TRUE(table.touch(1, 4s, at(12'100)));
    EXPECT_EQ(table.next_expiry(), at(18'000));
    table.close(1);
    EXPECT_FALSE(table.touch(1, 4s, at(12'200)));
    EXPECT_EQ(table.next_expiry(), never);
}

RC_GTEST_PROP(session_table, nothing_ends_before_its_timeout_nor_a_tick_after_it, ()) {
    const auto tick = std::chrono::milliseconds{*rc::gen::inRange(1, 5000)};
    const auto timeout = std::chrono::milliseconds{*rc::gen::inRange(1, 50'000)};
    const instant now = instant{
        std::chrono::nanoseconds{*rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000'000)}};
    const instant end = session_table{tick}.end_of(now, timeout);
    RC_ASSERT(now + timeout < end);
    RC_ASSERT(end <= now + timeout + tick);
    RC_ASSERT(end.time_since_epoch() % tick == duration::zero());
}

RC_GTEST_PROP(session_table, agrees_with_a_plain_list, ()) {
    session_table table{500ms};
    std::map<std::int64_t, instant> plain;
    instant now = at(1000);
    for (const auto& [what, who, wait] :
         *rc::gen::container<std::vector<std::tuple<int, std::int64_t, int>>>(
             rc::gen::tuple(rc::gen::inRange(0, 4),
                            rc::gen::inRange<std::int64_t>(1, 6),
                            rc::gen::inRange(0, 900)))) {
        now += std::chrono::milliseconds{wait};
        if (what == 0 && !plain.contains(who)) {
            table.open(who, 1s, now);
            plain[who] = table.end_of(now, 1s);
        } else if (what == 1) {
            RC_ASSERT(table.touch(who, 1s, now) == plain.contains(who));
            if (plain.contains(who)) {
                plain[who] = table.end_of(now, 1s);
            }
        } else if (what == 2) {
            table.close(who);
            plain.erase(who);
        } else {
            auto ended = table.expired(now);
            std::ranges::sort(ended);
            std::vector<std::int64_t> wanted;
            for (const auto& [id, end] : plain) {
                if (end <= now) {
                    wanted.push_back(id);
                }
            }
            RC_ASSERT(ended == wanted);
        }
        RC_ASSERT(table.size() == plain.size());
        instant first = never;
        for (const auto& [id, end] : plain) {
            first = std::min(first, end);
        }
        RC_ASSERT(table.next_expiry() == first);
    }
}

}  // namespace
}  // namespace muster::zookeeper
