#pragma once

/// @file
/// Connections between the members of a cluster: opened when first needed, framed, versioned,
/// length-limited, with requests and replies.

#include "muster/error.hpp"
#include "muster/ids.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "runtime/loop.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::mesh {

/// Who is meant: one incarnation of a member, and where it listens.
struct peer {
    member_id id;
    std::string address;  ///< "host:port" from its descriptor

    friend bool operator==(const peer&, const peer&) = default;
};

/// The start of the body of a posted frame, zeros where that is shorter: enough for its sender to
/// know what it was when it is not confirmed.
using frame_note = std::array<char, 32>;

/// A frame of a type of one's own (settings::frames): one way. Frames to one peer from one thread
/// arrive in order and once, or, where the connection broke, not at all.
struct arrival {
    member_id from;         ///< empty for a client
    member_id life;         ///< as `settings::life` of the other side
    std::string_view name;  ///< as `settings::name` of the other side; lives during the call only
    std::uint64_t id = 0;
    std::string_view body;  ///< lives during the call only
    /// Of those that were posted with the same one in a row, and came together: `body` is then the
    /// rest of all of them, one after the other, to be taken off by `next_of`. Empty: of a single
    /// one, which is whole in `body`.
    std::string_view lead;
    /// Of the connection, for whoever handles what comes on it, and as long as it; null at first.
    std::shared_ptr<void>& memo;
};

using frame_handler = std::function<void(const arrival&)>;

/// The first of those in the `body` of an arrival with a `lead`; `rest` is then what follows it.
[[nodiscard]] std::string_view next_of(std::string_view& rest) noexcept;

struct settings {
    std::string cluster;
    /// The cluster's key: connections come about only with those who know it too. Empty: it is told
    /// later, by `set_key`, and until then handshakes wait within their deadline, on both sides.
    /// Nothing: nobody is authenticated.
    std::optional<std::string> key{};
    runtime::endpoint listen{"127.0.0.1", 0};
    bool accept = true;  ///< false: a client, which only dials; it may be somebody all the same
    std::size_t max_frame = 16U << 20U;  ///< bytes; longer ones are refused before allocation
    std::size_t max_queue = 16U << 20U;  ///< bytes waiting for one peer; beyond: overloaded
    duration handshake_deadline = 5s;
    duration connect_deadline = 2s;
    duration heartbeat = 1s;   ///< silence after which a heartbeat goes out
    duration dead_after = 5s;  ///< silence that breaks a connection
    std::size_t max_handshakes_per_address = 64;
    /// By frame type, 64 to 255; run on the worker that read the frame. A peer that sends a type
    /// not named here is hung up on, unless the frame says that it may be passed over.
    std::map<std::uint8_t, frame_handler> frames{};
    /// What tells this run of the program from all others, whatever sessions it has: the other side
    /// learns it, and the name, with the greeting. Two lives have one connection: a newer one ends
    /// the older, whose frames come before those of the newer one or not at all.
    member_id life{};
    std::string name{};
    /// Posted frames, `count` in a row that began alike, were not confirmed before their connection
    /// ended, or were never sent. They may have arrived. On a worker.
    std::function<void(
        const peer& to, std::uint8_t type, const frame_note& note, std::uint32_t count)>
        unconfirmed{};
    /// The connection with that peer has ended, or could not be made. On a worker.
    std::function<void(const member_id& id, const error& why)> lost{};
};

/// Answers one request, once, from any thread; dropped unanswered it answers `handler_failed`.
class responder {
public:
    class impl;
    responder();
    explicit responder(std::unique_ptr<impl> inner);
    responder(responder&&) noexcept;
    responder& operator=(responder&&) noexcept;
    ~responder();

    void reply(std::string body);
    void fail(const error& why);
    [[nodiscard]] explicit operator bool() const noexcept { return inner_ != nullptr; }

private:
    std::unique_ptr<impl> inner_;
};

/// A request of another member, as it was read: on the worker that owns the connection.
struct incoming {
    member_id from;         ///< empty for a client
    member_id life;         ///< as `settings::life` of the other side
    std::string_view name;  ///< as `settings::name` of the other side; lives during the call only
    std::string_view body;  ///< lives during the call only
    instant deadline;       ///< of the asker, on this machine's clock
    responder answer;
    std::shared_ptr<void>& memo;  ///< as `arrival::memo`; of requests to oneself, the worker's
};

/// The way to one peer, for whoever sends to it often: it spares finding the peer again each time.
/// Threads:  any.
/// Lifetime: as long as it is held; it keeps no connection and no mesh alive.
class way {
public:
    way() = default;
    way(const way&) = delete;
    way& operator=(const way&) = delete;
    virtual ~way() = default;
    /// Whether it has been given up, as one that was not used for long is: it still leads to the
    /// peer, but by looking for it each time.
    [[nodiscard]] virtual bool is_over() const noexcept = 0;
};

struct counters {
    std::uint64_t connections = 0;  ///< open now
    std::uint64_t frames_in = 0, frames_out = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t refused_handshakes = 0;
    std::uint64_t broken = 0;  ///< connections that ended with an error
};

/// What there has been between this node and one peer, through all its connections.
struct peer_counters {
    member_id id;
    std::string address;  ///< empty where only the other side has dialled
    bool is_connected = false;
    std::uint32_t version = 0;      ///< of the protocol, agreed upon for its last connection
    std::uint64_t features = 0;     ///< that both sides of it have
    std::uint64_t connections = 0;  ///< made so far
    std::uint64_t frames_in = 0, frames_out = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t unconfirmed = 0;  ///< posted frames whose fate is unknown, or that never left
    std::size_t waiting = 0;        ///< bytes to be sent
};

/// The mesh of one node.
///
/// Threads: any, but the handlers: `on_request` runs on the worker that read the request, the
///          completion of `request` on the worker that read the reply (or on one of the workers
///          where no connection came about), never inside the call.
/// Lifetime: `stop()` before the workers stop. After it no handler runs.
class mesh {
public:
    using on_request = std::function<void(incoming)>;

    virtual ~mesh() = default;

    /// Listens, unless a client. `workers` is not empty.
    /// Blocks: until the first worker listens; so not on another loop.
    /// Errors: unavailable (the address), invalid_argument.
    [[nodiscard]] static result<std::unique_ptr<mesh>> start(
        std::shared_ptr<runtime::platform> machine,
        std::vector<std::shared_ptr<runtime::loop>> workers,
        settings wanted,
        on_request handler);

    /// Where it listens, with the port that was picked.
    [[nodiscard]] virtual runtime::endpoint local() const = 0;

    /// From now on this node speaks as `id` (a new session, a new incarnation): connections made
    /// as another are closed, requests addressed to another are refused with `gone`. Until the
    /// first call incoming handshakes wait within their deadline.
    virtual void become(member_id id) = 0;

    /// From now on connections come about only with those who know `key`, which is not empty. Those
    /// that are there stay.
    virtual void set_key(std::string key) = 0;

    /// Sends `body` and calls `done` exactly once, by `deadline` (plus a turn of the loop).
    /// A request to oneself is delivered without a connection.
    /// Errors: unavailable (could not connect; nothing was sent), timed_out (not sent by the
    /// deadline), outcome_unknown (sent, no answer), gone (another incarnation answers there),
    /// overloaded (queue full), incompatible (version, cluster), not_authorized (one side does not
    /// know the other's key; nothing was sent), invalid_argument (too long), closed; or whatever
    /// the other side failed it with.
    virtual void request(const peer& to,
                         std::string body,
                         instant deadline,
                         callback<result<std::string>> done) = 0;

    /// Sends a frame of a type of one's own, at most once. On the worker that has the connection
    /// it goes straight into the outgoing buffer; from elsewhere it costs one wake for a batch.
    /// Errors: overloaded, invalid_argument (too long), closed; what goes wrong later is told to
    /// `settings::unconfirmed`.
    [[nodiscard]] virtual result<void> post(const peer& to,
                                            std::uint8_t type,
                                            std::uint64_t id,
                                            std::string_view body) = 0;

    /// Null once this node stops.
    [[nodiscard]] virtual std::shared_ptr<way> way_to(const peer& to) = 0;
    /// The same two on a way of this mesh.
    virtual void request(way& by,
                         std::string_view body,
                         instant deadline,
                         callback<result<std::string>> done) = 0;
    [[nodiscard]] virtual result<void> post(way& by,
                                            std::uint8_t type,
                                            std::uint64_t id,
                                            std::string_view body) = 0;
    /// Posts `lead` followed by `body`. What is posted in a row with the same `lead` travels
    /// together, where that pays and the other side can take it: `arrival::lead`.
    [[nodiscard]] virtual result<void> post(way& by,
                                            std::uint8_t type,
                                            std::string_view lead,
                                            std::string_view body) = 0;

    /// Bytes that wait to be sent to that peer.
    [[nodiscard]] virtual std::size_t waiting_for(const peer& to) const = 0;

    /// Whether there is a connection with it now, whoever dialled.
    [[nodiscard]] virtual bool is_connected(const member_id& id) const = 0;

    [[nodiscard]] virtual counters count() const = 0;
    /// By id. A peer that has not been spoken to for long may be forgotten; clients are not listed.
    [[nodiscard]] virtual std::vector<peer_counters> peers() const = 0;

    /// Closes everything; pending requests end with `closed` or `outcome_unknown`. `done` runs on a
    /// worker when the last handler has run.
    virtual void stop(task_fn done) = 0;

    /// The same, and waits for it, up to 5 s.
    /// Blocks: so not on a loop.
    virtual void stop() = 0;

    /// Lets go, on this thread, of what loops that ended too early to close it have left. Only once
    /// all workers have stopped.
    virtual void drop() = 0;
};

}  // namespace muster::mesh
