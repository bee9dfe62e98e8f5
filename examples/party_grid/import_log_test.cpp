#include "import_log.hpp"

#include "import_pipe.hpp"
#include "test_folder.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace party_grid {
namespace {

using muster::errc;
using names = std::vector<std::string>;

TEST(parse_log_line, takes_apart_what_dpkg_writes) {
    const auto line = parse_log_line("2024-05-02 14:03:59 install bash:amd64 <none> 5.2");
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(line->day, "2024-05-02");
    EXPECT_EQ(line->time, "14:03:59");
    EXPECT_EQ(line->action, "install");
    EXPECT_EQ(line->rest, "bash:amd64 <none> 5.2");
}

TEST(parse_log_line, takes_nothing_else) {
    for (const char* line : {"",
                             "garbage",
                             "2024-05-02",
                             "2024-05-02 14:03:59",
                             "2024-05-02 14:03:59 ",
                             "2024-05-02T14:03:59 install bash",
                             "2024-05-02 14:03:5x install bash",
                             "2024-05-02 14.03.59 install b",
                             "Update at 2024-05-02 14:03:59 x"}) {
        EXPECT_FALSE(parse_log_line(line).has_value()) << line;
    }
}

TEST(log_json, tells_each_kind_of_line) {
    const auto json = [](const char* line) { return log_json(parse_log_line(line).value()); };
    EXPECT_EQ(json("2024-05-02 14:03:59 upgrade bash:amd64 5.1 5.2"),
              R"({"at":"2024-05-02T14:03:59","action":"upgrade","package":"bash",)"
              R"("architecture":"amd64","old":"5.1","new":"5.2"})");
    EXPECT_EQ(json("2024-05-02 14:03:59 status half-configured bash:amd64 5.2"),
              R"({"at":"2024-05-02T14:03:59","action":"status","state":"half-configured",)"
              R"("package":"bash","architecture":"amd64","version":"5.2"})");
    EXPECT_EQ(json("2024-05-02 14:03:59 startup archives unpack"),
              R"({"at":"2024-05-02T14:03:59","action":"startup","what":"archives unpack"})");
    EXPECT_EQ(json("2024-05-02 14:03:59 trigproc man-db"),
              R"({"at":"2024-05-02T14:03:59","action":"trigproc","package":"man-db","old":"",)"
              R"("new":""})");
    EXPECT_EQ(json("2024-05-02 14:03:59 install b\xff"),
              R"({"at":"2024-05-02T14:03:59","action":"unreadable"})");
}

/// The partitions and the keys that a log gives.
std::vector<std::pair<std::string, std::string>> places(const names& stamps) {
    log_collector lines;
    for (const std::string& one : stamps) {
        lines.add(one + " install bash:amd64 <none> 5.2");
    }
    std::vector<std::pair<std::string, std::string>> found;
    for (const dated_record& one : lines.take()) {
        found.emplace_back(one.partition, one.key);
    }
    return found;
}

using place_list = std::vector<std::pair<std::string, std::string>>;

TEST(log_collector, goes_by_day_where_there_are_three) {
    EXPECT_EQ(places({"2024-05-01 10:00:00", "2024-05-02 10:00:00", "2024-05-03 10:00:00"}),
              (place_list{{"2024-05-01", "2024-05-01T10:00:00.0000"},
                          {"2024-05-02", "2024-05-02T10:00:00.0000"},
                          {"2024-05-03", "2024-05-03T10:00:00.0000"}}));
}

TEST(log_collector, goes_by_hour_where_there_are_two_days) {
    EXPECT_EQ(places({"2024-05-01 10:00:00", "2024-05-02 10:30:00", "2024-05-02 11:00:00"}),
              (place_list{{"2024-05-01T10", "2024-05-01T10:00:00.0000"},
                          {"2024-05-02T10", "2024-05-02T10:30:00.0000"},
                          {"2024-05-02T11", "2024-05-02T11:00:00.0000"}}));
}

TEST(log_collector, goes_by_minute_where_there_are_two_hours) {
    EXPECT_EQ(places({"2024-05-01 10:00:00", "2024-05-01 10:00:59", "2024-05-02 10:01:00"}),
              (place_list{{"2024-05-01T10:00", "2024-05-01T10:00:00.0000"},
                          {"2024-05-01T10:00", "2024-05-01T10:00:59.0000"},
                          {"2024-05-02T10:01", "2024-05-02T10:01:00.0000"}}));
}

TEST(log_collector, numbers_the_lines_of_a_second_also_when_the_clock_was_set_back) {
    EXPECT_EQ(places({"2024-05-01 10:00:01",
                      "2024-05-01 10:00:01",
                      "2024-05-01 10:00:00",
                      "2024-05-01 10:00:01"}),
              (place_list{{"2024-05-01T10:00", "2024-05-01T10:00:00.0000"},
                          {"2024-05-01T10:00", "2024-05-01T10:00:01.0000"},
                          {"2024-05-01T10:00", "2024-05-01T10:00:01.0001"},
                          {"2024-05-01T10:00", "2024-05-01T10:00:01.0002"}}));
}

void write_log(const std::string& file, const std::string& day) {
    std::ofstream{file} << day << " 10:00:00 startup archives unpack\n"
                        << "not a line of a log\n";
}

TEST(read_package_log, reads_rotated_and_compressed_parts_oldest_first) {
    const test_folder folder;
    const std::string log = folder.file("dpkg.log");
    write_log(log, "2024-05-12");
    write_log(log + ".1", "2024-05-11");
    write_log(log + ".2", "2024-05-10");
    write_log(log + ".10", "2024-05-02");
    write_log(log + ".old", "2024-01-01");
    write_log(log + "2", "2024-01-01");
    ASSERT_TRUE(read_program_lines({"gzip", log + ".2", log + ".10"}, [](auto) {}).has_value());
    const auto found = read_package_log(log);
    ASSERT_TRUE(found.has_value()) << found.error().text;
    EXPECT_EQ(found->files, (names{log + ".10.gz", log + ".2.gz", log + ".1", log}));
    EXPECT_EQ(found->partitions, (names{"2024-05-02", "2024-05-10", "2024-05-11", "2024-05-12"}));
    EXPECT_EQ(found->step, date_step::day);
    EXPECT_EQ(found->records.size(), 4U);
}

TEST(read_package_log, tells_a_missing_log_from_an_empty_one) {
    const test_folder folder;
    const auto missing = read_package_log(folder.file("dpkg.log"));
    EXPECT_EQ(missing.error().code, errc::not_found);
    EXPECT_NE(missing.error().text.find("there is no package log " + folder.file("dpkg.log")),
              std::string::npos);
    std::ofstream{folder.file("dpkg.log")} << "\n";
    const auto empty = read_package_log(folder.file("dpkg.log"));
    EXPECT_EQ(empty.error().code, errc::not_found);
    EXPECT_NE(empty.error().text.find("are empty"), std::string::npos);
    EXPECT_EQ(read_package_log("/no/such/folder/dpkg.log").error().code, errc::not_found);
}

}  // namespace
}  // namespace party_grid
