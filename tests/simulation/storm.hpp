#pragma once

/// @file
/// A random life of a cluster, drawn from one seed: members that come, go, die, stop and are cut
/// off, replies that are lost, a server that freezes or forgets; then peace, in which every
/// partition has to be owned again in time.

#include "simulation/bystander.hpp"
#include "simulation/sim_cluster.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster::simulation {

/// What happens in a storm more often than chance has it.
enum class often : std::uint8_t {
    nothing,
    robbed_leaders,
    lost_requests,
    cut_followers,
    unheard_joins,  ///< whose replies are lost
};

struct storm_options {
    std::uint64_t seed = 1;
    bool trace = false;
    duration lasts = 20s;
    /// Somebody writes rubbish into what is stored: then only safety is expected.
    bool damage = false;
    often more_of = often::nothing;
    /// Changes what every process is started with.
    std::function<void(process_shape&)> spoil = {};
};

struct storm_result {
    std::string violation;  ///< the first broken promise, or ""
    std::string report;     ///< with what led to it
    std::string trace;
    duration owned_after{};    ///< from the last fault until every partition has an owner
    duration owned_by{};       ///< what L1 allows for that
    duration settled_after{};  ///< until every member is Online besides
    std::uint64_t acquires = 0;
    std::uint64_t effects = 0;
    std::uint64_t leader_writes = 0;
    std::uint64_t delayed_acquires = 0;
    std::uint64_t prepares = 0;
};

[[nodiscard]] storm_result run_storm(const storm_options& options);

}  // namespace muster::simulation
