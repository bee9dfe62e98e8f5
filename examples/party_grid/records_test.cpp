#include "records.hpp"

#include <gtest/gtest.h>

namespace party_grid {
namespace {

TEST(records, are_cut_by_day_hour_and_minute) {
    constexpr std::string_view stamp = "2024-05-02T14:03:59.0007";
    EXPECT_EQ(date_partition(stamp, date_step::day), "2024-05-02");
    EXPECT_EQ(date_partition(stamp, date_step::hour), "2024-05-02T14");
    EXPECT_EQ(date_partition(stamp, date_step::minute), "2024-05-02T14:03");
    EXPECT_EQ(date_partition("2024", date_step::minute), "2024");
}

TEST(records, know_a_dated_key_from_a_package_name) {
    EXPECT_TRUE(is_dated("2024-05-02"));
    EXPECT_TRUE(is_dated("2024-05-02T14"));
    EXPECT_TRUE(is_dated("2024-05-02T14:03:59.0007"));
    EXPECT_FALSE(is_dated("2024-05-0"));
    EXPECT_FALSE(is_dated("2024-05-02-release-notes"));
    EXPECT_FALSE(is_dated("2048-qt"));
    EXPECT_FALSE(is_dated(""));
}

TEST(records, know_the_name_of_a_date_partition) {
    EXPECT_TRUE(is_date_partition("2024-05-02"));
    EXPECT_TRUE(is_date_partition("2024-05-02T14"));
    EXPECT_TRUE(is_date_partition("2024-05-02T14:03"));
    EXPECT_FALSE(is_date_partition("2024-05-02T1"));
    EXPECT_FALSE(is_date_partition("2024-05-02T14:03:59"));
}

TEST(records, of_one_day_lie_in_partitions_with_names_of_one_length) {
    const std::string second = "2024-05-02T14:03:59.0007";
    EXPECT_EQ(home_of(second, date_step::day), "2024-05-02");
    EXPECT_EQ(home_of(second, date_step::hour), "2024-05-02T14");
    EXPECT_EQ(home_of(second, date_step::minute), "2024-05-02T14:03");
    EXPECT_EQ(home_of("2024-05-02", date_step::hour), "2024-05-02T00");
    EXPECT_EQ(home_of("2024-05-02T14:0", date_step::minute), "2024-05-02T14:00");
    for (const date_step step : {date_step::day, date_step::hour, date_step::minute}) {
        EXPECT_EQ(step_of(home_of(second, step)), step);
        EXPECT_EQ(step_of(home_of("2024-05-02", step)), step);
    }
}

TEST(records, take_keys_of_1_to_1024_bytes_without_nul) {
    EXPECT_TRUE(is_key("ann"));
    EXPECT_TRUE(is_key(std::string(1024, 'k')));
    EXPECT_FALSE(is_key(""));
    EXPECT_FALSE(is_key(std::string(1025, 'k')));
    EXPECT_FALSE(is_key(std::string_view{"a\0b", 3}));
}

}  // namespace
}  // namespace party_grid
