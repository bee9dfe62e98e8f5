#include "cluster/records.hpp"

#include "cluster/paths.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace muster::cluster {
namespace {

const member_id a{0xa1, 1};

entry named(std::string partition, std::uint16_t slot) {
    entry one;
    one.partition = std::move(partition);
    one.slot = slot;
    return one;
}

TEST(records, an_entry_key_names_one_entry_only) {
    EXPECT_EQ(entry_key(named("17", 0)), "17");
    EXPECT_EQ(entry_key(named("17", 1)), "17#1");
    EXPECT_NE(entry_key(named("17#1", 0)), entry_key(named("17", 1)));
}

TEST(records, an_entry_key_is_the_same_whatever_it_is_made_from) {
    for (const char* const name : {"", "a b", "x/y", "17#1", "\xc3\xa4", "."}) {
        EXPECT_EQ(entry_key(name, 0), entry_key(named(name, 0)));
        EXPECT_EQ(entry_key(name, 3), entry_key(named(name, 3)));
    }
    EXPECT_EQ(entry_key("x/y", 1), "x%2fy#1");
}

TEST(records, a_grant_counts_from_the_owners_since) {
    plan whole;
    whole.since[a] = 9;
    entry one;
    one.owner = a;
    one.fence = 5;
    EXPECT_EQ(fence_of(whole, one), 9);
    one.fence = 12;
    EXPECT_EQ(fence_of(whole, one), 12);
    one.owner = member_id{1, 1};
    one.fence = 5;
    EXPECT_EQ(fence_of(whole, one), 5);
}

TEST(records, a_token_holds_the_incarnation_above_the_plan_number) {
    EXPECT_EQ(token_of(1, 5).value(), (1LL << 56) + 5);
    EXPECT_LT(token_of(1, most_plan_number), token_of(2, 0));
    EXPECT_EQ(token_of(most_incarnations, most_plan_number).value(),
              std::numeric_limits<std::int64_t>::max());
}

TEST(records, plan_numbers_follow_the_zxid_and_never_stand_still) {
    EXPECT_EQ(next_plan_number(5, 100), 100);
    EXPECT_EQ(next_plan_number(100, 5), 101);
    EXPECT_EQ(next_plan_number(100, 100), 101);
}

TEST(paths, names_are_percent_encoded) {
    const paths here{"my shop"};
    EXPECT_EQ(here.root(), "/muster/my%20shop");
    EXPECT_EQ(here.chunk("a/b", 12), "/muster/my%20shop/resources/a%2fb/plan/12");
    EXPECT_EQ(here.member(a), "/muster/my%20shop/members/00000000000000a10000000000000001");
    EXPECT_EQ(here.succession_prefix(a),
              "/muster/my%20shop/succession/00000000000000a10000000000000001-");
}

TEST(paths, succession_names_are_taken_apart) {
    EXPECT_EQ(parse_succession(a.text() + "-0000000012"),
              (succession_name{.id = a, .sequence = 12}));
    EXPECT_EQ(parse_succession(a.text() + "--2147483648"),
              (succession_name{.id = a, .sequence = std::numeric_limits<std::int32_t>::min()}));
    EXPECT_EQ(parse_succession(a.text() + "--000000001"),
              (succession_name{.id = a, .sequence = -1}));
}

TEST(paths, foreign_children_are_no_succession_names) {
    for (const std::string& foreign : {std::string{},
                                       std::string{"lock-0000000001"},
                                       a.text(),
                                       a.text() + "-",
                                       a.text() + "-1",
                                       a.text() + "-99999999999",
                                       a.text() + "-00000000x1",
                                       a.text() + "_0000000001",
                                       member_id{}.text() + "-0000000001",
                                       a.text() + "-4294967296"}) {
        EXPECT_EQ(parse_succession(foreign), std::nullopt) << foreign;
    }
}

}  // namespace
}  // namespace muster::cluster
