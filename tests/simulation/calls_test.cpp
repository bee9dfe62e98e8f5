// S5: what becomes of calls, by seed. MUSTER_SEEDS=5000 runs more of them, MUSTER_SEED=17 one.

#include "simulation/call_storm.hpp"
#include "simulation/seeds.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

namespace muster::simulation {
namespace {

using namespace std::chrono_literals;

/// The sum over all seeds; fails on the first broken promise.
call_storm_result run_seeds(weather how, std::uint64_t count, duration lasts) {
    call_storm_result sum;
    for (const std::uint64_t seed : seeds(count, 12)) {
        const call_storm_result got = run_call_storm({.seed = seed, .how = how, .lasts = lasts});
        sum.calls += got.calls;
        sum.answered += got.answered;
        sum.refused += got.refused;
        sum.unknown += got.unknown;
        sum.moves += got.moves;
        if (!got.violation.empty()) {
            ADD_FAILURE() << "replay: MUSTER_SEED=" << seed
                          << " muster_simulation_tests --gtest_filter='calls.*'\n"
                          << got.report;
            break;
        }
    }
    std::cout << sum.calls << " calls, " << sum.answered << " answered, " << sum.refused
              << " refused, " << sum.unknown << " of unknown outcome; " << sum.moves
              << " moves of partitions\n";
    return sum;
}

TEST(calls, are_all_answered_while_members_only_come_and_leave_in_order) {
    const call_storm_result sum = run_seeds(weather::fair, 300, 15s);
    EXPECT_GT(sum.moves, 100U) << "nothing was tested";
    EXPECT_GT(sum.answered, 10'000U);
}

TEST(calls, end_in_time_and_as_their_errors_say_whatever_fails) {
    const call_storm_result sum = run_seeds(weather::foul, 700, 15s);
    EXPECT_GT(sum.moves, 100U) << "nothing was tested";
    EXPECT_GT(sum.answered, 10'000U);
    EXPECT_GT(sum.refused, 100U);
    EXPECT_GT(sum.unknown, 10U);
}

// The storm notices owners that do wrong.
TEST(calls, of_bad_owners_are_noticed) {
    for (const bad_owner wrong :
         {bad_owner::runs_twice, bad_owner::forgets, bad_owner::answers_early}) {
        std::string found;
        for (std::uint64_t seed = 1; seed <= 5 && found.empty(); ++seed) {
            found = run_call_storm({.seed = seed, .lasts = 10s, .wrong = wrong}).violation;
        }
        EXPECT_NE(found, "") << "mistake " << static_cast<int>(wrong);
    }
}

}  // namespace
}  // namespace muster::simulation
