#pragma once

/// @file
/// Which members this one cannot reach over the mesh, to be told to the cluster. Pure.

#include "muster/ids.hpp"

#include "base/instant.hpp"
#include "mesh/mesh.hpp"

#include <functional>
#include <map>
#include <set>
#include <vector>

namespace muster::detail {

/// A member counts as unreachable when every attempt over `patience` has failed. Who has failed
/// once is tried again, so that one who was merely asked at a bad moment is soon cleared.
/// Threads: one.
class peer_watch {
public:
    static constexpr duration patience = 3s;

    void failed(const mesh::peer& who, instant now) {
        doubted_.try_emplace(who.id, doubt{who, now, now}).first->second.last = now;
    }
    void answered(member_id who) { doubted_.erase(who); }
    /// Those who are members no more are nobody's concern.
    void keep_only(const std::function<bool(member_id)>& is_member) {
        std::erase_if(doubted_, [&](const auto& item) { return !is_member(item.first); });
    }

    /// Whom to try again.
    [[nodiscard]] std::vector<mesh::peer> doubted() const {
        std::vector<mesh::peer> all;
        for (const auto& [id, one] : doubted_) {
            all.push_back(one.who);
        }
        return all;
    }
    [[nodiscard]] std::set<member_id> unreachable() const {
        std::set<member_id> all;
        for (const auto& [id, one] : doubted_) {
            if (one.last - one.since >= patience) {
                all.insert(id);
            }
        }
        return all;
    }

private:
    struct doubt {
        mesh::peer who;
        instant since;
        instant last;
    };
    std::map<member_id, doubt> doubted_;
};

}  // namespace muster::detail
