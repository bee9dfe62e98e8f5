#pragma once

/// @file
/// A server of an ensemble that is not its leader: it stands between clients and the keeper, which
/// is the leader then.
///
/// What matters of a follower to leases (docs/internals/lease.md): it answers pings by itself, also
/// while its leader does not hear it, and the leader learns of them only by a table, every half a
/// tick, in the same stream in which requests are forwarded. So a member that trusted its pings
/// would act on after its session has ended.
///
///     client ── pings, answered here ──> follower ── one ping per table ──> keeper
///            ── everything else ───────>          ── at once ───────────>
///
/// Reads are forwarded as well, and touch the session there at once: a real follower answers them
/// itself. Members at peace read nothing.

#include "base/instant.hpp"
#include "runtime/loop.hpp"

#include <cstdint>
#include <map>
#include <memory>

namespace muster::simulation {

class follower {
public:
    /// Listens at `at`; `tick` is the leader's. On `loop`, as everything here.
    follower(std::shared_ptr<runtime::loop> loop,
             const runtime::endpoint& at,
             runtime::endpoint leader,
             duration tick);
    ~follower();
    follower(const follower&) = delete;
    follower& operator=(const follower&) = delete;

private:
    class link;
    void hand_over_table();

    std::shared_ptr<runtime::loop> loop_;
    runtime::endpoint leader_;
    duration tick_;
    std::uint64_t next_ = 0;
    std::map<std::uint64_t, std::shared_ptr<link>> links_;
    std::unique_ptr<runtime::listener> listener_;
    std::unique_ptr<runtime::timer> timer_;
};

}  // namespace muster::simulation
