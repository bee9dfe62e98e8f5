#include "cluster/lease/lease.hpp"

#include <algorithm>
#include <cmath>
#include <string>

// THE PROBLEM. A ping answered by a follower proves nothing about ZooKeeper's leader, which alone
// expires sessions. What does is an acknowledged quorum write sent after the follower has handed
// the ping's touch on, and that the follower has done so is proven by an earlier quorum write:
//
//     j      j+1        G        m               k
//     |-------|------------------|---------------|-------> client
//     s_j     r_{j+1}            s_m     r_m <= s_k
//
// The touch of j or of j+1 (one may be lost) lay in the follower's table at r_{j+1}. Within G the
// leader asks for that table; m's commit comes behind that question in one stream, so at r_m the
// table is on its way, and k, sent after, arrives behind it. k's acknowledgement: not expired.
//
// TWO THINGS GO WRONG: evidence of another connection (another follower, another table), and
// evidence that comes after the lease has ended (the session may be on the expirer's list already).
// So a handshake forgets all requests, and nothing after the end renews but a new handshake.
//
// What is kept is the anchor, not the end: a handshake that negotiates a smaller timeout shortens
// every earlier promise at once.

namespace muster::cluster {

namespace {

double share(std::uint32_t ppm) {
    return static_cast<double>(ppm) / 1e6;
}

// Bounds on memory. Requests closer together than this part of G are kept as one, and beyond these
// numbers the oldest go: either only makes the lease end earlier.
constexpr int grains_per_gap = 64;
constexpr std::size_t most_requests = 4096;
constexpr std::size_t most_proofs = 64;

}  // namespace

double lease_settings::rho() const {
    return 1.0 - (1.0 - share(client_slew_ppm)) / (1.0 + share(server_slew_ppm));
}

duration lease_settings::leader_gap() const {
    return duration{tick} / 2 + 100ms;
}

duration ping_interval(const lease_settings& settings) {
    return duration{settings.tick} / 4;
}

duration heartbeat_interval(std::chrono::milliseconds session_timeout) {
    return duration{session_timeout} / 8;
}

duration reattach_after(std::chrono::milliseconds session_timeout) {
    return std::max(duration{250ms}, heartbeat_interval(session_timeout));
}

std::chrono::milliseconds safe_session_timeout(const lease_settings& settings, bool standalone) {
    return standalone ? std::max(std::chrono::milliseconds{4000}, 2 * settings.tick)
                      : 2 * least_session_timeout(settings, false);
}

std::chrono::milliseconds least_session_timeout(const lease_settings& settings, bool standalone) {
    return standalone ? 2 * settings.tick : (std::int64_t{settings.sync_limit} + 2) * settings.tick;
}

std::optional<error> too_short(std::chrono::milliseconds session_timeout,
                               const lease_settings& settings,
                               bool standalone) {
    const auto least = least_session_timeout(settings, standalone);
    if (session_timeout >= least) {
        return std::nullopt;
    }
    return error{errc::invalid_argument,
                 "a session timeout of " + std::to_string(session_timeout.count()) +
                     " ms is not safe for exclusive partitions on " +
                     (standalone ? "this server" : "this ensemble") + ": it must be at least " +
                     std::to_string(least.count()) + " ms (tick " +
                     std::to_string(settings.tick.count()) +
                     " ms); raise it, and maxSessionTimeout of the servers where they allow less, "
                     "or set allow_unsafe_session_timeout to run without that safety"};
}

instant lease::end_by(instant anchor) const {
    const double held = static_cast<double>(duration{timeout_}.count()) * (1.0 - settings_.rho());
    return anchor + duration{static_cast<duration::rep>(std::floor(held))} - settings_.epsilon;
}

void lease::renew(instant anchor) {
    anchor_ = anchor_ ? std::max(*anchor_, anchor) : anchor;
    end_ = end_by(*anchor_);
}

void lease::attached(instant sent, instant acked, std::chrono::milliseconds timeout) {
    recent_.clear();
    proofs_.clear();
    standalone_ = false;
    connected_ = acked;
    resuming_.reset();
    if (timeout <= std::chrono::milliseconds::zero()) {
        return;  // no server may offer this, and nothing follows from it
    }
    const bool first = !anchor_.has_value();
    const bool late = !first && lapsed(acked);
    timeout_ = first ? timeout : std::min(timeout_, timeout);
    if (late) {
        resuming_ = sent;
        end_ = end_by(*anchor_);
    } else {
        renew(sent);
    }
}

void lease::answered(instant sent, instant acked) {
    if (sent < connected_ || !anchor_) {
        return;  // of an earlier connection: it touched another server's table
    }
    if (standalone_ && !lapsed(acked)) {
        renew(sent);
    }
    remember({.sent = sent, .acked = acked});
}

void lease::confirmed(instant sent, instant acked) {
    if (sent < connected_ || !anchor_) {
        return;
    }
    if (!lapsed(acked)) {
        // Of the proofs that were complete before this write left, the newest.
        const auto after = std::ranges::upper_bound(proofs_, sent, {}, &proof::from);
        if (after != proofs_.begin()) {
            const auto best = std::prev(after);
            renew(best->anchor);
            proofs_.erase(proofs_.begin(), best);
        }
        if (standalone_) {
            renew(sent);
        }
    } else if (resuming_ && sent >= connected_ + settings_.tick) {
        renew(*resuming_);
        resuming_.reset();
    }
    const request one{.sent = sent, .acked = acked};
    prove(one);
    remember(one);
}

void lease::prove(const request& write) {
    // j is the newest request whose successor was answered a gap before this write was sent.
    const auto after =
        std::ranges::upper_bound(recent_, write.sent - settings_.leader_gap(), {}, &request::acked);
    if (std::distance(recent_.begin(), after) < 2) {
        return;
    }
    const auto j = std::prev(after, 2);
    if (proofs_.empty() || proofs_.back().anchor < j->sent) {
        proofs_.push_back({.from = write.acked, .anchor = j->sent});
    }
    if (proofs_.size() > most_proofs) {
        proofs_.erase(proofs_.begin());
    }
    // A later write is sent later, so it never looks for an older j.
    recent_.erase(recent_.begin(), j);
}

void lease::remember(const request& one) {
    if (lapsed(one.acked) && !resuming_) {
        return;  // nothing but a new handshake can help, and that forgets it
    }
    if (!recent_.empty()) {
        const request& last = recent_.back();
        const duration grain = settings_.leader_gap() / grains_per_gap;
        if (one.sent < last.sent + grain || one.acked < last.acked) {
            return;
        }
    }
    recent_.push_back(one);
    if (recent_.size() > most_requests) {
        recent_.erase(recent_.begin());
    }
}

bool lease::may_act(instant now) const {
    return end_ && now + settings_.margin < *end_;
}

instant lease::acts_until() const {
    return end_ ? *end_ - settings_.margin : instant::min();
}

}  // namespace muster::cluster
