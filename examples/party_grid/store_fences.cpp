#include "store_fences.hpp"

namespace party_grid {

muster::result<void> fence_table::admit(const store_write& wanted) {
    row& known = rows_[name_of(wanted)];
    if (wanted.fence < known.fence) {
        return muster::fail(muster::errc::fenced,
                            "write to " + wanted.resource + "/" + wanted.partition +
                                " under fence " + std::to_string(wanted.fence) +
                                " refused: the store has seen fence " +
                                std::to_string(known.fence) + ", so a newer owner holds it");
    }
    if (wanted.fence > known.fence) {
        known = {wanted.fence, true};
    }
    return {};
}

std::vector<std::pair<partition_name, std::int64_t>> fence_table::raised() const {
    std::vector<std::pair<partition_name, std::int64_t>> found;
    for (const auto& [name, known] : rows_) {
        if (known.raised) {
            found.emplace_back(name, known.fence);
        }
    }
    return found;
}

std::vector<muster::result<void>> all_or(std::vector<muster::result<void>> outcomes,
                                         const muster::error& rest) {
    for (muster::result<void>& one : outcomes) {
        if (one) {
            one = std::unexpected{rest};
        }
    }
    return outcomes;
}

}  // namespace party_grid
