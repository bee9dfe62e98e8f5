#pragma once

/// @file
/// Reads everything of one cluster from ZooKeeper into a picture.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/life_guard.hpp"
#include "cluster/paths.hpp"
#include "cluster/view/parts.hpp"
#include "picture.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/client.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace muster::cli {

/// One reading of a cluster; all requests at once, level by level.
///
/// A znode that is not there is no error; one that cannot be understood is a trouble of the
/// picture. Reads whose connection broke are repeated until the deadline.
/// Threads: the loop's only. Lifetime: destroy it to abandon the reading.
class tree_read {
public:
    /// Errors: timed_out or unavailable (no answer by `deadline`), not_authorized, incompatible.
    tree_read(runtime::loop& at,
              zookeeper::client& zk,
              const std::string& cluster,
              instant deadline,
              callback<result<picture>> done);

private:
    using data_reply = zookeeper::reply<zookeeper::node_data>;
    using children_reply = zookeeper::reply<zookeeper::node_children>;

    void get(const std::string& path, std::function<void(const data_reply&)> then);
    void list(const std::string& path, std::function<void(const children_reply&)> then);
    /// Whether to repeat; ends the reading where it cannot be.
    template <class Reply>
    bool settle(const Reply& got, const std::string& path);
    void begin() { ++under_way_; }
    void end();
    void finish(result<picture> how);

    void root_read(const data_reply& got);
    void read_members();
    void read_succession();
    void read_view(const std::shared_ptr<cluster::view_parts>& parts, unsigned tries);
    void assemble_view(const std::shared_ptr<cluster::view_parts>& parts, unsigned tries);
    void read_resources();
    void read_resource(const std::string& child);
    void read_plan(const std::string& name, unsigned tries);
    void assemble(const std::string& name,
                  const cluster::plan_head& head,
                  std::shared_ptr<std::vector<cluster::plan_chunk>> chunks,
                  unsigned tries);
    template <class Record>
    bool decode_into(const data_reply& got,
                     const std::string& path,
                     const std::function<void(Record)>& keep);

    runtime::loop& loop_;
    zookeeper::client& zk_;
    cluster::paths where_;
    instant deadline_;
    callback<result<picture>> done_;
    picture made_;
    instant began_;
    std::size_t under_way_ = 0;
    bool over_ = false;
    life_guard life_;
};

}  // namespace muster::cli
