#include "base/hash.hpp"
#include "base/text.hpp"
#include "muster/ids.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace muster::base {
namespace {

__extension__ using wide = unsigned __int128;

TEST(text, any_bytes_survive_a_znode_name) {
    std::string every;
    for (int byte = 0; byte < 256; ++byte) {
        every += static_cast<char>(byte);
    }
    for (const std::string& name : {every, std::string{}, std::string{"."}, std::string{".."},
                                    std::string{"%"}, std::string{"a/b"}}) {
        const std::string encoded = percent_encode(name);
        EXPECT_EQ(encoded.find('/'), std::string::npos);
        EXPECT_NE(encoded, ".");
        EXPECT_NE(encoded, "..");
        EXPECT_EQ(percent_decode(encoded), name);
    }
}

TEST(text, half_an_escape_is_refused) {
    EXPECT_EQ(percent_decode("a%2"), std::nullopt);
    EXPECT_EQ(percent_decode("a%zz"), std::nullopt);
}

TEST(text, numbers_are_whole_or_nothing) {
    EXPECT_EQ(parse_int64("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(parse_int64("9223372036854775808"), std::nullopt);
    EXPECT_EQ(parse_int64("12x"), std::nullopt);
    EXPECT_EQ(parse_int64(""), std::nullopt);
    EXPECT_EQ(parse_uint64("-1"), std::nullopt);
}

TEST(text, pieces_keep_their_empty_neighbours) {
    EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
    EXPECT_TRUE(split("", ',').empty());
}

TEST(hash, is_xxh64_with_seed_zero) {
    EXPECT_EQ(xxh64(""), 0xef46db3751d8e999U);
    EXPECT_EQ(xxh64("a"), 0xd24ec4f1a98c6e5bU);
    EXPECT_EQ(xxh64("abc"), 0x44bc2cf5ad770999U);
}

TEST(hash, doubling_the_partitions_splits_each_in_two) {
    for (const std::string_view key : {"", "ann", "bob", "carol", "dave", "eve"}) {
        const std::uint64_t hash = xxh64(key);
        for (std::uint32_t n = 1; n < 3000; ++n) {
            EXPECT_EQ(hash_slot(hash, 2 * n) / 2, hash_slot(hash, n));
            EXPECT_EQ(hash_slot(hash, n),
                      static_cast<std::uint32_t>((static_cast<wide>(hash) * n) >> 64U));
        }
    }
}

TEST(member_id, is_read_back_from_its_text) {
    const member_id id{0x0123456789abcdefU, 0xfedcba9876543210U};
    EXPECT_EQ(id.text(), "0123456789abcdeffedcba9876543210");
    EXPECT_EQ(id.brief(), "01234567");
    EXPECT_EQ(member_id::parse(id.text()), id);
    EXPECT_EQ(member_id::parse("0123"), std::nullopt);
    EXPECT_EQ(member_id::parse("0123456789ABCDEFfedcba9876543210"), std::nullopt);
}

}  // namespace
}  // namespace muster::base
