#pragma once

/// @file
/// One client of the keeper: cuts its bytes into frames, and sends what the core has for it.

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "base/life_guard.hpp"
#include "runtime/stream.hpp"
#include "zookeeper/watch_table.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace muster::zookeeper {

/// What a connection needs from the keeper. None of these destroys the connection.
class connection_owner {
public:
    virtual ~connection_owner() = default;
    virtual void on_frame(connection_id from, std::string_view bytes) = 0;
    /// Whether `word` is one; if so it is answered and the connection ends after it.
    virtual bool on_word(connection_id from, std::string_view word) = 0;
    /// There is something to send.
    virtual void on_pending(connection_id from) = 0;
    /// The connection is over; nothing more comes from it.
    virtual void on_end(connection_id from) = 0;
};

/// A slow reader is not read from: while more than `high_water` bytes wait to be sent, no request
/// of it is looked at. What others cause to be sent to it is bounded by `max_unread`.
///
/// Threads: the loop's only. Lifetime: `owner` outlives it; not destroyed from its own calls.
class keeper_connection {
public:
    struct limits {
        std::int32_t max_request = 0xfffff;
        std::size_t max_unread = 32U << 20;
        std::size_t high_water = 1U << 20;
    };

    keeper_connection(connection_id id,
                      std::unique_ptr<runtime::stream> stream,
                      limits bounds,
                      connection_owner& owner);
    keeper_connection(const keeper_connection&) = delete;
    keeper_connection& operator=(const keeper_connection&) = delete;

    void start() { read(); }
    [[nodiscard]] std::string& out();
    /// Ends it once everything in `out` has left.
    void close_when_sent();
    /// Sends what has gathered. Called once a turn.
    void flush();

    /// Ends it now.
    void end();
    [[nodiscard]] bool is_closing() const noexcept { return closing_; }

    [[nodiscard]] const std::string& address() const noexcept { return address_; }

private:
    void read();
    /// Brings the room for reading, which is empty, to the size that the connection needs.
    void fit_room();
    void on_read(std::size_t size);
    /// Handles the whole frames that have arrived.
    void take_frames();
    [[nodiscard]] bool is_full() const {
        return sending_.size() + pending_.size() > bounds_.high_water;
    }

    connection_id id_;
    std::unique_ptr<runtime::stream> stream_;
    limits bounds_;
    connection_owner& owner_;
    std::string address_;
    std::string in_;  ///< its size is its room; bytes from in_begin_ to in_end_ are unread
    std::size_t in_begin_ = 0;
    std::size_t in_end_ = 0;
    bool filled_ = false;  ///< the last read took all the room there was
    std::string pending_;
    std::string sending_;
    bool greeted_ = false;  ///< the first four bytes have been looked at
    bool reading_ = false;
    bool closing_ = false;
    bool noted_ = false;  ///< the owner knows of what is pending
    bool ended_ = false;
    life_guard alive_;
};

}  // namespace muster::zookeeper
