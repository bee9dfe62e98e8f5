#pragma once

/// @file
/// The right to act on a partition as the user's code holds it.

#include "muster/ownership.hpp"

#include "cluster/right.hpp"
#include "runtime/loop.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace muster::detail {

/// Threads: any.
class held_right final : public ownership_core {
public:
    held_right(std::shared_ptr<cluster::right> mine,
               std::shared_ptr<runtime::platform> platform,
               std::function<muster::node&()> home,
               duration reads_outlive_lease = duration::zero())
        : mine_{std::move(mine)},
          platform_{std::move(platform)},
          home_{std::move(home)},
          reads_outlive_lease_{reads_outlive_lease},
          name_{mine_->what().resource, mine_->what().partition, mine_->what().slot} {}

    [[nodiscard]] const partition_name& partition() const noexcept override { return name_; }
    [[nodiscard]] fence_token fence() const noexcept override { return mine_->what().fence; }
    [[nodiscard]] bool valid() const noexcept override { return mine_->valid(platform_->now()); }
    [[nodiscard]] bool readable() const noexcept override {
        const instant now = platform_->now();
        return mine_->valid(now) ||
               (reads_outlive_lease_ > duration::zero() && now < reads_until(now));
    }
    /// The right has ended, and it is readable until then all the same.
    void end_reads(instant at) noexcept { reads_until_.store(at, std::memory_order_release); }
    [[nodiscard]] bool enter() noexcept override { return mine_->enter(platform_->now()); }
    void leave() noexcept override { mine_->leave(); }
    [[nodiscard]] muster::node& home() const override { return home_(); }

private:
    /// Before anybody said so: a lease that is over by the clock alone will be said to be.
    [[nodiscard]] instant reads_until(instant now) const noexcept {
        const instant told = reads_until_.load(std::memory_order_acquire);
        if (told != never) {
            return told;
        }
        return mine_->lease_holds(now) ? now : mine_->lease_end() + reads_outlive_lease_;
    }

    std::shared_ptr<cluster::right> mine_;
    std::shared_ptr<runtime::platform> platform_;
    std::function<muster::node&()> home_;
    const duration reads_outlive_lease_;
    std::atomic<instant> reads_until_{never};
    partition_name name_;
};

}  // namespace muster::detail
