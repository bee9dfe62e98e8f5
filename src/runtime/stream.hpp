#pragma once

/// @file
/// Connections and listeners: TCP in production, in-memory pipes in the simulator.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "runtime/endpoint.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

namespace muster::runtime {

/// A connected, reliable, ordered stream of bytes.
///
/// A handler is called from the loop, never from inside the call that took it, and never after
/// `close()` or the destructor: whoever drops a stream hears nothing more from it.
/// Threads: the thread of its loop only.
/// Lifetime: end it before its loop.
class stream {
public:
    stream() = default;
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    virtual ~stream() = default;

    /// Reads at least one byte into `into`, which must live until `done`; 0 bytes mean that the
    /// other end has finished writing. One read at a time.
    /// Errors: unavailable (the connection broke, with the cause).
    virtual void read_some(std::span<char> into, callback<result<std::size_t>> done) = 0;

    /// Writes all of `bytes`, which must live until `done`. One write at a time.
    /// Errors: unavailable; how much arrived is unknown.
    virtual void write(std::string_view bytes, callback<result<void>> done) = 0;

    /// Writes what the network takes at this moment: how many of the first bytes that were. What is
    /// left of a write that is under way goes before them. 0 where something is wrong, of which
    /// `write` tells.
    [[nodiscard]] virtual std::size_t write_now(std::string_view bytes) = 0;

    /// Ends both directions now. Bytes whose write has completed are still delivered if the other
    /// end lives.
    virtual void close() = 0;

    [[nodiscard]] virtual endpoint local() const = 0;
    [[nodiscard]] virtual endpoint remote() const = 0;

    /// Breaks the connection when written bytes stay unacknowledged this long (TCP_USER_TIMEOUT).
    virtual void set_user_timeout(std::chrono::milliseconds limit) = 0;
};

/// Accepts connections until destroyed.
/// Threads: as `stream`.
class listener {
public:
    listener() = default;
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    virtual ~listener() = default;

    /// Where it listens, with the port that was picked where 0 was asked for.
    [[nodiscard]] virtual endpoint local() const = 0;
};

/// Something under way; destroying it abandons it, and its handler is never called.
class operation {
public:
    operation() = default;
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    virtual ~operation() = default;
};

/// Calls a handler at an instant.
/// Threads: the thread of its loop only. Destroying it cancels.
class timer {
public:
    timer() = default;
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    virtual ~timer() = default;

    /// Calls `fire` once, at or after `when`; replaces what was set before.
    virtual void set(instant when, task_fn fire) = 0;
    /// After it nothing set before is called.
    virtual void cancel() = 0;
    [[nodiscard]] virtual bool is_set() const = 0;
};

}  // namespace muster::runtime
