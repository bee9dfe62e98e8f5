#pragma once

/// @file
/// A plan as routers and users read it: immutable, indexed by partition.

#include "cluster/records.hpp"

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

    [[nodiscard]] const std::string& resource() const noexcept { return resource_; }
    [[nodiscard]] const specification& spec() const noexcept { return spec_; }
    [[nodiscard]] const plan& whole() const noexcept { return plan_; }
    [[nodiscard]] plan_number number() const noexcept { return plan_.number; }

    /// The entry of slot 0 that serves `key`; nothing where the resource has no such partition.
    [[nodiscard]] const entry* find(std::string_view key) const;
    /// The entry of slot 0 of the partition of that name.
    [[nodiscard]] const entry* named(std::string_view partition) const;
    /// Slot 0 of every partition: hash and range in order, list by name.
    [[nodiscard]] const std::vector<const entry*>& partitions() const noexcept { return order_; }
    /// list: the greatest name; nothing where there is none, or the resource is no list.
    [[nodiscard]] const entry* latest() const;
    [[nodiscard]] fence_token fence_of(const entry& one) const;

private:
    std::string resource_;
    std::int32_t incarnation_;
    specification spec_;
    plan plan_;
    std::vector<const entry*> order_;
    std::unordered_map<std::string_view, const entry*> by_name_;
};

/// Which partition of `spec` serves `key`, by index: hash by XXH64, range half-open by bytes with
/// the first bound open below. Not for lists, whose key is the partition's name.
[[nodiscard]] std::size_t slot_of(const specification& spec, std::string_view key);

}  // namespace muster::cluster
