#include "mesh/frame.hpp"

#include "muster/message.hpp"

#include "mesh/crc32c.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace muster::mesh {
namespace {

constexpr std::size_t limit = 1024;

std::string one_frame(std::string_view body = "body") {
    std::string out;
    append_frame(out, frame_type::request, 0x1122334455667788, body);
    return out;
}

std::string why_broken(std::string bytes) {
    frame read;
    const auto outcome = parse_frame(bytes, limit, read);
    return outcome.what == parsed::broken ? outcome.why : "not broken";
}

TEST(crc32c, agrees_with_the_examples_of_the_standard) {
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
    EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
}

RC_GTEST_PROP(crc32c,
              is_the_same_with_and_without_the_instruction,
              (const std::string& bytes, const std::string& more)) {
    RC_ASSERT(crc32c(bytes) == crc32c_by_table(bytes));
    RC_ASSERT(crc32c(more, crc32c(bytes)) == crc32c_by_table(bytes + more));
}

TEST(frame, is_twenty_bytes_and_a_body) {
    const std::string bytes = one_frame();
    EXPECT_EQ(bytes.substr(0, 16),
              std::string("\x04\x00\x00\x00\x06\x00\x00\x00\x88\x77\x66\x55\x44\x33\x22\x11", 16));
    EXPECT_EQ(bytes.substr(20), "body");
    const std::string input = bytes + "next";
    frame read;
    const auto outcome = parse_frame(input, limit, read);
    EXPECT_EQ(outcome.what, parsed::whole);
    EXPECT_EQ(outcome.size, 24U);
    EXPECT_EQ(read.type, frame_type::request);
    EXPECT_EQ(read.id, 0x1122334455667788U);
    EXPECT_EQ(read.body, "body");
}

TEST(frame, row_100_cut_anywhere_is_partial) {
    const std::string bytes = one_frame();
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        frame read;
        const auto outcome = parse_frame(std::string_view{bytes}.substr(0, cut), limit, read);
        EXPECT_EQ(outcome.what, parsed::partial) << cut;
        EXPECT_GT(outcome.size, cut);
    }
}

TEST(frame, row_99_refuses_lengths_and_flags_before_the_body_comes) {
    EXPECT_EQ(why_broken("\xff\xff\xff\xff"), "a frame longer than allowed");
    EXPECT_EQ(why_broken(one_frame(std::string(limit + 1, 'x')).substr(0, 4)),
              "a frame longer than allowed");
    std::string flags = one_frame();
    flags[5] = '\x02';
    EXPECT_EQ(why_broken(flags.substr(0, header_size)), "reserved bits are set");
    std::string reserved = one_frame();
    reserved[7] = '\x01';
    EXPECT_EQ(why_broken(reserved), "reserved bits are set");
}

TEST(frame, row_112_notices_every_flipped_bit) {
    const std::string good = one_frame();
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string bytes = good;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        frame read;
        EXPECT_NE(parse_frame(bytes, limit, read).what, parsed::whole) << bit;
    }
}

/// Whatever is posted in whatever order, and wherever what is there is sent.
RC_GTEST_PROP(frame, runs_come_back_as_what_was_posted, ()) {
    std::vector<std::string> posted;
    std::string out;
    open_run run;
    const auto count = *rc::gen::inRange(1, 60);
    for (int i = 0; i < count; ++i) {
        const auto lead = *rc::gen::element<std::string>("a", "b", "lead", "lean");
        const auto body = std::string(*rc::gen::element<std::size_t>(0, 1, 30, 3000), 'x');
        if (!run.append(out, 64, lead, body)) {
            run.close(out);
            run.begin(out, 64, lead, body);
        }
        if (*rc::gen::inRange(0, 10) == 0) {
            run.close(out);
        }
        posted.push_back(lead + body);
    }
    run.close(out);
    std::vector<std::string> read;
    for (std::string_view rest = out; !rest.empty();) {
        frame one;
        const auto got = parse_frame(rest, longest_run, one);
        RC_ASSERT(got.what == parsed::whole);
        RC_ASSERT(one.flags == flag_run);
        const auto whole = read_run(one.body, one.id);
        RC_ASSERT(whole.has_value());
        for (std::string_view items = whole->rest; !items.empty();) {
            read.push_back(std::string{whole->lead}.append(next_of_run(items)));
        }
        rest.remove_prefix(got.size);
    }
    RC_ASSERT(read == posted);
}

TEST(frame, row_109_a_hello_of_a_newer_version_can_be_read) {
    struct newer {
        std::uint32_t least_version = 1, version = 9;
        std::uint64_t features = 3;
        std::string cluster = "shop";
        member_id self{1, 2}, expected;
        std::uint64_t dial = 4, seen = 5;
        std::string nonce = "n";
        member_id life{3, 4};
        std::string name = "ann";
        std::string invented = "later";
    };
    const auto read = decode<hello>(encode(newer{}));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->cluster, "shop");
    EXPECT_EQ(read->version, 9U);
    EXPECT_EQ(code_named(name_of(errc::gone)), errc::gone);
    EXPECT_EQ(code_named("invented_later"), errc::incompatible);
}

}  // namespace
}  // namespace muster::mesh
