#include "cluster/handoff/protocol_world.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace muster::cluster::testing {

namespace {

constexpr std::size_t most_members = 8;
constexpr std::string_view resource = "r";

specification small_resource(splitmix& dice) {
    specification spec;
    spec.partitions = 4;
    spec.replicas = dice.one_in(4) ? 2 : 1;
    spec.handover_delay = std::chrono::milliseconds{0};
    spec.prepare_deadline = std::chrono::milliseconds{dice.one_in(2) ? 100 : 0};
    return spec;
}

/// Two chunks, so that one can be newer than the head.
plan in_two_chunks(plan whole) {
    std::vector<entry>& entries = whole.chunks.front().entries;
    plan_chunk second{.number = whole.number, .entries = {}};
    second.entries.assign(entries.begin() + std::ssize(entries) / 2, entries.end());
    entries.resize(entries.size() / 2);
    whole.chunks.push_back(std::move(second));
    return whole;
}

const entry* find(const plan& whole, const std::string& key) {
    for (const plan_chunk& chunk : whole.chunks) {
        for (const entry& one : chunk.entries) {
            if (entry_key(one) == key) {
                return &one;
            }
        }
    }
    return nullptr;
}

template <class Map>
auto any_of(splitmix& dice, const Map& map) {
    return *std::next(map.begin(), static_cast<std::ptrdiff_t>(dice.below(map.size())));
}

}  // namespace

protocol_world::protocol_world(std::uint64_t seed, mutation broken)
    : dice_{seed}, broken_{broken}, spec_{small_resource(dice_)} {
    plans_.push_back(in_two_chunks(first_plan(spec_, 1)));
    for (std::size_t i = 0; i < 3; ++i) {
        join();
    }
}

void protocol_world::join() {
    member& added = members_.emplace_back();
    added.holder.self = member_id{1, members_.size()};
}

std::size_t protocol_world::index_of(member_id who) const {
    return static_cast<std::size_t>(who.low() - 1);
}

void protocol_world::step() {
    const std::size_t who = dice_.below(members_.size());
    member& one = members_[who];
    switch (dice_.below(16)) {
        case 0:
            return write_plan(false);
        case 1:
            if (members_.size() < most_members && dice_.one_in(10)) {
                join();
            }
            return;
        case 2:
            if (dice_.one_in(12)) {
                end_lease(who);
            }
            return;
        case 3:
            return lose_session(who);
        case 4:
            return regain_lease(who);
        case 5:
            return come_back(who);
        case 6:
            if (!one.gone && !one.holder.failed.empty()) {
                const auto failure = any_of(dice_, one.holder.failed);
                feed(who, failure_forgotten{failure.first, failure.second});
            }
            return;
        case 7:
        case 8:
            end_prepare(who);
            return dice_.one_in(4) ? end_delay(who) : read_former(who, dice_.one_in(2));
        case 9:
        case 10:
            return move_publication(who);
        case 11:
        case 12:
            return end_handler(who, true);
        default:
            return read_plan(who, dice_.one_in(2));
    }
}

// --- Members
// --------------------------------------------------------------------------------------

void protocol_world::feed(std::size_t who, const holder_event& event) {
    holder_step done = advance(std::move(members_[who].holder), event);
    members_[who].holder = std::move(done.next);
    for (const holder_action& action : done.actions) {
        perform(who, action);
    }
}

void protocol_world::perform(std::size_t who, const holder_action& action) {
    member& one = members_[who];
    std::visit(
        [&](const auto& what) {
            using kind = std::remove_cvref_t<decltype(what)>;
            if constexpr (std::is_same_v<kind, begin_acquire>) {
                begin(who, what.what);
            } else if constexpr (std::is_same_v<kind, begin_release> ||
                                 std::is_same_v<kind, revoke>) {
                const std::string key =
                    entry_key({what.what.partition, what.what.slot, {}, 0, {}, {}, false});
                one.starting.erase(key);
                one.stopping[key] = what.what.fence;
            } else if constexpr (std::is_same_v<kind, publish>) {
                one.sending = what.what;
                if (broken_ == mutation::early_release) {
                    one.sending->except.clear();
                }
            } else if constexpr (std::is_same_v<kind, let_settle>) {
                one.settling.insert(what.who);
            } else if constexpr (std::is_same_v<kind, forget_former>) {
                one.settling.erase(what.who);
            } else if constexpr (std::is_same_v<kind, begin_prepare>) {
                if (!one.preparing
                         .insert(
                             entry_key({what.what.partition, what.what.slot, {}, 0, {}, {}, false}))
                         .second) {
                    violation_ = "an entry is prepared twice at once";
                }
                ++prepares_;
            }
        },
        action);
}

/// S1 and S2, at the only event that can break them.
void protocol_world::begin(std::size_t who, const held_entry& what) {
    const std::string key = entry_key({what.partition, what.slot, {}, 0, {}, {}, false});
    member& one = members_[who];
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const member& other = members_[i];
        const bool acts = other.running.contains(key) && (other.lease || !other.gone);
        if (acts && violation_.empty()) {
            violation_ = "S1: member " + std::to_string(who) + " starts " + key + " under " +
                         std::to_string(what.fence) + " while member " + std::to_string(i) +
                         " acts under " + std::to_string(other.running.at(key));
        }
    }
    if (what.fence <= highest_[key] && violation_.empty()) {
        violation_ = "S2: " + key + " under " + std::to_string(what.fence) + " after " +
                     std::to_string(highest_[key]);
    }
    if (!one.lease && violation_.empty()) {
        violation_ = "X10: " + key + " starts without a lease";
    }
    highest_[key] = std::max(highest_[key], what.fence);
    acted_[{key, one.holder.self}] = what.fence;
    one.running[key] = what.fence;
    one.starting[key] = what.fence;
    ++acquires_;
}

void protocol_world::read_plan(std::size_t who, bool newest) {
    member& one = members_[who];
    if (one.gone) {
        return;
    }
    const std::size_t last = plans_.size() - 1;
    const std::size_t head = newest ? last : one.head_read + dice_.below(last - one.head_read + 1);
    std::size_t chunks = std::max(head, one.chunk_read);
    if (!newest && dice_.one_in(3)) {
        chunks += dice_.below(last - chunks + 1);
    }
    plan whole = plans_[head];
    whole.chunks = plans_[chunks].chunks;  // never older than the head says, perhaps newer
    one.head_read = head;
    one.chunk_read = chunks;
    feed(who, plan_read{std::move(whole)});
}

former_owner protocol_world::look_at(std::size_t reader, member_id who, bool newest) {
    const member& other = members_[index_of(who)];
    former_owner seen;
    seen.gone = other.gone;
    const std::size_t count = other.statuses.size();
    const std::size_t index = newest ? count : dice_.below(count + 1);
    if (index > 0) {
        seen.released = other.statuses[index - 1];
    } else if (broken_ == mutation::absent_released) {
        seen.released.emplace().through = most_plan_number;
    }
    if (broken_ == mutation::prepare_number && seen.released) {
        for (const auto& [key, held] : members_[reader].holder.held) {
            plan_number before = 0;  // the fence that the entry had before this one
            for (const plan& old : plans_) {
                const entry* const then = find(old, key);
                before = then->fence < held.waits_upto ? then->fence : before;
            }
            if (held.at == hold::waiting && seen.released->through >= before) {
                seen.released->through = std::max(seen.released->through, held.waits_upto);
            }
        }
    }
    return seen;
}

void protocol_world::read_former(std::size_t who, bool newest) {
    if (members_[who].gone || members_[who].holder.formers.empty()) {
        return;
    }
    const member_id former = any_of(dice_, members_[who].holder.formers).first;
    feed(who, former_read{former, look_at(who, former, newest)});
}

void protocol_world::end_delay(std::size_t who) {
    member& one = members_[who];
    if (!one.gone && !one.settling.empty()) {
        const member_id former = *one.settling.begin();
        one.settling.erase(former);
        feed(who, former_settled{former});
    }
}

void protocol_world::end_prepare(std::size_t who) {
    member& one = members_[who];
    if (!one.gone && !one.preparing.empty()) {
        const std::string key = *one.preparing.begin();
        one.preparing.erase(key);
        feed(who, prepare_ended{key});
    }
}

void protocol_world::move_publication(std::size_t who) {
    member& one = members_[who];
    if (one.gone) {
        return;
    }
    if (one.unacked && dice_.one_in(2)) {
        feed(who, was_published{*std::exchange(one.unacked, std::nullopt)});
    } else if (one.sending) {
        one.statuses.push_back(*one.sending);
        one.unacked = std::exchange(one.sending, std::nullopt);
    }
}

void protocol_world::end_handler(std::size_t who, bool may_fail) {
    member& one = members_[who];
    if (!one.stopping.empty() && (one.starting.empty() || dice_.one_in(2))) {
        const auto [key, fence] = any_of(dice_, one.stopping);
        one.stopping.erase(key);
        one.running.erase(key);
        if (!one.gone) {
            feed(who, release_ended{key, fence});
        }
    } else if (may_fail && one.starting.empty() && !one.running.empty() && dice_.one_in(8)) {
        const auto [key, fence] = any_of(dice_, one.running);  // it fails while it acts
        if (!one.gone) {
            feed(who, acquire_ended{key, fence, false});
        }
    } else if (!one.starting.empty()) {
        const auto [key, fence] = any_of(dice_, one.starting);
        one.starting.erase(key);
        const bool ok = !may_fail || !dice_.one_in(6);
        if (!ok) {
            one.running.erase(key);
        }
        if (!one.gone) {
            feed(who, acquire_ended{key, fence, ok});
        }
    }
}

void protocol_world::end_lease(std::size_t who) {
    member& one = members_[who];
    if (one.lease) {
        one.lease = false;
        if (!one.gone) {
            feed(who, lease_ended{});
        }
    }
}

void protocol_world::lose_session(std::size_t who) {
    member& one = members_[who];
    const bool may = !one.lease || broken_ == mutation::lease_outlived;
    if (may && !one.gone && dice_.one_in(10)) {
        one.gone = true;
        one.sending.reset();
        one.unacked.reset();
    }
}

void protocol_world::regain_lease(std::size_t who) {
    member& one = members_[who];
    if (one.gone || (one.lease && one.ready)) {
        return;
    }
    one.lease = true;
    one.ready = true;
    feed(who, rights_changed{true});
}

void protocol_world::come_back(std::size_t who) {
    member& one = members_[who];
    if (broken_ != mutation::reused_id || !one.gone || !reborn_.insert(one.holder.self).second) {
        return;
    }
    member fresh;
    fresh.holder.self = one.holder.self;
    one = std::move(fresh);
}

// --- Leaders
// --------------------------------------------------------------------------------------

plan_facts protocol_world::facts(bool truthful) {
    plan_facts known;
    for (const member& one : members_) {
        const member_id id = one.holder.self;
        if (one.gone && (truthful || dice_.one_in(2))) {
            known.gone.insert(id);
            continue;
        }
        status_record status;
        status.state = lifecycle::online;
        const std::size_t count = one.statuses.size();
        const std::size_t index = truthful ? count : dice_.below(count + 1);
        if (index > 0) {
            status.resources[std::string{resource}] = one.statuses[index - 1];
        }
        known.statuses[id] = std::move(status);
        if (truthful || !dice_.one_in(3)) {
            planned_member taker;
            taker.id = id;
            taker.name = "m" + std::to_string(id.low());
            known.takers.push_back(std::move(taker));
        } else if (dice_.one_in(2)) {
            known.keepers.insert(id);
        }
    }
    return known;
}

/// Any owners at all, as long as they are valid.
planner protocol_world::any_planner() {
    return [this](const planner_input& input) {
        planned_owners owners(input.partitions.size());
        for (std::size_t p = 0; p < owners.size(); ++p) {
            for (std::size_t s = 0; s < input.replicas; ++s) {
                const member_id old = input.partitions[p].owners[s];
                const member_id drawn = input.members[dice_.below(input.members.size())].id;
                const member_id who = dice_.one_in(2) ? old : drawn;
                const auto& may = input.partitions[p].eligible;
                const bool fine = std::ranges::find(owners[p], who) == owners[p].end() &&
                                  (may.empty() || std::ranges::find(may, who) != may.end());
                owners[p].push_back(fine ? who : member_id{});
            }
        }
        return owners;
    };
}

void protocol_world::write_plan(bool truthful) {
    const plan& before = plans_.back();
    const auto number = before.number + 1 + static_cast<plan_number>(dice_.below(3));
    const planner choose = truthful ? planner{} : any_planner();
    plan_facts known = facts(truthful);
    if (dice_.one_in(2)) {  // The deadline of whatever is hinted at is over.
        for (const plan_chunk& chunk : before.chunks) {
            for (const entry& one : chunk.entries) {
                known.hints[entry_key(one)] = {one.next, instant{} - 1s};
            }
        }
    }
    auto change = next_plan(spec_, before, known, number, instant{}, choose, std::string{resource});
    if (change) {
        break_plan(before, change->next);
        plans_.push_back(std::move(change->next));
    }
}

void protocol_world::break_plan(const plan& before, plan& next) {
    for (plan_chunk& chunk : next.chunks) {
        for (entry& one : chunk.entries) {
            const std::string key = entry_key(one);
            const entry& old = *find(before, key);
            if (old.owner == one.owner) {
                continue;
            }
            if (broken_ == mutation::drop_wait) {
                std::erase_if(one.waits, [&](member_id who) { return who != old.owner; });
            }
            const auto acted = acted_.find({key, one.owner});
            if (broken_ == mutation::same_fence && acted != acted_.end()) {
                one.fence = acted->second;
            }
            if (broken_ == mutation::owner_released && !old.owner.empty()) {
                const auto& seen = members_[index_of(old.owner)].statuses;
                if (!seen.empty() && has_released(seen.back(), old, old.fence)) {
                    std::erase(one.waits, old.owner);
                }
            }
        }
    }
}

// --- The end
// --------------------------------------------------------------------------------------

void protocol_world::settle() {
    for (std::size_t who = 0; who < members_.size(); ++who) {
        if (!members_[who].gone) {
            regain_lease(who);
        }
    }
    constexpr int rounds = 60;
    for (int round = 0; round < rounds; ++round) {
        write_plan(true);
        for (std::size_t who = 0; who < members_.size(); ++who) {
            member& one = members_[who];
            if (one.gone) {
                continue;
            }
            read_plan(who, true);
            for (int i = 0; i < 24; ++i) {
                move_publication(who);
                end_handler(who, false);
                read_former(who, true);
                end_delay(who);
                end_prepare(who);
            }
            const auto failures = one.holder.failed;
            for (const auto& [key, fence] : failures) {
                feed(who, failure_forgotten{key, fence});
            }
        }
    }
}

std::string protocol_world::idle_entry() const {
    const bool somebody =
        std::ranges::any_of(members_, [](const member& one) { return !one.gone; });
    const auto present =
        std::ranges::count_if(members_, [](const member& one) { return !one.gone; });
    for (const plan_chunk& chunk : plans_.back().chunks) {
        for (const entry& one : chunk.entries) {
            const std::string key = entry_key(one);
            const bool acted = std::ranges::any_of(members_, [&](const member& m) {
                return !m.gone && m.running.contains(key) && !m.stopping.contains(key) &&
                       m.running.at(key) == fence_of(plans_.back(), one) &&
                       m.holder.self == one.owner;
            });
            if (somebody && !acted && one.slot < present) {
                return key + " (owner " + one.owner.text() + ", fence " +
                       std::to_string(one.fence) + ", waits for " +
                       std::to_string(one.waits.size()) + ")";
            }
        }
    }
    return "";
}

}  // namespace muster::cluster::testing
