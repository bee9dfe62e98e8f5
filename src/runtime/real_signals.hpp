#pragma once

/// @file
/// Waiting for SIGTERM and SIGINT on an ordinary thread.

#include <optional>

namespace muster::runtime {

/// Blocks SIGTERM and SIGINT in this thread, and in those it starts, for as long as it lives;
/// they are taken by `wait`. SIGPIPE is ignored for good.
/// Threads: made and waited on by one thread; `wake` by any, also by a signal handler.
class signal_watch {
public:
    signal_watch();
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;
    ~signal_watch();

    /// Blocks until a signal came (its number), or `wake` was called (nothing).
    [[nodiscard]] std::optional<int> wait();
    void wake();

private:
    int signals_ = -1;
    int woken_ = -1;
    struct saved_mask;
    saved_mask* before_ = nullptr;
};

}  // namespace muster::runtime
