#pragma once

/// @file
/// What stands behind a `node`: its loops, mesh and member, wired together.

#include "muster/application.hpp"
#include "muster/config.hpp"
#include "muster/node.hpp"

#include "cluster/member.hpp"
#include "discovery/directory.hpp"
#include "mesh/mesh.hpp"
#include "node/blocking_jobs.hpp"
#include "node/global_book.hpp"
#include "node/global_seats.hpp"
#include "node/hook_queue.hpp"
#include "node/log_queue.hpp"
#include "node/machine.hpp"
#include "node/peer_watch.hpp"
#include "node/resource_host.hpp"
#include "node/seen_members.hpp"
#include "process/host.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::detail {

/// Threads:  any, but the member_host callbacks, which run on the control loop.
/// Lifetime: shared by its node and by what still answers; `shut` ends all activity.
class node_core : public node_services,
                  public cluster::member_host,
                  public std::enable_shared_from_this<node_core> {
public:
    node_core(config settings,
              application program,
              std::shared_ptr<machine> on,
              muster::node& home);
    ~node_core() override;

    result<void> start();
    /// What stops `run`: called once, when the node cannot go on by itself.
    void when_failed(std::function<void(const error&)> tell) { tell_failed_ = std::move(tell); }
    /// A second call waits for the first.
    void leave(callback<result<void>> done);
    /// Ends everything within `patience`: what is left of the member ends without handing over.
    void shut(std::chrono::milliseconds patience);

    std::shared_ptr<resource_core> serve(std::string name, served how);
    std::shared_ptr<resource_core> use(std::string name);
    void run_blocking(std::move_only_function<void()> job);
    [[nodiscard]] process_host& processes() { return *processes_; }
    result<void> register_name(const std::string& name, const pid& who, publishing how);
    result<void> unregister_name(const std::string& name, const pid& who);

    /// Once, before anything else.
    void make_globals();
    global stand(candidacy how, body_maker make);
    global stand_to_lead(body_maker make);
    [[nodiscard]] global leader();

    [[nodiscard]] const config& settings() const { return settings_; }
    [[nodiscard]] member_state state() const { return state_.load(); }
    [[nodiscard]] std::string address() const;

    // node_services
    void say(severity level, std::string_view event, std::string_view text) const override;
    [[nodiscard]] std::shared_ptr<router> way() const override { return way_; }
    [[nodiscard]] const std::shared_ptr<runtime::platform>& platform() const override {
        return platform_;
    }
    [[nodiscard]] const std::shared_ptr<runtime::loop>& worker(std::size_t number) const override {
        return workers_[number];
    }
    [[nodiscard]] std::size_t worker_count() const override { return workers_.size(); }
    [[nodiscard]] mesh::mesh* mesh() const override {
        return running_.load() ? mesh_.get() : nullptr;
    }
    [[nodiscard]] member_id self() const override { return *self_.read(); }
    [[nodiscard]] std::shared_ptr<const view> newest_view() const override { return view_.read(); }
    [[nodiscard]] std::chrono::nanoseconds ask_deadline() const override {
        return settings_.ask_deadline;
    }
    [[nodiscard]] bool stopped() const override {
        return stopped_.load() || state_.load() == member_state::left;
    }
    [[nodiscard]] bool stranded() const override { return state_.load() == member_state::stranded; }
    void change_list(const std::string& resource,
                     const std::string& partition,
                     bool add,
                     instant deadline,
                     callback<result<void>> done) override;
    void heard(const mesh::peer& from, const result<std::string>& how) override;
    void no_longer_stuck(const cluster::right::identity& what) override;

private:
    // cluster::member_host
    void became(member_id id, std::chrono::milliseconds session_timeout) override;
    void cluster_key(std::string key) override;
    void stepped(cluster::lifecycle from, cluster::lifecycle to) override;
    void view_changed(std::shared_ptr<const cluster::view_snapshot> now) override;
    void plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) override;
    void leadership(bool gained, leader_epoch epoch) override;
    void leads_by(std::shared_ptr<cluster::right> mine) override;
    [[nodiscard]] bool still_leads(const cluster::right& mine) const override {
        return leader_seats_->still_runs(mine);
    }
    void initialize(std::vector<cluster::right::identity> first,
                    callback<result<void>> done) override;
    void failed(const error& why) override;
    void resource_trouble(const std::string& resource, const error& why) override;
    void stuck(const cluster::right::identity& what) override;
    void session_began(zookeeper::client& zk, bool is_new) override {
        names_->session_began(zk, is_new);
    }
    void session_lost() override { names_->session_lost(); }

    using wish_map = std::map<std::string, served, std::less<>>;
    using hold_key = std::pair<std::string, fence_token>;
    [[nodiscard]] std::string mesh_address() const;
    result<void> start_all();
    result<void> start_mesh(const cluster::member_settings& wanted);
    void make_workers();
    void make_directory(const member_id& life);
    void open_seats();
    void close_seats();
    void end_globals();
    void take_up(const std::shared_ptr<resource_host>& host);
    void serve_globals();
    void leader_seen(const cluster::view_snapshot& now);
    void lead_process_ended(const std::shared_ptr<cluster::right>& mine);
    void begin_lead_process(const std::shared_ptr<cluster::right>& mine);
    [[nodiscard]] on_stuck policy_of(const cluster::right::identity& what) const;
    void stop_loops();
    void stop_processes();
    void write_log(const log_line& line) const;
    void await_handlers();
    void leave_by(instant deadline, callback<result<void>> done);
    /// And whether it is new.
    std::pair<std::shared_ptr<resource_host>, bool> host_for(const std::string& name);
    std::shared_ptr<const cell_setting> setting_of(const served& how);
    void join(const std::string& name, const std::shared_ptr<resource_host>& host);
    void asked(mesh::incoming what);
    void on_control(task_fn job);
    void add_hook(const char* name, task_fn hook);
    void watch_health();
    void check_workers();
    void ask_health();
    void try_doubted();

    config settings_;
    application program_;
    std::shared_ptr<runtime::platform> platform_;
    muster::node* home_;
    std::string name_;
    std::shared_ptr<runtime::loop> control_;
    std::vector<std::shared_ptr<runtime::loop>> workers_;
    std::shared_ptr<discovery::directory> names_;
    std::unique_ptr<process_host> processes_;
    std::shared_ptr<router> way_;
    std::shared_ptr<global_book> globals_;
    std::shared_ptr<global_book> leaders_;
    std::shared_ptr<global_seats> global_seats_ = std::make_shared<global_seats>();
    std::shared_ptr<global_seats> leader_seats_ = std::make_shared<global_seats>();
    std::unique_ptr<mesh::mesh> mesh_;
    std::unique_ptr<cluster::member> member_;  ///< control loop only
    runtime::published<resource_map> resources_;
    runtime::published<wish_map> wishes_;  ///< what `serve` was told, by resource
    runtime::published<view> view_;
    runtime::published<member_id> self_;
    std::shared_ptr<life_book> lives_;
    std::shared_ptr<blocking_jobs> jobs_;
    std::shared_ptr<hook_queue> hooks_;
    std::shared_ptr<log_queue> log_;
    std::atomic<member_state> state_{member_state::stranded};
    std::atomic<bool> started_{false};  ///< `start` has been called
    std::atomic<bool> running_{false};  ///< and has done: the loops and the mesh are there
    std::atomic<bool> ending_{false};   ///< `shut`: no job of the user's begins any more
    std::atomic<bool> stopped_{false};
    std::function<void(const error&)> tell_failed_;
    std::atomic<bool> doubts_{false};  ///< whether `peers_` doubts anybody
    // On the control loop:
    bool leading_ = false;
    leader_epoch epoch_;
    std::shared_ptr<cluster::right> leads_by_;
    std::unique_ptr<runtime::timer> lead_again_;
    instant lead_began_{};
    duration lead_pause_{};
    bool serves_globals_ = false;
    std::shared_ptr<const cluster::view_snapshot> view_seen_;
    std::vector<callback<result<void>>> leave_waiters_;
    std::optional<result<void>> left_;
    bool leaving_ = false;
    std::set<hold_key> stuck_;
    peer_watch peers_;
    std::unique_ptr<runtime::timer> health_timer_;
    bool health_asked_ = false;
    health last_health_ = health::good;
    instant health_asked_at_{};
    std::vector<instant> worker_seen_;
    std::vector<bool> worker_asked_;
};

}  // namespace muster::detail
