#include "cluster/plan/draft.hpp"

#include <algorithm>
#include <utility>

// The order matters: names come and go first (places change), then every entry is judged by what
// is known of its owner, then the planner fills what is open, and only then fences and `waits`
// follow from which owners differ. Rule 1 of docs/internals/handover.md is `give`.

namespace muster::cluster {

namespace {

constexpr std::size_t most_reasons = 64;
constexpr std::size_t quarantine_after = 3;

namespace reasons {
constexpr reason rebalance{"rebalance", "rebalance"};
constexpr reason first{"first", "first"};
constexpr reason unowned{"unowned", "was unowned"};
constexpr reason removed{"removed", "removed"};
constexpr reason crash{"crash", "crash"};
constexpr reason delayed{"crash", "crash, waits for handover_delay"};
constexpr reason left{"left", "left"};
constexpr reason drain{"drain", "drain"};
constexpr reason suspect{"suspect", "suspect"};
constexpr reason failed{"failed", "failed to start"};
constexpr reason quarantined{"quarantined", "quarantined: 3 members failed to start it"};
constexpr reason not_eligible{"not_eligible", "not eligible"};
constexpr reason nobody_eligible{"not_eligible", "nobody may take it"};
}  // namespace reasons

bool has_twice(const std::vector<member_id>& owners) {
    for (auto one = owners.begin(); one != owners.end(); ++one) {
        if (!one->empty() && std::find(std::next(one), owners.end(), *one) != owners.end()) {
            return true;
        }
    }
    return false;
}

}  // namespace

plan_draft::plan_draft(const specification& spec,
                       const plan& before,
                       const plan_facts& facts,
                       plan_number number,
                       instant now,
                       const std::string& resource)
    : spec_{spec},
      before_{before},
      facts_{facts},
      number_{number},
      now_{now},
      resource_{resource},
      replicas_{std::max(spec.replicas, 1U)} {
    change_.next = before;
    change_.next.fresh = false;  // It is written whole.
    for (const planned_member& one : facts.takers) {
        takers_.try_emplace(one.id, &one);
    }
    for (const auto& [who, status] : facts.statuses) {
        if (const release_record* record = record_of(who)) {
            for (const auto& [key, fence] : record->failed) {
                failed_[key].push_back(who);
            }
        }
    }
    change_list();
    place_all();
    ask();
}

const release_record* plan_draft::record_of(member_id who) const {
    const auto status = facts_.statuses.find(who);
    if (status == facts_.statuses.end()) {
        return nullptr;
    }
    const auto record = status->second.resources.find(resource_);
    return record == status->second.resources.end() ? nullptr : &record->second;
}

/// Known to act on nothing of this entry, but for a grant above the entry's own fence.
bool plan_draft::has_let_go(member_id who, const entry& of) const {
    if (is_gone(who)) {
        return true;
    }
    const release_record* const record = record_of(who);
    return record != nullptr && has_released(*record, of, of.fence);
}

/// Let go of it, and said so, before its end. Its present owner has not, whatever it said: that was
/// about what it had before this grant.
bool plan_draft::had_released(member_id who, const entry& of) const {
    const auto said = facts_.last_said.find(who);
    if (said == facts_.last_said.end() || of.owner == who) {
        return false;
    }
    const auto record = said->second.resources.find(resource_);
    return record != said->second.resources.end() && has_released(record->second, of, of.fence);
}

bool plan_draft::is_delayed(member_id who, const entry& of) {
    const auto crashed = facts_.gone_at.find(who);
    if (!is_gone(who) || crashed == facts_.gone_at.end() || had_released(who, of)) {
        return false;
    }
    const instant until = crashed->second + spec_.handover_delay;
    if (now_ >= until) {
        return false;
    }
    come_again(until);
    return true;
}

std::string plan_draft::title(member_id who) const {
    if (who.empty()) {
        return "nobody";
    }
    const auto taker = takers_.find(who);
    return taker == takers_.end() ? who.brief() : taker->second->name;
}

void plan_draft::note(std::string_view code, std::string text) {
    if (!code.empty()) {
        change_.also.insert(code);
    }
    if (change_.reasons.size() < most_reasons) {
        change_.reasons.push_back(resource_ + std::move(text));
    } else {
        ++reasons_left_out_;
    }
}

// --- Names of a list
// ------------------------------------------------------------------------------

void plan_draft::change_list() {
    if (spec_.kind != resource_kind::list || (!facts_.wanted && !spec_.tombstone)) {
        return;
    }
    const std::vector<std::string> none;
    const std::vector<std::string>& names = spec_.tombstone ? none : *facts_.wanted;
    drop_unwanted({names.begin(), names.end()});
    add_wanted(names);
}

/// Marks what is no longer wanted, and drops what nobody owns or may still act on.
void plan_draft::drop_unwanted(const std::set<std::string>& wanted) {
    for (std::size_t c = 0; c < change_.next.chunks.size(); ++c) {
        std::vector<entry>& entries = change_.next.chunks[c].entries;
        std::vector<entry> kept;
        bool touched = false;
        for (std::size_t i = 0; i + replicas_ <= entries.size(); i += replicas_) {
            const auto first = entries.begin() + static_cast<std::ptrdiff_t>(i);
            const auto last = first + static_cast<std::ptrdiff_t>(replicas_);
            const bool keep = wanted.contains(first->partition);
            const bool free = std::all_of(first, last, [this](const entry& one) {
                return one.owner.empty() && std::ranges::all_of(one.waits, [&](member_id who) {
                           return !is_delayed(who, one) && has_let_go(who, one);
                       });
            });
            if (!keep && free) {
                note("dropped", "/" + first->partition + " dropped");
                touched = true;
                continue;
            }
            for (auto one = first; one != last; ++one) {
                touched = touched || one->removed == keep;
                one->removed = !keep;
                kept.push_back(*one);
            }
        }
        if (touched) {
            entries = std::move(kept);
            change_.chunks.insert(c);
        }
    }
}

void plan_draft::add_wanted(const std::vector<std::string>& names) {
    std::set<std::string> there;
    for (const plan_chunk& chunk : change_.next.chunks) {
        for (const entry& one : chunk.entries) {
            there.insert(one.partition);
        }
    }
    std::size_t roomy = 0;  // the first chunk that may have room
    for (const std::string& name : names) {
        if (!there.insert(name).second) {
            continue;
        }
        auto& chunks = change_.next.chunks;
        while (roomy < chunks.size() &&
               chunks[roomy].entries.size() + replicas_ > entries_per_chunk) {
            ++roomy;
        }
        if (roomy == chunks.size()) {
            chunks.emplace_back();
            added_chunks_.insert(roomy);
        }
        for (std::size_t slot = 0; slot < replicas_; ++slot) {
            entry& added = chunks[roomy].entries.emplace_back();
            added.partition = name;
            added.slot = static_cast<std::uint16_t>(slot);
        }
        change_.chunks.insert(roomy);
        note("added", "/" + name + " added");
    }
}

// --- Judging what there is
// ------------------------------------------------------------------------

void plan_draft::place_all() {
    for (std::size_t c = 0; c < change_.next.chunks.size(); ++c) {
        for (std::size_t i = 0; i < change_.next.chunks[c].entries.size(); ++i) {
            placed& one = entries_.emplace_back();
            one.chunk = c;
            one.index = i;
            judge(one);
            note_hint(one);
        }
    }
}

void plan_draft::judge(placed& one) {
    const entry& at = entry_of(one);
    if (at.removed || spec_.tombstone) {
        one.what = fate::unowned;
        one.why = &reasons::removed;
        return;
    }
    judge_owner(one, at);
    if (one.what != fate::open || one.keeps_owner) {
        return;
    }
    bool delayed = is_delayed(at.owner, at);
    for (const member_id who : at.waits) {
        delayed = is_delayed(who, at) || delayed;
    }
    const auto failures = failed_.find(entry_key(at));
    if (failures != failed_.end() && failures->second.size() >= quarantine_after) {
        one.what = fate::unowned;
        one.why = &reasons::quarantined;
    } else if (delayed) {
        one.what = fate::unowned;
        one.why = &reasons::delayed;
    }
}

/// Decides whether the present owner may stay.
void plan_draft::judge_owner(placed& one, const entry& at) {
    const member_id owner = at.owner;
    if (owner.empty()) {
        one.keeps_owner = false;
        one.why = at.fence == 0 ? &reasons::first : &reasons::unowned;
        return;
    }
    if (is_gone(owner)) {
        one.keeps_owner = false;
        one.why = facts_.gone_at.contains(owner) ? &reasons::crash : &reasons::left;
        return;
    }
    if (const release_record* record = record_of(owner)) {
        const auto failure = record->failed.find(entry_key(at));
        if (failure != record->failed.end() && failure->second >= fence_of(before_, at)) {
            one.keeps_owner = false;
            one.why = &reasons::failed;
            return;
        }
    }
    const auto status = facts_.statuses.find(owner);
    one.serves =
        status != facts_.statuses.end() &&
        (status->second.state == lifecycle::initializing ||
         status->second.state == lifecycle::online || status->second.state == lifecycle::draining);
    if (is_taker(owner)) {
        const auto eligible = facts_.eligible.find(at.partition);
        if (eligible != facts_.eligible.end() &&
            std::ranges::find(eligible->second, owner) == eligible->second.end()) {
            one.keeps_owner = false;
            one.serves = false;
            one.why = &reasons::not_eligible;
        }
        return;
    }
    const bool leaves =
        status != facts_.statuses.end() &&
        (status->second.state == lifecycle::draining || status->second.state == lifecycle::left);
    if (facts_.keepers.contains(owner) || status == facts_.statuses.end() ||
        (facts_.takers.empty() && !leaves)) {
        one.what = fate::kept;
        return;
    }
    one.keeps_owner = false;
    one.why = leaves ? &reasons::drain : &reasons::suspect;
}

// --- Asking the planner
// ---------------------------------------------------------------------------

void plan_draft::ask() {
    if (takers_.empty()) {
        return;
    }
    question_.emplace();
    question_->resource = resource_;
    question_->replicas = static_cast<std::uint32_t>(replicas_);
    question_->members = facts_.takers;
    std::ranges::sort(question_->members, {}, [](const planned_member& one) {
        return std::pair<const std::string&, member_id>(one.name, one.id);
    });
    for (std::size_t p = 0; (p + 1) * replicas_ <= entries_.size(); ++p) {
        add_question(p);
    }
    if (question_->partitions.empty()) {
        question_.reset();
    }
}

void plan_draft::add_question(std::size_t partition) {
    const std::size_t first = partition * replicas_;
    bool open = false;
    bool hinted = false;
    planned_partition one;
    one.name = entry_of(entries_[first]).partition;
    for (std::size_t s = 0; s < replicas_; ++s) {
        const placed& slot = entries_[first + s];
        open = open || slot.what == fate::open;
        one.owners.push_back(shown_owner(slot));
        hinted = hinted || !entry_of(slot).next.empty();
    }
    if (hinted && has_twice(one.owners)) {
        for (std::size_t s = 0; s < replicas_; ++s) {
            const placed& slot = entries_[first + s];
            const bool stays = slot.what == fate::open && slot.keeps_owner;
            one.owners[s] = stays ? entry_of(slot).owner : member_id{};
        }
    }
    if (!open) {
        return;
    }
    if (auto choice = choice_for(partition)) {
        if (choice->empty()) {
            for (std::size_t s = 0; s < replicas_; ++s) {
                placed& slot = entries_[first + s];
                if (slot.what == fate::open) {
                    slot.what = fate::unowned;
                    slot.why = &reasons::nobody_eligible;
                }
            }
            return;
        }
        one.eligible = std::move(*choice);
    }
    question_->partitions.push_back(std::move(one));
    asked_.push_back(partition);
}

/// Who may own the partition, where that is not everybody: who is eligible, less those that failed
/// to start it (but for one that owns it all the same).
std::optional<std::vector<member_id>> plan_draft::choice_for(std::size_t partition) const {
    std::set<member_id> out;
    std::set<member_id> owners;
    for (std::size_t s = 0; s < replicas_; ++s) {
        const placed& slot = entries_[partition * replicas_ + s];
        const entry& at = entry_of(slot);
        if (slot.what == fate::open && slot.keeps_owner) {
            owners.insert(at.owner);
        }
        const auto failures = failed_.empty() ? failed_.end() : failed_.find(entry_key(at));
        if (failures != failed_.end()) {
            out.insert(failures->second.begin(), failures->second.end());
        }
    }
    const auto eligible = facts_.eligible.find(entry_of(entries_[partition * replicas_]).partition);
    if (eligible == facts_.eligible.end() && out.empty()) {
        return std::nullopt;
    }
    std::vector<member_id> choice;
    for (const planned_member& one : question_->members) {
        const bool may = eligible == facts_.eligible.end() ||
                         std::ranges::find(eligible->second, one.id) != eligible->second.end();
        if (may && (!out.contains(one.id) || owners.contains(one.id))) {
            choice.push_back(one.id);
        }
    }
    return choice;
}

void plan_draft::answer(const planned_owners& owners) {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
        settle_all(asked_[i], owners[i]);
    }
}

// --- What follows from the owners
// -----------------------------------------------------------------

void plan_draft::settle(placed& one, member_id owner) {
    if (owner != entry_of(one).owner) {
        give(one, owner);
    }
    one.what = fate::kept;
}

/// Rule 1.
void plan_draft::give(placed& one, member_id owner) {
    entry& at = entry_of(one);
    const member_id former = at.owner;
    std::vector<member_id> waits;
    const auto keep = [&](member_id who) {
        if (who != owner && std::ranges::find(waits, who) == waits.end()) {
            waits.push_back(who);
        }
    };
    for (const member_id who : at.waits) {
        if (is_delayed(who, at) || !has_let_go(who, at)) {
            keep(who);
        }
    }
    // The former owner only if it is gone: what it has released "up to the old fence" is what it
    // had before this grant, not this grant.
    if (!former.empty() && (is_delayed(former, at) || !is_gone(former))) {
        keep(former);
    }
    say_why(one, former, owner);
    at.owner = owner;
    at.fence = number_;
    at.waits = std::move(waits);
    at.next = {};
    change_.chunks.insert(one.chunk);
}

void plan_draft::say_why(const placed& one, member_id from, member_id to) {
    const entry& at = entry_of(one);
    const reason& why = one.why == nullptr ? reasons::rebalance : *one.why;
    change_.moved.push_back({one.chunk, one.index, from, why.code});
    note("",
         "/" + at.partition + (at.slot == 0 ? "" : "#" + std::to_string(at.slot)) + " " +
             title(from) + "->" + title(to) + " " + why.text);
}

/// Leaves out of `waits` whoever has let go, in chunks there is still room for.
void plan_draft::clean_waits() {
    for (const placed& one : entries_) {
        entry& at = entry_of(one);
        if (at.waits.empty() || at.fence == number_ ||
            (!change_.chunks.contains(one.chunk) && change_.chunks.size() >= chunks_per_change)) {
            continue;
        }
        const auto left = std::erase_if(
            at.waits, [&](member_id who) { return !is_delayed(who, at) && has_let_go(who, at); });
        if (left > 0) {
            change_.chunks.insert(one.chunk);
        }
    }
}

/// What does not fit into one `multi` waits for the next plan; each plan is valid by itself.
void plan_draft::limit() {
    std::size_t count = 0;
    for (auto at = change_.chunks.begin(); at != change_.chunks.end();) {
        if (++count <= chunks_per_change) {
            ++at;
            continue;
        }
        if (!added_chunks_.contains(*at)) {
            change_.next.chunks[*at] = before_.chunks[*at];
        }
        change_.more = true;
        at = change_.chunks.erase(at);
    }
    std::erase_if(change_.moved,
                  [&](const moved_entry& one) { return !change_.chunks.contains(one.chunk); });
    while (!added_chunks_.empty() && !change_.chunks.contains(*added_chunks_.rbegin())) {
        change_.next.chunks.pop_back();
        added_chunks_.erase(std::prev(added_chunks_.end()));
    }
}

/// A member that let its grants lapse owns them again, under larger fences: `since` moves on.
void plan_draft::readmit() {
    std::set<member_id> lapsed;
    for (const plan_chunk& chunk : change_.next.chunks) {
        for (const entry& one : chunk.entries) {
            if (one.owner.empty() || lapsed.contains(one.owner)) {
                continue;
            }
            const release_record* const record = record_of(one.owner);
            if (record != nullptr && fence_of(change_.next, one) <= record->revoked) {
                lapsed.insert(one.owner);
            }
        }
    }
    for (const member_id who : lapsed) {
        change_.next.since[who] = number_;
        note("readmitted", " " + title(who) + " readmitted");
    }
}

/// Without an entry whose fence is smaller, `since` says nothing any more.
void plan_draft::forget_since() {
    std::set<member_id> needed;
    for (const plan_chunk& chunk : change_.next.chunks) {
        for (const entry& one : chunk.entries) {
            const auto since = change_.next.since.find(one.owner);
            if (since != change_.next.since.end() && one.fence < since->second) {
                needed.insert(one.owner);
            }
        }
    }
    std::erase_if(change_.next.since, [&](const auto& one) { return !needed.contains(one.first); });
}

std::optional<plan_change> plan_draft::finish() {
    for (placed& one : entries_) {
        // What no planner was asked about: nobody may take it, or nobody is there to.
        if (one.what == fate::unowned || (one.what == fate::open && !one.keeps_owner)) {
            settle(one, {});
        }
    }
    drop_hints();
    limit();
    readmit();
    if (change_.chunks.empty() && change_.next.since == before_.since) {
        return std::nullopt;
    }
    if (!change_.more) {
        clean_waits();
    }
    forget_since();
    change_.next.number = number_;
    for (const std::size_t chunk : change_.chunks) {
        change_.next.chunks[chunk].number = number_;
    }
    if (reasons_left_out_ > 0) {
        change_.reasons.push_back(resource_ + ": " + std::to_string(reasons_left_out_) + " more");
    }
    return std::move(change_);
}

}  // namespace muster::cluster
