#pragma once

/// @file
/// Follows the view: watches the head, fetches the chunks of which that tells too little, hands out
/// views read whole, each newer than the last.

#include "base/life_guard.hpp"
#include "cluster/records.hpp"
#include "cluster/session_context.hpp"
#include "cluster/view/parts.hpp"

#include <cstddef>
#include <functional>
#include <string>

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
    void looked(const zookeeper::reply<zookeeper::node_data>& got);
    void read_chunk(std::size_t index);
    void hand_out();
    void complain(const error& why);

    const session_context& at_;
    std::int64_t known_;
    std::function<void(const view_record&)> seen_;
    view_parts parts_;
    std::size_t outstanding_ = 0;  ///< chunks being read
    bool reading_ = false;
    bool stale_ = false;
    std::string complained_;
    life_guard life_;
};

}  // namespace muster::cluster
