#pragma once

/// @file
/// What an operator may change about a node.

#include "muster/error.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// Settings of a node. A literal `config` is taken exactly as given; `load` fills one from
/// `muster.toml`, the environment and flags. docs/guide/configuration.md has them all.
/// Threads: a plain value.
struct config {
    std::string cluster = "default";
    /// Servers, "host:port,…", with an optional "/chroot" behind the last.
    std::string zookeeper = "127.0.0.1:2181";
    /// Survives restarts and is unique in the cluster; "" makes one of host name and process
    /// number.
    std::string name;
    std::string listen;     ///< mesh, "host:port"; "": the loopback or host address, a free port
    std::string advertise;  ///< mesh, as others reach it; "": where it listens
    std::string zone;
    double weight = 1.0;  ///< share of partitions relative to other members; > 0
    std::vector<std::string> roles;
    std::map<std::string, std::string> metadata;  ///< contact details every member sees
    std::string publish_prefix;  ///< only registered names that begin so are seen elsewhere

    /// Session timeout; nothing: the safe one for the servers found.
    std::optional<std::chrono::milliseconds> session_timeout;
    bool allow_unsafe_session_timeout = false;
    bool allow_unproven_server = false;
    std::chrono::milliseconds tick_time{2000};  ///< of the servers, where they cannot be asked
    std::uint32_t sync_limit = 5;               ///< the same
    /// Largest rate at which any clock in play may run off, parts per million (chrony's default).
    std::uint32_t max_clock_slew_ppm = 83'833;
    std::string digest;  ///< "user:password": credentials, and the ACL of every znode made

    std::uint32_t min_members = 1;          ///< before the first plan of a resource
    std::chrono::milliseconds settle{300};  ///< after the last join, before the first plan
    std::chrono::milliseconds init_deadline{30'000};
    std::chrono::milliseconds drain_deadline{25'000};
    std::chrono::milliseconds ask_deadline{5'000};
    unsigned workers = 0;  ///< event loops for handlers; 0: one a core

    /// Arguments that are no flags of Muster's, in order (set by `load`).
    std::vector<std::string> arguments;

    /// Defaults < file (`--config FILE`, else ./muster.toml where it exists) < environment
    /// (MUSTER_CLUSTER, MUSTER_ZOOKEEPER, MUSTER_NAME, …) < flags (--cluster, --zookeeper, …).
    /// Errors: invalid_argument; the text says which setting, where it came from and what is
    /// expected.
    [[nodiscard]] static result<config> load(std::string default_cluster, int argc, char** argv);
    /// The same without flags.
    [[nodiscard]] static result<config> load(std::string default_cluster);
};

}  // namespace muster
