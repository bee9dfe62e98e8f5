#pragma once

/// @file
/// A ZooKeeper client: one session at a time, every operation with a deadline and a definite
/// outcome, and the send and acknowledgement times that a lease needs.

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "muster/error.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/types.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

/// Where the servers are: "h1:2181,h2:2181,[::1]:2181/chroot".
struct connect_string {
    std::vector<runtime::host_port> servers;  ///< at least one
    std::string chroot;                       ///< "" or "/a/b"

    /// Errors: invalid_argument, with the offending part.
    [[nodiscard]] static result<connect_string> parse(std::string_view text);
};

/// A session that can be resumed by another connection (or another process).
struct session_ticket {
    std::int64_t id = 0;
    std::string password;  ///< 16 bytes
    std::chrono::milliseconds timeout{0};
};

enum class session_state : std::uint8_t {
    connecting,  ///< no server serves us now; the session, if there is one, may live on
    connected,
    expired,  ///< a server said that the session is over; nothing more happens until `renew()`
    auth_failed,  ///< credentials refused; final
    closed,
};

/// What the owner of a client hears about its session, in order.
struct session_change {
    session_state state = session_state::connecting;
    std::int64_t session = 0;  ///< the session it speaks of
    bool is_new = false;       ///< connected: a fresh session rather than a re-attached one
    std::chrono::milliseconds timeout{0};  ///< connected: as negotiated on this connection
    instant connect_sent{};    ///< connected: before the ConnectRequest was sent (s_c of the lease)
    instant connect_acked{};   ///< connected: the ConnectResponse had been read
    runtime::endpoint server;  ///< connected: which
    std::string text;          ///< why, for people
};

/// A request, or a ping, that a server answered for the session: what the lease is made of.
struct answered {
    std::int64_t session = 0;
    instant sent{};
    instant acked{};
};

struct client_options {
    connect_string servers{};
    std::chrono::milliseconds session_timeout{4000};  ///< asked for
    acl default_acl = open_acl();
    /// Credentials sent on every connection, scheme and "user:password".
    std::vector<std::pair<std::string, std::string>> auth{};
    /// Longest silence before a ping goes out; the lease asks for tick/4. Never more than
    /// session_timeout/3.
    std::chrono::milliseconds ping_interval{500};
    std::optional<session_ticket> resume{};
    bool reject_read_only = true;
    /// A request over this many bytes is refused here: servers take no more (their
    /// jute.maxbuffer), and answer by closing the connection.
    std::size_t max_request = 0xfffff;
    /// A reply over this many bytes is passed over, and its operation refused.
    std::size_t max_reply = (std::size_t{4} << 20U) + (std::size_t{64} << 10U);
};

/// Threads: the loop's only, callbacks included. No callback runs inside the call that took it,
///          each completion exactly once: `not_sent` or `outcome_unknown` at the latest when the
///          client is closed. A call from inside any callback is fine, close and destruction too.
/// Lifetime: after the destructor no callback runs (what was pending is dropped).
///
/// Operations issued while connecting wait for a connection until their deadline, then end
/// `not_sent`. Operations sent are never repeated: a broken connection makes a write
/// `outcome_unknown` and a read `not_sent`. Paths are relative to the chroot. Watches are one-shot
/// and fire at most once; they are set again after a reconnect (SetWatches2, in packets well under
/// 1 MiB), and are dropped, unfired, when the session expires.
class client {
public:
    using on_change = std::function<void(const session_change&)>;
    using on_answer = std::function<void(const answered&)>;
    using on_event = std::function<void(const watch_event&)>;
    template <class T>
    using done = callback<reply<T>>;

    /// Begins to connect at once. `answer` may be empty.
    [[nodiscard]] static std::unique_ptr<client> start(std::shared_ptr<runtime::loop> loop,
                                                       client_options options,
                                                       on_change change,
                                                       on_answer answer = {});
    virtual ~client() = default;

    [[nodiscard]] virtual session_state state() const = 0;
    [[nodiscard]] virtual std::optional<session_ticket> session() const = 0;
    [[nodiscard]] virtual std::int64_t last_zxid() const = 0;  ///< largest seen, all sessions

    /// After `expired`: begins a new session (keeping last_zxid).
    virtual void renew() = 0;
    /// Drops this connection and re-attaches to another server, if there is one, with jitter.
    virtual void reconnect(std::string_view why) = 0;
    /// Ends the session and then calls `done`, by `deadline` at the latest; `ok()` if the server
    /// confirmed. Later operations end `not_sent`.
    virtual void close(instant deadline, done<nothing> done) = 0;

    virtual void create(create_op what, instant deadline, done<created> done) = 0;
    virtual void remove(std::string path, std::int32_t version, instant deadline,
                        done<nothing> done) = 0;
    /// `refused` with no_node where it does not exist; the watch is then set all the same.
    virtual void exists(std::string path, on_event watch, instant deadline, done<stat> done) = 0;
    virtual void get(std::string path, on_event watch, instant deadline, done<node_data> done) = 0;
    virtual void set(std::string path, std::string data, std::int32_t version, instant deadline,
                     done<stat> done) = 0;
    virtual void children(std::string path, on_event watch, instant deadline,
                          done<node_children> done) = 0;
    /// All or nothing. `done` has one result per operation; `refused` has the error of the
    /// operation at fault in `error`, and all results.
    virtual void multi(std::vector<op> ops, instant deadline,
                       done<std::vector<op_result>> done) = 0;
    virtual void sync(std::string path, instant deadline, done<nothing> done) = 0;
    virtual void get_acl(std::string path, instant deadline,
                         done<std::pair<acl, stat>> done) = 0;
    virtual void set_acl(std::string path, acl access, std::int32_t version, instant deadline,
                         done<stat> done) = 0;
    virtual void add_auth(std::string scheme, std::string credentials, instant deadline,
                          done<nothing> done) = 0;
    /// Persistent watches (servers from 3.6 on): `watch` hears every event until removed.
    virtual void add_watch(std::string path, watch_mode mode, on_event watch, instant deadline,
                           done<nothing> done) = 0;
    /// Removes this client's watches of that kind on `path`, here and at the server.
    virtual void remove_watches(std::string path, watcher_type which, instant deadline,
                                done<nothing> done) = 0;

    /// Asks the server of this connection a four-letter word on a connection of its own.
    virtual void four_letter(std::string word, instant deadline,
                             callback<result<std::string>> done) = 0;
};

}  // namespace muster::zookeeper
