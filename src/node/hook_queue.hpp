#pragma once

/// @file
/// Runs the hooks of an application: one at a time, in order, on a thread that may block.

#include "base/callback.hpp"
#include "node/blocking_jobs.hpp"
#include "runtime/loop.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace muster::detail {

/// Threads:  the control loop's only; hooks run elsewhere.
/// Lifetime: shared with a hook that runs.
class hook_queue : public std::enable_shared_from_this<hook_queue> {
public:
    hook_queue(std::shared_ptr<blocking_jobs> jobs, std::shared_ptr<runtime::loop> control)
        : jobs_{std::move(jobs)}, control_{std::move(control)} {}

    /// Runs `hook` after those before it; it must not throw.
    void add(task_fn hook);
    /// Takes no more; calls `idle`, on the control loop, when those that wait have run.
    void finish(task_fn idle);

private:
    void next();

    std::shared_ptr<blocking_jobs> jobs_;
    std::shared_ptr<runtime::loop> control_;
    std::deque<task_fn> waiting_;
    bool running_ = false;
    bool finished_ = false;
    task_fn idle_;
};

}  // namespace muster::detail
