#include "cluster/plan/draft.hpp"

#include <algorithm>
#include <utility>

// Rule 4: where a resource asks for it, a planned move waits until its new owner has prepared.
//
// A hint changes nobody's right, so nothing here bears on safety; what matters is that no move is
// lost, none waits for ever, and no leader needs to remember anything. The last two follow from the
// deadline, which each leader counts from when it has seen a hint first.
//
// While a hint stands, a planner is shown the entry as if it were the next owner's already: else
// its answer would change with every move that is done before the others, and hints would wander.
//
// The slots of a partition move in one step, or two of them could have one owner in between.

namespace muster::cluster {

void plan_draft::come_again(instant when) {
    change_.look_again = std::min(change_.look_again.value_or(when), when);
}

void plan_draft::note_hint(const placed& one) {
    const entry& at = entry_of(one);
    if (at.next.empty()) {
        return;
    }
    const auto seen = facts_.hints.find(entry_key(at));
    const bool known = seen != facts_.hints.end() && seen->second.next == at.next;
    const instant until = (known ? seen->second.since : now_) + spec_.prepare_deadline;
    if (now_ < until) {
        come_again(until);
    }
}

/// Whom the planner is shown as the owner of today.
member_id plan_draft::shown_owner(const placed& one) const {
    if (one.what != fate::open) {
        return {};
    }
    const entry& at = entry_of(one);
    if (is_taker(at.next)) {
        const auto failures = failed_.find(entry_key(at));
        const auto eligible = facts_.eligible.find(at.partition);
        const bool failed = failures != failed_.end() &&
                            std::ranges::find(failures->second, at.next) != failures->second.end();
        const bool may = eligible == facts_.eligible.end() ||
                         std::ranges::find(eligible->second, at.next) != eligible->second.end();
        if (may && !failed) {
            return at.next;
        }
    }
    return one.keeps_owner ? at.owner : member_id{};
}

/// Whether this move is one to prepare: from somebody who serves the entry until then.
bool plan_draft::prepares(const placed& one, member_id owner) const {
    return spec_.prepare_deadline > std::chrono::milliseconds{0} && !owner.empty() && one.serves &&
           !entry_of(one).owner.empty();
}

/// Whether what was hinted at may be done: `owner` is ready, or has had its time.
bool plan_draft::is_due(const placed& one, member_id owner) const {
    const entry& at = entry_of(one);
    if (at.next != owner) {
        return false;
    }
    const std::string key = entry_key(at);
    const release_record* const record = record_of(owner);
    if (record != nullptr && record->ready.contains(key)) {
        return true;
    }
    const auto seen = facts_.hints.find(key);
    return seen != facts_.hints.end() && seen->second.next == owner &&
           now_ >= seen->second.since + spec_.prepare_deadline;
}

void plan_draft::hint(const placed& one, member_id next) {
    entry& at = entry_of(one);
    if (at.next == next) {
        return;
    }
    note("prepare",
         "/" + at.partition + (at.slot == 0 ? "" : "#" + std::to_string(at.slot)) + " " +
             (next.empty() ? title(at.next) + " need not prepare"
                           : title(next) + " prepares to take it from " + title(at.owner)));
    at.next = next;
    change_.chunks.insert(one.chunk);
    if (!next.empty()) {
        come_again(now_ + spec_.prepare_deadline);
    }
}

/// All open slots of a partition, as the planner wants them.
void plan_draft::settle_all(std::size_t partition, const std::vector<member_id>& owners) {
    const std::size_t first = partition * replicas_;
    bool prepared = true;  // every slot that moves is one to prepare
    bool due = true;
    for (std::size_t s = 0; s < replicas_; ++s) {
        const placed& slot = entries_[first + s];
        const member_id owner = s < owners.size() ? owners[s] : member_id{};
        if (slot.what == fate::open && owner != entry_of(slot).owner) {
            prepared = prepared && prepares(slot, owner);
            due = due && is_due(slot, owner);
        }
    }
    for (std::size_t s = 0; s < replicas_; ++s) {
        placed& slot = entries_[first + s];
        if (slot.what != fate::open) {
            continue;
        }
        const member_id owner = s < owners.size() ? owners[s] : member_id{};
        if (owner == entry_of(slot).owner) {
            hint(slot, {});
            slot.what = fate::kept;
        } else if (prepared && !due) {
            hint(slot, owner);
            slot.what = fate::kept;
        } else {
            settle(slot, owner);
        }
    }
}

/// Of members that may not take anything (any more). One that has not been read yet may.
void plan_draft::drop_hints() {
    for (const placed& one : entries_) {
        const member_id next = entry_of(one).next;
        if (!next.empty() && !is_taker(next) && (is_gone(next) || facts_.statuses.contains(next))) {
            hint(one, {});
        }
    }
}

}  // namespace muster::cluster
