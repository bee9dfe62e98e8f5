#pragma once

/// @file
/// One incarnation of a member: everything that begins with a session and ends with it.

#include "base/life_guard.hpp"
#include "cluster/handoff/agent.hpp"
#include "cluster/host.hpp"
#include "cluster/leader/agent.hpp"
#include "cluster/lease/agent.hpp"
#include "cluster/membership/join_agent.hpp"
#include "cluster/membership/publish_agent.hpp"
#include "cluster/membership/status_agent.hpp"
#include "cluster/plan/maker.hpp"
#include "cluster/plan/reader.hpp"
#include "cluster/succession/agent.hpp"
#include "cluster/view/describer.hpp"
#include "cluster/view/reader.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::cluster {

/// A resource that this process serves or merely follows.
struct resource_wish {
    std::optional<specification> served;  ///< nothing: follow the plan only
    std::shared_ptr<owner_host> owner;
    std::optional<planner> choose;
};

/// What outlives an incarnation, kept by its member.
struct member_memory {
    member_settings settings;
    std::map<std::string, resource_wish> resources;
    std::set<std::string> candidates;
    std::set<std::string> published;  ///< paths of ephemeral znodes
    std::set<member_id> unreachable;
    bool suspects_itself = false;
    bool leaving = false;
    std::int64_t known_view = 0;
    known_plans plans;
    std::map<member_id, descriptor> descriptors;  ///< read once per id
    std::function<void(task_fn)> offload;
    std::shared_ptr<member_host> host;
};

/// Threads: control loop only.
class incarnation {
public:
    struct hooks {
        std::function<void(lifecycle to)> stepped;
        /// It cannot go on: close this session and begin anew (or, `final`, not at all).
        std::function<void(const error& why, bool final)> over;
        /// Holds nothing, and the newest plans give it nothing.
        std::function<void()> drained;
        /// It had been retired, and the last of its handlers has stopped.
        std::function<void()> emptied;
    };

    incarnation(std::shared_ptr<runtime::loop> loop,
                zookeeper::client& zk,
                const paths& where,
                member_id self,
                lease_settings lease,
                member_memory& memory,
                hooks told);
    ~incarnation();

    [[nodiscard]] member_id id() const { return at_.self; }
    [[nodiscard]] lifecycle state() const { return state_; }

    void attached(const zookeeper::session_change& how);
    void answered(const zookeeper::answered& evidence) { lease_.answered(evidence); }

    /// A wish came after the start: take it up.
    void take_up(const std::string& resource);
    /// Candidates, unreachable peers or suspicion of itself changed in the memory.
    void status_wishes_changed();
    /// What it is to publish changed in the memory.
    void publish_wishes_changed();
    /// What acted under `what` has failed for good: its right is given up.
    void handler_failed(const right::identity& what);
    [[nodiscard]] instant acts_until() const { return lease_.evidence().acts_until(); }
    /// Begins to give everything away; `drained` follows.
    void drain();
    /// The session is over, or about to be: nothing may act; handlers are being stopped.
    void retire();
    /// The last step of the lifecycle, irrevocable.
    void left();
    /// Everything was handed over by plans: its status says that it left. Whether that is so.
    bool say_left();
    [[nodiscard]] bool holds_anything() const;
    /// When what is held has to have stopped at the latest: the end of the last lease.
    [[nodiscard]] instant lease_end() const {
        return lease_.evidence().end().value_or(instant::min());
    }

    [[nodiscard]] const session_context& context() const { return at_; }

private:
    void joined_with(const joined& place);
    void prepare(callback<status_record> go);
    void make_next(std::set<std::string> left, callback<status_record> go);
    void compared(const std::string& resource, const specification& spec, const result<void>& how);
    [[nodiscard]] bool is_compared(const std::string& resource) const;
    void taken_up(const std::string& resource);
    [[nodiscard]] status_record first_status() const;
    void stand(const joined& place);
    void guard_znodes();
    void lead();
    [[nodiscard]] std::map<std::string, planner> planners() const;
    void requeue();
    void stop_leading();
    void begin_lead_right();
    void end_lead_right();
    void lead_right_ended();
    void look_for_stuck_lead();
    [[nodiscard]] bool lead_in_use() const;
    void lease_began();
    void lease_lapsed();
    void view_seen(const view_record& now);
    void follow(const std::string& resource);
    void plan_seen(const std::string& resource, const specification& spec, const plan& whole);
    void step(lifecycle to);
    [[nodiscard]] lifecycle said_state() const;
    void go_on();
    [[nodiscard]] bool plans_known() const;
    void initialize();
    void initialized(const result<void>& outcome);
    void update_rights();
    void holder_emptied();
    void check_drained();
    void schedule_anti_entropy();

    member_memory& memory_;
    hooks told_;
    session_context at_;
    std::shared_ptr<lease_cell> cell_;
    lease_agent lease_;
    std::optional<join_agent> join_;
    std::optional<status_agent> status_;
    std::optional<publish_agent> publisher_;
    std::optional<succession_agent> succession_;
    std::optional<view_reader> view_reader_;
    view_describer describer_;
    std::map<std::string, plan_reader> plans_;
    std::map<std::string, holder_agent> holders_;
    std::map<std::string, resource_maker> makers_;
    std::map<std::string, specification> compared_;  ///< as what a resource was looked at last
    std::set<std::string> refused_;                  ///< resources described otherwise by others
    std::unique_ptr<leader_agent> leader_;
    std::shared_ptr<right> lead_right_;
    std::vector<std::shared_ptr<right>> ended_leads_;  ///< closed, with effects under way
    std::string succession_child_;
    std::int64_t epoch_ = 0;
    std::optional<view_record> view_;
    lifecycle state_ = lifecycle::stranded;
    bool joined_ = false;
    bool requeue_wanted_ = false;  ///< its place was held while the lease had lapsed
    bool init_started_ = false;
    bool init_done_ = false;
    bool may_wait_for_plans_ = true;
    bool retired_ = false;
    std::unique_ptr<runtime::timer> init_timer_, entropy_timer_, lead_timer_;
    life_guard life_;
};

}  // namespace muster::cluster
