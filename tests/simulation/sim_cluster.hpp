#pragma once

/// @file
/// A keeper and some members on a simulated network, with a checker that looks after every event.

#include "simulation/follower.hpp"
#include "simulation/sim_process.hpp"
#include "zookeeper/keeper.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster::simulation {

[[nodiscard]] cluster::specification hash_of(std::uint32_t partitions);
[[nodiscard]] cluster::specification list_of_names();
[[nodiscard]] cluster::specification range_from(std::vector<std::string> first_keys);

/// Times that suit a simulation: failures are noticed within seconds.
struct cluster_shape {
    std::chrono::milliseconds tick{500};
    std::chrono::milliseconds session_timeout{2000};
    bool trace = false;
    duration max_delay = 500us;
    /// A follower stands in front of the keeper for every other member, and all know that there
    /// is one: only quorum writes prove a lease then.
    bool ensemble = false;
};

class sim_cluster {
public:
    /// A machine on which members run, one process at a time.
    struct node {
        runtime::sim::host* machine = nullptr;
        runtime::sim::host* server = nullptr;  ///< where it finds ZooKeeper
        process_shape shape;
        std::shared_ptr<sim_process> running;  ///< nothing: killed, or left
        std::uint64_t starts = 0;
    };

    explicit sim_cluster(std::uint64_t seed, cluster_shape shape = {});
    ~sim_cluster();

    void start_keeper();
    void kill_keeper();
    /// Where members find their server, or every other one does.
    [[nodiscard]] runtime::sim::host& keeper_host() { return *keeper_host_; }
    /// Where the keeper is: another host only where a follower stands in front of it.
    [[nodiscard]] runtime::sim::host& leader_host() { return *leader_host_; }

    /// A machine with a member of that name that serves these resources; it is not started yet.
    node& add(const std::string& name, std::map<std::string, cluster::specification> serves);
    node& add(process_shape shape);
    void start(node& which);
    void kill(node& which);
    /// After a kill or a leave: the same name on the same machine again.
    void restart(node& which);

    /// Runs the world, the checker looking after every event; stops at the first broken promise.
    void run_for(duration how_long);
    bool run_until(const std::function<bool()>& reached, duration patience);

    /// Everybody running is Online, exactly one leads, all partitions of these are owned by
    /// members that run.
    [[nodiscard]] bool settled(const std::map<std::string, std::size_t>& partitions) const;
    /// What of them nobody owns, for people; "" if nothing.
    [[nodiscard]] std::string unowned(const std::map<std::string, std::size_t>& partitions) const;
    /// Why not, for people.
    [[nodiscard]] std::string unsettled(const std::map<std::string, std::size_t>& partitions) const;
    [[nodiscard]] std::map<std::string, std::size_t> shares(const std::string& resource) const;
    [[nodiscard]] node* leader();

    [[nodiscard]] checker& judge() { return judge_; }
    [[nodiscard]] runtime::sim::world& world() { return world_; }
    [[nodiscard]] std::vector<std::unique_ptr<node>>& nodes() { return nodes_; }
    [[nodiscard]] std::string servers() const { return keeper_host_->address() + ":2181"; }
    [[nodiscard]] const cluster_shape& shape() const { return shape_; }

private:
    void sweep();
    void bury_the_dead();

    cluster_shape shape_;
    runtime::sim::world world_;
    checker judge_;
    runtime::sim::host* keeper_host_ = nullptr;
    runtime::sim::host* leader_host_ = nullptr;
    std::unique_ptr<zookeeper::keeper> keeper_;
    std::unique_ptr<follower> follower_;
    std::vector<std::unique_ptr<node>> nodes_;
    std::vector<std::shared_ptr<sim_process>> dead_;  ///< released between events
};

}  // namespace muster::simulation
