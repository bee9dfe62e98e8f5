#pragma once

/// @file
/// A whole cluster around the real rules, for tests: members that read late and lose their leases,
/// leaders that know old facts, publications that arrive whenever they like, all drawn from a seed.
/// What it checks after every event is S1 and S2. `mutation` breaks one rule at its seam.

#include "cluster/handoff/rules.hpp"
#include "cluster/plan/rules.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::cluster::testing {

/// The mistakes of models/handover.pml, each at the place where somebody would make it.
enum class mutation : std::uint8_t {
    none,
    drop_wait,        ///< the leader forgets a wait whose release it has not seen
    absent_released,  ///< a member that has published nothing is read as one that has released
    reused_id,        ///< a new session comes back under the id of the old one
    same_fence,       ///< a cancelled move gives the old fence back
    lease_outlived,   ///< the member's znodes may go before its lease ends
    early_release,    ///< a release is published before the handler has stopped
    prepare_number,   ///< a release is judged by the fence of the plan before
    owner_released,   ///< the leader leaves the present owner out because its `through` is large
};

class splitmix {
public:
    explicit splitmix(std::uint64_t seed) : state_{seed} {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31U);
    }
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
    bool one_in(std::size_t n) { return below(n) == 0; }

private:
    std::uint64_t state_;
};

class protocol_world {
public:
    protocol_world(std::uint64_t seed, mutation broken);

    void step();
    /// Faults stop; everybody reads, publishes and answers until nothing happens any more.
    void settle();

    /// The first thing that went wrong, or "".
    [[nodiscard]] const std::string& violation() const { return violation_; }
    /// After settle(): an entry nobody acts on although somebody could, or "".
    [[nodiscard]] std::string idle_entry() const;
    [[nodiscard]] std::size_t acquires() const { return acquires_; }
    [[nodiscard]] std::size_t prepares() const { return prepares_; }

private:
    struct member {
        holder_state holder;
        bool lease = true;
        bool ready = false;  ///< init has returned
        bool gone = false;
        std::size_t head_read = 0;   ///< which plan its newest head is
        std::size_t chunk_read = 0;  ///< which plan its newest chunks are, never older
        std::map<std::string, plan_number> running;  ///< what its handlers act under
        std::map<std::string, plan_number> starting;
        std::map<std::string, plan_number> stopping;
        std::vector<release_record> statuses;  ///< as ZooKeeper has seen them, oldest first
        std::optional<release_record> sending;
        std::optional<release_record> unacked;
        std::set<std::string> preparing;
        std::set<member_id> settling;  ///< whose handover_delay runs, as it sees it
    };

    void feed(std::size_t who, const holder_event& event);
    void perform(std::size_t who, const holder_action& action);
    void begin(std::size_t who, const held_entry& what);
    void join();
    void write_plan(bool truthful);
    void break_plan(const plan& before, plan& next);
    plan_facts facts(bool truthful);
    planner any_planner();
    void read_plan(std::size_t who, bool newest);
    void read_former(std::size_t who, bool newest);
    void end_delay(std::size_t who);
    void end_prepare(std::size_t who);
    former_owner look_at(std::size_t reader, member_id who, bool newest);
    void move_publication(std::size_t who);
    void end_handler(std::size_t who, bool may_fail);
    void end_lease(std::size_t who);
    void lose_session(std::size_t who);
    void regain_lease(std::size_t who);
    void come_back(std::size_t who);
    std::size_t index_of(member_id who) const;

    splitmix dice_;
    mutation broken_;
    specification spec_;
    std::vector<plan> plans_;
    std::vector<member> members_;
    std::map<std::string, plan_number> highest_;
    std::map<std::pair<std::string, member_id>, plan_number> acted_;
    std::set<member_id> reborn_;
    std::string violation_;
    std::size_t acquires_ = 0;
    std::size_t prepares_ = 0;
};

}  // namespace muster::cluster::testing
