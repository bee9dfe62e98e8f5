#include "cluster/view/rules.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace muster::cluster {

namespace {

const view_member* find(const view_record& view, member_id id) {
    const auto at = std::ranges::lower_bound(view.members, id, {}, &view_member::id);
    return at == view.members.end() || at->id != id ? nullptr : &*at;
}

/// The members that have to wait because another incarnation of their name was there first.
std::set<member_id> seconds_of_a_name(const view_inputs& inputs) {
    using rank = std::tuple<bool, std::int64_t, member_id>;  // the smallest is first
    std::map<std::string, rank> first;
    std::set<member_id> waiting;
    for (const auto& [id, seen] : inputs.present) {
        if (!seen.described) {
            continue;
        }
        const bool is_new = find(inputs.before, id) == nullptr;
        const rank mine{is_new, seen.described->started_unix_ms, id};
        const auto [at, alone] = first.try_emplace(seen.described->name, mine);
        if (alone) {
            continue;
        }
        waiting.insert(std::get<member_id>(std::max(at->second, mine)));
        at->second = std::min(at->second, mine);
    }
    return waiting;
}

/// Turns into Suspect whom two members other than the leader cannot reach; at most a third of all.
void suspect_the_unreachable(const view_inputs& inputs, std::vector<view_member>& members) {
    std::map<member_id, std::size_t> reports;
    for (const view_member& reporter : members) {
        const auto& status = inputs.present.at(reporter.id).status;
        if (reporter.id == inputs.leader || !status) {
            continue;
        }
        const std::set<member_id> named{status->unreachable.begin(), status->unreachable.end()};
        for (const member_id id : named) {
            if (id != reporter.id) {
                ++reports[id];
            }
        }
    }
    struct suspected {
        bool is_new;
        std::size_t reports;
        view_member* who;
    };
    std::vector<suspected> order;
    for (view_member& one : members) {
        const auto at = reports.find(one.id);
        if (one.state != lifecycle::online || at == reports.end() || at->second < 2) {
            continue;
        }
        const view_member* then = find(inputs.before, one.id);
        const bool was = then != nullptr && then->state == lifecycle::suspect;
        order.push_back({!was, at->second, &one});
    }
    // Whoever is Suspect already stays first, so that nobody flaps at the limit.
    std::ranges::sort(order, [](const suspected& a, const suspected& b) {
        return std::tuple(a.is_new, b.reports, a.who->id) <
               std::tuple(b.is_new, a.reports, b.who->id);
    });
    order.resize(std::min(order.size(), members.size() / 3));
    for (const suspected& one : order) {
        one.who->state = lifecycle::suspect;
    }
}

std::vector<view_member> admitted(const view_inputs& inputs) {
    const std::set<member_id> waiting = seconds_of_a_name(inputs);
    std::vector<view_member> members;
    for (const auto& [id, seen] : inputs.present) {
        if (waiting.contains(id) || (!seen.described && !seen.status)) {
            continue;
        }
        const view_member* then = find(inputs.before, id);
        const bool whole = seen.described && seen.status;
        // In a moment it is gone, and that is the change to tell of.
        const bool leaves = whole && seen.status->state == lifecycle::left;
        const bool marked = then != nullptr && then->drain;
        members.push_back({
            .id = id,
            .state = leaves  ? (then != nullptr ? then->state : lifecycle::draining)
                     : whole ? seen.status->state
                             : lifecycle::suspect,
            .drain = (marked || inputs.drained.contains(id)) && !inputs.resumed.contains(id),
        });
    }
    suspect_the_unreachable(inputs, members);
    return members;
}

}  // namespace

std::optional<view_record> next_view(const view_inputs& inputs) {
    view_record next = inputs.before;
    next.members = admitted(inputs);
    if (next.leader != inputs.leader || next.epoch != inputs.epoch) {
        next.leader = inputs.leader;
        next.epoch = inputs.epoch;
        next.since_unix_ms = inputs.unix_ms;
    }
    if (next == inputs.before && !inputs.damaged) {
        return std::nullopt;
    }
    next.number = std::max(next.number + 1, inputs.read_zxid);
    return next;
}

}  // namespace muster::cluster
