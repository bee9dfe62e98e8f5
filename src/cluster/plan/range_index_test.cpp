#include "cluster/plan/range_index.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster {
namespace {

/// The rule itself: half-open by bytes, the first open below.
std::size_t by_rule(const std::vector<std::string>& from, std::string_view key) {
    std::size_t place = 0;
    for (std::size_t i = 1; i < from.size() && from[i] <= key; ++i) {
        place = i;
    }
    return place;
}

std::vector<std::size_t> places(const std::vector<std::string>& from,
                                const std::vector<std::string>& keys) {
    const range_index index{from};
    std::vector<std::size_t> found;
    for (const auto& key : keys) {
        found.push_back(index.place_of(key));
    }
    return found;
}

TEST(a_range_index, finds_the_last_first_key_that_is_not_above) {
    EXPECT_EQ(places({"", "h", "p"}, {"", "a", "h", "ha", "o", "p", "zz"}),
              (std::vector<std::size_t>{0, 0, 1, 1, 1, 2, 2}));
    EXPECT_EQ(places({"g", "h", "p"}, {"", "a", "g"}), (std::vector<std::size_t>{0, 0, 0}));
    EXPECT_EQ(places({"g"}, {"", "a", "z"}), (std::vector<std::size_t>{0, 0, 0}));
}

TEST(a_range_index, compares_by_bytes_what_begins_alike) {
    const std::string nul(1, '\0');
    EXPECT_EQ(places({"", "ab", "ab" + nul, "ab" + nul + nul, "ab\xff"},
                     {"a", "ab", "ab" + nul, "ab" + nul + nul, "ab" + nul + nul + nul, "ab\xff"}),
              (std::vector<std::size_t>{0, 1, 2, 3, 3, 4}));
    EXPECT_EQ(places({"", "user:1", "user:2"}, {"use", "user:", "user:1", "user:3", "uses", "v"}),
              (std::vector<std::size_t>{0, 0, 1, 2, 2, 2}));
    EXPECT_EQ(places({"", "0123456789a", "0123456789b"}, {"0123456789", "0123456789az", "1"}),
              (std::vector<std::size_t>{0, 1, 2}));
}

TEST(a_range_index, is_right_about_very_many_that_lie_close_together) {
    std::vector<std::string> from{""};
    std::vector<std::string> keys;
    for (int i = 10'000; i < 20'000; ++i) {
        from.push_back("a" + std::to_string(i));
        keys.push_back(from.back() + "x");
    }
    from.push_back("b");
    const range_index index{from};
    for (std::size_t i = 0; i < keys.size(); ++i) {
        ASSERT_EQ(index.place_of(keys[i]), i + 1) << keys[i];
    }
}

/// Few letters, so that many begin alike, and long ones.
rc::Gen<std::string> some_key() {
    return rc::gen::oneOf(
        rc::gen::container<std::string>(rc::gen::element('\0', 'a', 'b', '\xff')),
        rc::gen::map(rc::gen::container<std::string>(rc::gen::element('\0', 'a', 'b')),
                     [](const std::string& end) { return "0123456789" + end; }));
}

RC_GTEST_PROP(a_range_index, says_what_the_rule_says, ()) {
    const auto some = *rc::gen::container<std::set<std::string>>(some_key());
    const std::vector<std::string> from{some.begin(), some.end()};
    RC_PRE(!from.empty());
    const range_index index{from};
    for (const auto& key : from) {
        RC_ASSERT(index.place_of(key) == by_rule(from, key));
    }
    for (const auto& key : *rc::gen::container<std::vector<std::string>>(some_key())) {
        RC_ASSERT(index.place_of(key) == by_rule(from, key));
    }
}

}  // namespace
}  // namespace muster::cluster
