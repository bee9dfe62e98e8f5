#include "muster/pid.hpp"

#include "process/stage_test.hpp"

#include <rapidcheck/gtest.h>

#include <unordered_set>

namespace muster {
namespace {

struct introduction {
    pid who;
    std::optional<pid> friend_of;
    std::vector<pid> others;
};

const member_id life{0x12345678'9abcdef0U, 42};

TEST(pid, is_printed_with_its_member_its_place_and_its_life) {
    EXPECT_EQ((pid{life, "shop-1", 7, 3}).text(), "shop-1/7.3@12345678");
}

TEST(pid, is_told_apart_by_place_generation_and_life) {
    const pid one{life, "shop-1", 7, 3};
    EXPECT_EQ(one, (pid{life, "shop-1", 7, 3}));
    EXPECT_NE(one, (pid{life, "shop-1", 7, 4}));
    EXPECT_NE(one, (pid{life, "shop-1", 8, 3}));
    EXPECT_NE(one, (pid{member_id{1, 1}, "shop-1", 7, 3}));
    EXPECT_LT(one, (pid{life, "shop-1", 7, 4}));
    EXPECT_TRUE(pid{}.empty());
    EXPECT_FALSE(one.empty());
    const std::unordered_set<pid> some{one, pid{life, "shop-1", 7, 3}, pid{life, "shop-1", 7, 4}};
    EXPECT_EQ(some.size(), 2U);
}

TEST(pid, keeps_a_name_of_any_length_through_copies_and_moves) {
    for (const std::size_t length : {0U, 1U, 15U, 16U, 30U, 31U, 32U, 200U}) {
        const std::string name(length, 'n');
        pid one{life, name, 7, 3};
        const pid copy = one;  // NOLINT(performance-unnecessary-copy-initialization)
        pid other{life, std::string(200 - length, 'o'), 1, 1};
        other = one;
        EXPECT_EQ(other.member(), name);
        other = std::as_const(other);
        EXPECT_EQ(other.member(), name);
        const pid moved = std::move(one);
        EXPECT_EQ(moved.member(), name);
        EXPECT_EQ(copy.member(), name);
        one = moved;
        EXPECT_EQ(one.member(), name);
    }
}

RC_GTEST_PROP(pid,
              travels_inside_messages,
              (const std::string& name, std::uint32_t index, std::uint32_t generation)) {
    const pid one{life, name, index, generation};
    const introduction sent{one, one, {one, pid{}}};
    const auto got = decode<introduction>(encode(sent));
    RC_ASSERT(got.has_value());
    RC_ASSERT(got->who == one);
    RC_ASSERT(got->who.member() == name);
    RC_ASSERT(got->friend_of == std::optional{one});
    RC_ASSERT(got->others == sent.others);
}

TEST(pid, is_refused_where_parts_are_missing_or_too_large) {
    std::string bytes;
    {
        cbor_writer out{bytes};
        out.begin_array(1);
        out.begin_array(3);
        out.write_string("a");
        out.write_uint(1);
        out.write_uint(2);
    }
    EXPECT_EQ(decode<introduction>(bytes).error().code, errc::incompatible);
}

process passing(self me) {
    co_await me.receive<introduction>();
}

TEST(pid, is_never_given_twice) {
    stage on;
    std::unordered_set<pid> seen;
    for (int i = 0; i < 200; ++i) {
        const auto one = on.host->spawn(passing);
        EXPECT_TRUE(seen.insert(one).second) << one.text();
        on.host->send(one, introduction{});
        on.world.run_for(1ms);
        EXPECT_EQ(on.host->send(one, introduction{}).error().code, errc::gone);
    }
    std::uint32_t most = 0;
    for (const auto& one : seen) {
        most = std::max(most, one.generation());
    }
    EXPECT_GT(most, 50U) << "places are used again";
}

}  // namespace
}  // namespace muster
