#pragma once

/// @file
/// A cluster as it stands in ZooKeeper, and what the reading verbs make of it. Pure.

#include "muster/ids.hpp"

#include "cluster/records.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

/// The member with the lowest place in the succession.
struct leader_facts {
    member_id id;
    std::int64_t epoch = 0;  ///< as fence: incarnation * 2^56 + czxid
    std::int64_t since_unix_ms = 0;
    friend bool operator==(const leader_facts&, const leader_facts&) = default;
};

struct resource_facts {
    cluster::specification spec;
    std::optional<cluster::plan> plan;  ///< nothing: not there, or not readable
    std::string trouble;                ///< why not
};

/// One ZooKeeper server of the connect string.
struct server_facts_seen {
    std::string name;
    bool up = false;
};

/// Everything read of one cluster.
struct picture {
    std::string cluster;
    bool exists = false;
    std::int32_t incarnation = 1;
    bool frozen = false;
    std::int64_t read_unix_ms = 0;
    std::optional<cluster::view_record> view;
    std::optional<leader_facts> leader;
    std::map<member_id, cluster::descriptor> members;      ///< whose descriptor is there
    std::map<member_id, cluster::status_record> statuses;  ///< whose status is there
    std::map<std::string, resource_facts> resources;
    std::vector<server_facts_seen> servers;  ///< only where asked for
    std::chrono::microseconds round_trip{0};
    std::vector<std::string> troubles;  ///< what could not be read, for people

    [[nodiscard]] bool is_gone(member_id who) const {
        return !members.contains(who) && !statuses.contains(who);
    }
    /// The name of a member; the first digits of its id where the name is not known.
    [[nodiscard]] std::string name_of(member_id who) const;
};

enum class phase : std::uint8_t {
    owned,      ///< its owner acts
    switching,  ///< granted, but the new owner cannot act yet
    unowned,    ///< nobody, or somebody who is gone
};
[[nodiscard]] std::string_view name_of(phase what) noexcept;

/// Owned: every former owner in `waits` is gone or has released up to the entry's fence, and the
/// owner is past its init and has neither lost its lease since nor failed to start it.
[[nodiscard]] phase phase_of(const picture& all,
                             const std::string& resource,
                             const cluster::plan& whole,
                             const cluster::entry& one);

struct member_row {
    std::string name;
    member_id id;
    std::string state;
    std::string address;
    std::string admin;
    std::string zone;
    double weight = 1.0;
    std::string version;
    std::int64_t started_unix_ms = 0;
    bool leader = false;
    std::size_t partitions = 0;  ///< owned, all resources and slots
    friend bool operator==(const member_row&, const member_row&) = default;
};
/// By name.
[[nodiscard]] std::vector<member_row> member_rows(const picture& all);

struct resource_row {
    std::string name;
    std::string kind;
    std::size_t partitions = 0;
    std::uint32_t replicas = 1;
    std::string policy;
    std::int64_t plan = 0;
    std::size_t unowned = 0;
    std::size_t moving = 0;  ///< switching, or about to
    friend bool operator==(const resource_row&, const resource_row&) = default;
};
/// Tombstones are left out.
[[nodiscard]] std::vector<resource_row> resource_rows(const picture& all);

/// One owner of a partition: slot 0, or a replica.
struct holder_row {
    std::uint16_t slot = 0;
    std::string owner;  ///< "" for nobody
    member_id owner_id;
    std::int64_t fence = 0;  ///< as token
    phase at = phase::unowned;
    std::string successor;  ///< who prepares to take it, or ""
    friend bool operator==(const holder_row&, const holder_row&) = default;
};
struct partition_row {
    std::string partition;
    holder_row writer;
    std::vector<holder_row> replicas;  ///< slots above 0
    friend bool operator==(const partition_row&, const partition_row&) = default;
};
/// In the resource's order; a list's by name. The plan must be there.
[[nodiscard]] std::vector<partition_row> partition_rows(const picture& all,
                                                        const std::string& resource);

struct route_row {
    partition_row partition;
    std::string address;
    std::int64_t plan = 0;
};
/// Nothing where no partition serves the key. The plan must be there.
[[nodiscard]] std::optional<route_row> route_of(const picture& all,
                                                const std::string& resource,
                                                std::string_view key);

struct status_row {
    std::string verdict;  ///< a sentence, without the cluster's name
    bool healthy = false;
    std::string next;  ///< what to look at, or ""
    std::size_t members = 0;
    std::size_t online = 0;
    std::size_t resources = 0;
    std::size_t partitions = 0;  ///< entries: replicas count
    std::size_t owned = 0;
    std::size_t switching = 0;
    std::size_t unowned = 0;
};
[[nodiscard]] status_row status_of(const picture& all);

}  // namespace muster::cli
