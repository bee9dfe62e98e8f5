#include "front_lines.hpp"

#include <gtest/gtest.h>

namespace {

using namespace party_grid;

TEST(batch_lines, come_back_as_they_were_written) {
    std::string body;
    append_batch_line(body, "ann \"the\" first\n", std::string{"{\"a\":\"ü\"}"});
    append_batch_line(body, "bob", std::nullopt);
    append_batch_line(body, "2024-05-02T14:03:59.0007", std::string{"x"}, "2024-05-02T14");
    const auto got = parse_batch(body);
    ASSERT_TRUE(got) << got.error().text;
    ASSERT_EQ(got->size(), 3U);
    EXPECT_EQ((*got)[0].key, "ann \"the\" first\n");
    EXPECT_EQ((*got)[0].value, "{\"a\":\"ü\"}");
    EXPECT_EQ((*got)[1].value, std::nullopt);
    EXPECT_EQ((*got)[1].partition, "");
    EXPECT_EQ((*got)[2].partition, "2024-05-02T14");
}

TEST(batch_lines, may_end_without_a_newline_and_have_empty_lines_between) {
    const auto got = parse_batch("{\"key\":\"a\"}\n\n{\"key\":\"b\",\"value\":\"1\"}");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->size(), 2U);
}

TEST(batch_lines, are_refused_with_their_number) {
    for (const char* const bad :
         {"{\"key\":\"a\"}\n{",
          "{\"key\":\"a\"}\n[]",
          "{\"key\":\"a\"}\n{\"key\":\"\"}",
          "{\"key\":\"a\"}\n{\"key\":7}",
          "{\"key\":\"a\"}\n{\"key\":\"b\",\"value\":1}",
          "{\"key\":\"a\"}\n{\"key\":\"b\",\"partition\":\"2024-05-02\"}",
          "{\"key\":\"a\"}\n{\"key\":\"2024-05-02T01:00:00.1\",\"partition\":\"elsewhere\"}"}) {
        const auto got = parse_batch(bad);
        ASSERT_FALSE(got) << bad;
        EXPECT_EQ(got.error().code, muster::errc::invalid_argument);
        EXPECT_TRUE(got.error().text.starts_with("line 2: ")) << got.error().text;
    }
}

}  // namespace
