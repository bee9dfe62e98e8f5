#pragma once

/// @file
/// Somebody with a ZooKeeper client of his own: reads what is stored all the time, and does what
/// operators do by hand.

#include "cluster/paths.hpp"
#include "runtime/sim/world.hpp"
#include "simulation/checker.hpp"
#include "zookeeper/client.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::simulation {

class bystander {
public:
    /// Reads the view and the plan heads of `resources` every `every`.
    bystander(runtime::sim::host& machine,
              checker& judge,
              const std::string& servers,
              std::string cluster,
              std::vector<std::string> resources,
              duration every);
    ~bystander();

    void remove(std::string path);
    void set(std::string path, std::string data);
    /// The children seen last of `members`, `status` and `succession`.
    [[nodiscard]] const std::vector<std::string>& children(const std::string& of) const;
    [[nodiscard]] const cluster::paths& where() const { return where_; }

private:
    void look();
    void list(const std::string& path);

    checker& judge_;
    cluster::paths where_;
    std::vector<std::string> resources_;
    duration every_;
    std::shared_ptr<runtime::loop> loop_;
    std::unique_ptr<runtime::timer> timer_;
    std::unique_ptr<zookeeper::client> zk_;
    std::map<std::string, std::vector<std::string>> children_;
};

}  // namespace muster::simulation
