#include "cluster/membership/publish_agent.hpp"

#include "zookeeper/znode_path.hpp"

#include <cstddef>
#include <utility>

namespace muster::cluster {

using zookeeper::create_mode;
using zookeeper::zk_error;

namespace {
constexpr std::size_t at_once = 64;  ///< operations under way
}  // namespace

publish_agent::publish_agent(const session_context& at, std::set<std::string> wanted)
    : at_{at}, wanted_{std::move(wanted)} {
    go_on();
}

void publish_agent::want(std::set<std::string> all) {
    wanted_ = std::move(all);
    go_on();
}

void publish_agent::look_again() {
    refused_.clear();
    go_on();
}

void publish_agent::go_on() {
    if (busy_.size() >= at_once) {
        return;
    }
    const auto idle = [this](const std::string& path) {
        return busy_.size() < at_once && !busy_.contains(path) && !refused_.contains(path);
    };
    for (const std::string& path : wanted_) {
        if (!there_.contains(path) && idle(path)) {
            busy_.insert(path);
            make(path);
        }
    }
    for (const std::string& path : there_) {
        if (!wanted_.contains(path) && idle(path)) {
            busy_.insert(path);
            remove(path);
        }
    }
}

void publish_agent::ended(const std::string& path) {
    busy_.erase(path);
    const auto state = at_.zk.state();
    if (state == zookeeper::session_state::connected ||
        state == zookeeper::session_state::connecting) {
        go_on();
    }
}

void publish_agent::refused(const std::string& path, const std::string& why) {
    refused_.insert(path);
    at_.log(log_level::error, "name.refused", "could not publish " + path + ": " + why);
}

void publish_agent::make(const std::string& path) {
    at_.zk.create({.path = path, .mode = create_mode::ephemeral},
                  never,
                  life_.wrap([this, path](zookeeper::reply<zookeeper::created> got) {
                      if (got.refused_with(zk_error::no_node)) {
                          make_parent(path, create_mode::container);
                          return;
                      }
                      if (got.refused_with(zk_error::node_exists)) {
                          compare(path);  // Made by a create whose reply was lost, or by another.
                          return;
                      }
                      if (got.ok()) {
                          there_.insert(path);
                      } else if (!reading::again(got)) {
                          refused(path, got.text);
                      }
                      ended(path);
                  }));
}

void publish_agent::make_parent(const std::string& path, create_mode how) {
    at_.zk.create(
        {.path = std::string{zookeeper::parent_of(path)}, .mode = how},
        never,
        life_.wrap([this, path, how](zookeeper::reply<zookeeper::created> got) {
            if (got.refused_with(zk_error::unimplemented) && how == create_mode::container) {
                make_parent(path, create_mode::persistent);
                return;
            }
            if (got.how == zookeeper::outcome::refused &&
                !got.refused_with(zk_error::node_exists)) {
                refused(path, got.text);
            }
            ended(path);
        }));
}

/// A znode of that name is there: ours, or one that an earlier session of this life has left, which
/// goes when ZooKeeper ends that session.
void publish_agent::compare(const std::string& path) {
    const auto gone = [this, path](const zookeeper::watch_event&) {
        refused_.erase(path);
        go_on();
    };
    reading::exists(at_, life_, path, life_.wrap(gone), [this, path](auto got) {
        const auto session = at_.zk.session();
        if (got.ok() && session && got.value.ephemeral_owner == session->id) {
            there_.insert(path);
        } else if (got.ok()) {
            refused_.insert(path);
        }
        ended(path);
    });
}

void publish_agent::remove(const std::string& path) {
    at_.zk.remove(path,
                  zookeeper::any_version,
                  never,
                  life_.wrap([this, path](const zookeeper::reply<zookeeper::nothing>& got) {
                      if (got.ok() || got.refused_with(zk_error::no_node)) {
                          there_.erase(path);
                      } else if (!reading::again(got)) {
                          refused(path, got.text);
                      }
                      ended(path);
                  }));
}

}  // namespace muster::cluster
