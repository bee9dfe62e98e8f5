#pragma once

/// @file
/// Takes log lines from any thread, and hands them to whoever writes them on a thread that may
/// block: a log that hangs must not keep the loop that keeps the lease.

#include "muster/application.hpp"

#include "node/blocking_jobs.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace muster::detail {

/// Threads:  any; `write` is called by one at a time, in the order of `add`.
/// Lifetime: shared with the job that writes.
class log_queue : public std::enable_shared_from_this<log_queue> {
public:
    /// Lines that wait; what comes on top of them is lost, and counted.
    static constexpr std::size_t max_waiting = 10'000;

    using sink = std::function<void(const log_line&)>;

    log_queue(std::shared_ptr<runtime::platform> platform, std::string member, sink write)
        : jobs_{std::make_shared<blocking_jobs>(std::move(platform))},
          member_{std::move(member)},
          write_{std::move(write)} {}

    void add(severity level, std::string event, std::string text);

    /// Takes no more lines. After it `write` is not called any more.
    /// Blocks: until all has been written; so not on a loop, nor in `write`.
    void finish();

private:
    struct line {
        severity level;
        std::string event;
        std::string text;
    };
    void write_all();

    std::shared_ptr<blocking_jobs> jobs_;
    const std::string member_;
    const sink write_;
    std::mutex mutex_;          // tidy: allow(mutex) because lines come when no loop turns any more
    std::deque<line> waiting_;  // all below: guarded by mutex_
    std::size_t lost_ = 0;
    bool writing_ = false;
    bool finished_ = false;
};

}  // namespace muster::detail
