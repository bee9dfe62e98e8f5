#include "date_catalogue.hpp"

#include <gtest/gtest.h>

namespace party_grid {
namespace {

using names = std::vector<std::string>;

const std::string day = "2024-05-02";
const std::string early = "2024-05-02T08:00:00.1";
const std::string late = "2024-05-02T14:03:59.7";

/// What `place` finds, and whether it writes what it made into `known`.
names place_in(date_entries& known, date_step wished, const std::vector<placing>& what) {
    const placed found = place(known, day, wished, what);
    for (const change& one : found.changes) {
        known.insert_or_assign(one.key, one.value.value_or(""));
    }
    return found.partitions;
}

TEST(date_catalogue, cuts_a_day_as_its_first_record_wished) {
    date_entries known;
    EXPECT_EQ(place_in(known, date_step::minute, {{late, true}}), names{"2024-05-02T14:03"});
    EXPECT_EQ(known, (date_entries{{day, "minute"}, {"2024-05-02T14:03", "minute"}}));
}

TEST(date_catalogue, finds_a_key_where_it_was_whatever_is_wished_later) {
    for (const date_step first : {date_step::day, date_step::hour, date_step::minute}) {
        for (const date_step later : {date_step::day, date_step::hour, date_step::minute}) {
            date_entries known;
            const names was = place_in(known, first, {{early, true}});
            EXPECT_EQ(place_in(known, later, {{late, true}, {early, false}})[1], was[0]);
            EXPECT_EQ(place_in(known, later, {{early, true}}), was);
        }
    }
}

TEST(date_catalogue, makes_nothing_for_a_key_that_is_only_asked_for) {
    date_entries known;
    EXPECT_EQ(place_in(known, date_step::day, {{late, false}}), names{""});
    EXPECT_EQ(known, date_entries{});
    EXPECT_EQ(place_in(known, date_step::hour, {{late, true}}), names{"2024-05-02T14"});
    const date_entries before = known;
    EXPECT_EQ(place_in(known, date_step::hour, {{early, false}}), names{""});
    EXPECT_EQ(known, before);
}

TEST(date_catalogue, finds_for_a_key_what_another_of_the_same_batch_adds) {
    date_entries known;
    EXPECT_EQ(place_in(known, date_step::hour, {{late, false}, {early, false}, {late, true}}),
              (names{"2024-05-02T14", "", "2024-05-02T14"}));
}

TEST(date_catalogue, takes_a_day_that_is_cut_finer_for_no_partition) {
    date_entries known;
    static_cast<void>(place_in(known, date_step::minute, {{late, true}}));
    EXPECT_EQ(place_in(known, date_step::day, {{day, false}}), names{""});
    EXPECT_EQ(place_in(known, date_step::day, {{day, true}}), names{"2024-05-02T00:00"});
}

TEST(date_catalogue, names_the_partitions_that_may_hold_a_prefix) {
    const date_entries known{{"2024-05-01", "day"},
                             {"2024-05-02", "hour"},
                             {"2024-05-02T08", "hour"},
                             {"2024-05-02T14", "hour"}};
    EXPECT_EQ(partitions_for(known, ""), (names{"2024-05-01", "2024-05-02T08", "2024-05-02T14"}));
    EXPECT_EQ(partitions_for(known, "2024-05-02"), (names{"2024-05-02T08", "2024-05-02T14"}));
    EXPECT_EQ(partitions_for(known, "2024-05-02T14:03"), names{"2024-05-02T14"});
    EXPECT_EQ(partitions_for(known, "ann"), names{});
}

}  // namespace
}  // namespace party_grid
