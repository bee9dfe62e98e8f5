#pragma once

/// @file
/// Code of the user's on threads that may block, counted, so that its end can be waited for.

#include "base/callback.hpp"
#include "runtime/loop.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace muster::detail {

/// On which threads.
enum class lane : std::uint8_t {
    work,  ///< what may hang as long as it likes: the user's own jobs, acquires
    aside  ///< what must not wait behind those: ends of partitions, hooks, the log
};

/// Threads:  any.
/// Lifetime: shared with the jobs that run.
class blocking_jobs : public std::enable_shared_from_this<blocking_jobs> {
public:
    explicit blocking_jobs(std::shared_ptr<runtime::platform> platform)
        : platform_{std::move(platform)} {}

    void run(lane where, task_fn job) {
        count_.fetch_add(1);
        auto counted = [self = shared_from_this(), job = std::move(job)]() mutable {
            job();
            job = nullptr;  // What it held goes before it counts as ended.
            self->count_.fetch_sub(1);
        };
        if (where == lane::work) {
            platform_->run_blocking(std::move(counted));
        } else {
            platform_->run_aside(std::move(counted));
        }
    }

    /// Waits until none runs or waits; false: some still do at `deadline`.
    /// Blocks: so not on a loop, nor in a job.
    [[nodiscard]] bool wait_idle(instant deadline) const {
        while (count_.load() > 0) {
            const instant now = platform_->now();
            if (now >= deadline) {
                return false;
            }
            const auto never_opened = platform_->make_gate();
            static_cast<void>(never_opened->wait(std::min(deadline, now + look_again)));
            if (platform_->now() == now) {
                return false;  // A simulated machine that has been killed.
            }
        }
        return true;
    }

private:
    static constexpr duration look_again = 2ms;
    std::shared_ptr<runtime::platform> platform_;
    std::atomic<std::size_t> count_{0};
};

}  // namespace muster::detail
