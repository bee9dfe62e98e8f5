#pragma once

/// @file
/// Sees a cluster without being in it: the view, and the plans it is asked to follow, kept current
/// by watches. Writes nothing.

#include "cluster/host.hpp"
#include "cluster/settings.hpp"
#include "runtime/loop.hpp"

#include <memory>
#include <string>

namespace muster::cluster {

/// Hears what is seen. Threads: control loop; it must not hold it up.
class observer_host {
public:
    virtual ~observer_host() = default;
    /// By which the members know those who may talk to them.
    virtual void cluster_key(std::string key) = 0;
    virtual void view_changed(std::shared_ptr<const view_snapshot> now) = 0;
    virtual void plan_changed(std::shared_ptr<const plan_snapshot> now) = 0;
    /// Why no plan of a resource that is followed can be read, for now.
    virtual void plan_trouble(const std::string& resource, const error& why) = 0;
    /// Why nothing is seen, or nothing new: what `error::next` says is worth waiting for, or not.
    virtual void blind(const error& why) = 0;
    /// ZooKeeper can be asked through `zk` until `session_lost`. `is_new`: by a session of its own,
    /// which has no watches yet.
    virtual void session_began(zookeeper::client& zk, bool is_new) = 0;
    virtual void session_lost() = 0;
};

/// Threads: the control loop's only; callbacks of the host too, never inside a call of this class.
/// Lifetime: after the destructor nothing is heard; `leave` first, so that the session ends at
/// once.
class observer {
public:
    /// Needs no ZooKeeper to start. `self` stands in no view.
    [[nodiscard]] static std::unique_ptr<observer> start(std::shared_ptr<runtime::loop> control,
                                                         member_settings settings,
                                                         member_id self,
                                                         std::shared_ptr<observer_host> host);
    virtual ~observer() = default;

    /// Follows the plan of a resource, once it is there.
    virtual void follow(const std::string& resource) = 0;
    /// Adds or removes a partition of a list resource, through the leader.
    virtual void change_list(const std::string& resource,
                             const std::string& partition,
                             bool add,
                             instant deadline,
                             callback<result<void>> done) = 0;
    /// Ends the session, by `deadline` at the latest.
    virtual void leave(instant deadline, callback<> done) = 0;
};

}  // namespace muster::cluster
