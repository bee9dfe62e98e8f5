#include "cluster/member.hpp"

#include "cluster/incarnation.hpp"

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

namespace muster::cluster {
namespace {

constexpr duration farewell = 20ms;      ///< between saying that it left and leaving
constexpr duration close_patience = 2s;  ///< kept of a leave's deadline for ending the session

class driver final : public member {
public:
    driver(std::shared_ptr<runtime::loop> control,
           member_settings settings,
           std::shared_ptr<member_host> host,
           std::function<void(task_fn)> offload)
        : loop_{std::move(control)},
          where_{settings.cluster},
          calls_{*loop_, where_},
          leave_timer_{loop_->make_timer()},
          stop_timer_{loop_->make_timer()} {
        lease_ = settings.lease;
        memory_.settings = std::move(settings);
        memory_.host = std::move(host);
        memory_.offload = std::move(offload);
        probe();
    }

    ~driver() override {
        if (now_) {
            now_->retire();
        }
    }

    void serve(const std::string& resource,
               specification spec,
               std::shared_ptr<owner_host> owner,
               std::optional<planner> choose) override {
        memory_.resources[resource] = {std::move(spec), std::move(owner), std::move(choose)};
        if (now_) {
            now_->take_up(resource);
        }
    }

    void follow(const std::string& resource) override {
        if (memory_.resources.try_emplace(resource).second && now_) {
            now_->take_up(resource);
        }
    }

    void stand_for(std::set<std::string> globals) override {
        memory_.candidates = std::move(globals);
        if (now_) {
            now_->status_wishes_changed();
        }
    }

    void change_list(const std::string& resource,
                     const std::string& partition,
                     bool add,
                     instant deadline,
                     callback<result<void>> done) override {
        calls_.change_list(zk_.get(), resource, partition, add, deadline, std::move(done));
    }

    void publish(std::set<std::string> znodes) override {
        memory_.published = std::move(znodes);
        if (now_) {
            now_->publish_wishes_changed();
        }
    }

    void report_unreachable(std::set<member_id> peers) override {
        if (std::exchange(memory_.unreachable, std::move(peers)) != memory_.unreachable && now_) {
            now_->status_wishes_changed();
        }
    }

    void suspect_itself(bool yes) override {
        if (std::exchange(memory_.suspects_itself, yes) != yes && now_) {
            now_->status_wishes_changed();
        }
    }

    void handler_failed(const right::identity& what) override {
        if (now_) {
            now_->handler_failed(what);
        }
    }

    [[nodiscard]] lifecycle state() const override { return state_; }
    [[nodiscard]] instant acts_until() const override {
        return now_ ? now_->acts_until() : instant::min();
    }
    [[nodiscard]] member_id id() const override { return now_ ? now_->id() : member_id{}; }

    [[nodiscard]] bool holds_anything() const override {
        return (now_ && now_->holds_anything()) ||
               std::ranges::any_of(retired_, [](const auto& one) { return one->holds_anything(); });
    }

    void leave(instant deadline, callback<result<void>> done) override;

private:
    void probe();
    void begin(const server_facts& facts);
    void session_changed(const zookeeper::session_change& change);
    void incarnate();
    void incarnation_over(const error& why, bool final);
    void stepped(lifecycle to);
    void finish_leaving(bool handed_over);
    void stop_then(instant latest, callback<bool> next);
    void all_stopped();
    void close_and_begin_anew(bool final);
    void end_session(bool handed_over);
    void left(result<void> how);
    void sweep_retired();
    void log(log_level level, std::string_view event, std::string text) const {
        if (memory_.settings.log) {
            memory_.settings.log(level, event, std::move(text));
        }
    }

    std::shared_ptr<runtime::loop> loop_;
    paths where_;
    lease_settings lease_;
    member_memory memory_;
    std::optional<server_probe> probe_;
    std::unique_ptr<zookeeper::client> zk_;
    std::unique_ptr<incarnation> now_;
    std::list<std::unique_ptr<incarnation>> retired_;  ///< until their handlers have stopped
    command_calls calls_;
    lifecycle state_ = lifecycle::stranded;
    bool ended_ = false;  ///< failed for good, or left
    bool finishing_ = false;
    bool closing_ = false;  ///< the session is being ended; a new incarnation follows
    callback<result<void>> leave_done_;
    instant leave_deadline_{};
    callback<bool> stopping_;  ///< what follows when the handlers have stopped
    std::unique_ptr<runtime::timer> leave_timer_, stop_timer_;
    life_guard life_;
};

/// The session timeout follows from the servers, so they are asked what they are first.
void driver::probe() {
    probe_.emplace(
        *loop_,
        memory_.settings.servers,
        [this](const server_facts& facts) {
            loop_->post(life_.wrap([this, facts] {
                probe_.reset();
                begin(facts);
            }));
        },
        [this](const error& why) { log(log_level::warning, "zookeeper.unreachable", why.text); });
}

void driver::begin(const server_facts& facts) {
    if (ended_ || memory_.leaving) {
        return;
    }
    lease_.tick = facts.tick.value_or(lease_.tick);
    lease_.sync_limit = facts.sync_limit.value_or(lease_.sync_limit);
    const auto wanted =
        memory_.settings.session_timeout.value_or(safe_session_timeout(lease_, facts.standalone));
    if (const auto why = too_short(wanted, lease_, facts.standalone);
        why && !memory_.settings.allow_unsafe_session_timeout) {
        ended_ = true;
        memory_.host->failed(*why);
        return;
    }
    zookeeper::client_options options;
    options.servers = memory_.settings.servers;
    options.session_timeout = wanted;
    options.default_acl = memory_.settings.access;
    options.auth = memory_.settings.auth;
    options.ping_interval =
        std::chrono::duration_cast<std::chrono::milliseconds>(ping_interval(lease_));
    zk_ = zookeeper::client::start(
        loop_,
        std::move(options),
        [this](const zookeeper::session_change& change) { session_changed(change); },
        [this](const zookeeper::answered& evidence) {
            if (now_) {
                now_->answered(evidence);
            }
        });
    incarnate();
}

/// A new id before each new session's connect request.
void driver::incarnate() {
    const member_id self{loop_->random_u64(), loop_->random_u64()};
    now_ = std::make_unique<incarnation>(
        loop_,
        *zk_,
        where_,
        self,
        lease_,
        memory_,
        incarnation::hooks{.stepped = [this](lifecycle to) { stepped(to); },
                           .over =
                               [this, self](const error& why, bool final) {
                                   loop_->post(life_.wrap([this, self, why, final] {
                                       if (id() == self) {
                                           incarnation_over(why, final);
                                       }
                                   }));
                               },
                           .drained =
                               [this, self] {
                                   loop_->post(life_.wrap([this, self] {
                                       if (id() == self) {
                                           finish_leaving(true);
                                       }
                                   }));
                               },
                           .emptied =
                               [this, self] {
                                   loop_->post(life_.wrap([this, self] {
                                       if (id() == self && stopping_) {
                                           all_stopped();
                                       }
                                       sweep_retired();
                                   }));
                               }});
}

void driver::session_changed(const zookeeper::session_change& change) {
    using zookeeper::session_state;
    if (change.state != session_state::connected) {
        memory_.host->session_lost();
    }
    switch (change.state) {
        case session_state::connected:
            log(log_level::info,
                change.is_new ? "session.began" : "session.reattached",
                "ZooKeeper " + change.server.text() + ", timeout " +
                    std::to_string(change.timeout.count()) + " ms");
            if (change.is_new) {
                memory_.host->became(now_->id(), change.timeout);
            }
            now_->attached(change);
            memory_.host->session_began(*zk_, change.is_new);
            break;
        case session_state::connecting:
            log(log_level::warning, "session.lost", change.text);
            break;
        case session_state::expired:
            log(log_level::warning, "session.expired", change.text);
            if (closing_) {
                return;  // What follows the close comes anyway.
            }
            now_->retire();
            retired_.push_back(std::move(now_));
            sweep_retired();
            if (finishing_ || memory_.leaving) {
                stop_timer_->cancel();
                stopping_ = {};
                left(fail(errc::gone, "the session ended before everything was handed over"));
                return;
            }
            incarnate();
            zk_->renew();
            break;
        case session_state::auth_failed:
            ended_ = true;
            if (now_) {
                now_->retire();
            }
            memory_.host->failed(
                {errc::not_authorized, "ZooKeeper refused the credentials: " + change.text});
            break;
        case session_state::closed:
            break;
    }
}

void driver::incarnation_over(const error& why, bool final) {
    if (ended_ || finishing_ || closing_) {
        return;
    }
    closing_ = true;
    log(log_level::error, "member.over", why.text);
    now_->retire();
    ended_ = final;
    if (final) {
        memory_.host->failed(why);
    }
    // Closing the session lets others begin at once, so what acts is stopped first. Past the lease
    // end nothing may act any more, and whoever still does has been reported as stuck.
    stop_then(now_->lease_end(), [this, final](bool) { close_and_begin_anew(final); });
}

/// Calls `next` once the retired incarnation's handlers have stopped, or at `latest`: whether they
/// have.
void driver::stop_then(instant latest, callback<bool> next) {
    stopping_ = std::move(next);
    if (!now_->holds_anything()) {
        all_stopped();
        return;
    }
    stop_timer_->set(std::max(latest, loop_->now()), life_.wrap([this] { all_stopped(); }));
}

void driver::all_stopped() {
    stop_timer_->cancel();
    auto next = std::exchange(stopping_, {});
    next(!now_->holds_anything());
}

/// The session takes away what is left of this incarnation; the next one begins after.
void driver::close_and_begin_anew(bool final) {
    zk_->close(loop_->now() + close_patience,
               life_.wrap([this, final](const zookeeper::reply<zookeeper::nothing>&) {
                   if (final) {
                       return;
                   }
                   retired_.push_back(std::move(now_));
                   sweep_retired();
                   loop_->post(life_.wrap([this] {
                       closing_ = false;
                       memory_.host->session_lost();
                       zk_.reset();
                       if (memory_.leaving) {
                           left({});
                       } else {
                           probe();
                       }
                   }));
               }));
}

void driver::stepped(lifecycle to) {
    const lifecycle from = std::exchange(state_, to);
    if (from != to) {
        memory_.host->stepped(from, to);
    }
}

void driver::sweep_retired() {
    std::erase_if(retired_, [](const auto& one) { return !one->holds_anything(); });
}

void driver::leave(instant deadline, callback<result<void>> done) {
    if (leave_done_ || state_ == lifecycle::left) {
        loop_->post([done = std::move(done)]() mutable {
            done(fail(errc::closed, "the member is leaving already"));
        });
        return;
    }
    leave_done_ = std::move(done);
    leave_deadline_ = deadline;
    memory_.leaving = true;
    probe_.reset();
    if (closing_ && !ended_) {
        // It has left when what acts has stopped and the session has ended.
        leave_timer_->set(deadline, life_.wrap([this] {
            left(fail(errc::timed_out, "left before its session had ended"));
        }));
        return;
    }
    if (!now_ || !zk_ || ended_) {
        loop_->post(life_.wrap([this] { left({}); }));
        return;
    }
    const instant patience = std::max(loop_->now(), deadline - close_patience);
    leave_timer_->set(patience, life_.wrap([this] { finish_leaving(false); }));
    now_->drain();
}

void driver::finish_leaving(bool handed_over) {
    if (std::exchange(finishing_, true) || !now_) {
        return;
    }
    leave_timer_->cancel();
    const bool held = now_->holds_anything();
    const bool said = handed_over && !held && now_->say_left();
    now_->left();
    now_->retire();
    if (said) {
        // The end of the session takes the status away, so the leader is given the time to read it:
        // then it knows that nothing of this member goes on, and need not wait for its effects.
        const instant soon = std::min(loop_->now() + farewell, leave_deadline_);
        stop_timer_->set(std::max(loop_->now(), soon), life_.wrap([this] { end_session(true); }));
        return;
    }
    stop_then(leave_deadline_, [this, handed_over, held](bool stopped) {
        if (stopped) {
            end_session(handed_over || !held);
            return;
        }
        // Others may begin when the session is over, and something still acts: let it run out.
        memory_.host->session_lost();
        zk_.reset();
        left(fail(errc::timed_out,
                  "left while a handler had not stopped yet; its partitions are "
                  "owned again when the session has run out"));
    });
}

void driver::end_session(bool handed_over) {
    zk_->close(std::max(leave_deadline_, loop_->now() + 100ms),
               life_.wrap([this, handed_over](const zookeeper::reply<zookeeper::nothing>& got) {
                   if (!handed_over) {
                       left(fail(errc::timed_out, "left before everything was handed over"));
                   } else if (!got.ok()) {
                       left(fail(errc::outcome_unknown,
                                 "ZooKeeper did not confirm the end of the session: " + got.text));
                   } else {
                       left({});
                   }
               }));
}

void driver::left(result<void> how) {
    ended_ = true;
    leave_timer_->cancel();
    stepped(lifecycle::left);
    if (leave_done_) {
        auto done = std::exchange(leave_done_, {});
        done(std::move(how));
    }
}

}  // namespace

std::unique_ptr<member> member::start(std::shared_ptr<runtime::loop> control,
                                      member_settings settings,
                                      std::shared_ptr<member_host> host,
                                      std::function<void(task_fn)> offload) {
    return std::make_unique<driver>(
        std::move(control), std::move(settings), std::move(host), std::move(offload));
}

}  // namespace muster::cluster
