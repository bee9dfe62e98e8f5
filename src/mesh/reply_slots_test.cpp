#include "mesh/reply_slots.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <vector>

namespace muster::mesh {
namespace {

constexpr instant start{1'000s};

TEST(reply_slots, never_confuses_a_late_reply_with_another_request) {
    reply_slots slots;
    const auto first = slots.add(start + 5s, [](auto) {});
    EXPECT_TRUE(static_cast<bool>(slots.take(first)));
    const auto second = slots.add(start + 5s, [](auto) {});
    EXPECT_NE(first, second);
    EXPECT_EQ(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second));
    EXPECT_FALSE(static_cast<bool>(slots.take(first)));
    EXPECT_FALSE(static_cast<bool>(slots.take(0xffffffffffffffff)));
    EXPECT_TRUE(static_cast<bool>(slots.take(second)));
    EXPECT_EQ(slots.size(), 0U);
}

RC_GTEST_PROP(reply_slots, end_each_request_once_and_at_its_deadline, ()) {
    reply_slots slots;
    std::map<std::uint64_t, instant> model;
    std::map<instant, int> fired;
    instant now = start;
    for (int i = *rc::gen::inRange(1, 200); i > 0; --i) {
        const int what = *rc::gen::inRange(0, 4);
        if (what <= 1) {
            const instant deadline = now + std::chrono::milliseconds{*rc::gen::inRange(-5, 30'000)};
            model[slots.add(deadline, [&fired, deadline](auto) { ++fired[deadline]; })] = deadline;
        } else if (what == 2 && !model.empty()) {
            const auto one = model.begin();
            RC_ASSERT(static_cast<bool>(slots.take(one->first)));
            model.erase(one);
        } else {
            now += std::chrono::milliseconds{*rc::gen::inRange(0, 20'000)};
            std::size_t expected = 0;
            std::erase_if(model, [&](const auto& one) {
                const bool due = one.second <= now;
                expected += due ? 1U : 0U;
                return due;
            });
            RC_ASSERT(slots.take_due(now).size() == expected);
            instant first = never;
            for (const auto& [id, deadline] : model) {
                first = std::min(first, deadline);
            }
            RC_ASSERT(slots.next_due() == first);
        }
        RC_ASSERT(slots.size() == model.size());
    }
    RC_ASSERT(slots.take_all().size() == model.size());
}

}  // namespace
}  // namespace muster::mesh
