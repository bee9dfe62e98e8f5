#pragma once

/// @file
/// The members as the cluster's view tells of them: for users, and by their lives, for processes.

#include "muster/view.hpp"

#include "cluster/host.hpp"
#include "mesh/mesh.hpp"
#include "process/host.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster::detail {

[[nodiscard]] member_state state_of(cluster::lifecycle state);
[[nodiscard]] view public_view(const cluster::view_snapshot& from);

/// Where the lives of the members are reached, and what they are called.
/// Threads:  any, but `learn`: one at a time.
/// Lifetime: shared with what looks it up.
class life_book {
public:
    /// From here on `mine` reach those of the lives in it through `net`.
    static void attach(const std::shared_ptr<life_book>& book, process_host& mine, mesh::mesh& net);

    /// Those it does not name any more have ended.
    /// Whether others are reached now than before.
    bool learn(const cluster::view_snapshot& now, process_host& mine);
    [[nodiscard]] bool knows(const member_id& life) const { return lives_.read()->contains(life); }
    /// Whether that life is over, as far as is known here.
    [[nodiscard]] bool has_ended(const member_id& life) const;
    /// Whether anything has been learned.
    [[nodiscard]] bool has_begun() const noexcept { return begun_.load(); }

private:
    using life_map = std::map<member_id, std::pair<mesh::peer, std::string>>;
    [[nodiscard]] std::optional<life_map::mapped_type> find(const member_id& life) const;

    static constexpr std::size_t most_left = 1024;

    runtime::published<life_map> lives_{std::make_shared<const life_map>()};
    /// The last that are in the view no more, and what they were called.
    using left_list = std::vector<std::pair<member_id, std::string>>;
    runtime::published<left_list> left_{std::make_shared<const left_list>()};
    std::atomic<bool> begun_{false};
};

}  // namespace muster::detail
