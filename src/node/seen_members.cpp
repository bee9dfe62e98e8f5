#include "node/seen_members.hpp"

#include <algorithm>

namespace muster::detail {

member_state state_of(cluster::lifecycle state) {
    return static_cast<member_state>(static_cast<std::uint8_t>(state));
}

static_assert(static_cast<int>(member_state::left) == static_cast<int>(cluster::lifecycle::left));

view public_view(const cluster::view_snapshot& from) {
    view out{.number = from.number,
             .leader = from.leader,
             .epoch = leader_epoch{from.epoch},
             .members = {}};
    for (const auto& one : from.members) {
        out.members.push_back({one.id,
                               one.described.name,
                               state_of(one.state),
                               one.described.address,
                               one.described.admin,
                               one.described.zone,
                               one.described.weight,
                               one.described.roles,
                               one.described.version,
                               one.described.metadata,
                               one.described.started_unix_ms,
                               one.described.life});
    }
    return out;
}

std::optional<life_book::life_map::mapped_type> life_book::find(const member_id& life) const {
    const auto lives = lives_.read();
    const auto found = lives->find(life);
    return found == lives->end() ? std::nullopt : std::optional{found->second};
}

void life_book::attach(const std::shared_ptr<life_book>& book,
                       process_host& mine,
                       mesh::mesh& net) {
    mine.attach(
        net,
        [book](const member_id& life) -> std::optional<mesh::peer> {
            const auto one = book->find(life);
            return one ? std::optional{one->first} : std::nullopt;
        },
        [book](const member_id& life) {
            const auto one = book->find(life);
            return one ? one->second : std::string{};
        },
        [book](const member_id& life) { return book->has_ended(life); });
}

/// One that this node has seen leave, and whose member has come back with another: a member that
/// has only lost its session comes back with the same.
bool life_book::has_ended(const member_id& life) const {
    const auto left = left_.read();
    const auto one = std::ranges::find(*left, life, &std::pair<member_id, std::string>::first);
    if (one == left->end()) {
        return false;
    }
    const auto lives = lives_.read();
    return std::ranges::any_of(*lives,
                               [&](const auto& now) { return now.second.second == one->second; });
}

bool life_book::learn(const cluster::view_snapshot& now, process_host& mine) {
    auto lives = std::make_shared<life_map>();
    for (const auto& one : now.members) {
        if (!one.described.life.empty()) {
            lives->emplace(
                one.described.life,
                std::pair{mesh::peer{one.id, one.described.address}, one.described.name});
        }
    }
    const auto before = lives_.read();
    lives_.replace(lives);
    const bool is_first = !begun_.exchange(true);
    const bool is_new = *lives != *before;
    if (is_new) {
        mine.peers_changed();
    }
    for (const auto& [life, who] : *before) {
        if (!lives->contains(life)) {
            left_.change([&](auto& all) {
                std::erase_if(all, [&](const auto& one) { return one.first == life; });
                if (all.size() >= most_left) {
                    all.erase(all.begin());
                }
                all.emplace_back(life, who.second);
            });
            mine.life_ended(life);
        }
    }
    return is_new || is_first;
}

}  // namespace muster::detail
