#pragma once

/// @file
/// X5: what nobody stands behind any more.

#include "simulation/bystander.hpp"
#include "simulation/sim_cluster.hpp"

#include <string>

namespace muster::simulation {

/// Every ephemeral belongs to the present session of a member that runs, one of each kind; says
/// what does not, or "".
[[nodiscard]] std::string ghosts(sim_cluster& box, bystander& witness);

}  // namespace muster::simulation
