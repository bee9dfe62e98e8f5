#pragma once

/// @file
/// Where the partitions of a resource are reached, by one plan and one view.

#include "muster/resource.hpp"
#include "muster/view.hpp"

#include "cluster/plan/snapshot.hpp"

#include <atomic>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace muster::detail {

/// A route is put together when its partition is asked for first, and then there for all threads:
/// a plan may have very many that nobody here asks for.
/// Threads: any.
class route_table {
public:
    route_table(std::shared_ptr<const cluster::plan_snapshot> by, std::shared_ptr<const view> seen);
    route_table(const route_table&) = delete;
    route_table& operator=(const route_table&) = delete;
    ~route_table();

    /// Where `key` is served; null where there is no such partition. It lives as long as the table.
    [[nodiscard]] const route* find(std::string_view key) const {
        const std::size_t place = by_->place_of(key);
        if (place == cluster::plan_snapshot::nowhere) {
            return nullptr;
        }
        const route* const known = made_[place].load(std::memory_order_acquire);
        return known != nullptr ? known : make(place);
    }

private:
    [[nodiscard]] const route* make(std::size_t place) const;

    const std::shared_ptr<const cluster::plan_snapshot> by_;
    const std::shared_ptr<const view> seen_;
    std::unordered_map<member_id, const member*> members_;  ///< of `seen_`
    mutable std::vector<std::atomic<const route*>> made_;   ///< by place in the plan; owned
};

}  // namespace muster::detail
