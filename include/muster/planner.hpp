#pragma once

/// @file
/// Who should own what: the function that the leader calls, and what it is told.

#include "muster/ids.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace muster {

/// A member that may own partitions, as a planner sees it.
struct planned_member {
    member_id id;
    std::string name;
    std::string zone;     ///< "" where none is configured
    double weight = 1.0;  ///< > 0; its share relative to the others'
    std::map<std::string, std::string> metadata;
    friend bool operator==(const planned_member&, const planned_member&) = default;
};

/// A partition and who owns it now.
struct planned_partition {
    std::string name;  ///< hash: the decimal index; range: its first key; list: its name
    /// The owner of each replica slot today; slot 0 is the writer; an empty id is nobody. Owners
    /// that may not own any more (gone, draining) have been emptied already, and who prepares to
    /// take a slot over stands in it as if it had.
    std::vector<member_id> owners;
    double weight = 1.0;
    /// Who may own it; empty: everybody (used by global processes and pins).
    std::vector<member_id> eligible;
    friend bool operator==(const planned_partition&, const planned_partition&) = default;
};

/// All that a planner may look at: equal inputs must give equal plans.
struct planner_input {
    std::string resource;
    std::uint32_t replicas = 1;
    std::vector<planned_member> members;        ///< ordered by name, then id; never empty
    std::vector<planned_partition> partitions;  ///< in the resource's order
};

/// For each partition of the input, in its order, the owner of each slot. An empty id leaves a slot
/// without owner; a shorter inner vector leaves the rest so. An answer that names an unknown
/// member, names one twice for a partition, or has another length is refused whole: the built-in
/// planner then decides, and the log says why.
using planned_owners = std::vector<std::vector<member_id>>;

/// A pure function: no clock, no random numbers, no I/O. It runs on a worker of the leader alone,
/// with a deadline of 1 s. "A list of responsibilities for n members" is a list resource whose
/// planner spreads the list.
using planner = std::function<planned_owners(const planner_input&)>;

/// The built-in planner: balanced within one partition (weighted: by weight), slots of a partition
/// on distinct members and, where there are several, distinct zones; moves only what balance
/// demands. Deterministic. Source: docs/internals/planner.md.
[[nodiscard]] planned_owners balanced(const planner_input& input);

}  // namespace muster
