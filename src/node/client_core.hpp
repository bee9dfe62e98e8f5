#pragma once

/// @file
/// What stands behind a `client`: its loops, mesh and observer, wired together.

#include "muster/client.hpp"

#include "cluster/observer.hpp"
#include "discovery/directory.hpp"
#include "mesh/mesh.hpp"
#include "node/far_wait.hpp"
#include "node/global_book.hpp"
#include "node/machine.hpp"
#include "node/resource_host.hpp"
#include "node/seen_members.hpp"
#include "process/host.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace muster::detail {

/// Threads:  any, but the observer_host callbacks, which run on the control loop.
/// Lifetime: shared by its client and by what still answers; `shut` ends all activity.
class client_core final : public node_services,
                          public cluster::observer_host,
                          public std::enable_shared_from_this<client_core> {
public:
    client_core(result<config> settings, std::shared_ptr<machine> on);
    ~client_core() override;

    /// Once; whoever comes meanwhile waits for it.
    void start();
    void shut();

    std::shared_ptr<resource_core> use(std::string name);
    [[nodiscard]] muster::global global_of(const std::string& name);
    [[nodiscard]] muster::global leader();
    /// Where all of it goes through.
    [[nodiscard]] const std::shared_ptr<router>& held_way() const { return way_; }
    [[nodiscard]] process_host& processes() { return *processes_; }

    // node_services
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
    [[nodiscard]] member_id self() const override { return life_; }
    [[nodiscard]] std::shared_ptr<const view> newest_view() const override { return view_.read(); }
    [[nodiscard]] std::chrono::nanoseconds ask_deadline() const override {
        return settings_.ask_deadline;
    }
    [[nodiscard]] bool stopped() const override { return stopped_.load(); }
    [[nodiscard]] bool stranded() const override { return !connected_.load(); }
    [[nodiscard]] std::optional<error> unseen() const override { return seen_->why_not(); }
    [[nodiscard]] std::shared_ptr<router> way() const override { return way_; }
    void heard(const mesh::peer&, const result<std::string>&) override {}
    void no_longer_stuck(const cluster::right::identity&) override {}
    void change_list(const std::string& resource,
                     const std::string& partition,
                     bool add,
                     instant deadline,
                     callback<result<void>> done) override;

private:
    // cluster::observer_host
    void cluster_key(std::string key) override;
    void view_changed(std::shared_ptr<const cluster::view_snapshot> now) override;
    void plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) override;
    void plan_trouble(const std::string& resource, const error& why) override;
    void blind(const error& why) override;
    void session_began(zookeeper::client& zk, bool is_new) override;
    void session_lost() override;

    void start_loops();
    void make_globals();
    void follow(const std::string& resource);
    [[nodiscard]] result<void> look_at_cluster();
    void on_control(task_fn job);
    void stop_observing();

    result<void> trouble_;  ///< of the settings
    config settings_;
    std::shared_ptr<runtime::platform> platform_;
    std::string name_;
    member_id life_;
    std::once_flag started_;
    std::shared_ptr<runtime::loop> control_;
    std::vector<std::shared_ptr<runtime::loop>> workers_;
    std::shared_ptr<discovery::directory> names_;
    std::unique_ptr<process_host> processes_;
    std::unique_ptr<mesh::mesh> mesh_;
    std::shared_ptr<life_book> members_ = std::make_shared<life_book>();
    std::shared_ptr<sighting> seen_ = std::make_shared<sighting>();
    std::shared_ptr<far_wait> waits_;
    std::shared_ptr<router> way_;
    std::shared_ptr<global_book> globals_;
    std::shared_ptr<global_book> leaders_;
    runtime::published<resource_map> resources_{std::make_shared<const resource_map>()};
    runtime::published<view> view_{std::make_shared<const view>()};
    std::atomic<bool> running_{false};
    std::atomic<bool> connected_{false};
    std::atomic<bool> stopped_{false};
    std::unique_ptr<cluster::observer> observer_;  ///< control loop only
};

}  // namespace muster::detail
