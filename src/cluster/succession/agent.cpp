#include "cluster/succession/agent.hpp"

#include <utility>

namespace muster::cluster {

succession_agent::succession_agent(const session_context& at, std::string own, hooks told)
    : at_{at}, own_{std::move(own)}, told_{std::move(told)} {
    look();
}

void succession_agent::look() {
    if (done_) {
        return;
    }
    reading::children(at_,
                      life_,
                      at_.where.succession(),
                      {},
                      [this](zookeeper::reply<zookeeper::node_children> got) {
                          if (got.ok()) {
                              looked(got.value.names);
                          }
                      });
}

void succession_agent::looked(const std::vector<std::string>& children) {
    const succession_place place = place_of(own_, children);
    if (done_) {
        return;
    }
    if (!place.present || place.leads) {
        done_ = true;
        leads_ = place.present;
        (place.present ? told_.leads : told_.absent)();
        return;
    }
    auto changed = life_.wrap([this](const zookeeper::watch_event&) { look(); });
    reading::exists(at_,
                    life_,
                    at_.where.succession() + "/" + place.predecessor,
                    std::move(changed),
                    [this](zookeeper::reply<zookeeper::stat> got) {
                        // Gone between the two reads: nobody will tell, so look again.
                        if (got.refused_with(zookeeper::zk_error::no_node)) {
                            look();
                        }
                    });
}

}  // namespace muster::cluster
