#include "muster/planner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>

// Four steps; docs/internals/planner.md has the reasons.
//   1. Each member gets a quota: its share of all slots by weight, in whole partitions.
//   2. Every slot stays where it is; a member above its quota gives up what it has too much.
//   3. Each slot without owner goes to the member that lacks most, of those that may have it.
//   4. Where distinct members or zones could not be had so, two slots are swapped.
// A place in this file is an index: into the input's members, or `nobody`.

namespace muster {

namespace {

constexpr int nobody = -1;
constexpr double heaviest = 1e9;
constexpr double hardly = 1e-9;
constexpr std::size_t zone_checks_each = 20;
constexpr std::size_t checks_each = 200;

struct slot_place {
    std::size_t partition;
    std::size_t slot;
};

class balancer {
public:
    explicit balancer(const planner_input& input);
    planned_owners plan();

private:
    void weigh_members();
    void adopt();
    void set_quotas();
    void share_out(double slots, bool whole);
    void round_quotas(double slots);
    void give_up_excess();
    void place_missing();
    void even_out_restricted();

    [[nodiscard]] double weight_of(std::size_t partition) const;
    [[nodiscard]] bool may_own(std::size_t partition, int member) const;
    [[nodiscard]] bool holds(std::size_t partition, int member) const;
    [[nodiscard]] bool zone_taken(std::size_t partition, std::size_t but, int member) const;
    [[nodiscard]] bool fits(const slot_place& at, int member, bool by_zone) const;
    [[nodiscard]] double spare(int member) const {
        const auto m = static_cast<std::size_t>(member);
        return quota_[m] - load_[m];
    }
    void put(const slot_place& at, int member);
    void place_restricted(const slot_place& at);
    void place_open(const slot_place& at);
    int best_open(const slot_place& at, bool by_zone);
    bool swap_for(const slot_place& at, bool by_zone, bool only_fresh);
    void order_writers(std::size_t partition);

    struct waiting_member {
        double spare;
        int member;
        bool operator<(const waiting_member& other) const {
            return spare != other.spare ? spare < other.spare : member > other.member;
        }
    };
    using queue = std::priority_queue<waiting_member>;

    const planner_input& input_;
    std::size_t slots_;  ///< of each partition that can be filled
    std::vector<double> weights_;
    std::vector<int> zones_;
    std::vector<queue> by_zone_;  ///< each member once, by what it lacked when last looked at
    std::unordered_map<member_id, int> index_;
    std::vector<std::vector<int>> owners_;
    std::vector<std::vector<int>> eligible_;  ///< sorted; empty: everybody
    std::vector<char> restricted_;            ///< eligible_ counts, also when it is empty
    std::vector<double> load_, quota_, writers_;
    std::vector<double> held_;  ///< what each member has before anything moves
    std::vector<char> fresh_;   ///< partitions that had no owner at all
    bool uniform_ = true;       ///< all partitions weigh the same
    std::size_t search_from_ = 0;
    /// Places that swaps may still look at: a search that cannot succeed (a zone too small to hold
    /// one slot of each partition) must not take the leader's time.
    std::size_t zone_checks_left_ = 0;
    std::size_t checks_left_ = 0;
};

balancer::balancer(const planner_input& input)
    : input_{input},
      slots_{std::min<std::size_t>(std::max(input.replicas, 1U), input.members.size())} {
    const std::size_t n = input.members.size();
    load_.assign(n, 0);
    quota_.assign(n, 0);
    writers_.assign(n, 0);
    std::unordered_map<std::string, int> zone_index;
    for (std::size_t m = 0; m < n; ++m) {
        index_.try_emplace(input.members[m].id, static_cast<int>(m));
        const auto zone =
            zone_index.try_emplace(input.members[m].zone, static_cast<int>(zone_index.size()));
        zones_.push_back(zone.first->second);
    }
    by_zone_.resize(zone_index.size());
    weigh_members();
}

/// Weights that are no weights (zero, negative, NaN) count as nothing, unless nobody has another.
void balancer::weigh_members() {
    double all = 0;
    for (const planned_member& one : input_.members) {
        const bool sound = one.weight > 0;  // false for NaN
        weights_.push_back(sound ? std::min(one.weight, heaviest) : 0);
        all += weights_.back();
    }
    if (all <= 0) {
        weights_.assign(weights_.size(), 1);
    }
}

double balancer::weight_of(std::size_t partition) const {
    const double weight = input_.partitions[partition].weight;
    return weight > 0 ? std::min(weight, heaviest) : 0;
}

bool balancer::may_own(std::size_t partition, int member) const {
    return restricted_[partition] == 0 || std::ranges::binary_search(eligible_[partition], member);
}

bool balancer::holds(std::size_t partition, int member) const {
    return std::ranges::find(owners_[partition], member) != owners_[partition].end();
}

/// Whether another slot of the partition stands in the member's zone.
bool balancer::zone_taken(std::size_t partition, std::size_t but, int member) const {
    for (std::size_t s = 0; s < owners_[partition].size(); ++s) {
        const int other = owners_[partition][s];
        if (s != but && other != nobody &&
            zones_[static_cast<std::size_t>(other)] == zones_[static_cast<std::size_t>(member)]) {
            return true;
        }
    }
    return false;
}

bool balancer::fits(const slot_place& at, int member, bool by_zone) const {
    return may_own(at.partition, member) && !holds(at.partition, member) &&
           !(by_zone && zone_taken(at.partition, at.slot, member));
}

void balancer::put(const slot_place& at, int member) {
    int& owner = owners_[at.partition][at.slot];
    const double weight = weight_of(at.partition);
    if (owner != nobody) {
        load_[static_cast<std::size_t>(owner)] -= weight;
    }
    owner = member;
    if (owner != nobody) {
        load_[static_cast<std::size_t>(owner)] += weight;
    }
}

/// Takes over the input's owners, but for those nobody knows, may not own, or named twice.
void balancer::adopt() {
    const std::size_t count = input_.partitions.size();
    owners_.assign(count, std::vector<int>(slots_, nobody));
    eligible_.resize(count);
    restricted_.assign(count, 0);
    fresh_.assign(count, 1);
    for (std::size_t p = 0; p < count; ++p) {
        const planned_partition& from = input_.partitions[p];
        uniform_ = uniform_ && weight_of(p) == weight_of(0);
        restricted_[p] = from.eligible.empty() ? 0 : 1;
        for (const member_id id : from.eligible) {
            if (const auto at = index_.find(id); at != index_.end()) {
                eligible_[p].push_back(at->second);
            }
        }
        std::ranges::sort(eligible_[p]);
        for (std::size_t s = 0; s < std::min(slots_, from.owners.size()); ++s) {
            const auto at = index_.find(from.owners[s]);
            if (at != index_.end() && may_own(p, at->second) && !holds(p, at->second)) {
                put({p, s}, at->second);
                fresh_[p] = 0;
            }
        }
    }
    uniform_ = uniform_ && (count == 0 || weight_of(0) > 0);
    held_ = load_;
}

void balancer::set_quotas() {
    double slots = 0;
    for (std::size_t p = 0; p < input_.partitions.size(); ++p) {
        const std::size_t most = restricted_[p] != 0 ? eligible_[p].size() : slots_;
        slots += weight_of(p) * static_cast<double>(std::min(slots_, most));
    }
    share_out(slots, uniform_);
}

/// By weight; but nobody gets more than one slot of each partition, so what is beyond that is
/// shared among the others.
void balancer::share_out(double slots, bool whole) {
    const std::size_t n = weights_.size();
    double ceiling = 0;
    for (std::size_t p = 0; p < input_.partitions.size(); ++p) {
        ceiling += weight_of(p);
    }
    std::vector<char> full(n, 0);
    for (bool again = true; again;) {
        again = false;
        double left = slots;
        double weights = 0;
        for (std::size_t m = 0; m < n; ++m) {
            (full[m] != 0 ? left : weights) += full[m] != 0 ? -ceiling : weights_[m];
        }
        for (std::size_t m = 0; m < n; ++m) {
            if (full[m] != 0) {
                quota_[m] = ceiling;
                continue;
            }
            quota_[m] = weights > 0 ? left * weights_[m] / weights : 0;
            if (quota_[m] > ceiling + hardly) {
                full[m] = 1;
                again = true;
            }
        }
    }
    if (whole && !input_.partitions.empty()) {
        round_quotas(slots);
    }
}

/// Whole partitions: each quota rounded down, and what is left over to those who hold more
/// already (so that nothing moves for it), then to the largest remainders.
void balancer::round_quotas(double slots) {
    const double unit = weight_of(0);
    const std::size_t n = quota_.size();
    std::vector<double> remainder(n);
    double left = std::round(slots / unit);
    for (std::size_t m = 0; m < n; ++m) {
        const double exact = quota_[m] / unit;
        const double down = std::floor(exact + hardly);
        remainder[m] = exact - down;
        quota_[m] = down * unit;
        left -= down;
    }
    std::vector<std::size_t> order(n);
    for (std::size_t m = 0; m < n; ++m) {
        order[m] = m;
    }
    const auto rank = [&](std::size_t m) {
        const bool whole = remainder[m] <= hardly;  // it has its exact share already
        const bool has_more = held_[m] > quota_[m] + hardly;
        return std::tuple(whole, !has_more, -remainder[m], m);
    };
    std::ranges::sort(order, {}, rank);
    for (std::size_t i = 0; i < n && left >= 1; ++i, --left) {
        quota_[order[i]] += unit;
    }
}

/// Gives up first what shares its zone, then what anybody may take, and what has no other place
/// last.
void balancer::give_up_excess() {
    std::vector<std::vector<std::pair<int, slot_place>>> held(load_.size());
    for (std::size_t p = owners_.size(); p-- > 0;) {
        for (std::size_t s = slots_; s-- > 0;) {
            const int owner = owners_[p][s];
            if (owner == nobody || spare(owner) > -hardly) {
                continue;
            }
            const bool stuck = restricted_[p] != 0 && eligible_[p].size() <= slots_;
            const bool crowded = by_zone_.size() > 1 && zone_taken(p, s, owner);
            const int rank = stuck ? 3 : crowded ? 0 : restricted_[p] == 0 ? 1 : 2;
            held[static_cast<std::size_t>(owner)].push_back({rank, {p, s}});
        }
    }
    for (std::size_t m = 0; m < held.size(); ++m) {
        // The last ones first: any order will do, as long as it is always the same.
        std::ranges::sort(held[m], [this](const auto& a, const auto& b) {
            const auto& [rank, one] = a;
            const auto& [other_rank, other] = b;
            return std::tuple(rank, -weight_of(one.partition), other.partition, other.slot) <
                   std::tuple(other_rank, -weight_of(other.partition), one.partition, one.slot);
        });
        // A partition that lacks a slot already comes second: a member may take only one of them.
        for (const bool whole_only : {true, false}) {
            for (const auto& [rank, at] : held[m]) {
                const double excess = load_[m] - quota_[m];
                if (excess <= hardly) {
                    break;
                }
                // Uneven weights: only what is not heavier than the excess, or the rest would be
                // worse off than before.
                const bool fine = rank < 3 && weight_of(at.partition) <= excess + hardly;
                if (fine && holds(at.partition, static_cast<int>(m)) &&
                    !(whole_only && slots_ > 1 && holds(at.partition, nobody))) {
                    put(at, nobody);
                }
            }
        }
    }
}

void balancer::place_missing() {
    std::vector<slot_place> missing;
    for (std::size_t p = 0; p < owners_.size(); ++p) {
        for (std::size_t s = 0; s < slots_; ++s) {
            if (owners_[p][s] == nobody) {
                missing.push_back({p, s});
            }
        }
    }
    // The choosy first, then the heavy.
    const auto choice = [this](const slot_place& at) {
        return restricted_[at.partition] != 0 ? eligible_[at.partition].size()
                                              : std::numeric_limits<std::size_t>::max();
    };
    std::ranges::sort(missing, [&](const slot_place& a, const slot_place& b) {
        return std::tuple(choice(a), -weight_of(a.partition), a.partition, a.slot) <
               std::tuple(choice(b), -weight_of(b.partition), b.partition, b.slot);
    });
    std::size_t i = 0;
    for (; i < missing.size() && restricted_[missing[i].partition] != 0; ++i) {
        place_restricted(missing[i]);
    }
    for (std::size_t m = 0; m < load_.size(); ++m) {
        const int member = static_cast<int>(m);
        by_zone_[static_cast<std::size_t>(zones_[m])].push({spare(member), member});
    }
    for (; i < missing.size(); ++i) {
        place_open(missing[i]);
    }
}

void balancer::place_restricted(const slot_place& at) {
    int best = nobody;
    const auto rank = [&](int member) {
        const bool crowded = zone_taken(at.partition, at.slot, member);
        return std::tuple(spare(member) <= hardly, crowded, -spare(member));
    };
    for (const int member : eligible_[at.partition]) {
        if (fits(at, member, false) && (best == nobody || rank(member) < rank(best))) {
            best = member;
        }
    }
    if (best != nobody) {
        put(at, best);
    }
}

/// The member that lacks most of those that fit, or nobody.
int balancer::best_open(const slot_place& at, bool by_zone) {
    int best = nobody;
    for (queue& zone : by_zone_) {
        std::vector<waiting_member> aside;
        while (!zone.empty()) {
            waiting_member top = zone.top();
            if (best != nobody && top.spare < spare(best)) {
                break;  // an old figure, but what a member lacks only shrinks here
            }
            if (const double now = spare(top.member); now != top.spare) {
                zone.pop();
                zone.push({now, top.member});
                continue;
            }
            if (fits(at, top.member, by_zone)) {
                if (best == nobody || waiting_member{spare(best), best} < top) {
                    best = top.member;
                }
                break;
            }
            aside.push_back(top);
            zone.pop();
            if (by_zone && zone_taken(at.partition, at.slot, top.member)) {
                break;
            }
        }
        for (const waiting_member& one : aside) {
            zone.push(one);
        }
    }
    return best;
}

void balancer::place_open(const slot_place& at) {
    const auto lacks = [this](int member) { return member != nobody && spare(member) > hardly; };
    const bool zoned = by_zone_.size() > 1;
    int chosen = best_open(at, zoned);
    if (!lacks(chosen) && zoned) {
        if (swap_for(at, true, true)) {
            return;
        }
        chosen = best_open(at, false);
    }
    if (!lacks(chosen) && uniform_ && slots_ > 1 &&
        (swap_for(at, false, true) || swap_for(at, false, false))) {
        return;
    }
    if (chosen != nobody) {
        put(at, chosen);
    }
}

/// Every member that lacks something has this partition already (or its zone has): finds a slot
/// elsewhere whose owner may come here, and whose place one of those may take. `only_fresh`: only
/// among partitions that are being placed anyway; zones are worth no move, balance is.
bool balancer::swap_for(const slot_place& at, bool by_zone, bool only_fresh) {
    std::vector<int> lacking;
    for (std::size_t m = 0; m < load_.size(); ++m) {
        if (spare(static_cast<int>(m)) > hardly) {
            lacking.push_back(static_cast<int>(m));
        }
    }
    if (lacking.empty()) {
        return false;
    }
    // From where the last search ended: what did not fit then will hardly fit now.
    std::size_t& left = by_zone ? zone_checks_left_ : checks_left_;
    for (std::size_t i = 0; i < owners_.size() && left > 0; ++i) {
        const std::size_t q = (search_from_ + i) % owners_.size();
        if ((only_fresh && fresh_[q] == 0) || q == at.partition) {
            continue;
        }
        for (std::size_t s = 0; s < slots_; ++s) {
            left -= std::min<std::size_t>(left, 1);
            const int other = owners_[q][s];
            if (other == nobody || !fits(at, other, by_zone)) {
                continue;
            }
            for (const int member : lacking) {
                left -= std::min<std::size_t>(left, 1);
                if (fits({q, s}, member, by_zone)) {
                    search_from_ = q;
                    put({q, s}, member);
                    put(at, other);
                    by_zone_[static_cast<std::size_t>(zones_[static_cast<std::size_t>(other)])]
                        .push({spare(other), other});
                    return true;
                }
            }
        }
    }
    return false;
}

/// Moves restricted partitions while that brings two members closer together.
void balancer::even_out_restricted() {
    constexpr int rounds = 16;
    for (int round = 0; round < rounds; ++round) {
        bool moved = false;
        for (std::size_t p = 0; p < owners_.size(); ++p) {
            for (std::size_t s = 0; restricted_[p] != 0 && s < slots_; ++s) {
                const int owner = owners_[p][s];
                if (owner == nobody) {
                    continue;
                }
                int best = owner;
                for (const int member : eligible_[p]) {
                    if (fits({p, s}, member, false) && spare(member) > spare(best)) {
                        best = member;
                    }
                }
                if (spare(best) - spare(owner) > weight_of(p) + hardly) {
                    put({p, s}, best);
                    moved = true;
                }
            }
        }
        if (!moved) {
            return;
        }
    }
}

/// Where all slots of a partition are new, who has the fewest writers gets slot 0.
void balancer::order_writers(std::size_t partition) {
    std::vector<int>& owners = owners_[partition];
    if (fresh_[partition] != 0) {
        const auto fewest = std::ranges::min_element(owners, {}, [this](int member) {
            const auto m = static_cast<std::size_t>(member);
            return member == nobody ? std::numeric_limits<double>::infinity()
                                    : writers_[m] / std::max(weights_[m], hardly);
        });
        std::iter_swap(owners.begin(), fewest);
    }
    if (!owners.empty() && owners.front() != nobody) {
        writers_[static_cast<std::size_t>(owners.front())] += 1;
    }
}

planned_owners balancer::plan() {
    planned_owners answer(input_.partitions.size());
    if (input_.members.empty()) {
        return answer;
    }
    adopt();
    set_quotas();
    zone_checks_left_ = zone_checks_each * (1000 + input_.partitions.size());
    checks_left_ = checks_each * (1000 + input_.partitions.size());
    give_up_excess();
    place_missing();
    even_out_restricted();
    for (std::size_t p = 0; p < answer.size(); ++p) {
        order_writers(p);
        for (const int owner : owners_[p]) {
            answer[p].push_back(
                owner == nobody ? member_id{} : input_.members[static_cast<std::size_t>(owner)].id);
        }
    }
    return answer;
}

}  // namespace

planned_owners balanced(const planner_input& input) {
    return balancer{input}.plan();
}

}  // namespace muster
