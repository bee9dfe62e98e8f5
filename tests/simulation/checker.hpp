#pragma once

/// @file
/// Watches a simulated cluster from outside and says what it promised and did not keep.
///
/// What is checked after each event of the world:
///   S1  no two processes may act on one partition, and none leads beside another
///   S2  every acquire of a partition carries a larger fence than all before it
///   S3  what ZooKeeper holds as view and plan only ever grows in number
///   S4  what a process is shown of views and plans never goes back

#include "muster/ids.hpp"

#include "base/instant.hpp"
#include "cluster/right.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::simulation {

/// What the checker must know of a process to judge it.
/// Lifetime: shared; a dead one says so.
class witness {
public:
    virtual ~witness() = default;
    [[nodiscard]] virtual const std::string& title() const = 0;
    /// The process exists and its machine runs.
    [[nodiscard]] virtual bool is_alive() const = 0;
    /// Runs now, and has run long enough since a pause to have seen what time it is.
    [[nodiscard]] virtual bool is_awake() const = 0;
    /// Its own clock.
    [[nodiscard]] virtual instant now() const = 0;
};

class checker {
public:
    explicit checker(std::function<instant()> now) : now_{std::move(now)} {}

    void acquired(const std::shared_ptr<witness>& who, std::shared_ptr<cluster::right> mine);
    /// Its handler has started it.
    void started(const cluster::right& which);
    /// The handler has stopped: nothing of it acts any more, whatever the lease says.
    void ended(const cluster::right& which);
    void entered(const cluster::right& which);
    void left(const cluster::right& which);
    void died(const witness& who);
    /// The process was stopped by its machine: effects under way may outlive their lease.
    void paused(const witness& who);
    /// Its handler runs on past the lease end, by the policy `fence`: tokens protect.
    void fenced_off(const cluster::right::identity& which);
    void leads(const std::shared_ptr<witness>& who, bool yes, leader_epoch epoch);
    void saw_view(const witness& who, std::int64_t number, std::int64_t epoch);
    void saw_plan(const witness& who, const std::string& resource, std::int64_t number);
    /// What a bystander read in ZooKeeper.
    void stored(const std::string& path, std::int64_t number);
    /// A server that starts empty has no past to go back behind; fences still grow.
    void forget_stored() { stored_.clear(); }
    /// An operator took the leader's place away: it finds out by its next heartbeat.
    void excuse_leaders(bool yes) { leaders_excused_ = yes; }

    void poll();
    void note(std::string what);

    [[nodiscard]] bool ok() const { return violation_.empty(); }
    /// The first broken promise, with what happened before it.
    [[nodiscard]] std::string report() const;
    [[nodiscard]] const std::string& violation() const { return violation_; }

    /// Partitions somebody alive has started and may act on now: "orders/3", and who.
    [[nodiscard]] std::map<std::string, std::string> owners() const;
    /// Who leads, awake and alive.
    [[nodiscard]] std::vector<std::string> leaders() const;
    [[nodiscard]] std::uint64_t acquires() const { return acquires_; }
    [[nodiscard]] std::uint64_t effects() const { return effects_; }

private:
    struct given {
        std::shared_ptr<witness> by;
        std::shared_ptr<cluster::right> mine;
        bool started = false;
        bool ended = false;  ///< but effects of it are still under way
        unsigned effects = 0;
        bool excused = false;  ///< paused with an effect under way
    };
    struct leading {
        std::shared_ptr<witness> who;
        leader_epoch epoch;
    };
    [[nodiscard]] bool acts(const given& one) const;
    [[nodiscard]] static std::string told(const given& one);
    [[nodiscard]] given* find(const cluster::right& which);
    void broken(std::string what);

    std::function<instant()> now_;
    std::map<std::string, std::vector<given>> rights_;
    std::map<std::string, fence_token> fences_;
    std::map<std::string, std::int64_t> stored_;
    std::map<const witness*, std::map<std::string, std::int64_t>> seen_;
    std::vector<leading> leaders_;
    leader_epoch last_epoch_;
    bool leaders_excused_ = false;
    std::uint64_t acquires_ = 0, effects_ = 0;
    std::deque<std::string> story_;
    std::string violation_;
};

}  // namespace muster::simulation
