#pragma once

/// @file
/// Who is here: the numbered picture of all members, the same on every member.

#include "muster/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Where a member stands in its life.
enum class member_state : std::uint8_t {
    stranded,
    joining,
    initializing,
    online,
    suspect,
    draining,
    left,
};

/// "online" and so on.
[[nodiscard]] std::string_view name_of(member_state state) noexcept;

/// A member, as all members see it.
struct member {
    member_id id;
    std::string name;
    member_state state = member_state::initializing;
    std::string address;  ///< mesh, "host:port"
    std::string admin;    ///< HTTP, "host:port", or ""
    std::string zone;
    double weight = 1.0;
    std::vector<std::string> roles;
    std::string version;
    std::map<std::string, std::string> metadata;
    std::int64_t started_unix_ms = 0;
    member_id life;  ///< of the running program, through all its sessions: as its pids say it

    friend bool operator==(const member&, const member&) = default;
};

/// What has gone over the wire between this node and another member, or a client.
struct peer_traffic {
    member_id id;
    std::string name;     ///< "" of whom the newest view does not have, such as clients
    std::string address;  ///< "" where only the other side has connected
    bool is_connected = false;
    std::uint64_t connections = 0;  ///< made so far
    std::uint64_t frames_in = 0, frames_out = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t unconfirmed = 0;  ///< messages of which nobody knows whether they arrived
    std::size_t waiting = 0;        ///< bytes to be sent
};

/// A numbered picture of all members. A later one has a larger number.
/// Threads: a plain value.
struct view {
    std::int64_t number = 0;
    member_id leader;  ///< empty while nobody has led yet
    leader_epoch epoch;
    std::vector<member> members;  ///< ordered by name

    /// The member of that name, or null.
    [[nodiscard]] const member* find(std::string_view name) const noexcept {
        for (const member& one : members) {
            if (one.name == name) {
                return &one;
            }
        }
        return nullptr;
    }
    [[nodiscard]] const member* find(member_id id) const noexcept {
        for (const member& one : members) {
            if (one.id == id) {
                return &one;
            }
        }
        return nullptr;
    }

    friend bool operator==(const view&, const view&) = default;
};

}  // namespace muster
