#pragma once

/// @file
/// Which sessions live, and until when: expiry in rounded buckets.
///
/// Facts: ExpiryQueue.roundToNextInterval and SessionTrackerImpl of Apache ZooKeeper 3.8 (K1 of the
/// lease's derivation): a touch at t moves the end of a session to
/// E = ((t + timeout) / tick + 1) * tick, so t + timeout < E <= t + timeout + tick, and a session
/// ends only when now >= E.

#include "base/instant.hpp"
#include "zookeeper/watch_table.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace muster::zookeeper {

/// Threads: one at a time. Pure: it is handed the time.
class session_table {
public:
    struct session {
        std::chrono::milliseconds timeout{0};
        instant expires{};
        connection_id connection = 0;  ///< 0: none serves it now
    };

    /// `tick` > 0.
    explicit session_table(duration tick) : tick_(tick) {}

    void open(std::int64_t id, std::chrono::milliseconds timeout, instant now);
    /// False if there is no such session.
    bool touch(std::int64_t id, std::chrono::milliseconds timeout, instant now);
    void close(std::int64_t id);

    [[nodiscard]] session* find(std::int64_t id);
    [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }

    /// When the next session ends unless touched; `never` without sessions.
    [[nodiscard]] instant next_expiry() const;
    /// The sessions whose end has come, earliest bucket first; they stay until closed.
    [[nodiscard]] std::vector<std::int64_t> expired(instant now) const;

    using bucket_map = std::map<instant, std::set<std::int64_t>>;
    [[nodiscard]] const bucket_map& buckets() const noexcept { return buckets_; }

    /// The end of what was touched at `now`.
    [[nodiscard]] instant end_of(instant now, std::chrono::milliseconds timeout) const;

private:
    void take_out(std::int64_t id, instant expires);

    duration tick_;
    boost::unordered_flat_map<std::int64_t, session> sessions_;
    bucket_map buckets_;
};

}  // namespace muster::zookeeper
