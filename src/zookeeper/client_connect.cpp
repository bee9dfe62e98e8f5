#include "base/check.hpp"
#include "base/text.hpp"
#include "zookeeper/client_core.hpp"
#include "zookeeper/four_letter_client.hpp"

#include <algorithm>
#include <utility>

namespace muster::zookeeper {

using std::chrono::milliseconds;

milliseconds client_core::attempt_time() const {
    return attempt_limit(timeout_, hosts_.size(), failed_rounds_);
}

void client_core::pause_then_try(duration pause) {
    phase_ = phase::waiting;
    clock_->set(loop_->now() + pause, [weak = weak_from_this()] {
        const auto me = weak.lock();
        if (me != nullptr && me->phase_ == phase::waiting) {
            me->try_next();
        }
    });
}

void client_core::try_next() {
    if (const auto address = hosts_.take_address()) {
        dial(*address);
    } else if (const auto name = hosts_.take_name()) {
        resolve(*name);
    } else {
        round_failed();
    }
}

void client_core::round_failed() {
    ++failed_rounds_;
    std::string text = "no ZooKeeper server is reached";
    constexpr std::size_t named = 8;
    if (failures_.size() > named) {
        failures_.resize(named);
    }
    for (const std::string& failure : failures_) {
        text += (&failure == &failures_.front() ? ": " : "; ") + failure;
    }
    if (!went_back_.empty()) {
        text = went_back_;
    }
    if (std::exchange(last_said_, text) != text) {
        say_connecting(text);
    }
    if (failed_rounds_ >= 2 && !silent_.empty()) {
        ask_whether_it_went_back();
    }
    failures_.clear();
    silent_.clear();
    hosts_.begin_round();
    pause_then_try(round_pause(timeout_, failed_rounds_, [this](std::uint64_t bound) {
        return loop_->random_below(bound);
    }));
}

void client_core::attempt_failed(const std::string& whom, std::string_view why) {
    failures_.push_back(whom + ": " + std::string{why});
    // Through the loop, so that a row of hosts that fail at once does not pile up the stack.
    pause_then_try(duration::zero());
}

void client_core::resolve(const runtime::host_port& name) {
    phase_ = phase::resolving;
    attempt_ = loop_->resolve(
        name,
        loop_->now() + attempt_time(),
        [weak = weak_from_this(), host = name.host](auto found) {
            const auto me = weak.lock();
            if (me == nullptr || me->phase_ != phase::resolving) {
                return;
            }
            me->retire(std::move(me->attempt_));
            if (found) {
                me->hosts_.resolved(std::move(*found));
            } else if (!me->hosts_.unresolved()) {
                me->attempt_failed(host, found.error().text);
                return;
            }
            me->try_next();
        });
}

void client_core::dial(const runtime::endpoint& server) {
    phase_ = phase::dialling;
    attempt_ = loop_->connect(
        server, loop_->now() + attempt_time(), [weak = weak_from_this(), server](auto made) {
            const auto me = weak.lock();
            if (me == nullptr || me->phase_ != phase::dialling) {
                return;
            }
            me->retire(std::move(me->attempt_));
            if (made) {
                me->greet(std::move(*made), server);
            } else {
                me->attempt_failed(server.text(), made.error().text);
            }
        });
}

void client_core::greet(std::unique_ptr<runtime::stream> stream, const runtime::endpoint& server) {
    phase_ = phase::greeting;
    link_ = std::make_shared<client_link>(longest_handshake);
    link_->server = server;
    link_->stream = std::move(stream);
    link_->stream->set_user_timeout(timeout_ * 2 / 3);

    protocol::connect_request hello;
    hello.last_zxid_seen = last_zxid_;
    hello.timeout_ms = static_cast<std::int32_t>(
        std::min<milliseconds::rep>(options_.session_timeout.count(), 3'600'000));
    hello.session = session_.id;
    // A new session is asked for with a password of as many zero bytes.
    const std::string none(protocol::password_size, '\0');
    hello.password = session_.id == 0 ? none : session_.password;
    hello.read_only = !options_.reject_read_only;
    jute_writer w{link_->gathering};
    const std::size_t mark = w.begin_frame();
    encode(link_->gathering, hello);
    w.end_frame(mark);

    const instant end = loop_->now() + attempt_time();
    at_greeting(loop_->now() + attempt_time() / 2, [this, end] {
        if (last_zxid_ == 0) {
            ask_who_does_not_greet(end);
        }
        at_greeting(end, [this] { lose("it accepts connections, but does not answer"); });
    });
    read(link_);
    flush();
    link_->connect_sent = link_->last_sent;
}

/// Runs `task` at `when` if this connection is still being greeted then.
void client_core::at_greeting(instant when, task_fn task) {
    clock_->set(when,
                [weak = weak_from_this(), link = link_.get(), task = std::move(task)]() mutable {
                    const auto me = weak.lock();
                    if (me != nullptr && me->phase_ == phase::greeting && me->link_.get() == link) {
                        task();
                    }
                });
}

/// Many strangers are silent to a handshake, for no line ends in it. Only who has never spoken with
/// a ZooKeeper server wonders; others do not burden a slow one with a second connection.
void client_core::ask_who_does_not_greet(instant end) {
    if (asking_ != nullptr) {
        return;
    }
    asking_ = ask_who_is_there(
        *loop_,
        link_->server,
        end,
        [weak = weak_from_this(), held = std::weak_ptr{link_}](result<std::string> got) {
            const auto me = weak.lock();
            if (me == nullptr || me->abandoned_) {
                return;
            }
            me->retire(std::move(me->asking_));
            const auto alive = held.lock();
            const bool greeting =
                alive != nullptr && me->link_ == alive && me->phase_ == phase::greeting;
            if (greeting && got && !got->empty() && !is_answer_to_word(*got)) {
                me->lose(describe_stranger(*got));
            }
        });
}

void client_core::on_greeting(std::string_view body, instant acked) {
    auto answer = judge_handshake(body, session_.id, options_.reject_read_only);
    if (!answer) {
        lose(answer.error().text);
    } else if (answer->expired) {
        end_session(session_state::expired,
                    link_->server.text() + " says that session 0x" +
                        base::hex16(static_cast<std::uint64_t>(session_.id)) + " has expired");
    } else {
        go_up(std::move(*answer), acked);
    }
}

void client_core::go_up(handshake_answer answer, instant acked) {
    const bool is_new = session_.id == 0;
    session_ = std::move(answer.session);
    timeout_ = session_.timeout;
    phase_ = phase::up;
    state_ = session_state::connected;
    last_said_.clear();
    went_back_.clear();
    link_->up_since = acked;
    link_->in.set_limit(options_.max_reply);
    link_->stream->set_user_timeout(timeout_ * 2 / 3);

    session_change change;
    change.state = session_state::connected;
    change.is_new = is_new;
    change.timeout = timeout_;
    change.connect_sent = link_->connect_sent;
    change.connect_acked = acked;
    change.server = link_->server;
    change.text = (is_new ? "new session at " : "re-attached to ") + link_->server.text();
    say(std::move(change));

    for (credentials& one : auths_) {
        one.was_sent = true;
        send_auth(one);
    }
    send_watches();
    if (closing_) {
        send_close();
    } else {
        send_waiting();
    }
    plan_flush();
    watch_the_clock();
}

// --- An ensemble that has gone back in time -----------------------------------------------------
// A server whose last zxid is below ours hangs up on the greeting without a word
// (ZooKeeperServer.processConnectRequest), and so does one that is cut off and only reads. srvr
// tells which.

void client_core::ask_whether_it_went_back() {
    if (asking_ != nullptr) {
        return;
    }
    const runtime::endpoint server = silent_.back();
    asking_ = ask_four_letter(
        *loop_,
        server,
        "srvr",
        loop_->now() + timeout_,
        [weak = weak_from_this(), server](result<std::string> got) {
            const auto me = weak.lock();
            if (me == nullptr || me->abandoned_) {
                return;
            }
            me->retire(std::move(me->asking_));
            if (got) {
                me->went_back(server, *got);
            }
        });
}

void client_core::went_back(const runtime::endpoint& server, std::string_view srvr) {
    if (state_ != session_state::connecting) {
        return;
    }
    const auto zxid = zxid_in_srvr(srvr);
    std::string text;
    if (zxid && *zxid < last_zxid_) {
        text = "the ensemble went back: " + server.text() + " is at zxid 0x" +
               base::hex16(static_cast<std::uint64_t>(*zxid)) + ", this process has seen 0x" +
               base::hex16(static_cast<std::uint64_t>(last_zxid_)) +
               ". Was it wiped, or restored from an older snapshot? Run `muster cluster bump`, " +
               "then restart the members";
    } else if (mode_in_srvr(srvr) == "read-only") {
        text = server.text() + " is cut off from its ensemble and only reads";
    } else if (srvr.find("not currently serving") != std::string_view::npos) {
        text = server.text() + " runs, but its ensemble has no quorum";
    }
    if (!text.empty() && text != went_back_) {
        went_back_ = text;
        last_said_ = text;
        say_connecting(std::move(text));
    }
}

}  // namespace muster::zookeeper
