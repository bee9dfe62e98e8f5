#pragma once

/// @file
/// A plan as routers and users read it: immutable, indexed by partition.

#include "cluster/plan/range_index.hpp"
#include "cluster/records.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace muster::cluster {

/// Threads: immutable.
class plan_snapshot {
public:
    plan_snapshot(std::string resource, std::int32_t incarnation, specification spec, plan whole);
    plan_snapshot(const plan_snapshot&) = delete;  // It refers to what it holds.
    plan_snapshot& operator=(const plan_snapshot&) = delete;

    [[nodiscard]] const std::string& resource() const noexcept { return resource_; }
    [[nodiscard]] const specification& spec() const noexcept { return spec_; }
    [[nodiscard]] const plan& whole() const noexcept { return plan_; }
    [[nodiscard]] plan_number number() const noexcept { return plan_.number; }

    /// The entry of slot 0 that serves `key`; nothing where the resource has no such partition.
    [[nodiscard]] const entry* find(std::string_view key) const;
    /// Where it stands in `partitions`; `nowhere` where the resource has no such partition. hash:
    /// by XXH64; range: half-open by bytes, the first bound open below; list: by name.
    [[nodiscard]] std::size_t place_of(std::string_view key) const;
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
    /// The entry of that slot of the partition of that name; nothing where there is none.
    [[nodiscard]] const entry* named(std::string_view partition, std::uint16_t slot = 0) const;
    /// Slot 0 of every partition: hash and range in order, list by name.
    [[nodiscard]] const std::vector<const entry*>& partitions() const noexcept { return order_; }
    /// list: the greatest name; nothing where there is none, or the resource is no list.
    [[nodiscard]] const entry* latest() const;
    [[nodiscard]] fence_token fence_of(const entry& one) const;

private:
    void place_further_slots();
    [[nodiscard]] std::size_t further_place(std::size_t place, std::uint16_t slot) const noexcept;

    std::string resource_;
    std::int32_t incarnation_;
    specification spec_;
    plan plan_;
    std::vector<const entry*> order_;
    std::vector<const entry*> further_;  ///< slots from 1 on, partitions in the order of `order_`
    std::unordered_map<std::string_view, std::size_t> by_name_;  ///< places in `order_`
    range_index ranges_;                                         ///< of `spec_`
};

}  // namespace muster::cluster
