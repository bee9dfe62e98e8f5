#include "base/utf8.hpp"
#include "muster/detail/cbor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace {

using muster::cbor_reader;
using muster::cbor_writer;
using namespace std::string_view_literals;

std::string written(auto write) {
    std::string out = "before";
    {
        cbor_writer writer{out};
        write(writer);
    }
    return out.substr(6);
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4U];
        text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15U];
    }
    return text;
}

// The examples of RFC 8949, appendix A.
TEST(cbor, writes_the_examples_of_the_standard) {
    const auto number = [](std::int64_t value) {
        return hex(written([&](cbor_writer& out) { out.write_int(value); }));
    };
    EXPECT_EQ(number(0), "00");
    EXPECT_EQ(number(23), "17");
    EXPECT_EQ(number(24), "1818");
    EXPECT_EQ(number(1000), "1903e8");
    EXPECT_EQ(number(1000000), "1a000f4240");
    EXPECT_EQ(number(1000000000000), "1b000000e8d4a51000");
    EXPECT_EQ(number(-1), "20");
    EXPECT_EQ(number(-1000), "3903e7");
    EXPECT_EQ(hex(written([](cbor_writer& out) { out.write_uint(~std::uint64_t{0}); })),
              "1bffffffffffffffff");
    EXPECT_EQ(hex(written([](cbor_writer& out) { out.write_double(1.1); })),
              "fb3ff199999999999a");
    EXPECT_EQ(hex(written([](cbor_writer& out) { out.write_float(100000.0F); })), "fa47c35000");
    EXPECT_EQ(hex(written([](cbor_writer& out) { out.write_string("IETF"); })), "6449455446");
    EXPECT_EQ(hex(written([](cbor_writer& out) { out.write_string("\xff\xfe"); })), "42fffe");
    EXPECT_EQ(hex(written([](cbor_writer& out) {
                  out.begin_array(3);
                  out.write_bool(true);
                  out.write_null();
                  out.begin_map(0);
              })),
              "83f5f6a0");
}

RC_GTEST_PROP(cbor, reads_every_number_it_writes, (std::int64_t value, double real)) {
    const std::string bytes = written([&](cbor_writer& out) {
        out.write_int(value);
        out.write_double(real);
    });
    cbor_reader in{bytes};
    std::int64_t read = 0;
    double real_read = 0;
    RC_ASSERT(in.read_int(read));
    RC_ASSERT(in.read_double(real_read));
    RC_ASSERT(read == value);
    RC_ASSERT(real_read == real);
    RC_ASSERT(in.left() == 0U);
}

TEST(cbor, reads_half_single_and_whole_numbers_as_double) {
    double value = 0;
    EXPECT_TRUE(cbor_reader{"\xf9\x3e\x00"sv}.read_double(value));
    EXPECT_EQ(value, 1.5);
    EXPECT_TRUE(cbor_reader{"\xfa\x47\xc3\x50\x00"sv}.read_double(value));
    EXPECT_EQ(value, 100000.0);
    EXPECT_TRUE(cbor_reader{"\x39\x03\xe7"sv}.read_double(value));
    EXPECT_EQ(value, -1000.0);
}

TEST(cbor, refuses_numbers_that_do_not_fit) {
    std::int64_t value = 0;
    cbor_reader beyond{"\x1b\x80\x00\x00\x00\x00\x00\x00\x00"sv};
    EXPECT_FALSE(beyond.read_int(value));
    EXPECT_STREQ(beyond.why(), "a number beyond 64 bits");
    EXPECT_TRUE(cbor_reader{"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"sv}.read_int(value));
    EXPECT_EQ(value, std::numeric_limits<std::int64_t>::min());
}

// faults.md row 110: lengths are refused before anything is allocated for them.
TEST(cbor, row_110_refuses_lengths_beyond_its_input) {
    std::size_t items = 0;
    std::string_view text;
    EXPECT_FALSE(cbor_reader{"\x9a\x7f\xff\xff\xff"sv}.begin_array(items));
    EXPECT_FALSE(cbor_reader{"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"sv}.begin_map(items));
    EXPECT_FALSE(cbor_reader{"\x7b\xff\xff\xff\xff\xff\xff\xff\xff"
                             "a"sv}
                     .read_string(text));
    EXPECT_FALSE(cbor_reader{"\x9a\x7f\xff\xff\xff"sv}.skip());
    EXPECT_FALSE(cbor_reader{"\x5f\x41\x61\xff"sv}.read_string(text));
    EXPECT_FALSE(cbor_reader{"\x9f\x01\xff"sv}.begin_array(items));
}

TEST(cbor, row_110_refuses_arrays_nested_beyond_64) {
    const std::string nested(1'000'000, '\x81');
    cbor_reader in{nested};
    std::size_t items = 0;
    int depth = 0;
    while (in.begin_array(items)) {
        ++depth;
    }
    EXPECT_EQ(depth, cbor_reader::max_depth);
    EXPECT_STREQ(in.why(), "nested too deep");
}

TEST(cbor, skips_any_item_with_all_it_holds) {
    for (const std::string_view item :
         {"\x00"sv, "\x38\x63"sv, "\x43\x01\x02\x03"sv, "\x63\x61\x62\x63"sv,
          "\x83\x01\x82\x02\x03\xa1\x61\x61\xf6"sv, "\xc1\x1a\x51\x4b\x67\xb0"sv, "\xf9\x3c\x00"sv,
          "\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"sv, "\xf7"sv}) {
        const std::string bytes = std::string{item} + '\x07';
        cbor_reader in{bytes};
        std::uint64_t after = 0;
        EXPECT_TRUE(in.skip()) << hex(item);
        EXPECT_TRUE(in.read_uint(after)) << hex(item);
        EXPECT_EQ(after, 7U);
        for (std::size_t cut = 0; cut < item.size(); ++cut) {
            EXPECT_FALSE(cbor_reader{item.substr(0, cut)}.skip()) << hex(item) << " at " << cut;
        }
    }
    EXPECT_FALSE(cbor_reader{"\xff"sv}.skip());
}

TEST(cbor, a_failed_reader_gives_nothing_more) {
    cbor_reader in{"\x61\x61\x01"sv};
    std::uint64_t value = 0;
    EXPECT_FALSE(in.read_uint(value));
    EXPECT_FALSE(in.skip());
    EXPECT_FALSE(in.take_null());
    EXPECT_STREQ(in.why(), "expected an unsigned number");
}

TEST(utf8, knows_text_from_bytes) {
    for (const auto text : {""sv, "plain text of more than eight bytes"sv, "é€𐍈"sv,
                            "\xf4\x8f\xbf\xbf"sv, "\xed\x9f\xbf"sv}) {
        EXPECT_TRUE(muster::base::is_utf8(text)) << hex(text);
    }
    for (const auto bytes : {"\xff"sv, "\xc3"sv, "\xc0\xaf"sv, "\xe0\x80\xaf"sv, "\xed\xa0\x80"sv,
                             "\xf4\x90\x80\x80"sv, "12345678\x80"sv, "\xe2\x82"sv}) {
        EXPECT_FALSE(muster::base::is_utf8(bytes)) << hex(bytes);
    }
}

}  // namespace
