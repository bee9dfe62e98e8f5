#include "picture.hpp"

#include "cluster/codec.hpp"
#include "cluster/plan/rules.hpp"
#include "cluster/plan/snapshot.hpp"

#include <algorithm>
#include <utility>

namespace muster::cli {

using cluster::lifecycle;

std::string picture::name_of(member_id who) const {
    const auto at = members.find(who);
    return at == members.end() ? who.brief() : at->second.name;
}

std::string_view name_of(phase what) noexcept {
    switch (what) {
        case phase::owned:
            return "owned";
        case phase::switching:
            return "switching";
        case phase::unowned:
            return "unowned";
    }
    return "unowned";
}

namespace {

const cluster::release_record* released_by(const picture& all,
                                           member_id who,
                                           const std::string& resource) {
    const auto status = all.statuses.find(who);
    if (status == all.statuses.end()) {
        return nullptr;
    }
    const auto at = status->second.resources.find(resource);
    return at == status->second.resources.end() ? nullptr : &at->second;
}

/// What is shown of a member: the view knows of suspicion, the member itself of the rest.
lifecycle state_of(const picture& all, member_id who) {
    const auto status = all.statuses.find(who);
    if (all.view) {
        const auto& seen = all.view->members;
        const auto at = std::ranges::find(seen, who, &cluster::view_member::id);
        if (at == seen.end()) {
            return lifecycle::joining;
        }
        if (at->state == lifecycle::suspect || status == all.statuses.end()) {
            return at->state;
        }
    }
    return status == all.statuses.end() || !all.view ? lifecycle::joining : status->second.state;
}

holder_row holder_of(const picture& all,
                     const std::string& resource,
                     const cluster::plan& whole,
                     const cluster::entry& one) {
    holder_row made;
    made.slot = one.slot;
    made.owner_id = one.owner;
    made.owner = one.owner.empty() ? "" : all.name_of(one.owner);
    const auto fence = cluster::fence_of(whole, one);
    made.fence = fence == 0 ? 0 : cluster::token_of(all.incarnation, fence).value();
    made.at = phase_of(all, resource, whole, one);
    made.successor = one.next.empty() ? "" : all.name_of(one.next);
    return made;
}

bool is_moving(const holder_row& one) {
    return one.at == phase::switching || !one.successor.empty();
}

std::string count_of(std::size_t count, std::string_view what) {
    std::string text = std::to_string(count) + " " + std::string{what};
    return count == 1 ? text : text + "s";
}

}  // namespace

phase phase_of(const picture& all,
               const std::string& resource,
               const cluster::plan& whole,
               const cluster::entry& one) {
    if (one.owner.empty() || all.is_gone(one.owner)) {
        return phase::unowned;
    }
    const auto state = state_of(all, one.owner);
    if (state == lifecycle::initializing || state == lifecycle::joining ||
        state == lifecycle::stranded) {
        return phase::switching;
    }
    const cluster::plan_number fence = cluster::fence_of(whole, one);
    if (const auto* const own = released_by(all, one.owner, resource)) {
        const auto failure = own->failed.find(cluster::entry_key(one));
        if (failure != own->failed.end() && failure->second >= fence) {
            return phase::unowned;
        }
        if (own->revoked >= fence) {
            return phase::switching;
        }
    }
    const bool free = std::ranges::all_of(one.waits, [&](member_id former) {
        if (former == one.owner || all.is_gone(former)) {
            return true;
        }
        const auto* const told = released_by(all, former, resource);
        return told != nullptr && cluster::has_released(*told, one, one.fence);
    });
    return free ? phase::owned : phase::switching;
}

std::vector<member_row> member_rows(const picture& all) {
    std::map<member_id, std::size_t> owned;
    for (const auto& [name, resource] : all.resources) {
        if (!resource.plan || resource.spec.tombstone) {
            continue;
        }
        for (const auto& chunk : resource.plan->chunks) {
            for (const auto& one : chunk.entries) {
                owned[one.owner] += one.removed ? 0 : 1;
            }
        }
    }
    std::vector<member_row> rows;
    for (const auto& [id, described] : all.members) {
        rows.push_back({.name = described.name,
                        .id = id,
                        .state = std::string{cluster::name_of(state_of(all, id))},
                        .address = described.address,
                        .admin = described.admin,
                        .zone = described.zone,
                        .weight = described.weight,
                        .version = described.version,
                        .started_unix_ms = described.started_unix_ms,
                        .leader = all.leader && all.leader->id == id,
                        .partitions = owned[id]});
    }
    std::ranges::sort(rows, [](const member_row& a, const member_row& b) {
        return std::pair{a.name, a.id} < std::pair{b.name, b.id};
    });
    return rows;
}

std::vector<partition_row> partition_rows(const picture& all, const std::string& resource) {
    const resource_facts& facts = all.resources.at(resource);
    const cluster::plan_snapshot snapshot{resource, all.incarnation, facts.spec, *facts.plan};
    std::vector<partition_row> rows;
    std::map<std::string_view, std::size_t> place;
    for (const cluster::entry* one : snapshot.partitions()) {
        place.emplace(one->partition, rows.size());
        rows.push_back({.partition = one->partition,
                        .writer = holder_of(all, resource, snapshot.whole(), *one),
                        .replicas = {}});
    }
    for (const auto& chunk : snapshot.whole().chunks) {
        for (const auto& one : chunk.entries) {
            const auto at = place.find(one.partition);
            if (one.slot > 0 && at != place.end()) {
                rows[at->second].replicas.push_back(
                    holder_of(all, resource, snapshot.whole(), one));
            }
        }
    }
    return rows;
}

std::vector<resource_row> resource_rows(const picture& all) {
    std::vector<resource_row> rows;
    for (const auto& [name, facts] : all.resources) {
        if (facts.spec.tombstone) {
            continue;
        }
        resource_row row;
        row.name = name;
        row.kind = cluster::name_of(facts.spec.kind);
        row.replicas = facts.spec.replicas;
        row.policy = facts.spec.when_stranded == cluster::stranded_policy::serve_stale
                         ? "serve_stale"
                         : "exclusive";
        if (facts.plan) {
            row.plan = facts.plan->number;
            const auto partitions = partition_rows(all, name);
            row.partitions = partitions.size();
            for (const partition_row& one : partitions) {
                row.unowned += one.writer.at == phase::unowned ? 1 : 0;
                row.moving += is_moving(one.writer) ? 1 : 0;
            }
        } else {
            row.partitions = facts.spec.kind == cluster::resource_kind::hash
                                 ? facts.spec.partitions
                                 : facts.spec.from.size();
            row.unowned = row.partitions;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::optional<route_row> route_of(const picture& all,
                                  const std::string& resource,
                                  std::string_view key) {
    const resource_facts& facts = all.resources.at(resource);
    const cluster::plan_snapshot snapshot{resource, all.incarnation, facts.spec, *facts.plan};
    const cluster::entry* const one = snapshot.find(key);
    if (one == nullptr) {
        return std::nullopt;
    }
    route_row made;
    made.plan = snapshot.number();
    for (partition_row& row : partition_rows(all, resource)) {
        if (row.partition == one->partition) {
            made.partition = std::move(row);
            break;
        }
    }
    if (const auto owner = all.members.find(one->owner); owner != all.members.end()) {
        made.address = owner->second.address;
    }
    return made;
}

namespace {

void count(status_row& into, const picture& all) {
    for (const member_row& one : member_rows(all)) {
        ++into.members;
        into.online += one.state == "online" ? 1 : 0;
    }
    for (const auto& [name, facts] : all.resources) {
        if (facts.spec.tombstone) {
            continue;
        }
        ++into.resources;
        if (!facts.plan) {
            const std::size_t missing = facts.spec.kind == cluster::resource_kind::hash
                                            ? facts.spec.partitions
                                            : facts.spec.from.size();
            into.partitions += missing;
            into.unowned += missing;
            continue;
        }
        for (const partition_row& row : partition_rows(all, name)) {
            std::vector<holder_row> holders = row.replicas;
            // A replica that nobody can hold, for want of members, is no fault of the writer's.
            std::erase_if(holders, [&](const holder_row& one) {
                return one.owner_id.empty() && into.members <= one.slot;
            });
            holders.push_back(row.writer);
            for (const holder_row& one : holders) {
                ++into.partitions;
                into.owned += one.at == phase::owned ? 1 : 0;
                into.switching += one.at == phase::switching ? 1 : 0;
                into.unowned += one.at == phase::unowned ? 1 : 0;
            }
        }
    }
}

std::string suspects(const picture& all) {
    std::string names;
    for (const member_row& one : member_rows(all)) {
        if (one.state == "suspect") {
            names += (names.empty() ? "" : ", ") + one.name;
        }
    }
    return names;
}

/// Where the partitions that are moving go to, if to one member only.
std::string only_target(const picture& all) {
    std::set<std::string> targets;
    for (const auto& [name, facts] : all.resources) {
        if (facts.spec.tombstone || !facts.plan) {
            continue;
        }
        for (const partition_row& row : partition_rows(all, name)) {
            if (row.writer.at == phase::switching) {
                targets.insert(row.writer.owner);
            }
        }
    }
    return targets.size() == 1 ? *targets.begin() : "";
}

void judge_partitions(status_row& into, const picture& all) {
    const std::string total = count_of(into.partitions, "partition");
    if (into.unowned > 0) {
        into.verdict = std::to_string(into.unowned) + " of " + total + " without an owner";
        if (into.switching > 0) {
            into.verdict += ", " + std::to_string(into.switching) + " moving";
        }
    } else {
        const std::string target = only_target(all);
        into.verdict = "rebalancing: " + std::to_string(into.switching) + " of " + total +
                       " still moving" + (target.empty() ? "" : " to " + target) + ", none unowned";
    }
    for (const resource_row& one : resource_rows(all)) {
        if (one.unowned > 0 || one.moving > 0) {
            into.next = "muster partitions " + one.name;
            break;
        }
    }
}

}  // namespace

status_row status_of(const picture& all) {
    status_row made;
    count(made, all);
    const std::string suspected = suspects(all);
    if (!all.exists) {
        made.verdict = "there is no such cluster: no member ever joined it";
        made.next = "muster help MUS0601";
    } else if (!all.troubles.empty()) {
        made.verdict = "damaged: " + all.troubles.front();
    } else if (made.members == 0) {
        made.verdict = "down: no member is there";
        made.next = "start one, for example: muster help agent";
    } else if (!all.leader) {
        made.verdict = "nobody leads, so nothing can be moved";
        made.next = "muster members";
    } else if (made.unowned > 0 || made.switching > 0) {
        judge_partitions(made, all);
    } else if (!suspected.empty()) {
        made.verdict = "degraded: suspected of being unreachable: " + suspected;
        made.next = "muster members";
    } else {
        made.healthy = true;
        made.verdict = "healthy: " + count_of(made.members, "member");
        made.verdict += made.partitions == 0
                            ? ", no partitions yet"
                            : ", all " + count_of(made.partitions, "partition") + " owned";
        if (all.frozen) {
            made.verdict += ", frozen: nothing is moved but after a failure";
        }
    }
    return made;
}

}  // namespace muster::cli
