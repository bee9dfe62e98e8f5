#include "cluster/succession/rules.hpp"

#include <gtest/gtest.h>

namespace muster::cluster {
namespace {

const member_id a{1, 1};
const member_id b{1, 2};
const member_id c{1, 3};

std::string child(member_id who, const std::string& sequence) {
    return who.text() + '-' + sequence;
}

const std::string first = child(a, "0000000003");
const std::string second = child(b, "0000000007");
const std::string third = child(c, "0000000012");

TEST(succession, the_lowest_sequence_leads) {
    EXPECT_EQ(place_of(first, {third, first, second}),
              (succession_place{.present = true, .leads = true, .predecessor = ""}));
    EXPECT_EQ(leader_of({third, first, second}), a);
}

TEST(succession, a_candidate_watches_its_predecessor_only) {
    EXPECT_EQ(place_of(third, {third, first, second}),
              (succession_place{.present = true, .leads = false, .predecessor = second}));
}

TEST(succession, when_the_middle_one_dies_only_the_lowest_leads) {  // row 55
    EXPECT_EQ(place_of(third, {third, first}).predecessor, first);
    EXPECT_FALSE(place_of(third, {third, first}).leads);
}

TEST(succession, whose_znode_is_absent_has_no_place) {
    EXPECT_EQ(place_of(first, {second, third}), succession_place{});
    EXPECT_EQ(place_of("", {second}), succession_place{});
    EXPECT_EQ(place_of("foreign", {"foreign"}), succession_place{});
}

TEST(succession, foreign_children_are_ignored) {
    EXPECT_TRUE(place_of(second, {"lock-0000000001", second, "x"}).leads);
    EXPECT_EQ(leader_of({"lock-0000000001"}), member_id{});
    EXPECT_EQ(leader_of({}), member_id{});
}

TEST(succession, numbers_are_compared_as_numbers) {
    const std::string negative = child(b, "-2147483648");
    EXPECT_EQ(leader_of({first, negative}), b);
    EXPECT_EQ(place_of(first, {first, negative}).predecessor, negative);
}

TEST(succession, equal_numbers_have_one_leader_still) {  // row 61: the parent was recreated
    const std::string twin = child(b, "0000000003");
    EXPECT_TRUE(place_of(first, {first, twin}).leads);
    EXPECT_FALSE(place_of(twin, {first, twin}).leads);
    EXPECT_EQ(leader_of({twin, first}), a);
}

}  // namespace
}  // namespace muster::cluster
