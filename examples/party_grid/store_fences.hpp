#pragma once

/// @file
/// The rule by which every kind of store admits a write: no fence older than one already seen.

#include "store.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// A partition as a key of maps; views into a `store_write`, valid while that lives.
struct partition_name {
    std::string_view resource;
    std::string_view partition;

    friend auto operator<=>(const partition_name&, const partition_name&) = default;
};

[[nodiscard]] inline partition_name name_of(const store_write& wanted) {
    return {wanted.resource, wanted.partition};
}

/// What one transaction knows of the fences it has locked, and what it has raised.
///
/// Threads: one thread at a time. Lifetime: not longer than the writes it names.
class fence_table {
public:
    /// `seen` is what the database holds for a partition; 0 where it holds nothing.
    void learn(partition_name name, std::int64_t seen) { rows_[name] = {seen, false}; }

    [[nodiscard]] bool knows(partition_name name) const { return rows_.contains(name); }

    /// Decides on a write to a partition that was learned, and raises the fence if it may happen.
    [[nodiscard]] muster::result<void> admit(const store_write& wanted);

    /// The fences that must be written back, in the order of their names.
    [[nodiscard]] std::vector<std::pair<partition_name, std::int64_t>> raised() const;

private:
    struct row {
        std::int64_t fence = 0;
        bool raised = false;
    };
    std::map<partition_name, row> rows_;
};

/// The outcomes of a transaction that failed: refusals stay, everything else becomes `rest`.
[[nodiscard]] std::vector<muster::result<void>> all_or(std::vector<muster::result<void>> outcomes,
                                                       const muster::error& rest);

}  // namespace party_grid
