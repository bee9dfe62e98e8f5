#include "simulation/checker.hpp"

#include <algorithm>
#include <utility>

namespace muster::simulation {

namespace {

constexpr std::size_t story_max = 120;

std::string key_of(const cluster::right::identity& what) {
    return what.resource + "/" + what.partition +
           (what.slot == 0 ? "" : "#" + std::to_string(what.slot));
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
           (one.effects > 0 && !one.excused && one.by->is_awake());
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

void checker::ended(const cluster::right& which) {
    const auto at = rights_.find(key_of(which.what()));
    if (at != rights_.end()) {
        for (given& one : at->second) {
            one.ended = one.ended || one.mine.get() == &which;
        }
        std::erase_if(at->second, [](const given& one) { return one.ended && one.effects == 0; });
    }
    note(which.what().member.brief() + " has let go of " + key_of(which.what()));
}

void checker::entered(const cluster::right& which) {
    ++effects_;
    if (given* const one = find(which)) {
        ++one->effects;
    }
}

void checker::left(const cluster::right& which) {
    if (given* const one = find(which)) {
        if (--one->effects == 0 && one->ended) {
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

void checker::paused(const witness& who) {
    for (auto& [key, all] : rights_) {
        for (given& one : all) {
            one.excused = one.excused || one.by.get() == &who;
        }
    }
}

void checker::fenced_off(const cluster::right::identity& which) {
    for (given& one : rights_[key_of(which)]) {
        one.excused = one.excused || one.mine->what().fence == which.fence;
    }
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
    leaders_.push_back({who, epoch});
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
    if (leaders_.size() > 1 && !leaders_excused_ && leaders().size() > 1) {
        broken("S1: " + leaders()[0] + " and " + leaders()[1] + " both lead");
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
