#pragma once

/// @file
/// Questions that wait for a newer plan, or view, before they try again.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace muster::detail {

/// Something that waits.
class waiting_one {
public:
    virtual ~waiting_one() = default;
    /// There is news. On the worker of its room.
    virtual void woken() = 0;
};

/// Those of one resource that wait on one worker.
/// Threads: that worker's, but for `count`, and `clear` once it has stopped.
class waiting_room {
public:
    /// Woken in the order of arrival. The ticket is for `leave`.
    std::uint64_t enter(std::shared_ptr<waiting_one> one) {
        inside_.emplace(++last_, std::move(one));
        count_.store(inside_.size());
        return last_;
    }
    void wake() {
        auto all = std::exchange(inside_, {});
        count_.store(0);
        for (auto& [number, one] : all) {
            one->woken();
        }
    }
    /// It need not wait any more.
    void leave(std::uint64_t ticket) {
        inside_.erase(ticket);
        count_.store(inside_.size());
    }
    void clear() { inside_.clear(); }
    [[nodiscard]] std::size_t count() const noexcept { return count_.load(); }

private:
    std::map<std::uint64_t, std::shared_ptr<waiting_one>> inside_;
    std::uint64_t last_ = 0;
    std::atomic<std::size_t> count_{0};
};

}  // namespace muster::detail
