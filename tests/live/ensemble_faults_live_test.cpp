// What can befall the ensemble below its members. Row numbers are those of
// docs/internals/faults.md.

#include "live/ensemble_room.hpp"

#include <array>
#include <sstream>

namespace muster::live {
namespace {

using std::chrono::milliseconds;

class ensemble_under_members : public ensemble_room {
protected:
    void pause_for(std::size_t server, milliseconds how_long) {
        zookeeper->pause(server);
        std::this_thread::sleep_for(how_long);
        zookeeper->resume(server);
    }
    void restart(std::size_t server) {
        zookeeper->kill(server);
        zookeeper->start(server);
        EXPECT_TRUE(zookeeper->wait_until_serving(soon)) << zookeeper->log(server);
    }
    /// To which server a member's session is attached.
    std::optional<std::size_t> server_of(outsider& reader, const std::string& process) {
        const auto session = reader.owner_of("/muster/live/members/" + id_of(process));
        std::ostringstream word;
        word << "sid=0x" << std::hex << session.value_or(0) << ',';
        for (std::size_t i = 0; i < zookeeper->size(); ++i) {
            if (zookeeper->ask(i, "cons").find(word.str()) != std::string::npos) {
                return i;
            }
        }
        return std::nullopt;
    }
    /// A follower that a member is attached to, and the member; starts more if all are elsewhere.
    std::pair<std::size_t, std::string> follower_with_a_member(outsider& reader) {
        for (const char* more : {"d", "e", "f", "g"}) {
            const std::size_t leader = zookeepers_leader();
            for (const std::string& name : fleet->running()) {
                const auto at = server_of(reader, name);
                if (at && *at != leader) {
                    return {*at, name};
                }
            }
            fleet->start(more);
            EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
        }
        ADD_FAILURE() << "no member is attached to a follower";
        return {};
    }
};

// Row 80 (and 36: what was granted stays granted).
TEST_F(ensemble_under_members, loses_its_leader_again_and_again_and_no_partition_has_two_owners) {
    for (int round = 0; round < 4; ++round) {
        const std::size_t leader = zookeepers_leader();
        zookeeper->kill(leader);
        // The next one is elected while this one is away, or while it comes back.
        std::this_thread::sleep_for(milliseconds{400 * round});
        zookeeper->start(leader);
        ASSERT_TRUE(zookeeper->wait_until_serving(soon));
        EXPECT_FALSE(owners_again().empty()) << "round " << round;
    }
}

// Row 81.
TEST_F(ensemble_under_members, is_restarted_server_by_server_and_nothing_changes_hands) {
    EXPECT_TRUE(keeps_ownership([&] {
        for (std::size_t i = 0; i < zookeeper->size(); ++i) {
            restart(i);
        }
    }));
}

// Row 83.
TEST_F(ensemble_under_members, is_killed_whole_and_comes_back_with_its_data) {
    const ownership before = fleet->wait_until_balanced(soon);
    for (std::size_t i = 0; i < zookeeper->size(); ++i) {
        zookeeper->kill(i);
    }
    EXPECT_TRUE(wait_for_state(fleet->running(), "Stranded"));
    EXPECT_TRUE(fleet->journals().owned().empty());
    for (std::size_t i = 0; i < zookeeper->size(); ++i) {
        zookeeper->start(i);
    }
    ASSERT_TRUE(zookeeper->wait_until_serving(soon));

    const ownership after = owners_again();
    ASSERT_EQ(after.size(), before.size());
    for (const auto& [place, who] : after) {
        EXPECT_GT(who.second, before.at(place).second) << place;
    }
}

// Row 135 (S * tick - 1 s), and row 3 (beyond S * tick: another leader is elected).
TEST_F(ensemble_under_members, has_a_leader_that_freezes_and_nobody_loses_a_thing) {
    EXPECT_TRUE(keeps_ownership([&] { pause_for(zookeepers_leader(), milliseconds{1500}); }));
    EXPECT_TRUE(keeps_sessions([&] { pause_for(zookeepers_leader(), milliseconds{4500}); }));
}

// Row 82.
TEST_F(ensemble_under_members, without_a_quorum_leaves_no_owner_and_with_one_every_owner) {
    const ownership before = fleet->wait_until_balanced(soon);
    const std::size_t leader = zookeepers_leader();
    const std::array stopped{leader, (leader + 1) % zookeeper->size()};
    for (const std::size_t server : stopped) {
        zookeeper->pause(server);
    }
    EXPECT_TRUE(wait_for_state(fleet->running(), "Stranded"));
    EXPECT_TRUE(fleet->wait([](const journal_verdict& now) { return now.owned().empty(); }, soon));
    EXPECT_EQ(leaders_of(fleet->journals()), 0);
    for (const std::size_t server : stopped) {
        zookeeper->resume(server);
    }

    const ownership after = owners_again();
    ASSERT_EQ(after.size(), before.size());
    for (const auto& [place, who] : after) {
        EXPECT_GT(who.second, before.at(place).second) << place;
    }
}

// Row 1: the follower that a member is attached to falls silent; the session moves.
TEST_F(ensemble_under_members, loses_a_follower_and_its_members_move_to_another) {
    outsider reader{zookeeper->connect_string()};
    EXPECT_TRUE(keeps_ownership([&] {
        const auto [follower, member] = follower_with_a_member(reader);
        zookeeper->pause(follower);
        const std::int64_t end = boot_time() + 60'000'000'000;
        std::optional<std::size_t> now_at;
        do {
            std::this_thread::sleep_for(milliseconds{200});
            now_at = server_of(reader, member);
        } while ((!now_at || *now_at == follower) && boot_time() < end);
        EXPECT_TRUE(now_at && *now_at != follower) << member << " was at server " << follower;
        zookeeper->resume(follower);
    }));
}

}  // namespace
}  // namespace muster::live
