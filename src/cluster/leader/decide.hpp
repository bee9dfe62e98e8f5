#pragma once

/// @file
/// All that a leader decides, as a function of what it has read. Pure.

#include "base/instant.hpp"
#include "cluster/leader/commands.hpp"
#include "cluster/plan/rules.hpp"
#include "cluster/records.hpp"
#include "cluster/view/parts.hpp"
#include "cluster/view/rules.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::cluster {

/// The built-in list resource whose partitions are the global processes.
inline constexpr std::string_view globals_resource = "globals";

/// A resource as the leader has read it, or written it last.
struct book_resource {
    specification spec;
    plan whole;
    std::int32_t head_version = 0;  ///< znode version of the head
    std::int64_t read_zxid = 0;     ///< of the reply header of the leader's read of the head
    bool unread = false;            ///< being read (again): nothing is decided about it meanwhile
    std::string damaged;            ///< why nothing is decided about it, or ""
    /// There is a specification and no plan, which is damage: a new one is begun. `whole` is then
    /// what the leader had read before, if it had; it names the partitions of a list.
    bool lost = false;
};

struct book_command {
    command_record what;
    std::int32_t version = 0;
};

/// Everything a leader has read. Facts only: nothing here was invented by a leader.
struct leader_book {
    std::map<member_id, seen_member> members;
    std::set<member_id> gone;  ///< named somewhere, and both znodes read as absent since
    std::map<member_id, instant> gone_at;
    std::map<member_id, status_record> last_said;  ///< of those gone, as far as it was read
    std::map<member_id, instant> suspect_since;
    /// Prepared moves under way, by resource and entry key.
    std::map<std::string, std::map<std::string, seen_hint>> hints;
    instant last_join = instant::min();
    view_record view;
    view_parts stored_view;          ///< the same, as it is stored
    std::int64_t view_zxid = 0;      ///< of the reply header of the leader's read of it
    std::int32_t view_version = -1;  ///< of its head; -1: there is no such znode yet
    std::map<std::size_t, std::int32_t> view_chunks;  ///< znode versions of those there are
    bool view_damaged = false;                        ///< what is stored is not `view`
    /// To drain, and not in the view for now, as one that was damaged is made anew bit by bit.
    std::set<member_id> marked;
    std::map<std::string, book_resource> resources;
    std::map<std::string, book_command> commands;  ///< by child name, in order of creation
};

struct decide_settings {
    member_id self;
    std::int64_t epoch = 0;
    std::uint32_t min_members = 1;
    duration settle = 300ms;
    duration suspect_grace = 10s;
    /// The user's planners, by resource; others use the built-in one.
    std::map<std::string, planner> planners;
};

struct leader_decision {
    std::optional<view_change> view;
    std::map<std::string, plan_change> plans;
    std::map<std::string, command_record> results;  ///< commands done by this decision
    std::optional<instant> look_again;

    [[nodiscard]] bool empty() const { return !view && plans.empty() && results.empty(); }
};

/// One view changes no more of its chunks: 80 KB each, of the 1 MiB that a request may have.
inline constexpr std::size_t view_chunks_at_once = 4;

/// Equal arguments give equal decisions.
[[nodiscard]] leader_decision decide(const leader_book& book,
                                     const decide_settings& settings,
                                     instant now,
                                     std::int64_t unix_ms);

/// Keeps `book.hints` in step with its plans: what is new there is first seen `now`.
void note_hints(leader_book& book, instant now);

/// Every id that a plan of the book, or its view, still names.
[[nodiscard]] std::set<member_id> named_ids(const leader_book& book);

}  // namespace muster::cluster
