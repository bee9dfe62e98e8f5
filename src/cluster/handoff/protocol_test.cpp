#include "cluster/handoff/protocol_world.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

// Safety promises S1 (no two members act on one entry) and S2 (fences of an entry grow) over the
// real rules, in any order of events; rows 66, 67, 68, 79, 126, 129 of the fault list. Each rule
// that is broken on purpose must show within `most_seeds`.

namespace muster::cluster::testing {
namespace {

constexpr std::uint64_t seeds = 4000;
constexpr std::uint64_t most_seeds = 2000;
constexpr int steps = 400;

std::string run(std::uint64_t seed, mutation broken) {
    protocol_world world{seed, broken};
    for (int i = 0; i < steps && world.violation().empty(); ++i) {
        world.step();
    }
    return world.violation();
}

TEST(protocol, no_two_members_act_on_one_entry_and_fences_grow) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        ASSERT_EQ(run(seed, mutation::none), "") << "seed " << seed;
    }
}

TEST(protocol, every_entry_is_acted_on_once_faults_have_stopped) {
    std::size_t acquires = 0;
    std::size_t prepares = 0;
    for (std::uint64_t seed = 1; seed <= seeds / 10; ++seed) {
        protocol_world world{seed, mutation::none};
        for (int i = 0; i < steps; ++i) {
            world.step();
        }
        world.settle();
        ASSERT_EQ(world.violation(), "") << "seed " << seed;
        ASSERT_EQ(world.idle_entry(), "") << "seed " << seed;
        acquires += world.acquires();
        prepares += world.prepares();
    }
    EXPECT_GT(acquires, 10 * seeds / 10);  // the runs are not empty
    EXPECT_GT(prepares, seeds / 10);
}

class broken_protocol : public ::testing::TestWithParam<mutation> {};

TEST_P(broken_protocol, is_caught_within_a_bounded_number_of_seeds) {
    for (std::uint64_t seed = 1; seed <= most_seeds; ++seed) {
        if (!run(seed, GetParam()).empty()) {
            RecordProperty("seed", std::to_string(seed));
            return;
        }
    }
    FAIL() << "not caught in " << most_seeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(mutations,
                         broken_protocol,
                         ::testing::Values(mutation::drop_wait,
                                           mutation::absent_released,
                                           mutation::reused_id,
                                           mutation::same_fence,
                                           mutation::lease_outlived,
                                           mutation::early_release,
                                           mutation::prepare_number,
                                           mutation::owner_released));

}  // namespace
}  // namespace muster::cluster::testing
