#pragma once

/// @file
/// Until when a member may act, as a function of what ZooKeeper answered. Pure.
/// The rule and its derivation: docs/internals/lease.md.

#include "muster/error.hpp"

#include "base/instant.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace muster::cluster {

struct lease_settings {
    std::chrono::milliseconds tick{2000};
    std::uint32_t sync_limit = 5;
    std::uint32_t client_slew_ppm = 83'833;
    std::uint32_t server_slew_ppm = 83'833;
    duration epsilon = 10ms;  ///< subtracted from each lease end
    duration margin = 50ms;   ///< mu: `may act` needs now + margin < end

    [[nodiscard]] double rho() const;           ///< 1 - (1 - c) / (1 + l)
    [[nodiscard]] duration leader_gap() const;  ///< G = tick/2 + 100 ms
};

/// How often to ping (<= tick/4) and to make a quorum write (T/8, never over T/6).
[[nodiscard]] duration ping_interval(const lease_settings& settings);
[[nodiscard]] duration heartbeat_interval(std::chrono::milliseconds session_timeout);
/// A quorum write unanswered this long makes the client re-attach elsewhere: max(250 ms, H).
[[nodiscard]] duration reattach_after(std::chrono::milliseconds session_timeout);

/// `auto`: standalone max(4 s, 2 ticks); ensemble 2 (S + 2) tick.
[[nodiscard]] std::chrono::milliseconds safe_session_timeout(const lease_settings& settings,
                                                             bool standalone);
/// The shortest that keeps a session through a pause of ZooKeeper's leader: (S + 2) tick; a
/// standalone server: 2 ticks. A shorter one is refused for exclusive resources.
[[nodiscard]] std::chrono::milliseconds least_session_timeout(const lease_settings& settings,
                                                              bool standalone);

/// Why nothing exclusive may be owned under a session timeout that is too short for these servers;
/// nothing where it is long enough.
[[nodiscard]] std::optional<error> too_short(std::chrono::milliseconds session_timeout,
                                             const lease_settings& settings,
                                             bool standalone);

/// The lease of one session. A new session needs a new one.
class lease {
public:
    explicit lease(lease_settings settings) : settings_{settings} {}

    /// A ConnectResponse: session made, or re-attached. `timeout` is what was negotiated.
    void attached(instant sent, instant acked, std::chrono::milliseconds timeout);
    /// Any answered request of this session, pings included.
    void answered(instant sent, instant acked);
    /// An acknowledged quorum write conditioned on the member's own znodes. Also counts as
    /// `answered`; do not report it twice.
    void confirmed(instant sent, instant acked);
    /// What `srvr` said of the server of this connection; ensemble until told otherwise, and again
    /// after each attach.
    void standalone(bool alone) { standalone_ = alone; }

    /// The lease end; nothing before the first attach.
    [[nodiscard]] std::optional<instant> end() const { return end_; }
    /// Whether the lease has ended and nothing on this connection can begin it again: re-attach.
    [[nodiscard]] bool needs_handshake(instant now) const { return lapsed(now) && !resuming_; }
    /// now + margin < end.
    [[nodiscard]] bool may_act(instant now) const;
    /// From when on it may not act unless renewed: end - margin; `never` reversed: instant::min()
    /// without a lease.
    [[nodiscard]] instant acts_until() const;
    /// T: the smallest negotiated timeout of this session's life.
    [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }

private:
    struct request {
        instant sent;
        instant acked;
    };
    /// What an acknowledged quorum write m proved: `anchor` has left the follower for the leader
    /// in front of everything sent from `from` (r_m) on.
    struct proof {
        instant from;
        instant anchor;
    };
    [[nodiscard]] instant end_by(instant anchor) const;
    [[nodiscard]] bool lapsed(instant at) const { return !end_ || at > *end_; }
    void renew(instant anchor);
    void remember(const request& one);
    void prove(const request& write);

    lease_settings settings_;
    std::optional<instant> end_;
    std::optional<instant> anchor_;  ///< the newest proven send time: end_ = end_by(anchor_)
    std::chrono::milliseconds timeout_{0};
    bool standalone_ = false;
    instant connected_ = instant::min();  ///< when this connection's handshake was answered
    std::optional<instant> resuming_;     ///< s_c of the handshake that found the lease lapsed
    std::vector<request> recent_;         ///< of this connection, in order, bounded
    std::vector<proof> proofs_;           ///< ascending in both, bounded
};

}  // namespace muster::cluster
