#include "cluster/lease/agent.hpp"

#include "cluster/lease/probe.hpp"

#include <utility>

namespace muster::cluster {
namespace {

/// A server that has too many connections of this host closes without a word, and one that is
/// starting, or has lost its quorum, says only that: both can tell more a little later.
bool says_what_it_is(const std::string& srvr) {
    return !srvr.empty() && srvr.find("not currently serving requests") == std::string::npos;
}

}  // namespace

lease_agent::lease_agent(const session_context& at,
                         lease_settings settings,
                         std::shared_ptr<lease_cell> cell,
                         hooks told)
    : at_{at},
      settings_{settings},
      lease_{settings},
      cell_{std::move(cell)},
      told_{std::move(told)},
      proven_{at.settings.allow_unproven_server},
      end_timer_{at.loop.make_timer()},
      beat_timer_{at.loop.make_timer()},
      late_timer_{at.loop.make_timer()},
      ask_timer_{at.loop.make_timer()} {}

void lease_agent::attached(const zookeeper::session_change& how) {
    const instant now = at_.loop.now();
    lapse_if_over(now);
    late_timer_->cancel();
    beats_under_way_ = 0;
    lease_.standalone(false);
    lease_.attached(how.connect_sent, how.connect_acked, how.timeout);
    ++connection_;
    lapse_if_over(now);  // A smaller timeout shortens what was promised, maybe to the past.
    settle(now);
    ask_server();
    beat();
}

void lease_agent::answered(const zookeeper::answered& evidence) {
    const instant now = at_.loop.now();
    lapse_if_over(now);
    lease_.answered(evidence.sent, evidence.acked);
    settle(now);
}

void lease_agent::guard(std::vector<std::string> znodes) {
    znodes_ = std::move(znodes);
    beat();
}

void lease_agent::stop() {
    stopped_ = true;
    for (auto* one : {&end_timer_, &beat_timer_, &late_timer_, &ask_timer_}) {
        (*one)->cancel();
    }
    cell_->set(instant{});
    if (std::exchange(acting_, false)) {
        told_.lapsed();
    }
}

/// Whoever is handed new evidence first sees that the old lease is over: the rights that it
/// covered must end before the cell says "valid" again.
void lease_agent::lapse_if_over(instant now) {
    if (acting_ && !lease_.may_act(now)) {
        acting_ = false;
        cell_->set(instant{});
        end_timer_->cancel();
        told_.lapsed();
    }
}

void lease_agent::settle(instant now) {
    if (stopped_ || !proven_ || !lease_.may_act(now)) {
        return;
    }
    const instant until = lease_.acts_until();
    cell_->set(until);
    end_timer_->set(until, life_.wrap([this] {
        const instant later = at_.loop.now();
        lapse_if_over(later);
        settle(later);
    }));
    if (!std::exchange(acting_, true)) {
        told_.began();
    }
}

void lease_agent::ask_server() {
    at_.zk.four_letter("srvr",
                       at_.loop.now() + 2s,
                       life_.wrap([this, asked = connection_](const result<std::string>& got) {
                           if (asked != connection_ || stopped_) {
                               return;
                           }
                           if (got && says_what_it_is(*got)) {
                               server_said(*got);
                           } else {
                               ask_again();
                           }
                       }));
}

void lease_agent::ask_again() {
    ask_timer_->set(at_.loop.now() + 1s, life_.wrap([this] { ask_server(); }));
}

void lease_agent::server_said(const std::string& srvr) {
    const server_facts facts = read_server_words(srvr, {});
    if (!facts.proven && !at_.settings.allow_unproven_server) {
        at_.log(log_level::error,
                "server.unproven",
                "the server is neither Apache ZooKeeper nor muster's keeper: nothing is owned "
                "through it; set allow_unproven_server to trust it");
        return;
    }
    const instant now = at_.loop.now();
    lapse_if_over(now);
    // What was asked for has been looked at before; a server may grant less, and one that stood
    // alone may have become part of an ensemble.
    if (const auto why = too_short(lease_.timeout(), settings_, facts.standalone);
        why && !at_.settings.allow_unsafe_session_timeout) {
        proven_ = false;
        told_.unsafe(*why);
        return;
    }
    proven_ = true;
    lease_.standalone(facts.standalone);
    settle(now);
}

/// A multi of checks is a transaction through the quorum that wakes nobody.
void lease_agent::beat() {
    schedule_beat();
    if (stopped_ || znodes_.empty() || at_.zk.state() != zookeeper::session_state::connected) {
        return;
    }
    std::vector<zookeeper::op> checks;
    for (const std::string& path : znodes_) {
        checks.emplace_back(zookeeper::check_op{path, zookeeper::any_version});
    }
    const duration patience = reattach_after(lease_.timeout());
    if (beats_under_way_++ == 0) {
        late_timer_->set(at_.loop.now() + patience, life_.wrap([this] { beat_is_late(); }));
    }
    at_.zk.multi(std::move(checks),
                 at_.loop.now() + lease_.timeout(),
                 life_.wrap([this](zookeeper::reply<std::vector<zookeeper::op_result>> got) {
                     beaten(std::move(got));
                 }));
}

void lease_agent::beaten(zookeeper::reply<std::vector<zookeeper::op_result>> got) {
    beats_under_way_ -= beats_under_way_ > 0 ? 1U : 0U;
    if (beats_under_way_ == 0) {
        late_timer_->cancel();
    }
    if (stopped_) {
        return;
    }
    if (got.ok()) {
        const instant now = at_.loop.now();
        lapse_if_over(now);
        lease_.confirmed(got.sent, got.acked);
        settle(now);
        // As after a handshake whose answer came too late for the proof that has to follow it.
        if (lease_.needs_handshake(now)) {
            reattach(now, "the lease is over, and only a new handshake begins it again");
        }
    } else if (got.refused_with(zookeeper::zk_error::no_node)) {
        told_.znodes_lost("one of the member's own znodes is gone though its session lives");
    }
}

/// The server that it went to may be cut off as well, so it does not stop at the first.
void lease_agent::beat_is_late() {
    reattach(at_.loop.now(), "a quorum write stays unanswered");
    late_timer_->set(last_reattach_ + reattach_pause(), life_.wrap([this] { beat_is_late(); }));
}

/// At most once per T/4.
void lease_agent::reattach(instant now, std::string_view why) {
    if (last_reattach_ == instant::min() || now - last_reattach_ >= reattach_pause()) {
        last_reattach_ = now;
        at_.zk.reconnect(why);
    }
}

duration lease_agent::reattach_pause() const {
    return duration{lease_.timeout()} / 4;
}

void lease_agent::schedule_beat() {
    if (!stopped_ && lease_.timeout().count() > 0) {
        beat_timer_->set(at_.loop.now() + heartbeat_interval(lease_.timeout()),
                         life_.wrap([this] { beat(); }));
    }
}

}  // namespace muster::cluster
