#include "simulation/checker.hpp"

#include <algorithm>
#include <utility>

namespace muster::simulation {

namespace {

constexpr std::size_t story_max = 120;

/// How much longer a time may take by a clock that is as slow as is declared, or less by a fast
/// one: 1 / (1 - 0.083833) and 1 / (1 + 0.083833), rounded outwards.
constexpr double slow = 1.092;
constexpr double fast = 0.922;
/// To the server and back, and what both make of it.
constexpr duration round_trip = 5ms;
/// To find a server again that can be reached again.
constexpr duration reconnect = 1s;

duration scaled(duration what, double by) {
    return duration{static_cast<duration::rep>(static_cast<double>(what.count()) * by)};
}

/// Slots behind a byte that is in no name.
std::string key_of(const cluster::right::identity& what) {
    return what.resource + "/" + what.partition +
           (what.slot == 0 ? "" : "\x1f" + std::to_string(what.slot));
}

std::string number(std::int64_t value) {
    return std::to_string(value);
}

/// Fences without the cluster's incarnation, for people.
std::string short_fence(std::int64_t value) {
    return number(value & ((1LL << 56) - 1));
}

}  // namespace

void checker::note(std::string what) {
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(now_().time_since_epoch() - 10'000s);
    story_.push_back(number(micros.count()) + " us  " + std::move(what));
    if (story_.size() > story_max) {
        story_.pop_front();
    }
}

void checker::broken(std::string what) {
    note("BROKEN: " + what);
    if (violation_.empty()) {
        violation_ = std::move(what);
    }
}

std::string checker::report() const {
    std::string text = violation_ + "\nwhat happened before:\n";
    for (const std::string& line : story_) {
        text += "  " + line + "\n";
    }
    return text;
}

bool checker::acts(const given& one) const {
    if (!one.by->is_alive()) {
        return false;
    }
    return one.mine->valid(one.by->now()) ||
           (one.by->is_awake() &&
            std::ranges::any_of(one.effects, [](const auto& effect) { return !effect.second; }));
}

checker::given* checker::find(const cluster::right& which) {
    const auto at = rights_.find(key_of(which.what()));
    if (at == rights_.end()) {
        return nullptr;
    }
    const auto found = std::ranges::find_if(
        at->second, [&](const given& one) { return one.mine.get() == &which; });
    return found == at->second.end() ? nullptr : &*found;
}

void checker::acquired(const std::shared_ptr<witness>& who, std::shared_ptr<cluster::right> mine) {
    ++acquires_;
    const std::string key = key_of(mine->what());
    const fence_token fence = mine->what().fence;
    note(who->title() + " acquires " + key + " under " + short_fence(fence.value()));
    fence_token& newest = fences_[key];
    if (!(newest < fence)) {
        broken("S2: " + who->title() + " acquires " + key + " under " + short_fence(fence.value()) +
               ", after " + short_fence(newest.value()));
    }
    newest = std::max(newest, fence);
    judge_delay(*who, key, *mine);
    std::vector<given>& all = rights_[key];
    std::erase_if(all, [](const given& one) { return !one.by->is_alive(); });
    all.push_back({.by = who, .mine = std::move(mine)});
    poll();
}

void checker::started(const cluster::right& which) {
    if (given* const one = find(which)) {
        one->started = true;
    }
}

void checker::released(const cluster::right& which) {
    const auto at = holders_.find(key_of(which.what()));
    if (at != holders_.end() && at->second.who == which.what().member) {
        holders_.erase(at);
    }
}

void checker::ended(const cluster::right& which) {
    const auto at = rights_.find(key_of(which.what()));
    if (at != rights_.end()) {
        for (given& one : at->second) {
            one.ended = one.ended || one.mine.get() == &which;
        }
        std::erase_if(at->second,
                      [](const given& one) { return one.ended && one.effects.empty(); });
    }
    const auto held = holders_.find(key_of(which.what()));
    if (held != holders_.end() && held->second.who == which.what().member) {
        held->second.stopped = true;
    }
    note(which.what().member.brief() + " has let go of " + key_of(which.what()));
}

std::uint64_t checker::entered(const cluster::right& which) {
    ++effects_;
    if (given* const one = find(which)) {
        one->effects[effects_] = false;
    }
    return effects_;
}

void checker::left(const cluster::right& which, std::uint64_t effect) {
    if (given* const one = find(which)) {
        one->effects.erase(effect);
        if (one->effects.empty() && one->ended) {
            std::erase_if(rights_[key_of(which.what())],
                          [&](const given& other) { return other.mine.get() == &which; });
        }
    }
}

void checker::died(const witness& who) {
    for (auto& [key, all] : rights_) {
        std::erase_if(all, [&](const given& one) { return one.by.get() == &who; });
    }
    std::erase_if(leaders_, [&](const leading& one) { return one.who.get() == &who; });
    seen_.erase(&who);
}

void checker::resumed(const witness& who) {
    for (auto& [key, all] : rights_) {
        for (given& one : all) {
            if (one.by.get() == &who && !one.mine->valid(who.now())) {
                for (auto& effect : one.effects) {
                    effect.second = true;
                }
            }
        }
    }
}

void checker::fenced_off(const cluster::right::identity& which) {
    for (given& one : rights_[key_of(which)]) {
        for (auto& effect : one.effects) {
            effect.second = effect.second || one.mine->what().fence == which.fence;
        }
    }
}

/// Crashed is also who lives on without its session: it has told nobody that it let go. Whether the
/// leader waited, or the member to whom it had been promised before the crash, is all the same.
void checker::judge_delay(const witness& who, const std::string& key, const cluster::right& mine) {
    const auto before = holders_.find(key);
    const auto delay = delays_.find(mine.what().resource);
    if (before != holders_.end() && before->second.crashed && delay != delays_.end()) {
        ++delayed_acquires_;
        const duration since = now_() - *before->second.crashed;
        if (since < scaled(delay->second, fast)) {
            broken("handover_delay: " + who.title() + " acquires " + key + " " +
                   number(since / 1us) + " us after the end of " + before->second.who.brief() +
                   ", which had not released it");
        }
    }
    holders_[key] = {mine.what().member, false, std::nullopt};
}

void checker::leads(const std::shared_ptr<witness>& who, bool yes, leader_epoch epoch) {
    note(who->title() + (yes ? " leads under " : " leads no longer under ") +
         short_fence(epoch.value()));
    const auto mine =
        std::ranges::find_if(leaders_, [&](const leading& one) { return one.who == who; });
    if (!yes) {
        if (mine == leaders_.end() || mine->epoch != epoch) {
            broken("S1: " + who->title() + " ends a leadership that it had not begun");
        } else {
            leaders_.erase(mine);
        }
        return;
    }
    if (mine != leaders_.end()) {
        broken("S1: " + who->title() + " is told twice that it leads");
        return;
    }
    std::erase_if(leaders_, [](const leading& one) { return !one.who->is_alive(); });
    if (epoch <= last_epoch_) {
        broken("S2: " + who->title() + " leads under epoch " + short_fence(epoch.value()) +
               ", after " + short_fence(last_epoch_.value()));
    }
    last_epoch_ = std::max(last_epoch_, epoch);
    leaders_.push_back({who, epoch, who->id()});
    poll();
}

void checker::saw_view(const witness& who, std::int64_t number_seen, std::int64_t epoch) {
    std::int64_t& number_before = seen_[&who]["view"];
    std::int64_t& epoch_before = seen_[&who]["epoch"];
    if (number_seen < number_before || epoch < epoch_before) {
        broken("S4: " + who.title() + " is shown view " + number(number_seen) + " of epoch " +
               short_fence(epoch) + " after " + number(number_before) + " of " +
               short_fence(epoch_before));
    }
    number_before = number_seen;
    epoch_before = epoch;
}

void checker::saw_plan(const witness& who, const std::string& resource, std::int64_t plan) {
    std::int64_t& before = seen_[&who]["plan of " + resource];
    if (plan < before) {
        broken("S4: " + who.title() + " is shown plan " + number(plan) + " of " + resource +
               " after " + number(before));
    }
    before = plan;
}

void checker::stored(const std::string& path, std::int64_t found) {
    std::int64_t& before = stored_[path];
    if (found < before) {
        broken("S3: " + path + " went back from " + number(before) + " to " + number(found));
    }
    before = found;
}

// --- What the server has committed ------------------------------------------------------------

void checker::forget_stored() {
    stored_.clear();
    succession_.clear();
    holders_.clear();
}

/// View, specifications, plans; what becomes of a command, but not its being asked. A resource as
/// a whole, with a first plan that gives nothing to anybody, is made by whoever serves it first.
bool checker::is_leaders(const zookeeper::keeper_commit::change& what,
                         const std::set<std::string>& made) const {
    using zookeeper::event_type;
    if (what.what == event_type::children_changed) {
        return false;
    }
    if (what.what == event_type::created && std::ranges::any_of(made, [&](const auto& resource) {
            return what.path == resource || what.path.starts_with(resource + "/plan");
        })) {
        return false;
    }
    return what.path == where_.view() || what.path.starts_with(where_.view() + "/") ||
           what.path.starts_with(where_.resources() + "/") ||
           (what.path.starts_with(where_.commands() + "/") && what.what != event_type::created);
}

void checker::judge_writer(const zookeeper::keeper_commit& what) {
    const std::string all = where_.resources() + "/";
    std::set<std::string> made;
    for (const auto& change : what.changes) {
        if (change.what == zookeeper::event_type::created && change.path.starts_with(all) &&
            change.path.find('/', all.size()) == std::string::npos) {
            made.insert(change.path);
        }
    }
    for (const auto& change : what.changes) {
        if (!is_leaders(change, made)) {
            continue;
        }
        ++leader_writes_;
        if (succession_.empty()) {
            broken("S3: " + change.path + " was written while nobody stands in the succession");
        } else if (const auto& [id, session] = succession_.begin()->second;
                   session != what.session) {
            broken("S3: " + change.path + " was written by a session that is not that of " +
                   id.brief() + ", who leads");
        }
    }
}

void checker::follow_members(const zookeeper::keeper_commit& what) {
    using zookeeper::event_type;
    const std::string places = where_.succession() + "/";
    const std::string members = where_.members() + "/";
    const std::string statuses = where_.statuses() + "/";
    for (const auto& change : what.changes) {
        if (change.path.starts_with(places)) {
            const auto place = cluster::parse_succession(change.path.substr(places.size()));
            if (place && change.what == event_type::created) {
                succession_[place->sequence] = {place->id, what.session};
            } else if (place && change.what == event_type::deleted) {
                succession_.erase(place->sequence);
                if (strangers_.contains(what.session)) {
                    robbed_[place->id] = now_();
                }
            }
        } else if (change.path.starts_with(statuses) && change.what == event_type::data_changed) {
            // It tells, with whatever else it says, what it stopped when its lease ended.
            const auto id = member_id::parse(change.path.substr(statuses.size()));
            std::erase_if(holders_, [&](const auto& one) {
                return id && one.second.stopped && one.second.who == *id;
            });
        } else if (change.path.starts_with(members) && change.what == event_type::deleted) {
            const auto id = member_id::parse(change.path.substr(members.size()));
            for (auto& [key, held] : holders_) {
                if (id && held.who == *id && !held.crashed && !strangers_.contains(what.session)) {
                    held.crashed = now_();
                }
            }
        }
    }
}

void checker::committed(const zookeeper::keeper_commit& what) {
    if (!strangers_.contains(what.session)) {
        judge_writer(what);
    }
    follow_members(what);
}

void checker::hindered(const std::string& title, instant until) {
    instant& known = hindered_[title];
    known = std::max(known, until);
}

bool checker::is_robbed(const leading& one) const {
    const auto at = robbed_.find(one.as);
    if (at == robbed_.end()) {
        return false;
    }
    // Its next heartbeat says so, or where that cannot reach it the end of its lease, which
    // nothing prolongs that came without a heartbeat.
    const duration beat = scaled(timeout_ / 8, slow) + round_trip;
    instant until = at->second + beat;
    const auto hindrance = hindered_.find(one.who->title());
    if (hindrance != hindered_.end() && hindrance->second + reconnect >= at->second) {
        until = std::max(at->second, hindrance->second + reconnect) + beat + timeout_;
    }
    return now_() <= until;
}

std::string checker::told(const given& one) {
    return one.by->title() + " (fence " + short_fence(one.mine->what().fence.value()) +
           (one.mine->valid(one.by->now()) ? ")" : ", with an effect under way)");
}

void checker::poll() {
    if (!violation_.empty()) {
        return;
    }
    for (const auto& [key, all] : rights_) {
        if (all.size() < 2) {
            continue;
        }
        const given* first = nullptr;
        for (const given& one : all) {
            if (!acts(one)) {
                continue;
            }
            if (first != nullptr) {
                broken("S1: " + told(*first) + " and " + told(one) + " both act on " + key);
                return;
            }
            first = &one;
        }
    }
    if (leaders_.size() > 1) {
        std::vector<std::string> both;
        for (const leading& one : leaders_) {
            if (one.who->is_alive() && one.who->is_awake() && !is_robbed(one)) {
                both.push_back(one.who->title());
            }
        }
        if (both.size() > 1) {
            broken("S1: " + both[0] + " and " + both[1] + " both lead");
        }
    }
}

std::map<std::string, std::string> checker::owners() const {
    std::map<std::string, std::string> found;
    for (const auto& [key, all] : rights_) {
        for (const given& one : all) {
            if (one.started && one.by->is_alive() && one.mine->valid(one.by->now())) {
                found[key] = one.by->title();
            }
        }
    }
    return found;
}

std::vector<std::string> checker::leaders() const {
    std::vector<std::string> found;
    for (const leading& one : leaders_) {
        if (one.who->is_alive() && one.who->is_awake()) {
            found.push_back(one.who->title());
        }
    }
    return found;
}

}  // namespace muster::simulation
