#pragma once

/// @file
/// ZooKeeper's records, shared by the client and the keeper: each can be encoded and decoded.
///
/// Facts: zookeeper.jute, ZooDefs.OpCode, ClientCnxn and ZooKeeperServer.processConnectRequest of
/// Apache ZooKeeper 3.8. Every message is a frame: a 32-bit length, then the records. Requests are
/// a request_header and a body; replies a reply_header and, where its error is ok, a body.
///
/// Requests hold views: what was decoded points into the frame. Replies own what they hold.
/// `decode` says whether the bytes held such a record; bytes behind it are left to the next one.

#include "zookeeper/types.hpp"
#include "zookeeper/wire.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster::zookeeper::protocol {

enum class op_code : std::int32_t {
    notification = 0,
    create = 1,
    remove = 2,
    exists = 3,
    get_data = 4,
    set_data = 5,
    get_acl = 6,
    set_acl = 7,
    get_children = 8,
    sync = 9,
    ping = 11,
    get_children2 = 12,
    check = 13,
    multi = 14,
    create2 = 15,
    reconfig = 16,
    check_watches = 17,
    remove_watches = 18,
    create_container = 19,
    delete_container = 20,
    create_ttl = 21,
    multi_read = 22,
    auth = 100,
    set_watches = 101,
    sasl = 102,
    get_ephemerals = 103,
    get_all_children_number = 104,
    set_watches2 = 105,
    add_watch = 106,
    who_am_i = 107,
    create_session = -10,
    close_session = -11,
    error = -1,
};

/// Transaction numbers with a meaning of their own; ordinary requests count up from 1.
namespace special_xid {
inline constexpr std::int32_t watch_event = -1;
inline constexpr std::int32_t ping = -2;
inline constexpr std::int32_t auth = -4;
inline constexpr std::int32_t set_watches = -8;
}  // namespace special_xid

inline constexpr std::size_t password_size = 16;
/// What a server takes by default (jute.maxbuffer of the server), and what it may send back: data
/// of that size, and lists of children beyond it.
inline constexpr std::int32_t default_max_request = 0xfffff;

// --- The handshake ------------------------------------------------------------------------------

struct connect_request {
    std::int32_t protocol_version = 0;
    std::int64_t last_zxid_seen = 0;
    std::int32_t timeout_ms = 0;
    std::int64_t session = 0;
    std::string_view password;
    bool read_only = false;  ///< may be absent in what old clients send
    bool has_read_only = true;
};

struct connect_response {
    std::int32_t protocol_version = 0;
    std::int32_t timeout_ms = 0;  ///< 0: the session is over
    std::int64_t session = 0;
    std::string password;
    bool read_only = false;
    bool has_read_only = true;
};

void encode(std::string& out, const connect_request& what);
void encode(std::string& out, const connect_response& what);
[[nodiscard]] bool decode(jute_reader& in, connect_request& what);
[[nodiscard]] bool decode(jute_reader& in, connect_response& what);

// --- Headers ------------------------------------------------------------------------------------

struct request_header {
    std::int32_t xid = 0;
    op_code type = op_code::notification;  ///< any number may stand here after a decode
};

struct reply_header {
    std::int32_t xid = 0;
    std::int64_t zxid = 0;
    zk_error error = zk_error::ok;
};

inline constexpr std::size_t reply_header_size = 16;

void encode(std::string& out, const request_header& what);
void encode(std::string& out, const reply_header& what);
[[nodiscard]] bool decode(jute_reader& in, request_header& what);
[[nodiscard]] bool decode(jute_reader& in, reply_header& what);

// --- Request bodies -----------------------------------------------------------------------------

/// create, create2, create_container; create_ttl, which alone has `ttl_ms` in its encoding.
struct create_request {
    op_code code = op_code::create2;  ///< set before `decode`
    std::string_view path;
    std::string_view data;
    bool null_data = false;
    acl access;
    std::int32_t flags = 0;  ///< a create_mode
    std::int64_t ttl_ms = 0;
};
struct delete_request {
    std::string_view path;
    std::int32_t version = any_version;
};
struct set_data_request {
    std::string_view path;
    std::string_view data;
    bool null_data = false;
    std::int32_t version = any_version;
};
struct check_request {
    std::string_view path;
    std::int32_t version = any_version;
};
/// sync, get_acl, get_all_children_number, get_ephemerals.
struct path_request {
    std::string_view path;
};
/// exists, get_data, get_children, get_children2; in a multi_read the last three.
struct read_request {
    op_code code = op_code::get_data;  ///< not in the encoding
    std::string_view path;
    bool watch = false;
};
struct set_acl_request {
    std::string_view path;
    acl access;
    std::int32_t version = any_version;
};
struct add_watch_request {
    std::string_view path;
    std::int32_t mode = 0;  ///< a watch_mode
};
/// remove_watches and check_watches.
struct watches_request {
    std::string_view path;
    std::int32_t type = 0;  ///< a watcher_type
};
/// set_watches and set_watches2; the last two lists are in the second only.
struct set_watches_request {
    op_code code = op_code::set_watches2;  ///< set before `decode`
    std::int64_t relative_zxid = 0;
    std::vector<std::string_view> data;
    std::vector<std::string_view> exist;
    std::vector<std::string_view> child;
    std::vector<std::string_view> persistent;
    std::vector<std::string_view> recursive;
};
struct auth_request {
    std::int32_t type = 0;
    std::string_view scheme;
    std::string_view credentials;
};

using multi_op =
    std::variant<create_request, delete_request, set_data_request, check_request, read_request>;
/// multi and multi_read.
struct multi_request {
    std::vector<multi_op> ops;
};

[[nodiscard]] op_code code_of(const multi_op& what) noexcept;

void encode(std::string& out, const create_request& what);
void encode(std::string& out, const delete_request& what);
void encode(std::string& out, const set_data_request& what);
void encode(std::string& out, const check_request& what);
void encode(std::string& out, const path_request& what);
void encode(std::string& out, const read_request& what);
void encode(std::string& out, const set_acl_request& what);
void encode(std::string& out, const add_watch_request& what);
void encode(std::string& out, const watches_request& what);
void encode(std::string& out, const set_watches_request& what);
void encode(std::string& out, const auth_request& what);
void encode(std::string& out, const multi_request& what);

[[nodiscard]] bool decode(jute_reader& in, create_request& what);
[[nodiscard]] bool decode(jute_reader& in, delete_request& what);
[[nodiscard]] bool decode(jute_reader& in, set_data_request& what);
[[nodiscard]] bool decode(jute_reader& in, check_request& what);
[[nodiscard]] bool decode(jute_reader& in, path_request& what);
[[nodiscard]] bool decode(jute_reader& in, read_request& what);
[[nodiscard]] bool decode(jute_reader& in, set_acl_request& what);
[[nodiscard]] bool decode(jute_reader& in, add_watch_request& what);
[[nodiscard]] bool decode(jute_reader& in, watches_request& what);
[[nodiscard]] bool decode(jute_reader& in, set_watches_request& what);
[[nodiscard]] bool decode(jute_reader& in, auth_request& what);
/// Fails on an operation that no multi may hold, and on reads mixed with writes.
[[nodiscard]] bool decode(jute_reader& in, multi_request& what);

// --- Reply bodies -------------------------------------------------------------------------------
// delete, check, ping, auth, set_watches, add_watch, remove_watches, close: none.

/// What one operation of a multi answered. `code` says which of the fields are in the encoding.
struct multi_result {
    op_code code = op_code::error;
    zk_error error = zk_error::ok;  ///< code error
    std::string path;               ///< create, create2 (also container and TTL)
    stat meta;                      ///< create2, set_data; get_data
    std::string data;               ///< get_data
    bool null_data = false;
    std::vector<std::string> names;  ///< get_children
};

struct watcher_event {
    event_type type = event_type::none;
    std::int32_t state = 3;  ///< KeeperState: 3 = SyncConnected, -112 = Expired
    std::string path;
};

/// The reply of who_am_i.
struct client_identity {
    std::string scheme;
    std::string user;
    friend bool operator==(const client_identity&, const client_identity&) = default;
};

void encode(std::string& out, const stat& what);
/// get_data.
void encode(std::string& out, std::string_view data, bool null_data, const stat& meta);
/// create, sync.
void encode_path(std::string& out, std::string_view path);
/// get_children, get_ephemerals.
void encode_names(std::string& out, std::span<const std::string_view> names);
void encode(std::string& out, const acl& what);
void encode(std::string& out, std::span<const multi_result> what);
void encode(std::string& out, const watcher_event& what);
void encode(std::string& out, std::span<const client_identity> what);

[[nodiscard]] bool decode(jute_reader& in, stat& what);
[[nodiscard]] bool decode(jute_reader& in, created& what);  ///< create2 and its kin
[[nodiscard]] bool decode(jute_reader& in, node_data& what);
[[nodiscard]] bool decode(jute_reader& in, node_children& what);  ///< get_children2
[[nodiscard]] bool decode(jute_reader& in, std::vector<std::string>& names);
[[nodiscard]] bool decode(jute_reader& in, acl& what);
/// No more than `most`: a reply with more is none.
[[nodiscard]] bool decode(jute_reader& in, std::vector<multi_result>& what, std::size_t most);
[[nodiscard]] bool decode(jute_reader& in, watcher_event& what);
[[nodiscard]] bool decode(jute_reader& in, std::vector<client_identity>& what);

}  // namespace muster::zookeeper::protocol
