#pragma once

/// @file
/// What an agent does with a right: nothing but hold it, or run a command.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "cluster/right.hpp"

#include <memory>

namespace muster::cli {

/// Threads: control loop only, callbacks too.
class work {
public:
    virtual ~work() = default;
    /// Begins to act under `mine`; what acts must end by `lease_end` unless that is extended.
    virtual result<void> begin(const std::shared_ptr<cluster::right>& mine, instant lease_end) = 0;
    virtual void extend(const cluster::right& mine, instant lease_end) = 0;
    /// Stops acting, by force at `kill_at`; `done` once nothing acts any more.
    virtual void end(const cluster::right& mine, instant kill_at, callback<> done) = 0;
};

/// Holds, and does nothing.
class idle_work final : public work {
public:
    result<void> begin(const std::shared_ptr<cluster::right>&, instant) override { return {}; }
    void extend(const cluster::right&, instant) override {}
    void end(const cluster::right&, instant, callback<> done) override { done(); }
};

}  // namespace muster::cli
