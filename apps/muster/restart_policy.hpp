#pragma once

/// @file
/// When a command that ended is started again. Pure.

#include "base/instant.hpp"

#include <cstddef>
#include <deque>
#include <optional>

namespace muster::cli {

/// 0.1 s after the first failure, doubling to 10 s; five failures within a minute are too many.
class restart_policy {
public:
    /// The command ended other than by exit 0. When to start it again; nothing: give up.
    [[nodiscard]] std::optional<instant> failed_at(instant now) {
        while (!recent_.empty() && now - recent_.front() >= window) {
            recent_.pop_front();
        }
        recent_.push_back(now);
        if (recent_.size() >= most) {
            return std::nullopt;
        }
        if (recent_.size() == 1) {
            pause_ = least;  // It ran for a minute: that is a new failure.
        }
        const instant next = now + pause_;
        pause_ = pause_ * 2 > longest ? longest : pause_ * 2;
        return next;
    }

private:
    static constexpr duration window = 60s;
    static constexpr duration least = 100ms;
    static constexpr duration longest = 10s;
    static constexpr std::size_t most = 5;

    std::deque<instant> recent_;
    duration pause_ = least;
};

}  // namespace muster::cli
