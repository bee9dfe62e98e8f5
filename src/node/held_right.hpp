#pragma once

/// @file
/// The right to act on a partition as the user's code holds it.

#include "muster/ownership.hpp"

#include "cluster/right.hpp"
#include "runtime/loop.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace muster::detail {

/// Threads: any.
class held_right final : public ownership_core {
public:
    held_right(std::shared_ptr<cluster::right> mine,
               std::shared_ptr<runtime::platform> platform,
               std::function<muster::node&()> home)
        : mine_{std::move(mine)},
          platform_{std::move(platform)},
          home_{std::move(home)},
          name_{mine_->what().resource, mine_->what().partition, mine_->what().slot} {}

    [[nodiscard]] const partition_name& partition() const noexcept override { return name_; }
    [[nodiscard]] fence_token fence() const noexcept override { return mine_->what().fence; }
    [[nodiscard]] bool valid() const noexcept override { return mine_->valid(platform_->now()); }
    [[nodiscard]] bool enter() noexcept override { return mine_->enter(platform_->now()); }
    void leave() noexcept override { mine_->leave(); }
    [[nodiscard]] muster::node& home() const override { return home_(); }

private:
    std::shared_ptr<cluster::right> mine_;
    std::shared_ptr<runtime::platform> platform_;
    std::function<muster::node&()> home_;
    partition_name name_;
};

}  // namespace muster::detail
