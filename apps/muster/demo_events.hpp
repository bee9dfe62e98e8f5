#pragma once

/// @file
/// What the members of the demo did and when, from the journals they print: who owned what, and
/// for how long nobody did.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::cli {

/// CLOCK_BOOTTIME in nanoseconds, as the journals have it.
using boot_time = std::int64_t;
[[nodiscard]] boot_time boot_now();

/// A partition that changed hands.
struct demo_move {
    std::string partition;  ///< "parties/17"
    std::string to;
    double unowned_ms = 0;
};

/// Threads: any.
class demo_events {
public:
    /// A line of the journal of `member`; others than journal lines are ignored.
    void hear(std::string_view line);

    /// Blocks until `enough` holds, looked at after each line. False: not within `patience`, or
    /// `give_up` said so, which is asked every 50 ms.
    bool wait(std::chrono::milliseconds patience,
              const std::function<bool()>& give_up,
              const std::function<bool()>& enough);

    /// `host:port`, as it said at its start; "": it has not started yet.
    [[nodiscard]] std::string http_of(const std::string& member) const;
    [[nodiscard]] std::vector<std::string> owned_by(const std::string& member) const;
    /// Who leads since when; "": nobody has said so yet.
    [[nodiscard]] std::pair<std::string, boot_time> leader() const;
    [[nodiscard]] std::size_t owned_partitions() const;

    /// What `member` owns has no owner from `at` on: it was killed.
    void killed(const std::string& member, boot_time at);
    [[nodiscard]] std::size_t unowned() const;
    /// The partitions that changed hands since the last call, in the order of their acquires.
    [[nodiscard]] std::vector<demo_move> take_moves();

private:
    struct ownership {
        std::string owner;    ///< "": nobody
        boot_time since = 0;  ///< of the owner, or of having none
    };

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, ownership> partitions_;
    std::map<std::string, std::string> http_;
    std::string leader_;
    boot_time leads_since_ = 0;
    std::vector<demo_move> moves_;
};

}  // namespace muster::cli
