#pragma once

/// @file
/// What the leader writes into the view. Pure.

#include "base/instant.hpp"
#include "cluster/records.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::cluster {

/// A member as the leader has read it: both znodes, or what is left of them.
struct seen_member {
    std::optional<descriptor> described;
    std::optional<status_record> status;
};

struct view_inputs {
    view_record before;
    member_id leader;
    std::int64_t epoch = 0;
    std::int64_t unix_ms = 0;
    std::int64_t read_zxid = 0;  ///< of the reply header of the leader's read of the view
    std::map<member_id, seen_member> present;
    std::map<member_id, std::string> drained;  ///< marks to set (id -> who asked)
    std::set<member_id> resumed;               ///< marks to take away
    bool damaged = false;                      ///< what is stored is not `before`: write it again
};

/// The next view, or nothing where the truth has not changed. Its number is before.number + 1, or
/// `read_zxid` where that is larger: one that was deleted, or lost with its server, goes on
/// upwards.
///
/// Admits every member with both znodes, unless another incarnation of its name is still in
/// `present` and was there first (by the view, then by start time, then by id): the second waits.
/// Exactly one znode of two: Suspect, nothing granted. Suspect by peers: two members other than
/// the leader list it in `unreachable`; never more than a third of the members by that ground.
[[nodiscard]] std::optional<view_record> next_view(const view_inputs& inputs);

}  // namespace muster::cluster
