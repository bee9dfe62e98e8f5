#pragma once

/// @file
/// Brings one incarnation into the cluster: the persistent frame and the key where they are
/// missing, then its three ephemerals in one multi.

#include "base/life_guard.hpp"
#include "cluster/records.hpp"
#include "cluster/session_context.hpp"

#include <functional>
#include <optional>
#include <string>

namespace muster::cluster {

struct joined {
    root_record root;
    std::string succession;  ///< child name of the own succession znode, "" if it does not stand
    std::int64_t epoch = 0;  ///< its czxid
    status_record entered;   ///< the status that ZooKeeper holds
};

/// Threads: control loop only.
class join_agent {
public:
    struct hooks {
        /// What authenticates the members to each other.
        std::function<void(std::string key)> key_read;
        /// The frame is there: make what must exist before this member does, then `go` with the
        /// status it enters with.
        std::function<void(const root_record& root, callback<status_record> go)> prepare;
        std::function<void(const joined&)> done;
        std::function<void(const error&)> failed;  ///< final: a format, an ACL, a bad record
    };

    join_agent(const session_context& at, descriptor self, hooks told);

    /// Leaves the succession and queues again behind everybody, under a larger epoch.
    void requeue(const std::string& old_child, std::function<void(const joined&)> done);

private:
    void read_root();
    void see_whole_frame();
    void read_key();
    void make_key();
    void make_frame();
    void make_frame_part(std::size_t index);
    void enter();
    void entered(zookeeper::reply<std::vector<zookeeper::op_result>> got);
    /// After a write of unknown outcome: what of it is there?
    void look_for_own();
    void find_place(std::function<void(const joined&)> done);
    void fail_with(errc code, std::string text);

    const session_context& at_;
    descriptor self_;
    status_record first_;
    hooks told_;
    root_record root_;
    std::vector<std::string> frame_;
    life_guard life_;
};

}  // namespace muster::cluster
