#pragma once

/// @file
/// Keeps the lease of one incarnation: heartbeats, evidence in, "valid" and "lapsed" out.

#include "base/life_guard.hpp"
#include "cluster/lease/lease.hpp"
#include "cluster/right.hpp"
#include "cluster/session_context.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster {

/// Threads: control loop only.
class lease_agent {
public:
    struct hooks {
        std::function<void()> began;  ///< may act from now on
        std::function<void()>
            lapsed;  ///< may not act any more; called before any new evidence counts
        std::function<void(std::string)> znodes_lost;  ///< a heartbeat found one of its own missing
        /// The session timeout that this server granted is too short to own anything under.
        std::function<void(const error&)> unsafe;
    };

    lease_agent(const session_context& at,
                lease_settings settings,
                std::shared_ptr<lease_cell> cell,
                hooks told);

    void attached(const zookeeper::session_change& how);
    void answered(const zookeeper::answered& evidence);
    /// The member's own znodes, which each heartbeat checks; replaces those named before.
    void guard(std::vector<std::string> znodes);
    /// Ends it for good: lapses now, if it was valid.
    void stop();

    [[nodiscard]] bool may_act() const { return acting_; }
    [[nodiscard]] const lease& evidence() const { return lease_; }
    [[nodiscard]] bool server_proven() const { return proven_; }

private:
    void settle(instant now);
    void lapse_if_over(instant now);
    void ask_server();
    void ask_again();
    void server_said(const std::string& srvr);
    void beat();
    void beat_is_late();
    void beaten(zookeeper::reply<std::vector<zookeeper::op_result>> got);
    void schedule_beat();
    void reattach(instant now, std::string_view why);
    [[nodiscard]] duration reattach_pause() const;

    const session_context& at_;
    lease_settings settings_;
    lease lease_;
    std::shared_ptr<lease_cell> cell_;
    hooks told_;
    std::vector<std::string> znodes_;
    bool acting_ = false;
    bool proven_ = false;
    bool stopped_ = false;
    unsigned beats_under_way_ = 0;
    std::uint64_t connection_ =
        0;  ///< counts handshakes: an answer about an earlier server is void
    instant last_reattach_ = instant::min();
    std::unique_ptr<runtime::timer> end_timer_, beat_timer_, late_timer_, ask_timer_;
    life_guard life_;
};

}  // namespace muster::cluster
