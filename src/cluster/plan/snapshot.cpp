#include "cluster/plan/snapshot.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

plan_snapshot::plan_snapshot(std::string resource,
                             std::int32_t incarnation,
                             specification spec,
                             plan whole)
    : resource_{std::move(resource)},
      incarnation_{incarnation},
      spec_{std::move(spec)},
      plan_{std::move(whole)},
      ranges_{spec_.from} {
    for (const plan_chunk& chunk : plan_.chunks) {
        for (const entry& one : chunk.entries) {
            if (one.slot == 0 && !one.removed) {
                order_.push_back(&one);
            }
        }
    }
    if (spec_.kind == resource_kind::list) {
        std::ranges::sort(
            order_, {}, [](const entry* one) { return std::string_view{one->partition}; });
    }
    by_name_.reserve(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
        by_name_.emplace(order_[i]->partition, i);
    }
    place_further_slots();
}

void plan_snapshot::place_further_slots() {
    if (spec_.replicas < 2) {
        return;
    }
    further_.resize(order_.size() * (spec_.replicas - 1));
    for (const plan_chunk& chunk : plan_.chunks) {
        for (const entry& one : chunk.entries) {
            const auto found = by_name_.find(one.partition);
            if (one.slot > 0 && one.slot < spec_.replicas && found != by_name_.end()) {
                further_[further_place(found->second, one.slot)] = &one;
            }
        }
    }
}

std::size_t plan_snapshot::further_place(std::size_t place, std::uint16_t slot) const noexcept {
    return place * (spec_.replicas - 1) + slot - 1;
}

std::size_t plan_snapshot::place_of(std::string_view key) const {
    if (spec_.kind == resource_kind::list) {
        const auto found = by_name_.find(key);
        return found == by_name_.end() ? nowhere : found->second;
    }
    const std::size_t slot = spec_.kind == resource_kind::hash
                                 ? base::hash_slot(base::xxh64(key), spec_.partitions)
                                 : ranges_.place_of(key);
    return slot < order_.size() ? slot : nowhere;
}

const entry* plan_snapshot::find(std::string_view key) const {
    const std::size_t place = place_of(key);
    return place == nowhere ? nullptr : order_[place];
}

const entry* plan_snapshot::named(std::string_view partition, std::uint16_t slot) const {
    const auto found = by_name_.find(partition);
    if (found == by_name_.end() || slot >= std::max(spec_.replicas, 1U)) {
        return nullptr;
    }
    return slot == 0 ? order_[found->second] : further_[further_place(found->second, slot)];
}

const entry* plan_snapshot::latest() const {
    return spec_.kind == resource_kind::list && !order_.empty() ? order_.back() : nullptr;
}

fence_token plan_snapshot::fence_of(const entry& one) const {
    return token_of(incarnation_, cluster::fence_of(plan_, one));
}

}  // namespace muster::cluster
