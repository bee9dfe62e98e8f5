#pragma once

/// @file
/// How a leader changes a plan: rule 1 of docs/internals/handover.md. Pure.

#include "muster/error.hpp"
#include "muster/planner.hpp"

#include "base/instant.hpp"
#include "cluster/records.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster {

/// A hint as a leader has seen it.
struct seen_hint {
    member_id next;
    instant since;
};

/// True facts about members, as the leader has read them.
struct plan_facts {
    /// Status of every member whose znodes are there.
    std::map<member_id, status_record> statuses;
    /// Members named in the plan of which both znodes were read as absent after the id was known.
    std::set<member_id> gone;
    /// When each of `gone` was seen gone, unless it had said that it left (for handover_delay).
    std::map<member_id, instant> gone_at;
    /// What those of `gone` had said last, as far as it was read: what had been released before the
    /// end was released cleanly, and is not waited for.
    std::map<member_id, status_record> last_said;
    /// Who may be given partitions now: admitted, not Suspect, not draining.
    std::vector<planned_member> takers;
    /// Admitted members that keep what they have but are given nothing (Suspect within grace).
    std::set<member_id> keepers;
    /// Since when each prepared move has been seen to be under way, by entry key: for whom, and
    /// when the leader read or wrote that hint first.
    std::map<std::string, seen_hint> hints;
    /// list resources: the names wanted now (present ones keep their place).
    std::optional<std::vector<std::string>> wanted;
    /// globals: who may own which name.
    std::map<std::string, std::vector<member_id>> eligible;
};

/// A change touches at most so many chunks: a chunk is 11 KB as a rule, some 80 KB where each entry
/// has another owner and another wait. What still is too large for one `multi` (jute.maxbuffer,
/// 1 MiB) is cut by whoever writes it.
inline constexpr std::size_t chunks_per_change = 40;

/// An entry whose owner a change makes another.
struct moved_entry {
    std::size_t chunk = 0;
    std::size_t index = 0;  ///< its place in that chunk of the next plan
    member_id from;
    std::string_view why;  ///< a code of docs/format/layout.md
};

struct plan_change {
    plan next;                     ///< number set by the caller's `number`
    std::set<std::size_t> chunks;  ///< which chunks changed (or are new); none: only `since` did
    bool more = false;             ///< it did not all fit: ask again once this is written
    std::optional<instant> look_again;  ///< a handover_delay or a prepare_deadline runs out then
    std::vector<std::string> reasons;   ///< for the log: "orders/17 a1->b7 rebalance"
    std::vector<moved_entry> moved;     ///< for history
    std::set<std::string_view> also;    ///< codes of what else changed
};

/// An empty plan with one entry per partition and slot, owned by nobody. `number` as in
/// next_plan_number. A list begins with one empty chunk.
///
/// `present`: where there is a specification without a plan (damage), every present member; each
/// entry then waits for all of them to have read this plan, for any of them may own anything. A
/// list then needs its `names` here; names added later wait for nobody.
[[nodiscard]] plan first_plan(const specification& spec,
                              plan_number number,
                              const std::vector<member_id>& present = {},
                              const std::vector<std::string>& names = {});

/// Chunk `place` of a first plan: its entries are owned by nobody, and wait for nobody.
[[nodiscard]] plan_chunk first_chunk(const specification& spec,
                                     plan_number number,
                                     std::size_t place);

/// A plan too large for one `multi` is written in several, its last chunks last. To readers it is
/// whole at once: adds what is not written yet, entries owned by nobody.
void add_unwritten(const specification& spec, plan& whole);

/// Head and chunks put together, with what is not written yet. Errors: unavailable (a chunk is
/// older than the head says: read again), invalid_argument (they do not belong together, or not to
/// `spec`).
[[nodiscard]] result<plan> assemble(const specification& spec,
                                    const plan_head& head,
                                    std::vector<plan_chunk> chunks);
[[nodiscard]] plan_head head_of(const plan& whole);

/// The next plan under `number`, or nothing where nothing changes.
///
/// Owners come from `choose` (validated; the built-in planner where its answer is refused). Entry
/// by entry: when the owner changes, fence := number, waits := waits + former owner - new owner,
/// less those gone, less those that have released up to the old fence (never the present owner on
/// that ground). A member whose status says `revoked` at or beyond its grants gets since := number.
/// An owner that failed to start an entry is not chosen for it again until another has tried. After
/// a crash an entry stays with nobody until gone_at + handover_delay; until then the crashed member
/// stays in its `waits`, so that the next leader knows of it too.
///
/// An entry that three present members failed to start is quarantined: nobody gets it until one of
/// them forgets its failure (handoff/rules.hpp: failure_forgotten), ends, or starts anew. A plan is
/// never written only to clean `waits`.
///
/// Where the specification asks for preparation, a planned move is hinted at first: `next` names
/// the new owner, owner and fence stay, and the move follows once that member's status says `ready`
/// of it, or prepare_deadline after the hint was first seen. A hint is dropped when the plan
/// changes, or its member may take nothing any more. Nothing that nobody serves waits for this.
///
/// `statuses` and `gone` tell who is there; a member in neither has not been read yet and keeps
/// what it has.
[[nodiscard]] std::optional<plan_change> next_plan(const specification& spec,
                                                   const plan& before,
                                                   const plan_facts& facts,
                                                   plan_number number,
                                                   instant now,
                                                   const planner& choose,
                                                   const std::string& resource);

/// What next_plan would show `choose`, and nothing where it would not ask: for a caller that runs
/// the user's planner on a worker first and hands next_plan its answer.
[[nodiscard]] std::optional<planner_input> planner_question(const specification& spec,
                                                            const plan& before,
                                                            const plan_facts& facts,
                                                            instant now,
                                                            const std::string& resource);

/// When next_plan should be asked again although no fact has changed: a handover_delay or a
/// prepare_deadline ends then.
[[nodiscard]] std::optional<instant> look_again_at(const specification& spec,
                                                   const plan& before,
                                                   const plan_facts& facts,
                                                   instant now,
                                                   const std::string& resource);

/// Checks a planner's answer. Errors: invalid_argument, with what is wrong.
[[nodiscard]] result<void> validate(const planner_input& input, const planned_owners& answer);

/// Whether `released` (of member m) says that m has let go of `one` up to `upto`: through >= upto
/// and the entry not among `except`.
[[nodiscard]] bool has_released(const release_record& released, const entry& one, plan_number upto);

}  // namespace muster::cluster
