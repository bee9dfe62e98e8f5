#pragma once

/// @file
/// From the view as it is stored to the view as it is used: with what each member says of itself.

#include "base/life_guard.hpp"
#include "cluster/host.hpp"
#include "cluster/session_context.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace muster::cluster {

/// Descriptors are read once for each id; members whose descriptor is still being read follow in a
/// moment.
/// Threads: control loop only.
class view_describer {
public:
    /// `known` outlives a session, and is of those in the newest view.
    view_describer(const session_context& at,
                   std::map<member_id, descriptor>& known,
                   std::function<void(std::shared_ptr<const view_snapshot>)> told);

    void seen(const view_record& now);

private:
    void read_unknown();
    void publish() const;

    const session_context& at_;
    std::map<member_id, descriptor>& known_;
    std::function<void(std::shared_ptr<const view_snapshot>)> told_;
    std::optional<view_record> view_;
    std::set<member_id> being_read_;
    life_guard life_;
};

}  // namespace muster::cluster
