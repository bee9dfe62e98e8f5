#pragma once

/// @file
/// Asks the leader for something by a znode under `commands`, and waits for its result.

#include "base/life_guard.hpp"
#include "cluster/leader/commands.hpp"
#include "cluster/paths.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/client.hpp"

#include <list>
#include <memory>
#include <string>

namespace muster::cluster {

/// Threads: the loop's only. Lifetime: destroy it to stop waiting; the request stays.
class command_call {
public:
    /// Errors: what the leader answers; timed_out (asked, but no leader answered in time: it may
    /// still be done), outcome_unknown, unavailable (not asked), not_found (no such cluster).
    command_call(runtime::loop& at,
                 zookeeper::client& zk,
                 const paths& where,
                 const command_record& what,
                 instant deadline,
                 callback<result<void>> done);

private:
    void look(const std::string& path);
    void finish(result<void> how);

    runtime::loop& loop_;
    zookeeper::client& zk_;
    callback<result<void>> done_;
    instant deadline_;
    std::unique_ptr<runtime::timer> timer_;
    life_guard life_;
};

/// Requests under way, of whoever has a connection to ZooKeeper.
/// Threads: the loop's only.
class command_calls {
public:
    command_calls(runtime::loop& at, const paths& where) : loop_{at}, where_{where} {}

    /// Adds or removes a partition of a list resource, through `zk`, which may be null: then there
    /// is nobody to ask (stranded).
    void change_list(zookeeper::client* zk,
                     const std::string& resource,
                     const std::string& partition,
                     bool add,
                     instant deadline,
                     callback<result<void>> done);

private:
    runtime::loop& loop_;
    const paths& where_;
    std::list<std::unique_ptr<command_call>> calls_;
    life_guard life_;
};

}  // namespace muster::cluster
