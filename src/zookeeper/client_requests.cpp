#include "zookeeper/client_core.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

/// Errors that say nothing about what was done; servers hardly ever send them.
bool leaves_open(zk_error error) noexcept {
    return error == zk_error::connection_loss || error == zk_error::operation_timeout ||
           error == zk_error::request_timeout;
}

}  // namespace

std::int32_t client_core::next_xid() noexcept {
    xid_ = xid_ == std::numeric_limits<std::int32_t>::max() ? 1 : xid_ + 1;
    return xid_;
}

std::optional<std::string> client_core::full_path(std::string path) const {
    const std::string& chroot = options_.servers.chroot;
    if (chroot.empty()) {
        return path;
    }
    // What is not a path would, behind the chroot, become another znode's.
    if (!path.starts_with('/')) {
        return std::nullopt;
    }
    return path.size() == 1 ? chroot : chroot + path;
}

std::string client_core::why_not_connected() const {
    switch (state_) {
        case session_state::expired:
            return "the session has expired";
        case session_state::auth_failed:
            return "the server refused our credentials";
        case session_state::closed:
            return "the client is closed";
        default:
            break;
    }
    if (closing_) {
        return "the client is being closed";
    }
    return last_said_.empty() ? "no ZooKeeper server was reached by the deadline"
                              : "by the deadline " + last_said_;
}

// --- Going out ----------------------------------------------------------------------------------

void client_core::refuse(request what, zk_error error, std::string text) {
    reply_facts facts;
    facts.how = error == zk_error::ok ? outcome::not_sent : outcome::refused;
    facts.error = error;
    facts.text = std::move(text);
    facts.session = session_.id;
    later([done = std::move(what.done), facts = std::move(facts)]() mutable {
        finish(std::move(done), std::move(facts));
    });
}

/// Whether `what` may go on; `out` is where its frame is to be written.
bool client_core::admit(request& what, std::string& frame, std::string*& out) {
    if (is_over() || closing_) {
        refuse(std::move(what), zk_error::ok, why_not_connected());
        return false;
    }
    if (what.deadline <= loop_->now()) {
        refuse(std::move(what), zk_error::ok, "the deadline had passed before it was sent");
        return false;
    }
    out = &frame;
    if (phase_ == phase::up) {
        what.xid = next_xid();
        out = &link_->gathering;
    }
    return true;
}

void client_core::enqueue(request what, std::string frame, std::size_t mark) {
    std::string& out = phase_ == phase::up ? link_->gathering : frame;
    const std::size_t size = out.size() - mark - 4;
    if (size > options_.max_request) {
        out.resize(mark);
        refuse(std::move(what),
               zk_error::marshalling_error,
               "the request has " + std::to_string(size) + " bytes; servers take " +
                   std::to_string(options_.max_request) + " (jute.maxbuffer)");
        return;
    }
    expect_by(what.deadline);
    if (phase_ == phase::up) {
        link_->requests.push_back(std::move(what));
        plan_flush();
    } else {
        waiting_.push_back(waiting_request{std::move(what), std::move(frame)});
    }
}

void client_core::send_waiting() {
    for (waiting_request& one : std::exchange(waiting_, {})) {
        one.what.xid = next_xid();
        store_int32(one.frame.data() + 4, one.what.xid);
        link_->gathering += one.frame;
        link_->requests.push_back(std::move(one.what));
    }
}

void client_core::add_auth(std::string scheme,
                           std::string secret,
                           instant deadline,
                           client::done<nothing> done) {
    if (is_over() || closing_) {
        request what;
        what.done = std::move(done);
        refuse(std::move(what), zk_error::ok, why_not_connected());
        return;
    }
    auths_.push_back(credentials{++last_credentials_,
                                 std::move(scheme),
                                 std::move(secret),
                                 std::move(done),
                                 deadline,
                                 false});
    expect_by(deadline);
    if (phase_ == phase::up) {
        auths_.back().was_sent = true;
        send_auth(auths_.back());
    }
}

// --- Deadlines ----------------------------------------------------------------------------------
// One timer for all: it is set for the earliest deadline it has heard of, and looks around when it
// fires. Most operations have ended long before theirs.

void client_core::expect_by(instant deadline) {
    if (deadline >= next_deadline_) {
        return;
    }
    next_deadline_ = deadline;
    deadlines_->set(deadline, [weak = weak_from_this()] {
        if (const auto me = weak.lock()) {
            me->on_deadline();
        }
    });
}

void client_core::on_deadline() {
    const instant now = loop_->now();
    instant next = never;
    if (link_ != nullptr) {
        for (request& one : link_->requests) {
            if (one.ended || one.code == op_code::close_session) {
                continue;
            }
            if (one.deadline > now) {
                next = std::min(next, one.deadline);
                continue;
            }
            // What has not left yet is about to, so it counts as sent.
            one.ended = true;
            end_one(std::move(one.done),
                    one.changes ? outcome::outcome_unknown : outcome::not_sent,
                    "no reply came by the deadline",
                    one.sent);
        }
    }
    std::erase_if(waiting_, [&](waiting_request& one) {
        if (one.what.deadline > now) {
            next = std::min(next, one.what.deadline);
            return false;
        }
        end_one(std::move(one.what.done), outcome::not_sent, why_not_connected(), {});
        return true;
    });
    std::erase_if(auths_, [&](credentials& one) {
        if (!one.done || one.deadline > now) {
            next = one.done ? std::min(next, one.deadline) : next;
            return false;
        }
        const bool sent = one.was_sent;
        end_one(std::exchange(one.done, nullptr),
                sent ? outcome::outcome_unknown : outcome::not_sent,
                sent ? "no reply came by the deadline" : why_not_connected(),
                {});
        return !sent;
    });
    next_deadline_ = never;
    if (next != never) {
        expect_by(next);
    }
}

// --- Coming back --------------------------------------------------------------------------------

void client_core::on_reply(const protocol::reply_header& header, jute_reader& body, instant now) {
    if (link_->sent_requests == 0 || link_->requests.front().xid != header.xid) {
        nonsense("a reply with xid " + std::to_string(header.xid) + ", which is not the next one");
        return;
    }
    request what = std::move(link_->requests.front());
    link_->requests.pop_front();
    --link_->sent_requests;
    note_zxid(header.zxid);
    link_->proven = true;
    link_->last_reply = link_->last_answer = now;

    const bool disowned = disowns_session(header.error);
    if (what.code == op_code::close_session) {
        if (!disowned) {
            tell_answered(what.sent, now);
        }
        if (!abandoned_ && !is_over()) {
            rest(session_state::closed, "closed");
            close_finished(outcome::done, {});
        }
        return;
    }
    reply_facts facts{outcome::done, header.error, {}, header.zxid, what.sent, now, session_.id};
    task_fn tell = [] {};
    if (header.error != zk_error::ok) {
        const bool open = what.changes && leaves_open(header.error);
        facts.how = open ? outcome::outcome_unknown : outcome::refused;
        facts.text = "the server answers " + name_of(header.error);
        if (what.notes != nullptr && !what.notes->path.empty()) {
            facts.text += " for " + what.notes->path;
        }
        tell = [done = std::move(what.done), facts = std::move(facts)]() mutable {
            finish(std::move(done), std::move(facts));
        };
    } else if (!what.ended) {
        tell = read_reply(body, what, std::move(facts), options_.servers.chroot);
        if (!tell) {
            end_one(std::move(what.done),
                    outcome_when_lost(what),
                    "the reply could not be understood",
                    what.sent);
            nonsense("a reply that does not fit its request (operation " +
                     std::to_string(static_cast<std::int32_t>(what.code)) + ")");
            return;
        }
    }
    settle_tables(what, header.error);
    if (disowned) {
        if (!what.ended) {
            later(std::move(tell));
        }
        lose("it answers " + name_of(header.error));
        return;
    }
    tell_answered(what.sent, now);
    if (!abandoned_ && !what.ended) {
        tell();
    }
}

/// Brings the watches up to date with an answered request.
void client_core::settle_tables(const request& what, zk_error error) {
    if (what.notes == nullptr) {
        return;
    }
    const request_notes& notes = *what.notes;
    const bool fine = error == zk_error::ok;
    if (what.code == op_code::remove_watches) {
        if (fine || error == zk_error::no_watcher) {
            retire(watches_.remove(notes.path, notes.removes));
        }
    } else if (notes.watch == nullptr || what.ended) {
        return;
    } else if (what.code == op_code::add_watch) {
        if (fine) {
            watches_.add_persistent(notes.path, notes.mode, notes.watch);
        }
    } else if (fine) {
        if (notes.children) {
            watches_.add_child(notes.path, notes.watch);
        } else {
            watches_.add_data(notes.path, notes.watch);
        }
    } else if (what.code == op_code::exists && error == zk_error::no_node) {
        watches_.add_exist(notes.path, notes.watch);
    }
}

void client_core::end_one(completion done, outcome how, std::string text, instant sent) {
    reply_facts facts;
    facts.how = how;
    facts.text = std::move(text);
    facts.sent = sent;
    facts.session = session_.id;
    later([done = std::move(done), facts = std::move(facts)]() mutable {
        finish(std::move(done), std::move(facts));
    });
}

void client_core::end_all(std::deque<request> requests, const std::string& why) {
    for (request& one : requests) {
        if (one.code == op_code::remove_watches && one.was_sent) {
            // The next server is told of the watches from our table, so they are gone for good.
            retire(watches_.remove(one.notes->path, one.notes->removes));
        }
        if (!one.ended && one.code != op_code::close_session) {
            const outcome how = outcome_when_lost(one);
            end_one(std::move(one.done), how, why, one.sent);
        }
    }
}

void client_core::end_waiting(const std::string& why) {
    for (waiting_request& one : std::exchange(waiting_, {})) {
        end_one(std::move(one.what.done), outcome::not_sent, why, {});
    }
}

void client_core::end_auths(const std::string& why) {
    for (credentials& one : auths_) {
        if (one.done) {
            end_one(std::exchange(one.done, nullptr),
                    one.was_sent ? outcome::outcome_unknown : outcome::not_sent,
                    why,
                    {});
        }
    }
}

}  // namespace muster::zookeeper
