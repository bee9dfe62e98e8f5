// What can befall a member, on a real ensemble. Row numbers are those of docs/internals/faults.md.

#include "live/ensemble_room.hpp"

#include <algorithm>
#include <set>

namespace muster::live {
namespace {

using std::chrono::milliseconds;

class members_on_an_ensemble : public ensemble_room {
protected:
    /// Whether others have taken over all that `lost` held.
    bool wait_for_takeover_from(const std::string& lost) {
        return fleet->wait(
            [&](const journal_verdict& now) {
                std::set<std::string> owned_elsewhere;
                for (const auto& [place, one] : now.owned()) {
                    if (one.process != lost) {
                        owned_elsewhere.insert(place);
                    }
                }
                return owned_elsewhere.size() == partitions;
            },
            soon);
    }
    /// All that a process held as this incarnation, it says to have lost at its lease end.
    void expect_revoked(const std::string& process, const std::string& id) {
        const journal_verdict now = fleet->journals(rules);
        int revoked = 0;
        for (const auto& [place, all] : now.held) {
            for (const tenure& one : all) {
                if (one.process == process && one.id == id && one.ended_by != "release") {
                    EXPECT_EQ(one.ended_by, "revoke") << place;
                    ++revoked;
                }
            }
        }
        EXPECT_GT(revoked, 0) << process;
    }
};

// Rows 24 and 70.
TEST_F(members_on_an_ensemble,
       restarted_under_its_name_a_member_waits_until_its_former_self_is_gone) {
    const std::string victim = following();
    const std::string former = id_of(victim);
    fleet->process(victim).kill();
    const std::string again = fleet->start(victim);

    EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    EXPECT_THAT(fleet->log(again), testing::HasSubstr("is taken by the member with id " + former));
    const journal_verdict now = fleet->journals();
    const auto& steps = now.steps.at(again);
    EXPECT_TRUE(std::ranges::any_of(steps, [](const step& one) { return one.to == "Joining"; }));
    EXPECT_EQ(now.state(again), "Online");
    EXPECT_NE(id_of(again), former);
}

// Rows 57 and 66: the leader dies, wherever it stands in its work.
TEST_F(members_on_an_ensemble, when_the_leader_is_killed_another_leads_and_owns) {
    const std::string victim = leading();
    fleet->process(victim).kill();

    EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    EXPECT_NE(leading(), victim);
    const std::string again = fleet->start(victim);
    EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    EXPECT_EQ(fleet->journals().state(again), "Online");
}

// Rows 5 and 68: it is asked to hand over to a newcomer, and does not answer.
TEST_F(members_on_an_ensemble, stopped_beyond_its_lease_an_owner_has_lost_all_when_it_goes_on) {
    const std::string victim = following();
    const std::string former = id_of(victim);
    fleet->process(victim).pause();
    fleet->start("d");
    EXPECT_TRUE(wait_for_takeover_from(victim));
    fleet->process(victim).resume();

    EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    expect_revoked(victim, former);
    EXPECT_NE(id_of(victim), former);
}

// Row 5, of the one that leads.
TEST_F(members_on_an_ensemble, stopped_beyond_its_lease_a_leader_does_not_lead_when_it_goes_on) {
    const std::string victim = leading();
    const std::string former = id_of(victim);
    fleet->process(victim).pause();
    EXPECT_TRUE(wait_for_takeover_from(victim));
    fleet->process(victim).resume();

    EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    expect_revoked(victim, former);
    EXPECT_NE(leading(), victim);
}

// Row 6: shorter than what is left of its lease; and about as long, when anything may happen but
// an overlap.
TEST_F(members_on_an_ensemble, stopped_for_less_than_its_lease_an_owner_goes_on) {
    const std::string victim = following();
    EXPECT_TRUE(keeps_ownership([&] {
        fleet->process(victim).pause();
        std::this_thread::sleep_for(milliseconds{1500});
        fleet->process(victim).resume();
    }));
    for (const int pause_ms : {5600, 6400}) {
        fleet->process(victim).pause();
        std::this_thread::sleep_for(milliseconds{pause_ms});
        fleet->process(victim).resume();
        EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    }
}

// Row 71, as far as clean leaves go: each hands over before it ends, and comes back.
TEST_F(members_on_an_ensemble, are_restarted_one_by_one_and_hand_over_each_time) {
    for (const char* name : {"a", "b", "c"}) {
        fleet->process(name).terminate();
        EXPECT_EQ(fleet->process(name).wait(soon), 0) << fleet->log(name);
        const journal_verdict now = fleet->journals();
        EXPECT_EQ(now.state(name), "Left");
        for (const auto& [place, all] : now.held) {
            for (const tenure& one : all) {
                if (one.process == name) {
                    EXPECT_EQ(one.ended_by, "release") << place;
                }
            }
        }
        EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
        fleet->start(name);
        EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    }
}

// Rows 8 and 132: until the victim hears of it, only its smaller fences protect.
TEST_F(members_on_an_ensemble, whose_session_a_stranger_ends_comes_back_as_a_new_incarnation) {
    outsider stranger{zookeeper->connect_string()};
    for (const std::string& victim : {following(), leading()}) {
        rules.robbed.insert(victim);
        rules.leaders_may_overlap = true;
        const std::string former = id_of(victim);
        const auto session = stranger.owner_of("/muster/live/members/" + former);
        ASSERT_TRUE(session && *session != 0);
        ASSERT_TRUE(stranger.end_session(*session));

        EXPECT_TRUE(fleet->wait(
            [&](const journal_verdict& now) {
                return now.state(victim) == "Online" && now.steps.at(victim).back().id != former;
            },
            soon));
        EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
        // Nothing of the former incarnation is left.
        EXPECT_FALSE(stranger.owner_of("/muster/live/members/" + former));
        EXPECT_FALSE(stranger.owner_of("/muster/live/status/" + former));
    }
}

// Row 23.
TEST_F(members_on_an_ensemble, whose_znode_an_operator_deletes_joins_anew) {
    outsider operator_here{zookeeper->connect_string()};
    const auto comes_back_without = [&](const std::string& victim, const std::string& path) {
        const std::string former = id_of(victim);
        ASSERT_TRUE(operator_here.owner_of(path).value_or(0) != 0) << path;
        ASSERT_TRUE(operator_here.remove(path));
        EXPECT_TRUE(fleet->wait(
            [&](const journal_verdict& now) {
                return now.state(victim) == "Online" && now.steps.at(victim).back().id != former;
            },
            soon))
            << victim << " without " << path;
        EXPECT_FALSE(fleet->wait_until_balanced(soon).empty());
    };

    std::string victim = following();
    comes_back_without(victim, "/muster/live/members/" + id_of(victim));
    victim = following();
    comes_back_without(victim, "/muster/live/status/" + id_of(victim));
    victim = leading();
    for (const std::string& child : operator_here.children("/muster/live/succession")) {
        if (child.starts_with(id_of(victim))) {
            rules.leaders_may_overlap = true;  // Until its next heartbeat, and in words only.
            comes_back_without(victim, "/muster/live/succession/" + child);
            break;
        }
    }
    EXPECT_TRUE(rules.leaders_may_overlap);
}

}  // namespace
}  // namespace muster::live
