#include "cluster/handoff/rules.hpp"

#include "cluster/plan/rules.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

// One pass after each event, whatever the event was:
//   reconcile   what is held but no longer granted stops (rule 3); what is granted is waited for
//   start       what waits for nobody any more, and may act, starts (rule 2)
//   prepare     what this member may be given next is prepared (rule 4)
//   follow      whom to watch is whom a waiting entry waits for
//   tell        whether somebody waits for a release that is not published yet
//
// The newest plan is boiled down once, when it is read, to what concerns this member: `granted`,
// `awaited` and `hinted`. All other events cost no more than what is held.

namespace muster::cluster {

namespace {

class handler {
public:
    explicit handler(holder_state now) : state_{std::move(now)} {}

    void on(const plan_read& event);
    void on(const former_read& event);
    void on(const former_settled& event);
    void on(const rights_changed& event) { state_.may_act = event.may_act; }
    void on(const lease_ended& event);
    void on(const acquire_ended& event);
    void on(const release_ended& event);
    void on(const was_published& event) { state_.published = event.what; }
    void on(const failure_forgotten& event);
    void on(const prepare_ended& event);

    holder_step finish() {
        forgive();
        reconcile();
        start();
        prepare();
        follow();
        tell();
        return {.next = std::move(state_), .actions = std::move(actions_)};
    }

private:
    void forgive();
    void reconcile();
    void start();
    void prepare();
    void follow();
    void tell();

    [[nodiscard]] bool is_void(const std::string& key, const held_entry& grant) const;
    [[nodiscard]] bool let_go(member_id who, const held_entry& one) const;
    [[nodiscard]] release_record record() const;
    [[nodiscard]] bool somebody_waits_for(const release_record& what) const;

    holder_state state_;
    std::vector<holder_action> actions_;
};

/// Whether any part of `whole` is older than what was read before.
bool goes_back(const plan& whole, const plan& before) {
    if (whole.number <= before.number) {
        return true;
    }
    for (std::size_t i = 0; i < std::min(whole.chunks.size(), before.chunks.size()); ++i) {
        if (whole.chunks[i].number < before.chunks[i].number) {
            return true;
        }
    }
    return whole.chunks.size() < before.chunks.size();
}

void handler::on(const plan_read& event) {
    if (state_.newest && goes_back(event.whole, *state_.newest)) {
        return;
    }
    state_.newest = event.whole;
    state_.granted.clear();
    state_.awaited.clear();
    state_.hinted.clear();
    std::map<std::string, plan_number> failed;
    for (const plan_chunk& chunk : state_.newest->chunks) {
        for (const entry& one : chunk.entries) {
            const bool mine = one.owner == state_.self;
            const bool awaited = std::ranges::find(one.waits, state_.self) != one.waits.end();
            const bool hinted = !mine && one.next == state_.self;
            if (!mine && !awaited && !hinted && state_.failed.empty()) {
                continue;
            }
            const std::string key = entry_key(one);
            if (mine) {
                state_.granted[key] = {.partition = one.partition,
                                       .slot = one.slot,
                                       .fence = fence_of(*state_.newest, one),
                                       .at = hold::waiting,
                                       .waits = one.waits,
                                       .waits_upto = one.fence};
            } else if (awaited) {
                state_.awaited[key] = one.fence;
            }
            if (hinted) {
                state_.hinted[key] = {one.partition, one.slot, one.owner};
            }
            if (const auto at = state_.failed.find(key); at != state_.failed.end()) {
                failed.insert(*at);
            }
        }
    }
    state_.failed = std::move(failed);  // what the plan does not know any more is forgotten
}

void handler::on(const former_read& event) {
    const auto at = state_.formers.find(event.who);
    if (at == state_.formers.end()) {
        return;
    }
    former_owner& known = at->second;
    known.left = known.left || event.what.left;
    if (event.what.released) {
        known.released = event.what.released;
    }
    if (event.what.gone && !std::exchange(known.gone, true) && !known.left) {  // gone is for ever
        actions_.emplace_back(let_settle{event.who});
    }
}

void handler::on(const former_settled& event) {
    const auto at = state_.formers.find(event.who);
    if (at != state_.formers.end() && at->second.gone) {
        at->second.settled = true;
    }
}

void handler::on(const lease_ended&) {
    state_.may_act = false;
    // Every grant that may have been acted on, or seen: a chunk can be newer than the head was.
    if (state_.newest) {
        state_.revoked = std::max(state_.revoked, state_.newest->number);
    }
    for (const auto& [key, grant] : state_.granted) {
        state_.revoked = std::max(state_.revoked, grant.fence);
    }
    for (auto& [key, one] : state_.held) {
        state_.revoked = std::max(state_.revoked, one.fence);
        if (one.at == hold::starting || one.at == hold::acting) {
            actions_.emplace_back(revoke{one});
            one.at = hold::stopping;
        }
    }
}

void handler::on(const acquire_ended& event) {
    const auto at = state_.held.find(event.key);
    if (at == state_.held.end() || at->second.fence != event.fence) {
        return;
    }
    if (at->second.at == hold::acting && !event.ok) {
        state_.failed[event.key] = event.fence;  // The pass that follows stops and releases it.
        return;
    }
    if (at->second.at != hold::starting) {
        return;
    }
    if (event.ok) {
        at->second.at = hold::acting;
        state_.failed.erase(event.key);
    } else {
        state_.failed[event.key] = event.fence;
        state_.held.erase(at);
    }
}

void handler::on(const release_ended& event) {
    const auto at = state_.held.find(event.key);
    if (at != state_.held.end() && at->second.at == hold::stopping &&
        at->second.fence == event.fence) {
        state_.held.erase(at);
    }
}

void handler::on(const failure_forgotten& event) {
    const auto at = state_.failed.find(event.key);
    if (at == state_.failed.end() || at->second != event.fence) {
        return;
    }
    state_.forgiven[event.key] = event.fence;
}

void handler::on(const prepare_ended& event) {
    if (const auto at = state_.prepared.find(event.key); at != state_.prepared.end()) {
        at->second = true;
    }
}

/// A failure whose back-off is over is forgotten once its grant is: until then the leader has to
/// see it, or the entry would stay with a member that may not start it again under that fence.
void handler::forgive() {
    for (auto at = state_.forgiven.begin(); at != state_.forgiven.end();) {
        const auto failure = state_.failed.find(at->first);
        const auto grant = state_.granted.find(at->first);
        const bool counts = failure != state_.failed.end() && failure->second == at->second;
        if (counts && grant != state_.granted.end() && grant->second.fence <= at->second) {
            ++at;
            continue;
        }
        if (counts) {
            state_.failed.erase(failure);
        }
        at = state_.forgiven.erase(at);
    }
}

/// A grant that may not be acted on (any more): the lease has lapsed since, or it failed already.
bool handler::is_void(const std::string& key, const held_entry& grant) const {
    const auto failure = state_.failed.find(key);
    return grant.fence <= state_.revoked ||
           (failure != state_.failed.end() && failure->second >= grant.fence);
}

void handler::reconcile() {
    for (auto at = state_.held.begin(); at != state_.held.end();) {
        held_entry& one = at->second;
        const auto grant = state_.granted.find(at->first);
        const bool kept = grant != state_.granted.end() && grant->second.fence == one.fence &&
                          !is_void(at->first, grant->second);
        if (kept || one.at == hold::stopping) {
            ++at;
        } else if (one.at == hold::waiting) {
            at = state_.held.erase(at);
        } else {
            actions_.emplace_back(begin_release{one});
            one.at = hold::stopping;
            ++at;
        }
    }
    for (const auto& [key, grant] : state_.granted) {
        if (is_void(key, grant)) {
            continue;
        }
        const auto [at, added] = state_.held.try_emplace(key, grant);
        if (!added && at->second.fence == grant.fence && at->second.at == hold::waiting) {
            at->second.waits = grant.waits;  // the leader may know of more who let go
        }
    }
}

/// Of who is gone without having released, the effects are waited for too.
bool handler::let_go(member_id who, const held_entry& one) const {
    const auto at = state_.formers.find(who);
    if (at == state_.formers.end()) {
        return false;
    }
    entry place;
    place.partition = one.partition;
    place.slot = one.slot;
    return (at->second.gone && (at->second.left || at->second.settled)) ||
           (at->second.released && has_released(*at->second.released, place, one.waits_upto));
}

void handler::start() {
    if (!state_.may_act) {
        return;
    }
    for (auto& [key, one] : state_.held) {
        const bool free = std::ranges::all_of(
            one.waits, [&](member_id who) { return who == state_.self || let_go(who, one); });
        if (one.at == hold::waiting && free) {
            one.at = hold::starting;
            actions_.emplace_back(begin_acquire{one});
        }
    }
}

/// What was begun goes on to its end, though nobody may want it any more: it is not begun twice.
void handler::prepare() {
    std::erase_if(state_.prepared, [&](const auto& one) {
        return one.second && !state_.hinted.contains(one.first);
    });
    if (!state_.may_act) {
        return;
    }
    for (const auto& [key, one] : state_.hinted) {
        if (state_.prepared.try_emplace(key, false).second) {
            actions_.emplace_back(begin_prepare{one});
        }
    }
}

void handler::follow() {
    std::set<member_id> wanted;
    for (const auto& [key, one] : state_.held) {
        if (one.at == hold::waiting) {
            wanted.insert(one.waits.begin(), one.waits.end());
        }
    }
    wanted.erase(state_.self);
    for (auto at = state_.formers.begin(); at != state_.formers.end();) {
        if (wanted.contains(at->first)) {
            ++at;
        } else {
            actions_.emplace_back(forget_former{at->first});
            at = state_.formers.erase(at);
        }
    }
    for (const member_id who : wanted) {
        if (state_.formers.try_emplace(who).second) {
            actions_.emplace_back(watch_former{who});
        }
    }
}

/// What is true now: see release_record.
release_record handler::record() const {
    release_record what;
    what.through = state_.newest ? state_.newest->number : 0;
    for (const auto& [key, one] : state_.held) {
        if (one.at == hold::stopping) {
            what.except.insert(key);
        }
    }
    what.revoked = state_.revoked;
    what.failed = state_.failed;
    for (const auto& [key, done] : state_.prepared) {
        if (done && state_.hinted.contains(key)) {
            what.ready.insert(key);
        }
    }
    return what;
}

bool handler::somebody_waits_for(const release_record& what) const {
    const release_record& told = state_.publishing ? *state_.publishing : state_.published;
    const auto says = [](const release_record& record, const std::string& key, plan_number upto) {
        return record.through >= upto && !record.except.contains(key);
    };
    const bool released = std::ranges::any_of(state_.awaited, [&](const auto& one) {
        return says(what, one.first, one.second) && !says(told, one.first, one.second);
    });
    const bool lapsed = std::ranges::any_of(state_.granted, [&](const auto& one) {
        return one.second.fence <= what.revoked && one.second.fence > told.revoked;
    });
    return released || lapsed || what.failed != told.failed || what.ready != told.ready;
}

void handler::tell() {
    release_record what = record();
    if (somebody_waits_for(what)) {
        state_.publishing = what;
        actions_.emplace_back(publish{std::move(what)});
    }
}

}  // namespace

holder_step advance(holder_state now, const holder_event& seen) {
    return advance(std::move(now), {&seen, 1});
}

holder_step advance(holder_state now, std::span<const holder_event> seen) {
    handler here{std::move(now)};
    for (const holder_event& one : seen) {
        std::visit([&](const auto& event) { here.on(event); }, one);
    }
    return here.finish();
}

}  // namespace muster::cluster
