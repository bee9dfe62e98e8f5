#pragma once

/// @file
/// One process of a simulated cluster: a member with an application around it that acts on what it
/// owns, as the node would, and tells the checker.

#include "cluster/member.hpp"
#include "runtime/sim/world.hpp"
#include "simulation/checker.hpp"
#include "simulation/mistakes.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::simulation {

/// How the application of a process behaves. Times are drawn up to the ones given.
struct application_shape {
    duration acquire_takes{};
    duration release_takes{};
    duration effect_takes{};  ///< nothing: no effects
    duration effect_every{};
    unsigned acquire_fails_percent = 0;
    duration prepare_takes{};
    unsigned prepare_fails_percent = 0;
    unsigned prepare_hangs_percent = 0;  ///< for as long as the process lives
    duration init_takes{};
    bool init_fails = false;
};

/// What a process is started with.
struct process_shape {
    std::string name;
    std::string servers;
    std::string cluster = "test";
    std::map<std::string, cluster::specification> serves;
    std::map<std::string, planner> planners;
    std::set<std::string> follows;
    std::set<std::string> candidates;
    application_shape application;
    std::optional<std::chrono::milliseconds> session_timeout;
    bool stands_for_leader = true;
    mistake wrong = mistake::none;
    bool ensemble = false;  ///< its server calls itself a follower
};

class sim_process final : public cluster::member_host,
                          public cluster::owner_host,
                          public witness,
                          public std::enable_shared_from_this<sim_process> {
public:
    sim_process(runtime::sim::world& in,
                runtime::sim::host& machine,
                checker& judge,
                process_shape shape);

    void start();
    /// Its machine has killed it, or is about to: it is heard no more.
    void die();
    /// Lets go of the member, whose memory holds this process: once the machine is dead.
    void bury();
    void leave(duration patience);
    void pause();
    void resume();

    /// Does something with the member, on its loop.
    void ask(std::function<void(cluster::member&)> what);
    [[nodiscard]] bool has_left() const { return left_.has_value(); }
    [[nodiscard]] const std::optional<result<void>>& left() const { return left_; }
    [[nodiscard]] cluster::lifecycle state() const {
        return member_ ? member_->state() : cluster::lifecycle::stranded;
    }
    [[nodiscard]] bool dead() const { return dead_; }
    [[nodiscard]] const std::optional<error>& failure() const { return failure_; }
    [[nodiscard]] const process_shape& shape() const { return shape_; }
    [[nodiscard]] application_shape& application() { return shape_.application; }
    [[nodiscard]] const std::shared_ptr<const cluster::view_snapshot>& view() const {
        return view_;
    }
    [[nodiscard]] std::shared_ptr<const cluster::plan_snapshot> plan(const std::string& of) const {
        const auto found = plans_.find(of);
        return found == plans_.end() ? nullptr : found->second;
    }
    [[nodiscard]] std::shared_ptr<runtime::loop> control() const { return control_; }
    [[nodiscard]] const std::vector<member_id>& ids() const { return ids_; }
    [[nodiscard]] std::vector<std::string> troubles() const { return troubles_; }
    /// Leadership gained (true) and lost, in the order in which it was told.
    [[nodiscard]] const std::vector<bool>& leaderships() const { return leaderships_; }

    // witness
    [[nodiscard]] const std::string& title() const override { return shape_.name; }
    [[nodiscard]] bool is_alive() const override { return !dead_; }
    [[nodiscard]] bool is_awake() const override;
    [[nodiscard]] instant now() const override { return machine_.now(); }
    [[nodiscard]] member_id id() const override { return ids_.empty() ? member_id{} : ids_.back(); }

    // owner_host
    void acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) override;
    void release(std::shared_ptr<cluster::right> mine, callback<> done) override;
    void revoke(std::shared_ptr<cluster::right> mine, callback<> done) override;
    void prepare(cluster::planned_move what, callback<result<void>> done) override;

    // member_host
    void became(member_id id, std::chrono::milliseconds session_timeout) override;
    void stepped(cluster::lifecycle from, cluster::lifecycle to) override;
    void view_changed(std::shared_ptr<const cluster::view_snapshot> now) override;
    void plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) override;
    void leadership(bool gained, leader_epoch epoch) override;
    void initialize(std::vector<cluster::right::identity> first,
                    callback<result<void>> done) override;
    void failed(const error& why) override;
    void resource_trouble(const std::string& resource, const error& why) override;
    void stuck(const cluster::right::identity& what) override;

private:
    void after(duration wait, task_fn what);
    [[nodiscard]] duration drawn(duration most);
    void work(const std::shared_ptr<cluster::right>& mine);
    void stop(const std::shared_ptr<cluster::right>& mine, callback<> done);

    runtime::sim::world& world_;
    runtime::sim::host& machine_;
    checker& judge_;
    process_shape shape_;
    std::shared_ptr<runtime::loop> control_;
    std::unique_ptr<cluster::member> member_;
    bool dead_ = false;
    bool paused_ = false;
    instant awake_from_{};
    std::uint64_t next_timer_ = 0;
    std::map<std::uint64_t, std::unique_ptr<runtime::timer>> timers_;
    std::optional<result<void>> left_;
    std::optional<error> failure_;
    std::vector<std::string> troubles_;
    std::vector<bool> leaderships_;
    std::vector<member_id> ids_;
    std::shared_ptr<const cluster::view_snapshot> view_;
    std::map<std::string, std::shared_ptr<const cluster::plan_snapshot>> plans_;
};

}  // namespace muster::simulation
