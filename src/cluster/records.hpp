#pragma once

/// @file
/// What the cluster stores in ZooKeeper, as values (docs/format/ has the JSON; codec.hpp reads and
/// writes it).

#include "muster/ids.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace muster::cluster {

/// Numbers plans and views; see `next_plan_number`.
using plan_number = std::int64_t;
/// A fence token is incarnation * 2^56 + plan number, and stays positive.
inline constexpr plan_number most_plan_number = (std::int64_t{1} << 56) - 1;
inline constexpr std::int32_t most_incarnations = 127;

enum class lifecycle : std::uint8_t {
    stranded,
    joining,
    initializing,
    online,
    suspect,
    draining,
    left,
};

/// /muster/<cluster>
struct root_record {
    std::int32_t incarnation = 1;  ///< 1 to 127; bumped by an operator after a restore
    std::string uuid;
    bool frozen = false;
    friend bool operator==(const root_record&, const root_record&) = default;
};

/// /key: what the members' connections are authenticated by.
struct key_record {
    static constexpr std::size_t size = 32;
    std::string bytes;  ///< of `size`; never logged
    friend bool operator==(const key_record&, const key_record&) = default;
};

/// /members/<id>: immutable.
struct descriptor {
    std::string name;
    std::string address;  ///< mesh, "host:port", as others reach it
    std::string admin;    ///< HTTP, "host:port", or ""
    std::map<std::string, std::string> metadata;
    std::string zone;
    double weight = 1.0;
    std::vector<std::string> roles;
    std::string version;  ///< of the application
    std::int64_t started_unix_ms = 0;
    member_id life;  ///< of the program, through all its sessions; empty: it has no processes
    bool operator==(const descriptor&) const = default;
};

/// What a member says about one resource in its status.
struct release_record {
    /// It has read plan `through` whole and acts on nothing that this plan, or an older one, took
    /// from it, but for `except`.
    plan_number through = 0;
    std::set<std::string> except;  ///< `entry_key`s still draining
    /// Its lease lapsed: no grant of a fence <= `revoked` is, or will be, acted on by it.
    plan_number revoked = 0;
    /// Handlers that failed to start: entry key -> fence (plan number) of the failed acquire.
    std::map<std::string, plan_number> failed;
    /// Ready for a prepared move: entry keys of which it is `next`.
    std::set<std::string> ready;
    friend bool operator==(const release_record&, const release_record&) = default;
};

/// /status/<id>
struct status_record {
    lifecycle state = lifecycle::initializing;
    std::map<std::string, release_record> resources;
    std::vector<member_id> unreachable;  ///< peers it cannot reach
    std::set<std::string> candidates;    ///< global processes it has staged a body for
    friend bool operator==(const status_record&, const status_record&) = default;
};

/// A member within a view.
struct view_member {
    member_id id;
    lifecycle state = lifecycle::initializing;
    bool drain = false;  ///< an operator asked it to drain
    friend bool operator==(const view_member&, const view_member&) = default;
};

/// /view and its chunks, read whole.
struct view_record {
    std::int64_t number = 0;
    member_id leader;
    std::int64_t epoch = 0;
    std::int64_t since_unix_ms = 0;    ///< since when this leader leads; display only
    std::vector<view_member> members;  ///< ordered by id
    friend bool operator==(const view_record&, const view_record&) = default;
};

/// What became of a member in a view, in the head for whoever is a little behind.
struct changed_member {
    std::int64_t number = 0;  ///< of the view that changed it
    std::uint32_t chunk = 0;  ///< where it stands, or stood
    view_member member;       ///< as it is since; only its id where it is gone
    bool gone = false;
    friend bool operator==(const changed_member&, const changed_member&) = default;
};

/// /view
struct view_head {
    std::int64_t number = 0;
    member_id leader;
    std::int64_t epoch = 0;
    std::int64_t since_unix_ms = 0;    ///< as in `view_record`
    std::vector<std::int64_t> chunks;  ///< for each, the number of the view that wrote it last
    std::int64_t after = 0;            ///< `changes` has all that views of larger numbers changed
    std::vector<changed_member> changes;  ///< the oldest first
    friend bool operator==(const view_head&, const view_head&) = default;
};

/// /view/<chunk>
struct view_chunk {
    std::int64_t number = 0;           ///< of the view that wrote it last
    std::vector<view_member> members;  ///< ordered by id
    friend bool operator==(const view_chunk&, const view_chunk&) = default;
};
inline constexpr std::size_t members_per_chunk = 1024;
inline constexpr std::size_t changes_in_head = 64;

enum class resource_kind : std::uint8_t { hash, range, list };
enum class stranded_policy : std::uint8_t { exclusive, serve_stale };
enum class effects_policy : std::uint8_t { unfenced, fenced, none };
enum class stuck_policy : std::uint8_t { abort, fence };

/// /resources/<r>. Two members agree on a resource when their specifications are equal.
struct specification {
    resource_kind kind = resource_kind::hash;
    std::uint32_t partitions = 0;   ///< hash only
    std::vector<std::string> from;  ///< range only: first keys, strictly ascending, by bytes
    std::uint32_t replicas = 1;
    stranded_policy when_stranded = stranded_policy::exclusive;
    effects_policy effects = effects_policy::unfenced;
    std::chrono::milliseconds handover_delay{500};
    stuck_policy on_stuck = stuck_policy::abort;
    std::chrono::milliseconds acquire_deadline{30'000};
    std::chrono::milliseconds release_deadline{5'000};
    /// How long a planned move waits at most for its new owner to prepare; 0: it is not asked to.
    std::chrono::milliseconds prepare_deadline{0};
    std::string planner = "balanced";  ///< a name for people; "custom" for the user's own
    bool tombstone = false;            ///< the resource was removed
    friend bool operator==(const specification&, const specification&) = default;
};

/// One piece of work in a plan.
struct entry {
    std::string partition;
    std::uint16_t slot = 0;
    member_id owner;        ///< empty: nobody
    plan_number fence = 0;  ///< plan in which `owner` last changed; 0: never owned
    std::vector<member_id> waits;
    member_id next;        ///< hint: who is preparing to take it; no right comes of it
    bool removed = false;  ///< list only: to be dropped once `waits` is empty
    friend bool operator==(const entry&, const entry&) = default;
};

/// "17" for slot 0, "17#1" for slot 1: names an entry in a status record. The partition's name is
/// percent-encoded, so that no two entries share a key.
[[nodiscard]] std::string entry_key(const std::string& partition, std::uint16_t slot);
[[nodiscard]] inline std::string entry_key(const entry& one) {
    return entry_key(one.partition, one.slot);
}

/// /resources/<r>/plan/<chunk>
struct plan_chunk {
    plan_number number = 0;      ///< of the plan that wrote it last
    std::vector<entry> entries;  ///< at most `entries_per_chunk`
    friend bool operator==(const plan_chunk&, const plan_chunk&) = default;
};
inline constexpr std::size_t entries_per_chunk = 1024;
inline constexpr std::size_t chunks_per_plan = 8192;

/// /resources/<r>/plan. The entries of chunks that it does not list yet are owned by nobody.
struct plan_head {
    plan_number number = 0;
    std::vector<plan_number> chunks;  ///< number of each chunk
    std::map<member_id, plan_number> since;
    /// Made together with the specification: chunks not listed yet have never been, so nobody ever
    /// owned of them. Else they may be those of a plan that was lost.
    bool fresh = false;
    friend bool operator==(const plan_head&, const plan_head&) = default;
};

/// Head and chunks, read whole.
struct plan {
    plan_number number = 0;
    std::map<member_id, plan_number> since;
    std::vector<plan_chunk> chunks;
    bool fresh = false;  ///< as in the head
    friend bool operator==(const plan&, const plan&) = default;
};

/// The plan number under which `one.owner` holds `one`: its fence, or its owner's `since` where
/// that is later.
[[nodiscard]] plan_number fence_of(const plan& whole, const entry& one);

/// incarnation * 2^56 + number: what goes out as fence token.
[[nodiscard]] fence_token token_of(std::int32_t incarnation, plan_number number);

/// max(before + 1, zxid of the leader's read of the head).
[[nodiscard]] plan_number next_plan_number(plan_number before, std::int64_t read_zxid);

}  // namespace muster::cluster
