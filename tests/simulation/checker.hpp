#pragma once

/// @file
/// Watches a simulated cluster from outside and says what it promised and did not keep.
///
/// What is checked after each event of the world:
///   S1  no two processes may act on one partition, and none leads beside another
///   S2  every acquire of a partition carries a larger fence than all before it
///   S3  whatever is the leader's to write was written by the session at the head of the
///       succession as that transaction was committed, and its numbers only ever grow
///   S4  what a process is shown of views and plans never goes back
///   L1  (its other half) after an end that was no clean release nobody is given a partition
///       before its `handover_delay` is over

#include "muster/ids.hpp"

#include "base/instant.hpp"
#include "cluster/paths.hpp"
#include "cluster/right.hpp"
#include "zookeeper/keeper.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
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
    /// Its newest incarnation; empty before the first.
    [[nodiscard]] virtual member_id id() const = 0;
};

class checker {
public:
    /// `session_timeout` is that of every process judged.
    checker(std::function<instant()> now, std::string_view cluster, duration session_timeout)
        : now_{std::move(now)}, where_{cluster}, timeout_{session_timeout} {}

    void acquired(const std::shared_ptr<witness>& who, std::shared_ptr<cluster::right> mine);
    /// Its handler has started it.
    void started(const cluster::right& which);
    /// Its right has ended in order, or could not be begun.
    void released(const cluster::right& which);
    /// The handler has stopped: nothing of it acts any more, whatever the lease says.
    void ended(const cluster::right& which);
    /// An effect begins; its number, for `left`.
    [[nodiscard]] std::uint64_t entered(const cluster::right& which);
    void left(const cluster::right& which, std::uint64_t effect);
    void died(const witness& who);
    /// The process goes on after its machine had stopped it: an effect that was under way, and
    /// whose right has ended meanwhile, outlives it with nobody to blame.
    void resumed(const witness& who);
    /// Its handler runs on past the lease end, by the policy `fence`: tokens protect.
    void fenced_off(const cluster::right::identity& which);
    void leads(const std::shared_ptr<witness>& who, bool yes, leader_epoch epoch);
    void saw_view(const witness& who, std::int64_t number, std::int64_t epoch);
    void saw_plan(const witness& who, const std::string& resource, std::int64_t number);
    /// What a bystander read in ZooKeeper.
    void stored(const std::string& path, std::int64_t number);
    /// What the server has committed; hears of every transaction.
    void committed(const zookeeper::keeper_commit& what);
    /// A session that is no process of the cluster: it may write what it likes.
    void stranger(std::int64_t session) { strangers_.insert(session); }
    /// A server that starts empty has no past to go back behind; fences still grow.
    void forget_stored();
    /// Until then, and for some time after, that process may not hear its server.
    void hindered(const std::string& title, instant until);
    /// Who has the partitions of `resource` may be followed only that long after a crash.
    void expect_delay(const std::string& resource, duration handover_delay) {
        delays_[resource] = handover_delay;
    }

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
    /// How many writes of leaders were judged, and acquires after a crash.
    [[nodiscard]] std::uint64_t leader_writes() const { return leader_writes_; }
    [[nodiscard]] std::uint64_t delayed_acquires() const { return delayed_acquires_; }
    /// Somebody was asked to prepare for a partition.
    void prepared() { ++prepares_; }
    [[nodiscard]] std::uint64_t prepares() const { return prepares_; }

private:
    struct given {
        std::shared_ptr<witness> by;
        std::shared_ptr<cluster::right> mine;
        bool started = false;
        bool ended = false;                          ///< but effects of it are still under way
        std::map<std::uint64_t, bool> effects = {};  ///< under way, and whether excused
    };
    struct leading {
        std::shared_ptr<witness> who;
        leader_epoch epoch;
        member_id as;
    };
    /// Who acquired a partition last, as long as it has not released it.
    struct holding {
        member_id who;
        bool stopped = false;            ///< with the lease, and may come to tell so
        std::optional<instant> crashed;  ///< when the server ended its session
    };
    [[nodiscard]] bool acts(const given& one) const;
    [[nodiscard]] static std::string told(const given& one);
    [[nodiscard]] given* find(const cluster::right& which);
    void judge_delay(const witness& who, const std::string& key, const cluster::right& mine);
    void judge_writer(const zookeeper::keeper_commit& what);
    void follow_members(const zookeeper::keeper_commit& what);
    [[nodiscard]] bool is_leaders(const zookeeper::keeper_commit::change& what,
                                  const std::set<std::string>& made) const;
    /// It leads on only because it cannot know yet that somebody took its place away.
    [[nodiscard]] bool is_robbed(const leading& one) const;
    void broken(std::string what);

    std::function<instant()> now_;
    cluster::paths where_;
    duration timeout_;
    std::map<std::string, std::vector<given>> rights_;
    std::map<std::string, fence_token> fences_;
    std::map<std::string, std::int64_t> stored_;
    std::map<const witness*, std::map<std::string, std::int64_t>> seen_;
    std::vector<leading> leaders_;
    leader_epoch last_epoch_;
    std::map<std::int32_t, std::pair<member_id, std::int64_t>> succession_;  ///< id and session
    std::map<member_id, instant> robbed_;      ///< of its place, by a stranger
    std::map<std::string, instant> hindered_;  ///< until when, by title
    std::set<std::int64_t> strangers_;
    std::map<std::string, duration> delays_;  ///< by resource
    std::map<std::string, holding> holders_;
    std::uint64_t acquires_ = 0, effects_ = 0, leader_writes_ = 0, delayed_acquires_ = 0;
    std::uint64_t prepares_ = 0;
    std::deque<std::string> story_;
    std::string violation_;
};

}  // namespace muster::simulation
