#pragma once

/// @file
/// The right to act on one partition, shared between the control loop, which gives and takes it,
/// and the workers, which act under it.

#include "muster/ids.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace muster::cluster {

/// Until when anything of this member may act: one for all rights of an incarnation, and written
/// by the control loop only. It lies in a page that a forked child reads as zero, so that a child
/// of an owner owns nothing.
/// Threads: any.
class lease_cell {
public:
    lease_cell();
    ~lease_cell();
    lease_cell(const lease_cell&) = delete;
    lease_cell& operator=(const lease_cell&) = delete;

    void set(instant acts_until) noexcept;
    [[nodiscard]] bool allows(instant now) const noexcept;
    /// Until when it allows to act; after its end, until when it last did.
    [[nodiscard]] instant end() const noexcept;

private:
    std::atomic<std::int64_t>* acts_until_;
    std::atomic<std::int64_t> ended_{0};  ///< what `acts_until_` was before it became nothing
};

/// Threads: any; `close` and `when_idle` on the control loop.
/// Lifetime: shared; outlives its member harmlessly (`valid` is false then).
class right {
public:
    struct identity {
        std::string resource;
        std::string partition;
        std::uint16_t slot = 0;
        fence_token fence;
        member_id member;
    };

    right(identity what, std::shared_ptr<const lease_cell> lease)
        : what_{std::move(what)}, lease_{std::move(lease)} {}

    [[nodiscard]] const identity& what() const noexcept { return what_; }

    /// Whether the holder may act: advice, since it can end right after.
    [[nodiscard]] bool valid(instant now) const noexcept;

    /// Whether the lease it stands on holds, closed or not.
    [[nodiscard]] bool lease_holds(instant now) const noexcept { return lease_->allows(now); }

    /// Until when that lease holds; after its end, until when it did.
    [[nodiscard]] instant lease_end() const noexcept { return lease_->end(); }

    /// Counts one more effect under way, unless the right has ended. Pair each true with `leave`.
    [[nodiscard]] bool enter(instant now) noexcept;
    void leave() noexcept;

    /// Whether an effect is under way.
    [[nodiscard]] bool in_use() const noexcept {
        return (word_.load(std::memory_order_acquire) & ~(closed_bit | armed_bit)) != 0;
    }

    /// Ends the right for good: `valid` and `enter` are false from here on.
    void close() noexcept;
    /// Calls `idle` once the right is closed and no effect is under way, which may be at once; on
    /// whichever thread that happens. Once, before or after `close`.
    void when_idle(task_fn idle);

private:
    static constexpr std::uint64_t closed_bit = 1ULL << 63U;
    static constexpr std::uint64_t armed_bit = 1ULL << 62U;
    void fire();

    identity what_;
    std::shared_ptr<const lease_cell> lease_;
    std::atomic<std::uint64_t> word_{0};  ///< closed, armed, and the count of effects
    task_fn idle_;
};

}  // namespace muster::cluster
