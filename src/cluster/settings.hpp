#pragma once

/// @file
/// What a member is told before it starts.

#include "muster/error.hpp"

#include "cluster/lease/lease.hpp"
#include "cluster/records.hpp"
#include "zookeeper/client.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::cluster {

enum class log_level : std::uint8_t { debug, info, warning, error };

/// `event` is a stable name such as "session.lost"; `text` is for people.
using log_sink = std::function<void(log_level level, std::string_view event, std::string text)>;

struct member_settings {
    std::string cluster = "default";
    zookeeper::connect_string servers;
    std::vector<std::pair<std::string, std::string>> auth;  ///< scheme, "user:password"
    zookeeper::acl access = zookeeper::open_acl();          ///< of every znode made

    descriptor self;  ///< `started_unix_ms` is filled in

    /// What to ask ZooKeeper for; nothing: the safe one for the servers found (lease.md, 4).
    std::optional<std::chrono::milliseconds> session_timeout;
    bool allow_unsafe_session_timeout = false;
    bool allow_unproven_server = false;
    lease_settings lease;

    bool stands_for_leader = true;
    /// Whether there is an init callback to wait for. Without one the member enters as Online,
    /// which spares everybody a second view.
    bool initializes = true;
    std::uint32_t min_members = 1;          ///< before the first plan of a resource
    std::chrono::milliseconds settle{300};  ///< after the last join, before the first plan
    std::chrono::milliseconds init_deadline{30'000};
    std::chrono::milliseconds suspect_grace{10'000};
    std::size_t history_kept = 10'000;  ///< entries of a leader's decisions
    log_sink log;
};

}  // namespace muster::cluster
