#pragma once

/// @file
/// What happened between two pictures of a cluster, as events. Pure.

#include "picture.hpp"

#include <boost/json.hpp>

#include <vector>

namespace muster::cli {

/// One JSON object for each event, oldest idea first: who left, who came, who changed state, who
/// leads, the view, plans, partitions. Each has `event`, `cluster`, `unix_ms` (of `now`).
/// Where `before` knew no cluster, everything that is there has just come.
[[nodiscard]] std::vector<boost::json::object> changes(const picture& before, const picture& now);

}  // namespace muster::cli
