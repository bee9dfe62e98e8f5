#include "http.hpp"
#include "http_client.hpp"

#include <gtest/gtest.h>

namespace party_grid {
namespace {

using muster::errc;
using parts = std::vector<std::string>;

TEST(percent_decode, undoes_what_percent_encode_did_for_every_byte) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text = "a" + std::string(1, static_cast<char>(byte)) + "b";
        EXPECT_EQ(percent_decode(percent_encode(text)), text) << byte;
    }
    EXPECT_EQ(percent_encode("ann/bob+1 \xc3\xa9.-_~"), "ann%2Fbob%2B1%20%C3%A9.-_~");
}

TEST(percent_decode, refuses_what_is_cut_off) {
    for (const char* text : {"%", "a%4", "%4g", "%%41", "%g4"}) {
        EXPECT_FALSE(percent_decode(text).has_value()) << text;
    }
    EXPECT_EQ(percent_decode("%41%4a%2f"), "AJ/");
    EXPECT_EQ(percent_decode("g++"), "g++");
}

TEST(decode_target, splits_before_it_decodes) {
    http_request asked;
    ASSERT_TRUE(decode_target("/parties/ann%2Fbob?prefix=g++&empty=&flag&x=%26&x=2&=y", asked));
    EXPECT_EQ(asked.path, (parts{"parties", "ann/bob"}));
    EXPECT_EQ(
        asked.query,
        (http_fields{{"prefix", "g++"}, {"empty", ""}, {"flag", ""}, {"x", "&"}, {"x", "2"}}));
    EXPECT_EQ(asked.asked("x"), "&");
    EXPECT_EQ(asked.asked("empty"), "");
    EXPECT_EQ(asked.asked("nothing"), std::nullopt);
}

TEST(decode_target, tells_an_empty_part_from_none) {
    http_request asked;
    ASSERT_TRUE(decode_target("/", asked));
    EXPECT_EQ(asked.path, parts{});
    ASSERT_TRUE(decode_target("/parties", asked));
    EXPECT_EQ(asked.path, parts{"parties"});
    ASSERT_TRUE(decode_target("/parties/", asked));
    EXPECT_EQ(asked.path, (parts{"parties", ""}));
    ASSERT_TRUE(decode_target("//a", asked));
    EXPECT_EQ(asked.path, (parts{"", "a"}));
}

TEST(decode_target, refuses_malformed_targets) {
    http_request asked;
    for (const char* target : {"", "*", "parties", "http://host/x", "/a%", "/a?x=%zz", "/%4"}) {
        EXPECT_FALSE(decode_target(target, asked)) << target;
    }
}

TEST(http_reply, answers_500_when_it_is_forgotten) {
    std::vector<unsigned> sent;
    const auto note = [&sent](http_response answer) { sent.push_back(answer.status); };
    {
        http_reply answered{note};
        answered({200, {}, {}, {}});
        answered({201, {}, {}, {}});
        const http_reply forgotten{note};
        http_reply moved{note};
        http_reply owner{std::move(moved)};
        owner({202, {}, {}, {}});
    }
    EXPECT_EQ(sent, (std::vector<unsigned>{200, 202, 500}));
}

TEST(parse_answer, waits_for_the_whole_and_leaves_the_rest) {
    const std::string first =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCONTENT-LENGTH:  5 \r\nX: y\r\n\r\nhello";
    const std::string bytes = first + "HTTP/1.1 404";
    for (std::size_t size = 0; size < first.size(); ++size) {
        const auto part = parse_answer(std::string_view{bytes}.substr(0, size), false);
        ASSERT_TRUE(part.has_value()) << size;
        EXPECT_FALSE(part->has_value()) << size;
    }
    const auto whole = parse_answer(bytes, false);
    ASSERT_TRUE(whole.has_value() && whole->has_value());
    EXPECT_EQ((*whole)->length, first.size());
    EXPECT_EQ((*whole)->answer.status, 200U);
    EXPECT_EQ((*whole)->answer.body, "hello");
    EXPECT_EQ((*whole)->answer.content_type, "text/plain");
    EXPECT_FALSE((*whole)->closes);
}

TEST(parse_answer, knows_which_answers_have_no_body) {
    const auto bare = parse_answer("HTTP/1.1 204 No Content\r\n\r\n", false);
    ASSERT_TRUE(bare.has_value() && bare->has_value());
    EXPECT_EQ((*bare)->answer.status, 204U);
    const auto head = parse_answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true);
    ASSERT_TRUE(head.has_value() && head->has_value());
    const auto interim = parse_answer(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n",
        false);
    ASSERT_TRUE(interim.has_value() && interim->has_value());
    EXPECT_EQ((*interim)->answer.status, 201U);
    EXPECT_TRUE((*interim)->closes);
}

TEST(parse_answer, refuses_what_it_does_not_understand) {
    for (const char* bytes : {"SSH-2.0-OpenSSH\r\n\r\n",
                              "HTTP/1.1 abc\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                              "HTTP/1.1 200 OK\r\n\r\n"}) {
        const auto parsed = parse_answer(bytes, false);
        ASSERT_FALSE(parsed.has_value()) << bytes;
        EXPECT_EQ(parsed.error().code, errc::incompatible) << bytes;
    }
}

}  // namespace
}  // namespace party_grid
