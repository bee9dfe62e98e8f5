#pragma once

/// @file
/// The keeper without a network: connections, sessions, watches and the tree; frames in, frames
/// out.
///
/// Facts: ZooKeeperServer, PrepRequestProcessor and FinalRequestProcessor of Apache ZooKeeper 3.8.
/// One transaction number is spent on each session begun or ended and on each write, refused ones
/// included. What a change makes watchers hear is put into their buffers before its own reply, so a
/// reader never sees a change before the event that announces it.
///
///     frame ──> keeper_core ──> tree          who may change what
///                    │  └─────> session_table who lives until when
///                    └────────> watch_table   who hears of what
///                    └──> core_output         replies, events, ends of connections

#include "base/instant.hpp"
#include "zookeeper/access.hpp"
#include "zookeeper/protocol.hpp"
#include "zookeeper/session_table.hpp"
#include "zookeeper/tree.hpp"
#include "zookeeper/watch_table.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

/// When something happens, by both clocks: the first decides, the second is written into stats and
/// measures TTLs, as in the original.
struct moment {
    instant now{};
    std::int64_t unix_ms = 0;
};

/// Where the core puts what it has to say.
class core_output {
public:
    virtual ~core_output() = default;
    /// The outgoing bytes of a connection, to be appended to.
    virtual std::string& out(connection_id to) = 0;
    /// Ends a connection once what is in its buffer has left.
    virtual void close(connection_id which) = 0;
    /// A transaction of `session` has changed something, of which nobody has been told yet.
    virtual void committed(std::int64_t zxid,
                           std::int64_t session,
                           const std::vector<tree_event>& changes) {
        static_cast<void>(zxid), static_cast<void>(session), static_cast<void>(changes);
    }
};

struct core_settings {
    duration tick{std::chrono::seconds{2}};
    std::chrono::milliseconds min_timeout{4'000};
    std::chrono::milliseconds max_timeout{40'000};
    /// How often emptied containers and outdated TTL znodes are looked for.
    duration reap_interval{std::chrono::minutes{1}};
    std::uint8_t server_id = 0;          ///< at most 254: the highest byte of session ids
    std::array<std::byte, 32> secret{};  ///< what session passwords are derived from
    std::size_t max_reply = 64U << 20;  ///< a multi_read that would answer more ends its connection
    std::size_t max_identities = 64;    ///< credentials of one connection
};

/// What the four-letter words tell of a connection.
struct connection_facts {
    std::string remote;  ///< "127.0.0.1:4711"
    std::int64_t session = 0;
    std::chrono::milliseconds timeout{0};
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    protocol::op_code last_op = protocol::op_code::error;
    std::int32_t last_xid = -1;
    std::int64_t last_zxid = 0;
    std::int64_t established_ms = 0;
    std::int64_t last_response_ms = 0;
};

/// Threads: one at a time. Pure: no clock, no network; random only through `secret`.
/// Lifetime: `output` outlives it.
class keeper_core {
public:
    keeper_core(core_settings settings, core_output& output, const moment& start);

    /// A new connection from `address` (numeric) and `port`. Nothing is said to it yet.
    void opened(connection_id id, std::string address, std::uint16_t port, const moment& at);
    /// One frame of it, without the length in front.
    void frame(connection_id id, std::string_view bytes, const moment& at);
    /// It is gone: its watches with it; its session lives on until it expires.
    void closed(connection_id id);

    /// Ends what has expired and reaps what is due.
    void advance(const moment& at);
    /// When `advance` is wanted next.
    [[nodiscard]] instant next_deadline() const;

    /// Whether the handshake of a connection is over.
    [[nodiscard]] bool established(connection_id id) const;

    // For the four-letter words.
    [[nodiscard]] std::int64_t zxid() const noexcept { return zxid_; }
    [[nodiscard]] const tree& data() const noexcept { return tree_; }
    [[nodiscard]] const watch_table& data_watches() const noexcept { return data_watches_; }
    [[nodiscard]] const watch_table& child_watches() const noexcept { return child_watches_; }
    [[nodiscard]] const session_table& sessions() const noexcept { return sessions_; }
    [[nodiscard]] std::vector<connection_facts> connections() const;
    [[nodiscard]] std::int64_t session_of(connection_id id) const;
    [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
    [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }

private:
    struct connection {
        connection_facts facts;
        std::vector<identity> who;
        bool established = false;
        bool closing = false;
    };
    struct request {
        connection_id from;
        connection& link;
        protocol::request_header header;
        jute_reader& body;
        const moment& at;
    };

    void shake_hands(connection_id id, connection& link, std::string_view bytes, const moment& at);
    void resume_session(connection_id id,
                        connection& link,
                        const protocol::connect_request& asked,
                        std::chrono::milliseconds timeout,
                        const moment& at);
    void greet(connection_id id, connection& link, bool valid, bool has_read_only);
    [[nodiscard]] std::string password_of(std::int64_t session) const;

    void authenticate(const request& of);
    void dispatch(const request& of);

    // Writes (keeper_writes.cpp). Each spends a transaction number.
    void create(const request& of);
    void remove(const request& of);
    void set_data(const request& of);
    void set_acl(const request& of);
    void multi(const request& of);
    void end_own_session(const request& of);
    void end_session(std::int64_t session);
    [[nodiscard]] change_context begin_change(const request& of);
    [[nodiscard]] answer<protocol::multi_result> apply(const protocol::multi_op& one,
                                                       const change_context& by);
    /// What the transaction of `session` (0: the server itself) has changed.
    void tell_watchers(std::int64_t session);

    // Reads (keeper_reads.cpp).
    void exists(const request& of);
    void get_data(const request& of);
    void get_children(const request& of, bool with_stat);
    void get_acl(const request& of);
    void count_children(const request& of);
    void multi_read(const request& of);
    void list_ephemerals(const request& of);
    void who_am_i(const request& of);
    void sync(const request& of);
    [[nodiscard]] answer<const znode*> readable(std::string_view path, const connection& by) const;

    // Watches (keeper_watches.cpp).
    void set_watches(const request& of);
    void add_watch(const request& of);
    void remove_watches(const request& of);
    void check_watches(const request& of);
    void send_event(connection_id to, event_type type, std::string_view path);

    /// Writes a reply: its header, and what `body` appends if the error is ok.
    template <class Body>
    void reply(const request& of, zk_error error, Body&& body);
    void reply(const request& of, zk_error error);
    void drop(connection_id id, connection& link);

    core_settings settings_;
    core_output& output_;
    tree tree_;
    session_table sessions_;
    watch_table data_watches_;
    watch_table child_watches_;
    boost::unordered_flat_map<connection_id, connection> connections_;
    std::int64_t zxid_;
    std::int64_t next_session_;
    instant next_reap_;
    std::uint64_t received_ = 0;
    std::uint64_t sent_ = 0;
};

template <class Body>
void keeper_core::reply(const request& of, zk_error error, Body&& body) {
    std::string& out = output_.out(of.from);
    jute_writer frame{out};
    const std::size_t mark = frame.begin_frame();
    protocol::encode(out, protocol::reply_header{of.header.xid, zxid_, error});
    if (error == zk_error::ok) {
        body(out);
    }
    frame.end_frame(mark);
    ++sent_;
    ++of.link.facts.sent;
    of.link.facts.last_zxid = zxid_;
    of.link.facts.last_response_ms = of.at.unix_ms;
}

}  // namespace muster::zookeeper
