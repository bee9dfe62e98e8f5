#include "muster/message.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace shop {

struct put {
    using reply = void;
    std::string key, value;
    friend bool operator==(const put&, const put&) = default;
};

enum class colour : std::int8_t { red = -1, green = 1 };

struct nothing {
    friend bool operator==(const nothing&, const nothing&) = default;
};

struct everything {
    bool flag = false;
    std::int8_t tiny = 0;
    std::uint64_t large = 0;
    float real = 0;
    double precise = 0;
    std::string text;
    colour paint = colour::red;
    std::chrono::milliseconds wait{};
    std::chrono::sys_seconds at{};
    std::optional<int> maybe;
    std::optional<std::optional<int>> maybe_twice;
    std::variant<int, std::string, put> either;
    std::vector<put> puts;
    std::vector<bool> bits;
    std::vector<std::byte> raw;
    std::map<std::string, int> sorted;
    std::unordered_map<int, std::string> hashed;
    std::set<int> distinct;
    std::deque<int> queue;
    std::array<int, 3> three{};
    std::array<unsigned char, 4> four{};
    std::pair<int, std::string> two;
    std::tuple<int, double, put> mixed;
    muster::member_id member;
    muster::fence_token fence;
    put nested;
    nothing empty;
    std::monostate none;

    friend bool operator==(const everything&, const everything&) = default;
};

struct tree {
    std::vector<tree> kids;
};

// One message as three versions of a program know it.
struct order_1 {
    static constexpr std::string_view wire_name = "shop::order";
    std::string item;
};
struct order_2 {
    std::string item;
    int count = 1;
    std::vector<put> notes{put{"default", ""}};
};

struct money {  // not an aggregate
    money() = default;
    explicit money(long cents) : cents_{cents} {}
    [[nodiscard]] long cents() const { return cents_; }

private:
    long cents_ = 0;
};
struct payment {
    money amount;
    std::optional<money> tip;
};

template <class T>
struct page {
    static constexpr std::string_view wire_name = "shop::page";
    std::vector<T> rows;
};

struct thirty_two {
    int a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11, l = 12,
        m = 13, n = 14, o = 15, p = 16, q = 17, r = 18, s = 19, t = 20, u = 21, v = 22, w = 23,
        x = 24, y = 25, z = 26, aa = 27, bb = 28, cc = 29, dd = 30, ee = 31;
    std::string last;
};

struct fragile {  // its codec throws
    int unused = 0;
};
struct wide {
    std::string a, b, c, d, e, f, g, h;
};
struct crowd {
    std::vector<wide> all;
};

}  // namespace shop

template <>
struct muster::codec<shop::money> {
    static void write(cbor_writer& out, const shop::money& value) { out.write_int(value.cents()); }
    static bool read(cbor_reader& in, shop::money& value) {
        std::int64_t cents = 0;
        if (!in.read_int(cents) || cents < 0) {
            return in.fail("money is not negative");
        }
        value = shop::money{cents};
        return true;
    }
};

template <>
struct muster::codec<shop::fragile> {
    static void write(cbor_writer& out, const shop::fragile&) { out.write_null(); }
    static bool read(cbor_reader&, shop::fragile&) { throw std::runtime_error{"not today"}; }
};

namespace {

using muster::decode;
using muster::encode;
using namespace std::string_literals;

struct unnamed {};

TEST(message, counts_fields_whatever_they_are) {
    using muster::detail::field_count;
    static_assert(field_count<shop::nothing>() == 0);
    static_assert(field_count<shop::put>() == 2);
    static_assert(field_count<shop::tree>() == 1);
    static_assert(field_count<shop::everything>() == 28);
    static_assert(field_count<shop::thirty_two>() == 32);
    struct with_c_arrays {
        int a;
        int b[3];
        shop::put c;
        int d[1];
    };
    static_assert(field_count<with_c_arrays>() == 4);
}

TEST(message, names_types_alike_on_every_compiler) {
    struct local {};
    EXPECT_EQ(muster::wire_name_of<shop::put>(), "shop::put");
    EXPECT_EQ(muster::wire_name_of<unnamed>(), "unnamed");
    EXPECT_EQ(muster::wire_name_of<local>(), "local");
    EXPECT_EQ(muster::wire_name_of<shop::order_1>(), "shop::order");
    EXPECT_EQ(muster::wire_name_of<shop::page<int>>(), "shop::page");
}

TEST(message, travels_as_an_array_of_its_fields) {
    EXPECT_EQ(encode(shop::put{"a", "b"}), "\x82\x61\x61\x61\x62");
    EXPECT_EQ(encode(shop::nothing{}), "\x80");
    EXPECT_EQ(encode(42), "\x18\x2a");
    EXPECT_EQ(encode(std::optional<int>{}), "\xf6");
    EXPECT_EQ(encode(std::variant<int, std::string>{"x"}), "\x82\x01\x61\x78");
    EXPECT_EQ(encode(std::map<std::string, int>{{"k", 1}}), "\xa1\x61\x6b\x01");
    EXPECT_EQ(encode(shop::colour::red), "\x20");
    EXPECT_EQ(encode(std::vector<std::byte>{std::byte{7}}), "\x41\x07");
    EXPECT_EQ(encode(std::optional<std::optional<int>>{std::optional<int>{}}), "\x81\xf6");
    EXPECT_EQ(encode(muster::member_id{1, 2}),
              "\x50\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"s);
}

RC_GTEST_PROP(message, comes_back_as_it_went, ()) {
    const auto text = rc::gen::arbitrary<std::string>();
    shop::everything sent;
    sent.flag = *rc::gen::arbitrary<bool>();
    sent.tiny = *rc::gen::arbitrary<std::int8_t>();
    sent.large = *rc::gen::arbitrary<std::uint64_t>();
    sent.real = *rc::gen::arbitrary<float>();
    sent.precise = *rc::gen::arbitrary<double>();
    sent.text = *text;
    sent.paint = *rc::gen::element(shop::colour::red, shop::colour::green);
    sent.wait = std::chrono::milliseconds{*rc::gen::arbitrary<std::int64_t>()};
    sent.at = std::chrono::sys_seconds{std::chrono::seconds{*rc::gen::arbitrary<std::int32_t>()}};
    sent.maybe = *rc::gen::inRange(-9, 9);
    sent.maybe_twice.emplace();
    switch (*rc::gen::inRange(0, 3)) {
        case 0:
            sent.either = *rc::gen::arbitrary<int>();
            break;
        case 1:
            sent.either = *text;
            break;
        default:
            sent.either = shop::put{*text, *text};
            break;
    }
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
        sent.puts.push_back({*text, *text});
    }
    sent.bits = *rc::gen::arbitrary<std::vector<bool>>();
    sent.raw.assign(static_cast<std::size_t>(*rc::gen::inRange(0, 300)), std::byte{0xfe});
    sent.sorted = *rc::gen::arbitrary<std::map<std::string, int>>();
    sent.hashed = *rc::gen::arbitrary<std::unordered_map<int, std::string>>();
    sent.distinct = *rc::gen::arbitrary<std::set<int>>();
    sent.queue = *rc::gen::arbitrary<std::deque<int>>();
    sent.three = {1, *rc::gen::arbitrary<int>(), -3};
    sent.four = {0, 128, 255, 1};
    sent.two = {4, *text};
    sent.mixed = {*rc::gen::arbitrary<int>(), 0.5, {*text, ""}};
    sent.member = muster::member_id{*rc::gen::arbitrary<std::uint64_t>(), 7};
    sent.fence = muster::fence_token{*rc::gen::arbitrary<std::int64_t>()};
    sent.nested = {*text, *text};

    const std::string bytes = encode(sent);
    const auto back = decode<shop::everything>(bytes);
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == sent);
    // Cut anywhere it is an error, never less of a message.
    const auto cut = static_cast<std::size_t>(*rc::gen::inRange<std::size_t>(0, bytes.size()));
    RC_ASSERT(!decode<shop::everything>(bytes.substr(0, cut)).has_value());
}

RC_GTEST_PROP(message, row_110_survives_any_bytes, (std::string noise)) {
    std::string bytes = encode(shop::everything{});
    for (std::size_t i = 0; i < noise.size(); ++i) {
        bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = noise[i];
    }
    const auto read = decode<shop::everything>(bytes);
    if (!read) {
        RC_ASSERT(read.error().code == muster::errc::incompatible);
    }
}

TEST(message, row_109_newer_and_older_versions_read_each_other) {
    const auto forward = decode<shop::order_2>(encode(shop::order_1{"tea"}));
    ASSERT_TRUE(forward.has_value());
    EXPECT_EQ(forward->item, "tea");
    EXPECT_EQ(forward->count, 1);
    EXPECT_EQ(forward->notes, (std::vector<shop::put>{{"default", ""}}));
    const auto backward = decode<shop::order_1>(encode(shop::order_2{"tea", 5, {}}));
    ASSERT_TRUE(backward.has_value());
    EXPECT_EQ(backward->item, "tea");
}

TEST(message, row_110_nests_64_deep_and_no_deeper) {
    const auto nested = [](int depth) {
        shop::tree top;
        for (int i = 0; i < depth; ++i) {
            shop::tree above;
            above.kids.push_back(std::move(top));
            top = std::move(above);
        }
        return encode(top);
    };
    EXPECT_TRUE(decode<shop::tree>(nested(31)).has_value());
    EXPECT_FALSE(decode<shop::tree>(nested(32)).has_value());
    EXPECT_FALSE(decode<shop::tree>(std::string(1'000'000, '\x81')).has_value());
}

TEST(message, says_what_it_expected_and_where) {
    const auto wrong = decode<shop::put>("\x82\x61\x61\xf5");
    ASSERT_FALSE(wrong.has_value());
    EXPECT_EQ(wrong.error().code, muster::errc::incompatible);
    EXPECT_EQ(wrong.error().text,
              "cannot read a 'shop::put': expected a string at byte 3; does the other side run "
              "another version of this program?");
    EXPECT_FALSE(decode<shop::put>("\x82\x61\x61\x61\x62\x00"s).has_value());
    EXPECT_FALSE(decode<std::uint8_t>(encode(256)).has_value());
    EXPECT_FALSE(decode<int>(encode(std::int64_t{1} << 40)).has_value());
    EXPECT_FALSE((decode<std::variant<int, bool>>("\x82\x02\x00"s).has_value()));
    EXPECT_FALSE((decode<std::array<unsigned char, 4>>("\x43\x00\x00\x00"s).has_value()));
}

TEST(message, a_type_may_bring_its_own_encoding) {
    const std::string bytes = encode(shop::payment{shop::money{250}, shop::money{20}});
    const auto read = decode<shop::payment>(bytes);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->amount.cents(), 250);
    EXPECT_EQ(read->tip->cents(), 20);
    EXPECT_FALSE(decode<shop::payment>("\x82\x20\xf6").has_value());
}

TEST(message, whose_codec_throws_is_one_that_cannot_be_read) {
    const auto got = decode<shop::fragile>(encode(shop::fragile{}));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, muster::errc::incompatible);
}

TEST(message, row_110_of_empty_elements_does_not_fill_the_memory) {
    // 4 MiB of empty arrays, each of them an element of 256 bytes once it is read.
    std::string bytes;
    {
        muster::cbor_writer out{bytes};
        out.begin_array(1);
        out.begin_array(4U << 20U);
    }
    bytes.append(4U << 20U, '\x80');
    const auto got = decode<shop::crowd>(bytes);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, muster::errc::incompatible);
    EXPECT_NE(got.error().text.find("too many elements"), std::string::npos) << got.error().text;
}

TEST(message, has_up_to_32_fields) {
    shop::thirty_two sent;
    sent.ee = 310;
    sent.last = "the end";
    const auto read = decode<shop::thirty_two>(encode(sent));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->q, 17);
    EXPECT_EQ(read->ee, 310);
    EXPECT_EQ(read->last, "the end");
}

}  // namespace
