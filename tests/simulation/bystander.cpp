#include "simulation/bystander.hpp"

#include "cluster/codec.hpp"

#include <utility>

namespace muster::simulation {

bystander::bystander(runtime::sim::host& machine,
                     checker& judge,
                     const std::string& servers,
                     std::string cluster,
                     std::vector<std::string> resources,
                     duration every)
    : judge_{judge},
      where_{cluster},
      resources_{std::move(resources)},
      every_{every},
      loop_{machine.make_loop("bystander")} {
    loop_->post([this, servers] {
        zookeeper::client_options options;
        options.servers = *zookeeper::connect_string::parse(servers);
        zk_ = zookeeper::client::start(
            loop_, std::move(options), [this](const zookeeper::session_change& change) {
                if (change.state == zookeeper::session_state::connected) {
                    judge_.stranger(change.session);
                }
                if (change.state == zookeeper::session_state::expired) {
                    loop_->post([this] { zk_->renew(); });
                }
            });
        timer_ = loop_->make_timer();
        look();
    });
}

bystander::~bystander() {
    loop_->stop();
}

void bystander::look() {
    zk_->get(
        where_.view(),
        {},
        loop_->now() + 1s,
        [this](const zookeeper::reply<zookeeper::node_data>& got) {
            if (got.ok()) {
                if (const auto view = cluster::decode<cluster::view_head>(got.value.data, "view")) {
                    judge_.stored("the view", view->number);
                    judge_.stored("the view's epoch", view->epoch);
                }
            }
        });
    for (const std::string& name : resources_) {
        zk_->get(where_.plan(name),
                 {},
                 loop_->now() + 1s,
                 [this, name](const zookeeper::reply<zookeeper::node_data>& got) {
                     if (got.ok()) {
                         if (const auto head =
                                 cluster::decode<cluster::plan_head>(got.value.data, "head")) {
                             judge_.stored("the plan of " + name, head->number);
                         }
                     }
                 });
    }
    list(where_.members());
    list(where_.statuses());
    list(where_.succession());
    timer_->set(loop_->now() + every_, [this] { look(); });
}

void bystander::list(const std::string& path) {
    zk_->children(path,
                  {},
                  loop_->now() + 1s,
                  [this, path](const zookeeper::reply<zookeeper::node_children>& got) {
                      if (got.ok()) {
                          children_[path] = got.value.names;
                      }
                  });
}

const std::vector<std::string>& bystander::children(const std::string& of) const {
    static const std::vector<std::string> none;
    const auto found = children_.find(of);
    return found == children_.end() ? none : found->second;
}

void bystander::remove(std::string path) {
    judge_.note("somebody deletes " + path);
    loop_->post([this, path = std::move(path)]() mutable {
        zk_->remove(std::move(path),
                    zookeeper::any_version,
                    loop_->now() + 1s,
                    [](const zookeeper::reply<zookeeper::nothing>&) {});
    });
}

void bystander::set(std::string path, std::string data) {
    judge_.note("somebody writes to " + path);
    loop_->post([this, path = std::move(path), data = std::move(data)]() mutable {
        zk_->set(std::move(path),
                 std::move(data),
                 zookeeper::any_version,
                 loop_->now() + 1s,
                 [](const zookeeper::reply<zookeeper::stat>&) {});
    });
}

}  // namespace muster::simulation
