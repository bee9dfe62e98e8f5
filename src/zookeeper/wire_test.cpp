#include "zookeeper/wire.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace muster::zookeeper {
namespace {

using namespace std::string_literals;

TEST(wire, numbers_are_big_endian_and_strings_carry_their_length) {
    std::string out;
    jute_writer w{out};
    w.int32(0x01020304);
    w.int64(-2);
    w.boolean(true);
    w.text("ab");
    w.null();
    EXPECT_EQ(out,
              "\x01\x02\x03\x04"
              "\xff\xff\xff\xff\xff\xff\xff\xfe"
              "\x01"
              "\0\0\0\2"
              "ab"
              "\xff\xff\xff\xff"s);
    jute_reader in{out};
    EXPECT_EQ(in.int32(), 0x01020304);
    EXPECT_EQ(in.int64(), -2);
    EXPECT_TRUE(in.boolean());
    EXPECT_EQ(in.text(), "ab");
    bool null = false;
    EXPECT_EQ(in.buffer(null), "");
    EXPECT_TRUE(null);
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.remaining(), 0U);
}

TEST(wire, a_length_beyond_the_frame_fails_for_good) {
    jute_reader in{"\x7f\xff\xff\xff"
                   "abcdefgh"};
    EXPECT_EQ(in.text(), "");
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.int32(), 0);
    EXPECT_EQ(in.remaining(), 0U);
}

TEST(wire, a_length_below_minus_one_fails) {
    jute_reader in{"\xff\xff\xff\xfe"};
    EXPECT_EQ(in.text(), "");
    EXPECT_FALSE(in.ok());
}

TEST(wire, a_count_that_cannot_fit_fails_before_anybody_allocates) {
    const std::string bytes = "\x10\0\0\0abcdefgh"s;
    jute_reader in{bytes};
    EXPECT_EQ(in.count(4), 0U);
    EXPECT_FALSE(in.ok());
}

TEST(wire, a_frame_begins_with_the_length_of_what_follows) {
    std::string out = "before";
    jute_writer w{out};
    const std::size_t mark = w.begin_frame();
    w.text("xyz");
    w.end_frame(mark);
    EXPECT_EQ(out, "before\0\0\0\7\0\0\0\3xyz"s);
}

RC_GTEST_PROP(wire, what_is_written_is_read_again, ()) {
    const auto number = *rc::gen::arbitrary<std::int32_t>();
    const auto large = *rc::gen::arbitrary<std::int64_t>();
    const auto text = *rc::gen::arbitrary<std::string>();
    std::string out;
    jute_writer w{out};
    w.int64(large);
    w.text(text);
    w.int32(number);
    jute_reader in{out};
    RC_ASSERT(in.int64() == large);
    RC_ASSERT(in.text() == text);
    RC_ASSERT(in.int32() == number);
    RC_ASSERT(in.ok() && in.remaining() == 0);
}

RC_GTEST_PROP(wire, a_prefix_of_a_record_is_never_taken_for_the_whole, ()) {
    const auto text = *rc::gen::arbitrary<std::string>();
    std::string out;
    jute_writer w{out};
    w.text(text);
    w.int64(7);
    const auto cut = *rc::gen::inRange<std::size_t>(0, out.size());
    jute_reader in{std::string_view{out}.substr(0, cut)};
    static_cast<void>(in.text());
    static_cast<void>(in.int64());
    RC_ASSERT(!in.ok());
}

}  // namespace
}  // namespace muster::zookeeper
