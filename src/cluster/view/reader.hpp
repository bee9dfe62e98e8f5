#pragma once

/// @file
/// Follows the view: one watch, each number handed out once, growing.

#include "base/life_guard.hpp"
#include "cluster/records.hpp"
#include "cluster/session_context.hpp"

#include <functional>

namespace muster::cluster {

/// Threads: control loop only.
class view_reader {
public:
    view_reader(const session_context& at,
                std::int64_t known,
                std::function<void(const view_record&)> seen);

    /// Reads again though no watch fired (anti-entropy).
    void look();

private:
    void looked(zookeeper::reply<zookeeper::node_data> got);

    const session_context& at_;
    std::int64_t known_;
    std::function<void(const view_record&)> seen_;
    bool reading_ = false;
    bool stale_ = false;
    life_guard life_;
};

}  // namespace muster::cluster
