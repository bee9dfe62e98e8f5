#include "live/agent_fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

namespace muster::live {
namespace {

using namespace std::chrono_literals;

std::set<std::string> owners_in(const ownership& of) {
    std::set<std::string> names;
    for (const auto& [place, who] : of) {
        names.insert(who.first);
    }
    return names;
}

/// It has let go of everything, and said that it left.
bool has_left(const agent_fleet& fleet, const std::string& name) {
    const journal_verdict now = fleet.journals();
    for (const auto& [place, one] : now.owned()) {
        if (one.process == name) {
            return false;
        }
    }
    return now.state(name) == "Left";
}

TEST(live_smoke, a_keeper_and_three_agents_survive_a_kill_and_a_drain) {
    keeper_process keeper{MUSTER_PROGRAM};
    const std::string address = keeper.address(20s);
    ASSERT_NE(address, "");
    agent_fleet fleet{{.muster = MUSTER_PROGRAM, .zookeeper = address, .partitions = 12}};
    for (const char* name : {"a", "b", "c"}) {
        fleet.start(name);
    }
    const ownership at_first = fleet.wait_until_balanced(30s);
    ASSERT_EQ(owners_in(at_first).size(), 3U) << fleet.story();

    fleet.process("a").kill();
    const ownership after_kill = fleet.wait_until_balanced(40s);
    EXPECT_EQ(owners_in(after_kill), (std::set<std::string>{"b", "c"})) << fleet.story();

    fleet.process("b").terminate();
    EXPECT_EQ(fleet.process("b").wait(30s), 0) << fleet.story();
    EXPECT_TRUE(has_left(fleet, "b")) << fleet.story();
    const ownership after_drain = fleet.wait_until_balanced(30s);
    EXPECT_EQ(owners_in(after_drain), std::set<std::string>{"c"}) << fleet.story();

    fleet.process("c").terminate();
    EXPECT_EQ(fleet.process("c").wait(30s), 0) << fleet.story();
    EXPECT_TRUE(has_left(fleet, "c")) << fleet.story();
    EXPECT_EQ(fleet.journals().text(), "");
}

}  // namespace
}  // namespace muster::live
