#pragma once

/// @file
/// How often a supervisor may start its children again.

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

namespace muster::process_detail {

/// At most so many within so long, whenever that began.
/// Threads: one at a time.
class restart_budget {
public:
    restart_budget(std::uint32_t at_most, std::chrono::nanoseconds within)
        : at_most_{at_most}, within_{within} {}

    /// Whether one more is allowed at `now`, which never goes back; if so, it counts.
    [[nodiscard]] bool spend(std::chrono::nanoseconds now) {
        while (!spent_.empty() && now - spent_.front() >= within_) {
            spent_.pop_front();
        }
        if (spent_.size() >= at_most_) {
            return false;
        }
        spent_.push_back(now);
        return true;
    }

private:
    const std::uint32_t at_most_;
    const std::chrono::nanoseconds within_;
    std::deque<std::chrono::nanoseconds> spent_;
};

/// "5 s", "250 ms".
[[nodiscard]] inline std::string text_of(std::chrono::nanoseconds span) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

}  // namespace muster::process_detail
