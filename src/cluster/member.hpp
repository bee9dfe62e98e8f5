#pragma once

/// @file
/// A member of a cluster: joins as soon as ZooKeeper is there, holds what the plan gives it, takes
/// its turn at leading, and is stranded whenever its lease has ended.

#include "muster/planner.hpp"

#include "cluster/command_call.hpp"
#include "cluster/host.hpp"
#include "cluster/lease/probe.hpp"
#include "cluster/settings.hpp"
#include "runtime/loop.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace muster::cluster {

/// Threads: the control loop's only; callbacks of the hosts too, never inside a call of this class.
/// Lifetime: the destructor ends every right at once and hears nothing more; `leave` first.
class member {
public:
    /// Needs no ZooKeeper to start. `offload` runs a job on a thread that may block (planners).
    [[nodiscard]] static std::unique_ptr<member> start(std::shared_ptr<runtime::loop> control,
                                                       member_settings settings,
                                                       std::shared_ptr<member_host> host,
                                                       std::function<void(task_fn)> offload);
    virtual ~member() = default;

    /// Serves a resource from now on: makes it where it is missing, and is given partitions of it.
    /// What is in the way is told by `member_host::resource_trouble`.
    virtual void serve(const std::string& resource,
                       specification spec,
                       std::shared_ptr<owner_host> owner,
                       std::optional<planner> choose = std::nullopt) = 0;
    /// Follows the plan of a resource that others serve.
    virtual void follow(const std::string& resource) = 0;
    /// Names of global processes of which this member has a body staged.
    virtual void stand_for(std::set<std::string> globals) = 0;
    /// Adds or removes a partition of a list resource, through the leader.
    virtual void change_list(const std::string& resource,
                             const std::string& partition,
                             bool add,
                             instant deadline,
                             callback<result<void>> done) = 0;
    /// Ephemeral znodes that are to be there, by their paths, and no others: made in each of its
    /// sessions, gone with it or once they are wished for no more.
    virtual void publish(std::set<std::string> znodes) = 0;
    virtual void report_unreachable(std::set<member_id> peers) = 0;
    virtual void suspect_itself(bool yes) = 0;

    /// What acted under `what` has failed for good: the right is given up, and the partition goes
    /// elsewhere. Nothing happens where the right has ended already.
    virtual void handler_failed(const right::identity& what) = 0;

    [[nodiscard]] virtual lifecycle state() const = 0;
    /// Until when this member may act, unless renewed; inside the callbacks that tell of a lapsed
    /// lease still the end that it had. `instant::min()` without a lease.
    [[nodiscard]] virtual instant acts_until() const = 0;
    [[nodiscard]] virtual member_id id() const = 0;
    /// Whether any handler or guard still runs, of this incarnation or of an earlier one.
    [[nodiscard]] virtual bool holds_anything() const = 0;

    /// Gives everything away, then ends the session, by `deadline` (then without waiting).
    /// `done` is called once: ok if all was handed over and the server confirmed the end.
    virtual void leave(instant deadline, callback<result<void>> done) = 0;
};

}  // namespace muster::cluster
