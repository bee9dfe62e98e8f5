#pragma once

/// @file
/// Which seeds a test goes through.

#include <cstdint>
#include <vector>

namespace muster::simulation {

/// The seeds from 1 to `count`: the same in every run. MUSTER_SEEDS=5000 asks for more of them,
/// MUSTER_SEED=17 for one. Under a sanitizer, where a seed takes many times as long, it is one in
/// `sanitized`, and others than the ordinary build goes through in the same run of the tests.
[[nodiscard]] std::vector<std::uint64_t> seeds(std::uint64_t count, std::uint64_t sanitized = 4);

}  // namespace muster::simulation
