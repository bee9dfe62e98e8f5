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
      plan_{std::move(whole)} {
    for (const plan_chunk& chunk : plan_.chunks) {
        for (const entry& one : chunk.entries) {
            if (one.slot == 0 && !one.removed) {
                order_.push_back(&one);
                by_name_.emplace(one.partition, &one);
            }
        }
    }
    if (spec_.kind == resource_kind::list) {
        std::ranges::sort(
            order_, {}, [](const entry* one) { return std::string_view{one->partition}; });
    }
}

const entry* plan_snapshot::find(std::string_view key) const {
    if (spec_.kind == resource_kind::list) {
        return named(key);
    }
    const std::size_t slot = slot_of(spec_, key);
    return slot < order_.size() ? order_[slot] : nullptr;
}

const entry* plan_snapshot::named(std::string_view partition) const {
    const auto found = by_name_.find(partition);
    return found == by_name_.end() ? nullptr : found->second;
}

const entry* plan_snapshot::latest() const {
    return spec_.kind == resource_kind::list && !order_.empty() ? order_.back() : nullptr;
}

fence_token plan_snapshot::fence_of(const entry& one) const {
    return token_of(incarnation_, cluster::fence_of(plan_, one));
}

std::size_t slot_of(const specification& spec, std::string_view key) {
    if (spec.kind == resource_kind::hash) {
        return base::hash_slot(base::xxh64(key), spec.partitions);
    }
    const auto above = std::upper_bound(
        spec.from.begin(), spec.from.end(), key, [](std::string_view a, std::string_view b) {
            return a < b;
        });
    return above == spec.from.begin() ? 0 : static_cast<std::size_t>(above - spec.from.begin()) - 1;
}

}  // namespace muster::cluster
