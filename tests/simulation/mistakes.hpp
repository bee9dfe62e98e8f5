#pragma once

/// @file
/// Mistakes that others have made, put back in between a member and what it stands on, so that
/// the suite shows that it would notice. The member itself is the one that is shipped. From the
/// same place a keeper, which is one server by itself, passes for one of an ensemble.

#include "runtime/loop.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace muster::simulation {

enum class mistake : std::uint8_t {
    none,
    unfenced_leader,   ///< a leader's writes check neither its place nor any version
    unchecked_place,   ///< they check the versions, but not that it still leads
    absent_released,   ///< a former owner that is waited for is taken for gone, unread
    forgotten_wait,    ///< a plan does not say who has to let go first
    reused_id,         ///< a new session comes under the id of the one before
    lease_outlived,    ///< acts on after the server may have given everything away
    ping_is_proof,     ///< what a follower answers by itself counts as said by its leader
    unguarded_effect,  ///< looks whether it may act, and acts a little later
    double_create,     ///< a create whose reply was lost is repeated blindly
    unknown_is_done,   ///< a write whose reply was lost counts as written
    deaf,              ///< a watch is set, and what it says is not heard
};

struct disguise {
    mistake how = mistake::none;
    bool follower = false;  ///< the server says so of itself, whatever it is
};

/// From here on this stands between what is made on `control` and its server:
/// `zookeeper::client::start` of this program looks here (the linker puts ours in front of it).
void put_between(const std::shared_ptr<runtime::loop>& control, disguise what);
void forget_disguises();

/// `from`, with constant "random" bytes that depend on `title` alone.
[[nodiscard]] std::shared_ptr<runtime::loop> without_chance(std::shared_ptr<runtime::loop> from,
                                                            const std::string& title);

}  // namespace muster::simulation
