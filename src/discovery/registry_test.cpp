#include "discovery/registry.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace muster::discovery {
namespace {

const member_id life{1, 2};

pid process_of(std::uint32_t index) {
    return {life, "ann", index, 1};
}

std::vector<std::string> published(const registry& all) {
    std::vector<std::string> names;
    all.for_published([&](const std::string& name, const pid&) { names.push_back(name); });
    return names;
}

TEST(a_registry, holds_several_processes_of_a_name_each_once) {
    registry all;
    EXPECT_EQ(all.add("a", process_of(1), 0), added::anew);
    EXPECT_EQ(all.add("a", process_of(2), 0), added::anew);
    EXPECT_EQ(all.add("a", process_of(1), 0), added::before);
    EXPECT_EQ(all.of("a"), (std::vector<pid>{process_of(1), process_of(2)}));
    EXPECT_TRUE(all.remove("a", process_of(1)));
    EXPECT_FALSE(all.remove("a", process_of(1)));
    EXPECT_FALSE(all.remove("b", process_of(2)));
    EXPECT_EQ(all.of("a"), std::vector<pid>{process_of(2)});
}

TEST(a_registry, publishes_a_name_from_when_it_is_told_to) {
    registry all;
    EXPECT_EQ(all.add("kept", process_of(1), 0), added::anew);
    EXPECT_EQ(all.add("seen", process_of(1), 50), added::before);
    EXPECT_EQ(published(all), std::vector<std::string>{"seen"});
    EXPECT_EQ(all.add("kept", process_of(1), 50), added::before);
    EXPECT_EQ(all.add("seen", process_of(1), 0), added::before);
    EXPECT_EQ(published(all), (std::vector<std::string>{"kept", "seen"}));
}

TEST(a_registry, refuses_what_would_make_the_end_of_a_session_too_large) {
    registry all{100};
    EXPECT_EQ(all.add("a", process_of(1), 60), added::anew);
    const auto more = all.add("b", process_of(1), 60);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, errc::overloaded);
    EXPECT_FALSE(all.holds("b", process_of(1)));
    EXPECT_EQ(all.add("b", process_of(1), 0), added::before) << "what stays here costs nothing";
    EXPECT_TRUE(all.remove("a", process_of(1)));
    EXPECT_EQ(all.bytes(), 0U);
    EXPECT_EQ(all.add("c", process_of(1), 100), added::before);
}

TEST(a_registry, forgets_a_process_with_all_its_names) {
    registry all;
    EXPECT_EQ(all.add("a", process_of(1), 50), added::anew);
    EXPECT_EQ(all.add("b", process_of(1), 0), added::before);
    EXPECT_EQ(all.add("b", process_of(2), 10), added::anew);
    EXPECT_TRUE(all.remove("a", process_of(1)));
    EXPECT_EQ(all.add("a", process_of(1), 50), added::before);  // Known since its first name.
    EXPECT_EQ(all.forget(process_of(1)), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(all.forget(process_of(1)), std::vector<std::string>{});
    EXPECT_EQ(all.of("b"), std::vector<pid>{process_of(2)});
    EXPECT_EQ(all.bytes(), 10U);
    EXPECT_EQ(all.add("a", process_of(1), 0), added::anew);
}

TEST(a_registry, holds_nothing_after_a_hundred_thousand_registrations_that_have_gone) {
    registry all;
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        ASSERT_TRUE(all.add("a", process_of(i), 150));
        ASSERT_EQ(all.forget(process_of(i)).size(), 1U);
    }
    EXPECT_EQ(all.bytes(), 0U);
    EXPECT_TRUE(all.of("a").empty());
}

}  // namespace
}  // namespace muster::discovery
