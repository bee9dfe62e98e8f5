#include "cluster/succession/rules.hpp"

#include <optional>
#include <utility>

namespace muster::cluster {

namespace {

// The id settles a tie, which only a deleted and recreated parent can bring about.
using rank = std::pair<std::int32_t, member_id>;

rank rank_of(const succession_name& name) {
    return {name.sequence, name.id};
}

}  // namespace

succession_place place_of(const std::string& own, const std::vector<std::string>& children) {
    succession_place place;
    const auto mine = parse_succession(own);
    if (!mine) {
        return place;
    }
    std::optional<rank> before;
    for (const std::string& child : children) {
        const auto name = parse_succession(child);
        if (!name) {
            continue;
        }
        if (child == own) {
            place.present = true;
        } else if (rank_of(*name) < rank_of(*mine) && (!before || *before < rank_of(*name))) {
            before = rank_of(*name);
            place.predecessor = child;
        }
    }
    if (!place.present) {
        return {};
    }
    place.leads = !before.has_value();
    return place;
}

member_id leader_of(const std::vector<std::string>& children) {
    std::optional<rank> lowest;
    for (const std::string& child : children) {
        const auto name = parse_succession(child);
        if (name && (!lowest || rank_of(*name) < *lowest)) {
            lowest = rank_of(*name);
        }
    }
    return lowest ? lowest->second : member_id{};
}

}  // namespace muster::cluster
