#include "zookeeper/client_core.hpp"

#include "zookeeper/four_letter_client.hpp"

#include <algorithm>
#include <utility>

namespace muster::zookeeper {
namespace {

session_ticket ticket_of(const client_options& options) {
    return options.resume.value_or(session_ticket{});
}

}  // namespace

client_core::client_core(std::shared_ptr<runtime::loop> loop,
                         client_options options,
                         client::on_change change,
                         client::on_answer answer)
    : loop_(std::move(loop)),
      options_(std::move(options)),
      change_(std::move(change)),
      answer_(std::move(answer)),
      hosts_(options_.servers.servers,
             [home = loop_.get()](std::uint64_t bound) { return home->random_below(bound); }),
      session_(ticket_of(options_)),
      timeout_(options_.session_timeout),
      clock_(loop_->make_timer()),
      deadlines_(loop_->make_timer()),
      close_timer_(loop_->make_timer()) {
    for (const auto& [scheme, secret] : options_.auth) {
        auths_.push_back(credentials{++last_credentials_, scheme, secret, {}, never, false});
    }
}

void client_core::begin() {
    phase_ = phase::waiting;
    pause_then_try(duration::zero());
}

void client_core::abandon() {
    abandoned_ = true;
    state_ = session_state::closed;
    phase_ = phase::resting;
    clock_->cancel();
    deadlines_->cancel();
    close_timer_->cancel();
    // What the application handed in may own things that lead back here: it goes only after the
    // client has let go of everything.
    auto link = std::exchange(link_, nullptr);
    auto waiting = std::exchange(waiting_, {});
    auto auths = std::exchange(auths_, {});
    auto closers = std::exchange(closers_, {});
    auto tasks = std::exchange(later_, {});
    auto watches = std::exchange(watches_, {});
    auto questions = std::exchange(questions_, {});
    attempt_.reset();
    asking_.reset();
    if (link != nullptr) {
        link->stream->close();
        retire(std::move(link));
    }
}

std::optional<session_ticket> client_core::session() const {
    if (session_.id == 0 || is_over()) {
        return std::nullopt;
    }
    return session_;
}

bool client_core::is_over() const noexcept {
    return state_ == session_state::expired || state_ == session_state::auth_failed ||
           state_ == session_state::closed;
}

// --- Telling the application --------------------------------------------------------------------

void client_core::later(task_fn task) {
    later_.push_back(std::move(task));
    if (!std::exchange(drain_posted_, true)) {
        loop_->post([weak = weak_from_this()] {
            if (const auto me = weak.lock()) {
                me->drain_later();
            }
        });
    }
}

void client_core::drain_later() {
    drain_posted_ = false;
    // Only what is there now: a callback that calls again must not hold up the loop for ever.
    for (std::size_t left = later_.size(); left > 0 && !abandoned_ && !later_.empty(); --left) {
        task_fn task = std::move(later_.front());
        later_.pop_front();
        task();
    }
    if (!later_.empty() && !std::exchange(drain_posted_, true)) {
        loop_->post([weak = weak_from_this()] {
            if (const auto me = weak.lock()) {
                me->drain_later();
            }
        });
    }
}

void client_core::say(session_change change) {
    if (change.session == 0) {
        change.session = session_.id;
    }
    later([this, change = std::move(change)] {
        if (change_) {
            change_(change);
        }
    });
}

void client_core::say_connecting(std::string text) {
    session_change change;
    change.state = session_state::connecting;
    change.text = std::move(text);
    say(std::move(change));
}

// --- The end of a session -----------------------------------------------------------------------

/// Leaves the connection and ends everything that waits; afterwards nothing happens by itself.
void client_core::rest(session_state state, std::string text) {
    auto link = std::exchange(link_, nullptr);
    phase_ = phase::resting;
    state_ = state;
    clock_->cancel();
    if (attempt_ != nullptr) {
        retire(std::move(attempt_));
    }
    if (asking_ != nullptr) {
        retire(std::move(asking_));
    }
    session_change change;
    change.state = state;
    change.text = text;
    say(std::move(change));
    if (link != nullptr) {
        link->stream->close();
        end_all(std::move(link->requests), text);
        retire(std::move(link));
    }
    end_waiting(text);
    end_auths(text);
    retire(std::exchange(watches_, {}));
}

void client_core::end_session(session_state state, std::string text) {
    rest(closing_ ? session_state::closed : state, text);
    session_ = {};
    timeout_ = options_.session_timeout;
    if (closing_) {
        const bool gone = state == session_state::expired;
        close_finished(gone ? outcome::done : outcome::not_sent, std::move(text));
    }
}

void client_core::renew() {
    if (state_ != session_state::expired || closing_) {
        return;
    }
    state_ = session_state::connecting;
    failed_rounds_ = 0;
    failures_.clear();
    silent_.clear();
    last_said_.clear();
    went_back_.clear();
    hosts_.begin_round();
    phase_ = phase::waiting;
    pause_then_try(duration::zero());
}

void client_core::reconnect(std::string_view why) {
    if (phase_ == phase::up || phase_ == phase::greeting) {
        lose("left " + link_->server.text() + ": " + std::string{why});
    }
}

void client_core::close(instant deadline, client::done<nothing> done) {
    if (is_over()) {
        if (done) {
            later([done = std::move(done)]() mutable {
                reply<nothing> said;
                said.how = outcome::done;
                done(std::move(said));
            });
        }
        if (state_ != session_state::closed && !closing_) {
            closing_ = true;
            rest(session_state::closed, "closed");
        }
        return;
    }
    closers_.push_back(std::move(done));
    if (deadline < close_deadline_) {
        close_deadline_ = deadline;
        close_timer_->set(deadline, [weak = weak_from_this()] {
            if (const auto me = weak.lock()) {
                me->close_overdue();
            }
        });
    }
    if (std::exchange(closing_, true)) {
        return;
    }
    end_waiting("the client is being closed");
    end_auths("the client is being closed");
    if (phase_ == phase::up) {
        send_close();
    } else if (session_.id == 0 && phase_ != phase::greeting) {
        rest(session_state::closed, "closed before there was a session");
        close_finished(outcome::done, {});
    }
}

/// The last request of the session; its reply confirms the end.
void client_core::send_close() {
    close_sent_ = true;
    request what;
    what.code = protocol::op_code::close_session;
    what.changes = true;
    what.xid = next_xid();
    jute_writer w{link_->gathering};
    const std::size_t mark = w.begin_frame();
    encode(link_->gathering, protocol::request_header{what.xid, what.code});
    w.end_frame(mark);
    link_->requests.push_back(std::move(what));
    plan_flush();
}

void client_core::close_overdue() {
    if (!closing_ || is_over()) {
        return;
    }
    const std::string text = "the session was not confirmed closed by the deadline; it ends by " +
                             std::string{"itself within its timeout"};
    rest(session_state::closed, text);
    close_finished(close_sent_ ? outcome::outcome_unknown : outcome::not_sent, text);
}

void client_core::close_finished(outcome how, std::string text) {
    close_timer_->cancel();
    const std::int64_t session = std::exchange(session_, {}).id;
    for (client::done<nothing>& one : std::exchange(closers_, {})) {
        reply_facts facts;
        facts.how = how;
        facts.text = text;
        facts.session = session;
        later([one = std::move(one), facts = std::move(facts)]() mutable {
            finish(std::move(one), std::move(facts));
        });
    }
}

// --- Beside the session -------------------------------------------------------------------------

void client_core::four_letter(std::string word,
                              instant deadline,
                              callback<result<std::string>> done) {
    if (link_ == nullptr || phase_ != phase::up) {
        later([done = std::move(done)]() mutable {
            done(fail(errc::unavailable, "no server is connected that could be asked"));
        });
        return;
    }
    const std::uint64_t id = ++last_question_;
    questions_[id] = ask_four_letter(
        *loop_,
        link_->server,
        std::move(word),
        deadline,
        [weak = weak_from_this(), id, done = std::move(done)](result<std::string> got) mutable {
            const auto me = weak.lock();
            if (me == nullptr || me->abandoned_) {
                return;
            }
            me->retire(std::move(me->questions_[id]));
            me->questions_.erase(id);
            done(std::move(got));
        });
}

}  // namespace muster::zookeeper
