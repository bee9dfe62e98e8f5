#pragma once

/// @file
/// Holds one resource for one incarnation: feeds the rules with plans and former owners, starts
/// and stops what they say, publishes releases.

#include "base/life_guard.hpp"
#include "cluster/handoff/rules.hpp"
#include "cluster/host.hpp"
#include "cluster/membership/status_agent.hpp"
#include "cluster/right.hpp"
#include "cluster/session_context.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace muster::cluster {

/// Threads: control loop only.
class holder_agent {
public:
    holder_agent(const session_context& at,
                 std::string resource,
                 specification spec,
                 std::shared_ptr<const lease_cell> lease,
                 status_agent& status,
                 std::shared_ptr<owner_host> host,
                 std::function<void(const right::identity&)> stuck,
                 std::function<void()> emptied);
    ~holder_agent();

    void plan_seen(const plan& whole);
    /// Lease valid and init done.
    void may_act(bool yes);
    /// Nothing held may act any more; what does not stop by `end` is stuck.
    void lease_lapsed(instant end);
    /// What acted under `what` has failed for good.
    void handler_failed(const right::identity& what);
    /// Reads those it waits for again, though no watch fired (anti-entropy).
    void look_again();
    /// ZooKeeper has acknowledged this status.
    void status_written(const status_record& now);

    /// Acting, starting or stopping anything?
    [[nodiscard]] bool holds_anything() const { return !rights_.empty() || !ended_.empty(); }
    [[nodiscard]] const holder_state& state() const { return state_; }
    [[nodiscard]] const specification& spec() const { return spec_; }

private:
    /// A right given out, until its handler has stopped and its guards are back.
    struct given {
        std::shared_ptr<right> mine;
        std::string key;
        plan_number fence = 0;
        bool starting = true;
        bool failed = false;  ///< the handler did not start
        bool stop_wanted = false;
        bool stop_by_lease = false;
        bool handler_stopped = false;
        bool idle = false;
        bool ran = false;  ///< when it was looked at last, near the lease end
        bool late_reported = false;
    };

    void feed(const holder_event& seen);
    void feed_all(std::span<const holder_event> seen);
    void feed_soon(holder_event ended);
    void feed_ended();
    void look_for_stuck_at(instant when);
    void look_for_stuck(instant due);
    void forget(std::uint64_t number);
    void perform(const begin_acquire& asked);
    void perform(const begin_release& asked);
    void perform(const revoke& asked);
    void perform(const publish& asked);
    void perform(const watch_former& asked);
    void perform(const forget_former& asked);
    void perform(const let_settle& asked);
    void perform(const begin_prepare& asked);

    void settle_at(member_id who, instant when);
    void forget_failure_later(const std::string& key, plan_number fence);
    void started(std::uint64_t number, const result<void>& outcome);
    void stop(std::uint64_t number, given& one, bool by_lease);
    void begin_stop(std::uint64_t number, given& one);
    void stopped_part(std::uint64_t number, bool handler);
    [[nodiscard]] std::map<std::uint64_t, given>::iterator find(const held_entry& what);
    [[nodiscard]] zookeeper::client::on_event on_change_of(member_id who);
    void read_former(member_id who);
    void check_member_znode(member_id who);
    template <class F>
    auto on_loop(F call);

    const session_context& at_;
    std::string resource_;
    specification spec_;
    std::shared_ptr<const lease_cell> lease_;
    status_agent& status_;
    std::shared_ptr<owner_host> host_;
    std::function<void(const right::identity&)> stuck_;
    std::function<void()> emptied_;  ///< the last right has ended
    holder_state state_;
    std::map<std::uint64_t, given> rights_;
    std::map<std::pair<std::string, plan_number>, std::uint64_t> numbers_;  ///< by key and fence
    std::uint64_t next_number_ = 1;
    std::map<member_id, std::uint64_t> watched_;  ///< how often read: only the last watch counts
    std::map<member_id, std::unique_ptr<runtime::timer>> settling_;
    struct back_off {
        unsigned failures = 0;
        std::unique_ptr<runtime::timer> over;
    };
    std::map<std::string, back_off> back_offs_;  ///< by entry key, since its last good start
    bool feeding_ = false;
    std::deque<holder_event> queue_;
    std::vector<holder_event> ended_;  ///< of handlers, since the last turn
    std::unique_ptr<runtime::timer> stuck_timer_;
    bool excused_ = false;  ///< one look has come late since the lease ended
    life_guard life_;
};

}  // namespace muster::cluster
