#include "simulation/sim_cluster.hpp"

#include "cluster/codec.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace muster::simulation {

namespace {

runtime::sim::options options_of(const cluster_shape& shape) {
    runtime::sim::options chosen;
    chosen.trace = shape.trace;
    chosen.max_delay = shape.max_delay;
    return chosen;
}

}  // namespace

cluster::specification hash_of(std::uint32_t partitions) {
    cluster::specification spec;
    spec.kind = cluster::resource_kind::hash;
    spec.partitions = partitions;
    return spec;
}

cluster::specification list_of_names() {
    cluster::specification spec;
    spec.kind = cluster::resource_kind::list;
    return spec;
}

cluster::specification range_from(std::vector<std::string> first_keys) {
    cluster::specification spec;
    spec.kind = cluster::resource_kind::range;
    spec.from = std::move(first_keys);
    return spec;
}

sim_cluster::sim_cluster(std::uint64_t seed, cluster_shape shape)
    : shape_{shape},
      world_{seed, options_of(shape)},
      judge_{[this] { return world_.now(); }, "test", shape.session_timeout},
      keeper_host_{&world_.add_host("zk")},
      leader_host_{shape.ensemble ? &world_.add_host("quorum") : keeper_host_} {}

sim_cluster::~sim_cluster() {
    for (auto& one : nodes_) {
        if (one->running) {
            one->running->die();
        }
        one->machine->kill();
        if (one->running) {
            one->running->bury();
        }
    }
    bury_the_dead();
    keeper_host_->kill();
    leader_host_->kill();
    forget_disguises();
}

void sim_cluster::bury_the_dead() {
    for (const auto& one : dead_) {
        one->bury();
    }
    dead_.clear();
}

void sim_cluster::start_keeper() {
    judge_.note("the keeper starts");
    zookeeper::keeper_options options;
    options.listen = {leader_host_->address(), 2181};
    options.tick_time = shape_.tick;
    options.max_connections_per_ip = 0;  // A follower brings everybody's.
    options.on_commit = [this](const zookeeper::keeper_commit& what) { judge_.committed(what); };
    if (shape_.ensemble) {
        auto front = keeper_host_->make_loop("follower");
        front->post([this, front, leader = options.listen] {
            follower_ = std::make_unique<follower>(
                front, runtime::endpoint{keeper_host_->address(), 2181}, leader, shape_.tick);
        });
    }
    auto loop = leader_host_->make_loop("keeper");
    loop->post([this, loop, options] {
        auto made = zookeeper::keeper::start(loop, options);
        ASSERT_TRUE(made) << made.error().text;
        keeper_ = std::move(*made);
    });
}

void sim_cluster::kill_keeper() {
    judge_.note("the keeper is killed");
    keeper_host_->kill();
    leader_host_->kill();
    follower_.reset();
    keeper_.reset();
    keeper_host_->restart();
    leader_host_->restart();
    judge_.forget_stored();
}

sim_cluster::node& sim_cluster::add(process_shape shape) {
    auto made = std::make_unique<node>();
    made->machine = &world_.add_host(shape.name);
    made->server = nodes_.size() % 2 == 0 ? keeper_host_ : leader_host_;
    if (shape.servers.empty()) {
        shape.servers = made->server->address() + ":2181";
    }
    shape.ensemble = shape_.ensemble;
    if (!shape.session_timeout) {
        shape.session_timeout = shape_.session_timeout;
    }
    made->shape = std::move(shape);
    nodes_.push_back(std::move(made));
    return *nodes_.back();
}

sim_cluster::node& sim_cluster::add(const std::string& name,
                                    std::map<std::string, cluster::specification> serves) {
    process_shape shape;
    shape.name = name;
    shape.serves = std::move(serves);
    return add(std::move(shape));
}

void sim_cluster::start(node& which) {
    judge_.note(which.shape.name + " starts");
    ++which.starts;
    which.running = std::make_shared<sim_process>(world_, *which.machine, judge_, which.shape);
    which.running->start();
}

void sim_cluster::kill(node& which) {
    if (which.running) {
        which.running->die();
        which.machine->kill();
        dead_.push_back(std::move(which.running));
    }
}

void sim_cluster::restart(node& which) {
    kill(which);
    which.machine->restart();
    start(which);
}

void sim_cluster::sweep() {
    for (auto& one : nodes_) {
        if (one->running && one->running->dead()) {
            dead_.push_back(std::move(one->running));  // It ended itself.
        }
    }
    bury_the_dead();
}

void sim_cluster::run_for(duration how_long) {
    run_until([] { return false; }, how_long);
}

bool sim_cluster::run_until(const std::function<bool()>& reached, duration patience) {
    bool was = false;
    world_.run_until(
        [&] {
            judge_.poll();
            sweep();
            was = reached();
            return was || !judge_.ok();
        },
        world_.now() + patience);
    return was || reached();
}

std::string sim_cluster::unsettled(const std::map<std::string, std::size_t>& partitions) const {
    for (const auto& one : nodes_) {
        if (one->running && one->running->state() != cluster::lifecycle::online) {
            return one->shape.name + " is " + std::string{cluster::name_of(one->running->state())};
        }
    }
    if (const auto leaders = judge_.leaders(); leaders.size() != 1) {
        return std::to_string(leaders.size()) + " members lead";
    }
    return unowned(partitions);
}

std::string sim_cluster::unowned(const std::map<std::string, std::size_t>& partitions) const {
    const auto owners = judge_.owners();
    for (const auto& [resource, count] : partitions) {
        std::size_t owned = 0;
        for (const auto& [key, owner] : owners) {
            owned += key.starts_with(resource + "/") ? 1 : 0;
        }
        if (owned != count) {
            return std::to_string(owned) + " of " + std::to_string(count) + " partitions of " +
                   resource + " are owned";
        }
    }
    return "";
}

bool sim_cluster::settled(const std::map<std::string, std::size_t>& partitions) const {
    return unsettled(partitions).empty();
}

std::map<std::string, std::size_t> sim_cluster::shares(const std::string& resource) const {
    std::map<std::string, std::size_t> found;
    for (const auto& [key, owner] : judge_.owners()) {
        if (key.starts_with(resource + "/")) {
            ++found[owner];
        }
    }
    return found;
}

sim_cluster::node* sim_cluster::leader() {
    const auto leaders = judge_.leaders();
    for (auto& one : nodes_) {
        if (leaders.size() == 1 && one->shape.name == leaders.front()) {
            return one.get();
        }
    }
    return nullptr;
}

}  // namespace muster::simulation
