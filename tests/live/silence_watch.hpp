#pragma once

/// @file
/// Whether an ensemble kept answering, as a stranger to the cluster saw it.

#include "live/outsider.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

namespace muster::live {

/// Writes now and then from a session of its own, for as long as it lives, and remembers for how
/// long at most nothing was answered: because the servers stood still, or the whole machine did.
class silence_watch {
public:
    explicit silence_watch(std::string servers)
        : thread_{[this, servers = std::move(servers)] { work(servers); }} {}
    ~silence_watch() { stop(); }
    silence_watch(const silence_watch&) = delete;
    silence_watch& operator=(const silence_watch&) = delete;

    /// Ends the watch.
    [[nodiscard]] std::chrono::milliseconds longest() {
        stop();
        return longest_;
    }

private:
    using clock = std::chrono::steady_clock;

    void stop() {
        ending_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    void work(const std::string& servers) {
        outsider here{servers};
        auto last = clock::now();
        while (!ending_) {
            const bool answered = here.can_write(std::chrono::milliseconds{500});
            const auto now = clock::now();
            longest_ = std::max(longest_,
                                std::chrono::duration_cast<std::chrono::milliseconds>(now - last));
            last = answered ? now : last;
            std::this_thread::sleep_for(std::chrono::milliseconds{200});
        }
    }

    std::atomic<bool> ending_{false};
    std::chrono::milliseconds longest_{0};
    std::thread thread_;
};

}  // namespace muster::live
