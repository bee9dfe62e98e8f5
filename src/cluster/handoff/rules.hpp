#pragma once

/// @file
/// Acquire and release: what a member does about the newest plan it has read. Rules 2 and 3 of
/// docs/internals/handover.md. Pure.

#include "cluster/records.hpp"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace muster::cluster {

/// Where a member stands with one entry.
enum class hold : std::uint8_t {
    waiting,   ///< granted, but a former owner has not let go yet (or init, or the lease)
    starting,  ///< the acquire handler runs
    acting,    ///< owner
    stopping,  ///< valid() is false; the handler (also the acquire handler), or guards, still run
};

struct held_entry {
    std::string partition;
    std::uint16_t slot = 0;
    plan_number fence = 0;  ///< fence_of() at the time
    hold at = hold::waiting;
    std::vector<member_id> waits;  ///< as of the newest plan, while waiting
    plan_number waits_upto = 0;    ///< the entry's own fence, which waits must have released up to
    friend bool operator==(const held_entry&, const held_entry&) = default;
};

/// An entry that this member may be given next.
struct hinted_entry {
    std::string partition;
    std::uint16_t slot = 0;
    member_id owner;  ///< who has it now
    friend bool operator==(const hinted_entry&, const hinted_entry&) = default;
};

/// What a member knows of former owners it waits for.
struct former_owner {
    bool gone = false;  ///< both znodes read as absent
    bool left = false;  ///< its status said `left`: it had released all it ever had
    std::optional<release_record> released = std::nullopt;  ///< of this resource, as read last
    /// Gone without having left, and its effects have had their handover_delay to end.
    bool settled = false;
    friend bool operator==(const former_owner&, const former_owner&) = default;
};

/// One resource, as one member holds it.
struct holder_state {
    member_id self;
    bool may_act = false;                    ///< lease valid and init done
    std::optional<plan> newest;              ///< read whole
    std::map<std::string, held_entry> held;  ///< by entry key
    std::map<member_id, former_owner> formers;
    release_record published;  ///< as acknowledged by ZooKeeper
    plan_number revoked = 0;   ///< every grant up to here is void (lease lapsed)
    std::map<std::string, plan_number> failed;

    // Kept by `advance` alone.
    std::map<std::string, held_entry> granted;    ///< by the newest plan, to this member
    std::map<std::string, plan_number> awaited;   ///< entries whose `waits` name it: their fence
    std::map<std::string, plan_number> forgiven;  ///< failures to forget once the plan moves on
    std::map<std::string, hinted_entry> hinted;   ///< by the newest plan, to this member
    std::map<std::string, bool> prepared;         ///< begun for a hint; true: done
    std::optional<release_record> publishing;     ///< asked for last
};

// What can happen.
struct plan_read {
    plan whole;
};
struct former_read {
    member_id who;
    former_owner what;  ///< without `settled`
};
/// The handover_delay that `let_settle` asked for is over.
struct former_settled {
    member_id who;
};
struct rights_changed {
    bool may_act = false;
};  ///< the lease began, or init returned
struct lease_ended {};
/// Not ok while acting: the handler failed later; the entry is then stopped and released.
struct acquire_ended {
    std::string key;
    plan_number fence = 0;
    bool ok = true;
};
struct release_ended {
    std::string key;
    plan_number fence = 0;
};
struct was_published {
    release_record what;
};
/// A back-off after a failed acquire is over: the member may be chosen for the entry again, once
/// the leader has taken it away. Whoever performs `acquire` sends this some time after each
/// failure.
struct failure_forgotten {
    std::string key;
    plan_number fence = 0;
};
/// Whatever came of it: a move is not given up because the new owner cannot warm up.
struct prepare_ended {
    std::string key;
};
using holder_event = std::variant<plan_read,
                                  former_read,
                                  former_settled,
                                  rights_changed,
                                  lease_ended,
                                  acquire_ended,
                                  release_ended,
                                  was_published,
                                  failure_forgotten,
                                  prepare_ended>;

// What is asked for, to be performed in order.
//
// After `begin_release` or `revoke` of an entry exactly one `release_ended` with its fence must
// come, also where its acquire handler was still running: that one ends first, and what it
// returned no longer matters. `what.at` is where the entry stood before.
struct begin_acquire {
    held_entry what;
};  ///< run the acquire handler
struct begin_release {
    held_entry what;
};  ///< valid() false first; then stop, drain, tell
struct revoke {
    held_entry what;
};  ///< the lease ended: valid() is false already; stop, tell
/// Into the own status znode. Repeat it until acknowledged, unless a later one has come, which
/// then stands in its place.
struct publish {
    release_record what;
};
struct watch_former {
    member_id who;
};  ///< read and watch its status until told otherwise
struct forget_former {
    member_id who;
};
/// Has been read as gone, and nothing says that it let go before: what it sent may still be on its
/// way. `former_settled` comes once the resource's handover_delay is over, from now on.
struct let_settle {
    member_id who;
};
/// Rule 4. `prepare_ended` must come once; no other is begun for the entry before. It gives no
/// right to act.
struct begin_prepare {
    hinted_entry what;
};
using holder_action = std::variant<begin_acquire,
                                   begin_release,
                                   revoke,
                                   publish,
                                   watch_former,
                                   forget_former,
                                   let_settle,
                                   begin_prepare>;

struct holder_step {
    holder_state next;
    std::vector<holder_action> actions;
};

/// The whole of prepare, acquire and release for one member and one resource.
/// Publishes only when somebody may be waiting for it: an entry of the newest plan names this
/// member in `waits` with a fence above what is published, or something drained, failed, was
/// revoked, or is ready or no longer hinted at. A plan with a number not above the newest read is
/// ignored.
[[nodiscard]] holder_step advance(holder_state now, const holder_event& seen);
/// The same for what happened at once, such as the ends of many handlers: what follows is found in
/// one pass over all that is held, not in one for each.
[[nodiscard]] holder_step advance(holder_state now, std::span<const holder_event> seen);

}  // namespace muster::cluster
