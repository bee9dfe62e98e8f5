#pragma once

/// @file
/// What a member asks of whoever runs the application's code: the node, or the agent command.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "cluster/plan/snapshot.hpp"
#include "cluster/records.hpp"
#include "cluster/right.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {
class client;
}

namespace muster::cluster {

/// Everyone in the view, with what is known of them.
struct view_snapshot {
    struct item {
        member_id id;
        lifecycle state = lifecycle::initializing;
        bool drain = false;
        descriptor described;
    };
    std::int64_t number = 0;
    member_id leader;
    std::int64_t epoch = 0;     ///< as fence: incarnation * 2^56 + czxid
    std::vector<item> members;  ///< ordered by name

    [[nodiscard]] const item* find(member_id id) const;
};

/// Starts and stops what is owned. Threads: called on the control loop, which it must not hold up;
/// `done` may be called on any thread, once.
class owner_host {
public:
    virtual ~owner_host() = default;
    /// The right holds: begin to act. An error is a failed acquire.
    virtual void acquire(std::shared_ptr<right> mine, callback<result<void>> done) = 0;
    /// The right has been closed by a plan: stop acting, then say so. Never before `acquire` of
    /// the same right is done.
    virtual void release(std::shared_ptr<right> mine, callback<> done) = 0;
    /// The right ended with the lease: stop at once; otherwise as `release`.
    virtual void revoke(std::shared_ptr<right> mine, callback<> done) = 0;
    /// Asked after the lease end of what has not been done by then: whether code of the user's runs
    /// under it at this moment. What merely waits for its turn does no harm.
    [[nodiscard]] virtual bool still_runs(const right& mine) const {
        static_cast<void>(mine);
        return true;
    }
};

/// What rights on which a leadership stands name as their resource.
inline constexpr std::string_view leader_resource = "muster.leader";
inline constexpr std::string_view leader_partition = "leader";

/// Hears what happens to the member. Threads: control loop; it must not hold it up.
class member_host {
public:
    virtual ~member_host() = default;
    /// A new incarnation speaks from now on.
    virtual void became(member_id id, std::chrono::milliseconds session_timeout) = 0;
    /// By which members authenticate to each other. Told to each incarnation after `became` and
    /// before it is seen by others; a later one may be told another.
    virtual void cluster_key(std::string key) { static_cast<void>(key); }
    virtual void stepped(lifecycle from, lifecycle to) = 0;
    virtual void view_changed(std::shared_ptr<const view_snapshot> now) = 0;
    virtual void plan_changed(std::shared_ptr<const plan_snapshot> now) = 0;
    /// Strictly paired; `epoch` is a fence (incarnation * 2^56 + czxid).
    virtual void leadership(bool gained, leader_epoch epoch) = 0;
    /// The right on which a leadership stands, told after it was gained; null before it ends, and
    /// when the member begins to leave. Nobody else leads, other than by a lost lease, before no
    /// effect under that right is under way.
    virtual void leads_by(std::shared_ptr<right> mine) { static_cast<void>(mine); }
    /// Asked after the lease end of such a right that is still in use: whether code of the user's
    /// runs under it at this moment.
    [[nodiscard]] virtual bool still_leads(const right& mine) const {
        static_cast<void>(mine);
        return true;
    }
    /// Called once per incarnation, with its first responsibilities; Online follows `done`.
    virtual void initialize(std::vector<right::identity> first, callback<result<void>> done) = 0;
    /// The member cannot go on by itself; it stays stranded until stopped.
    virtual void failed(const error& why) = 0;
    /// A resource is not as this member describes it, or cannot be read.
    virtual void resource_trouble(const std::string& resource, const error& why) = 0;
    /// A handler did not stop by the lease end, and its resource says `abort`.
    virtual void stuck(const right::identity& what) = 0;
    /// ZooKeeper can be asked through `zk` until `session_lost`. `is_new`: by a session of its own,
    /// which has no watches yet.
    virtual void session_began(zookeeper::client& zk, bool is_new) {
        static_cast<void>(zk);
        static_cast<void>(is_new);
    }
    virtual void session_lost() {}
};

}  // namespace muster::cluster
