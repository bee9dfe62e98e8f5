#include "import_pipe.hpp"

#include "test_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace party_grid {
namespace {

using muster::errc;
using lines = std::vector<std::string>;

TEST(line_cutter, does_not_mind_where_the_bytes_were_cut) {
    const std::string text = "one\n\ntwo\r\nthree";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        lines found;
        line_cutter cutter{[&](std::string_view line) { found.emplace_back(line); }};
        for (std::size_t at = 0; at < text.size(); at += size) {
            cutter.feed(std::string_view{text}.substr(at, size));
        }
        cutter.finish();
        EXPECT_EQ(found, (lines{"one", "", "two\r", "three"})) << "in pieces of " << size;
    }
}

TEST(line_cutter, cuts_off_what_exceeds_the_longest_line) {
    lines found;
    line_cutter cutter{[&](std::string_view line) { found.emplace_back(line); }};
    for (int i = 0; i < 3; ++i) {
        cutter.feed(std::string(longest_line / 2 + 1, 'x'));
    }
    cutter.feed("\nshort\n");
    cutter.finish();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].size(), longest_line);
    EXPECT_EQ(found[1], "short");
}

TEST(read_program_lines, gives_what_a_program_prints) {
    lines found;
    const auto done = read_program_lines({"printf", "a\\nb c\\nd"},
                                         [&](std::string_view line) { found.emplace_back(line); });
    EXPECT_TRUE(done.has_value());
    EXPECT_EQ(found, (lines{"a", "b c", "d"}));
}

TEST(read_program_lines, tells_no_such_program_from_one_that_failed) {
    const auto ignore = [](std::string_view) {};
    EXPECT_EQ(read_program_lines({"no-such-program-here"}, ignore).error().code, errc::not_found);
    const auto failed = read_program_lines({"sh", "-c", "exit 3"}, ignore);
    EXPECT_EQ(failed.error().code, errc::unavailable);
    EXPECT_EQ(failed.error().text, "sh ended with exit code 3");
    EXPECT_EQ(read_program_lines({"sh", "-c", "kill -9 $$"}, ignore).error().text,
              "sh was killed by signal 9");
    EXPECT_EQ(read_program_lines({}, ignore).error().code, errc::invalid_argument);
}

TEST(read_file_lines, names_the_file_it_cannot_read) {
    const test_folder folder;
    std::ofstream{folder.file("two")} << "a\nb\n";
    lines found;
    const auto keep = [&](std::string_view line) { found.emplace_back(line); };
    EXPECT_TRUE(read_file_lines(folder.file("two"), keep).has_value());
    EXPECT_EQ(found, (lines{"a", "b"}));
    const auto missing = read_file_lines(folder.file("three"), keep);
    EXPECT_EQ(missing.error().code, errc::not_found);
    EXPECT_NE(missing.error().text.find(folder.file("three")), std::string::npos);
}

}  // namespace
}  // namespace party_grid
