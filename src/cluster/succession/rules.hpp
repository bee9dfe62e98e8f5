#pragma once

/// @file
/// Who leads: the lowest sequence number among the succession znodes. Pure.

#include "muster/ids.hpp"

#include "cluster/paths.hpp"

#include <string>
#include <vector>

namespace muster::cluster {

/// Where a candidate stands after reading the children of `succession`.
struct succession_place {
    bool present = false;     ///< its own znode is there
    bool leads = false;       ///< no lower one is
    std::string predecessor;  ///< the child to watch, where it neither leads nor is absent
    friend bool operator==(const succession_place&, const succession_place&) = default;
};

/// `own` is the child name of the candidate's own znode. Foreign children are ignored. Sequence
/// numbers are compared as the signed 32-bit numbers that ZooKeeper counts in.
[[nodiscard]] succession_place place_of(const std::string& own,
                                        const std::vector<std::string>& children);

/// The id of the member that leads by `children`, empty if none.
[[nodiscard]] member_id leader_of(const std::vector<std::string>& children);

}  // namespace muster::cluster
