// The suite notices what it is there for: each mistake, put back in, is found within some seeds.

#include "simulation/storm.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

namespace muster::simulation {
namespace {

struct known_mistake {
    mistake how;
    const char* name;
    often more_of;
    std::uint64_t within;   ///< seeds; ten times what it takes on average
    const char* says = "";  ///< how what is found begins: the promise that this mistake breaks
};

class a_known_mistake : public testing::TestWithParam<known_mistake> {};

TEST_P(a_known_mistake, is_found_within_some_seeds) {
    for (std::uint64_t seed = 1; seed <= GetParam().within; ++seed) {
        storm_options options;
        options.seed = seed;
        options.more_of = GetParam().more_of;
        options.spoil = [](process_shape& shape) { shape.wrong = GetParam().how; };
        const storm_result got = run_storm(options);
        if (!got.violation.empty()) {
            EXPECT_TRUE(got.violation.starts_with(GetParam().says)) << got.report;
            std::cout << "seed " << seed << ": " << got.violation << "\n";
            return;
        }
    }
    FAIL() << "not found within " << GetParam().within << " seeds";
}

INSTANTIATE_TEST_SUITE_P(
    all,
    a_known_mistake,
    testing::Values(
        known_mistake{
            mistake::unfenced_leader, "row_57_unfenced_leader", often::robbed_leaders, 50, "S3"},
        known_mistake{mistake::unchecked_place, "unchecked_place", often::robbed_leaders, 50, "S3"},
        known_mistake{mistake::absent_released, "absent_taken_for_released", often::nothing, 50},
        known_mistake{mistake::forgotten_wait, "forgotten_wait", often::nothing, 50},
        known_mistake{mistake::reused_id, "rows_24_30_127_reused_id", often::nothing, 50},
        known_mistake{mistake::lease_outlived, "row_1_lease_outlived", often::nothing, 50},
        known_mistake{
            mistake::ping_is_proof, "row_1_ping_is_proof", often::cut_followers, 100, "S1"},
        known_mistake{mistake::unguarded_effect, "rows_7_130_unguarded_effect", often::nothing, 50},
        known_mistake{mistake::double_create, "row_27_double_create", often::unheard_joins, 200},
        known_mistake{
            mistake::unknown_is_done, "rows_32_33_unknown_is_done", often::lost_requests, 1000},
        known_mistake{mistake::deaf, "watches_not_heard", often::nothing, 20}),
    [](const auto& item) { return std::string{item.param.name}; });

}  // namespace
}  // namespace muster::simulation
