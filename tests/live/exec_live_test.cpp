// Commands of `muster agent --exec`, as the world sees them: each holds a lock while it acts, so
// two owners at once would meet.

#include "live/agent_fleet.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace muster::live {
namespace {

using namespace std::chrono_literals;

/// A command that was started for a partition.
struct running_command {
    std::string member;
    std::string partition;
    pid_t pid = 0;
    [[nodiscard]] bool is_alive() const {
        return std::filesystem::exists("/proc/" + std::to_string(pid));
    }
};

class commands_of_agents : public testing::Test {
protected:
    static constexpr std::size_t partitions = 6;
    static constexpr auto soon = 60s;

    void SetUp() override {
        const std::string address = keeper_.address(20s);
        ASSERT_NE(address, "");
        fleet.emplace(agent_fleet::options{.muster = MUSTER_PROGRAM,
                                           .zookeeper = address,
                                           .partitions = static_cast<int>(partitions)});
        const std::string here = fleet->directory().string();
        // The lock lives as long as its process; exit code 99 says that somebody else has it.
        fleet->run_for_each_partition("echo $MUSTER_MEMBER $MUSTER_PARTITION $$ >> " + here +
                                      "/started; flock --no-fork -n -E 99 " + here +
                                      "/lock.$MUSTER_PARTITION sleep 600; "
                                      "[ $? != 99 ] || echo $MUSTER_PARTITION >> " +
                                      here + "/overlaps; exec sleep 600");
        fleet->start("a");
        fleet->start("b");
        ASSERT_FALSE(fleet->wait_until_balanced(soon).empty()) << fleet->story();
        ASSERT_TRUE(wait([this] { return alive().size() == partitions; })) << fleet->story();
    }
    void TearDown() override {
        if (fleet) {
            EXPECT_FALSE(std::filesystem::exists(fleet->directory() / "overlaps"));
            EXPECT_EQ(fleet->journals().text(), "");
        }
    }

    [[nodiscard]] std::vector<running_command> alive() const {
        std::vector<running_command> all;
        std::ifstream in{fleet->directory() / "started"};
        for (std::string line; std::getline(in, line);) {
            running_command one;
            std::istringstream{line} >> one.member >> one.partition >> one.pid;
            if (one.pid > 0 && one.is_alive()) {
                all.push_back(one);
            }
        }
        return all;
    }
    [[nodiscard]] std::size_t alive_of(const std::string& member) const {
        std::size_t count = 0;
        for (const running_command& one : alive()) {
            count += one.member == member ? 1 : 0;
        }
        return count;
    }
    template <class F>
    static bool wait(F holds) {
        for (const std::int64_t end = boot_time() + 60'000'000'000; !holds();) {
            if (boot_time() > end) {
                return false;
            }
            std::this_thread::sleep_for(20ms);
        }
        return true;
    }

    std::optional<agent_fleet> fleet;

private:
    keeper_process keeper_{MUSTER_PROGRAM};
};

// Row 134 of docs/internals/faults.md.
TEST_F(commands_of_agents, end_at_the_lease_end_of_an_agent_that_is_stopped) {
    fleet->process("a").pause();
    ASSERT_TRUE(wait([this] { return alive_of("b") == partitions; })) << fleet->story();
    EXPECT_EQ(alive_of("a"), 0U);
    EXPECT_TRUE(fleet->process("a").is_paused());
    fleet->process("a").resume();

    EXPECT_FALSE(fleet->wait_until_balanced(soon).empty()) << fleet->story();
    EXPECT_TRUE(wait([this] { return alive().size() == partitions && alive_of("a") > 0; }))
        << fleet->story();
}

TEST_F(commands_of_agents, end_with_an_agent_that_is_killed) {
    fleet->process("a").kill();
    // The wardens need no ZooKeeper for that: long before the session is over.
    EXPECT_TRUE(wait([this] { return alive_of("a") == 0; }));
    EXPECT_TRUE(wait([this] { return alive_of("b") == partitions; })) << fleet->story();
}

TEST_F(commands_of_agents, end_before_an_agent_that_leaves_says_so) {
    fleet->process("a").terminate();
    EXPECT_EQ(fleet->process("a").wait(soon), 0) << fleet->story();
    EXPECT_EQ(alive_of("a"), 0U);
    EXPECT_TRUE(wait([this] { return alive_of("b") == partitions; })) << fleet->story();
}

}  // namespace
}  // namespace muster::live
