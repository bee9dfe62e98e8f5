#pragma once

/// @file
/// The lifecycle of a member: which steps there are. Pure.

#include "cluster/records.hpp"

namespace muster::cluster {

/// Stranded -> Joining -> Initializing -> Online <-> Suspect; Initializing, Online, Suspect ->
/// Draining -> Left; Draining -> Online; Stranded, Joining -> Left; all but Left -> Stranded.
[[nodiscard]] bool may_step(lifecycle from, lifecycle to) noexcept;

}  // namespace muster::cluster
