#pragma once

/// @file
/// ZooKeeper's vocabulary, shared by the client and the keeper. Numbers are those of Apache
/// ZooKeeper 3.8's protocol (KeeperException.Code, ZooDefs, CreateMode, Watcher.Event).

#include "base/instant.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster::zookeeper {

/// Error codes as a server sends them.
enum class zk_error : std::int32_t {
    ok = 0,
    system_error = -1,
    runtime_inconsistency = -2,
    data_inconsistency = -3,
    connection_loss = -4,
    marshalling_error = -5,
    unimplemented = -6,
    operation_timeout = -7,
    bad_arguments = -8,
    new_config_no_quorum = -13,
    reconfig_in_progress = -14,
    api_error = -100,
    no_node = -101,
    no_auth = -102,
    bad_version = -103,
    no_children_for_ephemerals = -108,
    node_exists = -110,
    not_empty = -111,
    session_expired = -112,
    invalid_callback = -113,
    invalid_acl = -114,
    auth_failed = -115,
    session_moved = -118,
    not_read_only = -119,
    ephemeral_on_local_session = -120,
    no_watcher = -121,
    request_timeout = -122,
    reconfig_disabled = -123,
    session_closed_require_sasl_auth = -124,
    quota_exceeded = -125,
    throttled = -127,
};

/// "no_node" and so on; "error -77" for a code that is not known.
[[nodiscard]] std::string name_of(zk_error code);

enum class create_mode : std::int32_t {
    persistent = 0,
    ephemeral = 1,
    persistent_sequential = 2,
    ephemeral_sequential = 3,
    container = 4,
    persistent_with_ttl = 5,
    persistent_sequential_with_ttl = 6,
};

/// Permission bits of an ACL entry.
namespace perm {
inline constexpr std::int32_t read = 1;
inline constexpr std::int32_t write = 2;
inline constexpr std::int32_t create = 4;
inline constexpr std::int32_t remove = 8;
inline constexpr std::int32_t admin = 16;
inline constexpr std::int32_t all = 31;
}  // namespace perm

struct acl_entry {
    std::int32_t permissions = perm::all;
    std::string scheme;
    std::string id;
    friend bool operator==(const acl_entry&, const acl_entry&) = default;
};
using acl = std::vector<acl_entry>;

[[nodiscard]] acl open_acl();          ///< world:anyone, everything
[[nodiscard]] acl creator_all_acl();   ///< auth:, everything
[[nodiscard]] acl read_acl();          ///< world:anyone, read

/// What a server knows of a znode besides its data.
struct stat {
    std::int64_t czxid = 0;
    std::int64_t mzxid = 0;
    std::int64_t ctime = 0;  ///< ms since 1970
    std::int64_t mtime = 0;
    std::int32_t version = 0;
    std::int32_t cversion = 0;
    std::int32_t aversion = 0;
    std::int64_t ephemeral_owner = 0;  ///< session id, 0 for a persistent znode
    std::int32_t data_length = 0;
    std::int32_t num_children = 0;
    std::int64_t pzxid = 0;
    friend bool operator==(const stat&, const stat&) = default;
};

enum class event_type : std::int32_t {
    none = -1,  ///< a change of the session, not of a znode
    created = 1,
    deleted = 2,
    data_changed = 3,
    children_changed = 4,
    data_watch_removed = 5,
    child_watch_removed = 6,
    persistent_watch_removed = 7,
};

struct watch_event {
    event_type type = event_type::none;
    std::string path;
    friend bool operator==(const watch_event&, const watch_event&) = default;
};

/// Kinds of watch that can be removed (OpCode.removeWatches).
enum class watcher_type : std::int32_t { children = 1, data = 2, any = 3 };
/// AddWatchMode.
enum class watch_mode : std::int32_t { persistent = 0, persistent_recursive = 1 };

inline constexpr std::int32_t any_version = -1;

// --- The operations of a multi ------------------------------------------------------------------

struct create_op {
    std::string path;
    std::string data{};
    create_mode mode = create_mode::persistent;
    std::optional<acl> access{};  ///< the client's default ACL unless given
    std::chrono::milliseconds ttl{0};
};
struct remove_op {
    std::string path;
    std::int32_t version = any_version;
};
struct set_op {
    std::string path;
    std::string data;
    std::int32_t version = any_version;
};
struct check_op {
    std::string path;
    std::int32_t version = any_version;
};
using op = std::variant<create_op, remove_op, set_op, check_op>;

struct created {
    std::string path;  ///< as made, with its sequence number
    stat meta;
};
/// What one operation of a multi did. `path` for a create, `meta` for a set; of a create `meta` has
/// the zxids only.
struct op_result {
    zk_error error = zk_error::ok;
    std::string path;
    stat meta;
};

// --- Outcomes ----------------------------------------------------------------------------------

/// How an operation ended. Exactly one is true of each.
enum class outcome : std::uint8_t {
    done,
    refused,          ///< the server said no, and why; nothing changed
    not_sent,         ///< it never left: deadline, closed, or no session; nothing changed
    outcome_unknown,  ///< it left, and its reply was lost: it may have been done
};

/// The end of an operation, with what the lease needs to know of it.
template <class T>
struct reply {
    outcome how = outcome::not_sent;
    zk_error error = zk_error::ok;  ///< why, where `refused`
    std::string text;               ///< where not `done`: a sentence for people
    T value{};
    std::int64_t zxid = 0;     ///< of the reply header, where done or refused
    instant sent{};            ///< taken before the request's bytes were handed to the connection
    instant acked{};           ///< taken when the reply had been read
    std::int64_t session = 0;  ///< the session it belonged to, 0 if none

    [[nodiscard]] bool ok() const noexcept { return how == outcome::done; }
    [[nodiscard]] bool refused_with(zk_error code) const noexcept {
        return how == outcome::refused && error == code;
    }
};

struct nothing {
    friend bool operator==(const nothing&, const nothing&) = default;
};

struct node_data {
    std::string data;
    stat meta;
};
struct node_children {
    std::vector<std::string> names;  ///< without the parent's path, unsorted
    stat meta;
};

}  // namespace muster::zookeeper
