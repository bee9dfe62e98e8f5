#include "node/route_table.hpp"

#include <utility>

namespace muster::detail {

route_table::route_table(std::shared_ptr<const cluster::plan_snapshot> by,
                         std::shared_ptr<const view> seen)
    : by_{std::move(by)}, seen_{std::move(seen)}, made_(by_->partitions().size()) {
    if (seen_) {
        for (const member& one : seen_->members) {
            members_.emplace(one.id, &one);
        }
    }
}

route_table::~route_table() {
    for (const auto& one : made_) {
        delete one.load(std::memory_order_relaxed);
    }
}

const route* route_table::make(std::size_t place) const {
    const cluster::entry& one = *by_->partitions()[place];
    auto made = std::make_unique<route>(route{.partition = one.partition,
                                              .owner = one.owner,
                                              .member = {},
                                              .address = {},
                                              .fence = by_->fence_of(one),
                                              .plan = by_->number()});
    if (const auto owner = members_.find(one.owner); owner != members_.end()) {
        made->member = owner->second->name;
        made->address = owner->second->address;
    }
    const route* known = nullptr;
    if (made_[place].compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) {
        return made.release();
    }
    return known;  // Another thread was faster.
}

}  // namespace muster::detail
