#pragma once

/// @file
/// What the tests with a real ensemble have in common: three servers, three members, and the claim
/// at the end that no two of them owned anything at once.

#include "live/agent_fleet.hpp"
#include "live/outsider.hpp"
#include "live/real_zookeeper.hpp"
#include "live/silence_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace muster::live {

using std::chrono::seconds;

/// Tick 500 ms and syncLimit 5, hence a session timeout of 7 s and a lease of 5.9 s.
///
/// Limits are generous: a small machine that is busy otherwise may stall ZooKeeper for seconds.
/// What can only hold while the machine keeps up (nothing changes hands) is tried again, at most
/// twice, where an outsider saw the ensemble stall meanwhile; what must hold whatever happens (one
/// owner, growing fences) is never excused.
class ensemble_room : public testing::Test {
protected:
    static constexpr seconds soon{90};
    static constexpr int partitions = 48;

    void SetUp() override {
        ASSERT_TRUE(real_zookeeper::is_installed());
        zookeeper.emplace(real_zookeeper::options{.servers = 3});
        ASSERT_TRUE(zookeeper->wait_until_serving(seconds{60})) << zookeeper->log(0);
        fleet.emplace(agent_fleet::options{.muster = MUSTER_PROGRAM,
                                           .zookeeper = zookeeper->connect_string(),
                                           .partitions = partitions});
        for (const char* name : {"a", "b", "c"}) {
            fleet->start(name);
        }
        ASSERT_FALSE(fleet->wait_until_balanced(soon).empty()) << fleet->story();
        for (const char* name : {"a", "b", "c"}) {
            EXPECT_THAT(fleet->journal(name), testing::HasSubstr("\"session_timeout_ms\":7000"));
        }
    }

    void TearDown() override {
        if (fleet) {
            EXPECT_FALSE(owners_again().empty()) << "nobody owns everything";
            const journal_verdict now = fleet->journals(rules);
            EXPECT_EQ(now.text(), "");
            EXPECT_EQ(leaders_of(now), 1);
            if (HasFailure()) {
                ADD_FAILURE() << fleet->story();
            }
        }
    }

    /// Who owns what, once everybody owns again.
    ///
    /// ZooKeeper 3.8.0 sometimes hangs by itself after its leader and a follower stood still for
    /// some seconds (compare ZOOKEEPER-4685): the leader goes on leading with two followers that it
    /// calls synced, and commits nothing any more, for nobody. Where an outsider finds it so, the
    /// leader is restarted, as an operator would; members have to come back from that as well.
    ownership owners_again() {
        ownership now = fleet->wait_until_balanced(seconds{30});
        if (now.empty() && !outsider{zookeeper->connect_string()}.can_write(seconds{15})) {
            std::cout << "ZooKeeper commits nothing for anybody: its leader is restarted\n";
            const std::size_t leader = zookeepers_leader();
            zookeeper->kill(leader);
            zookeeper->start(leader);
            EXPECT_TRUE(zookeeper->wait_until_serving(soon)) << zookeeper->log(leader);
            EXPECT_TRUE(outsider{zookeeper->connect_string()}.can_write(seconds{60}));
        }
        return now.empty() ? fleet->wait_until_balanced(soon) : now;
    }

    static int leaders_of(const journal_verdict& now) {
        int count = 0;
        for (const tenure& one : now.led) {
            count += one.until ? 0 : 1;
        }
        return count;
    }

    /// Whether a fault changed no owner and no fence, in one of three tries.
    bool keeps_ownership(const std::function<void()>& fault) {
        // Half a lease: with the time between two heartbeats, and as much for a busy member, it may
        // well be lost.
        return in_three_tries(seconds{3}, [&] {
            const ownership before = owners_again();
            fault();
            std::this_thread::sleep_for(seconds{2});  // What came loose shows by then.
            return !before.empty() && owners_again() == before;
        });
    }
    /// Whether a fault cost no member its session, in one of three tries.
    bool keeps_sessions(const std::function<void()>& fault) {
        // The fault itself makes a silence of more than half a session.
        return in_three_tries(seconds{6}, [&] {
            const auto before = ids();
            fault();
            std::this_thread::sleep_for(seconds{2});
            return !owners_again().empty() && ids() == before;
        });
    }
    /// A try that fails counts for nothing if the ensemble answered nobody for `excuse` or longer.
    bool in_three_tries(std::chrono::milliseconds excuse, const std::function<bool()>& holds) {
        for (int one = 1; one <= 3; ++one) {
            silence_watch stranger{zookeeper->connect_string()};
            if (holds()) {
                return true;
            }
            const auto silence = stranger.longest();
            std::cout << "try " << one << " of 3: ZooKeeper answered nobody for " << silence.count()
                      << " ms\n";
            if (silence < excuse) {
                return false;
            }
        }
        return false;
    }

    /// The incarnation that a process is at present.
    [[nodiscard]] std::string id_of(const std::string& process) const {
        const journal_verdict now = fleet->journals();
        const auto found = now.steps.find(process);
        return found == now.steps.end() || found->second.empty() ? "" : found->second.back().id;
    }
    [[nodiscard]] std::map<std::string, std::string> ids() const {
        std::map<std::string, std::string> all;
        for (const std::string& name : fleet->running()) {
            all[name] = id_of(name);
        }
        return all;
    }
    [[nodiscard]] std::string leading() {
        std::string name;
        fleet->wait([&](const journal_verdict& now) { return !(name = now.leader()).empty(); },
                    soon);
        return name;
    }
    /// Some process that runs and does not lead.
    [[nodiscard]] std::string following() {
        const std::string leader = leading();
        for (const std::string& name : fleet->running()) {
            if (name != leader) {
                return name;
            }
        }
        return {};
    }
    /// Whether every one of these processes comes to this state.
    bool wait_for_state(const std::vector<std::string>& names, const std::string& state) {
        return fleet->wait(
            [&](const journal_verdict& now) {
                return std::ranges::all_of(
                    names, [&](const std::string& name) { return now.state(name) == state; });
            },
            soon);
    }

    /// Who leads the ensemble; waits until somebody does.
    [[nodiscard]] std::size_t zookeepers_leader() const {
        for (int i = 0; i < 600; ++i) {
            if (const auto found = zookeeper->leader()) {
                return *found;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{100});
        }
        ADD_FAILURE() << "the ensemble has no leader";
        return 0;
    }

    std::optional<real_zookeeper> zookeeper;
    std::optional<agent_fleet> fleet;
    journal_rules rules;
};

}  // namespace muster::live
