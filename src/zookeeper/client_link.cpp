#include "base/check.hpp"
#include "zookeeper/client_core.hpp"

#include <algorithm>
#include <utility>

namespace muster::zookeeper {
namespace {

using protocol::op_code;
using std::chrono::milliseconds;

/// Paths in one set_watches: servers take 1 MiB, and the rest of the request is small.
constexpr std::size_t watch_chunk = std::size_t{128} * 1024;
/// After a connection was lost, clients return within this much, so that they do not all come at
/// once.
constexpr milliseconds longest_jitter{100};
/// And never sooner than this: whatever makes a server drop us, it is not asked in a spin.
constexpr milliseconds least_pause{10};

std::string in_ms(duration what) {
    return std::to_string(std::chrono::duration_cast<milliseconds>(what).count()) + " ms";
}

/// Notes that whatever in `waiting` has not left yet leaves now.
void stamp(std::deque<client_link::special>& waiting, instant now) {
    for (auto at = waiting.rbegin(); at != waiting.rend() && !at->was_sent; ++at) {
        at->was_sent = true;
        at->sent = now;
    }
}

}  // namespace

// --- Reading ------------------------------------------------------------------------------------

void client_core::read(const std::shared_ptr<client_link>& link) {
    // The stream forgets its handlers when it is closed, so `link` is the living one here; it must
    // outlive what the handler does to it all the same.
    link->stream->read_some(
        link->in.space(),
        [weak = weak_from_this(), held = std::weak_ptr{link}](result<std::size_t> got) {
            const auto me = weak.lock();
            const auto alive = held.lock();
            if (me != nullptr && alive != nullptr && me->link_ == alive) {
                me->on_bytes(alive, std::move(got));
            }
        });
}

void client_core::on_bytes(const std::shared_ptr<client_link>& link, result<std::size_t> got) {
    if (!got || *got == 0) {
        on_end(link, got ? "it closed the connection" : got.error().text);
        return;
    }
    const instant now = loop_->now();
    link->last_heard = now;
    link->in.filled(*got);
    while (take_frame(link, link->in.next(), now)) {
    }
    if (link_ == link) {
        read(link);
    }
}

void client_core::on_end(const std::shared_ptr<client_link>& link, std::string why) {
    if (phase_ != phase::greeting) {
        lose(std::move(why));
    } else if (!link->in.rest().empty()) {
        lose(describe_stranger(link->in.rest()));
    } else {
        silent_.push_back(link->server);
        lose("it hangs up on the handshake without an answer");
    }
}

/// Whether there may be another frame for this connection.
bool client_core::take_frame(const std::shared_ptr<client_link>& link,
                             const frame_reader::step& step,
                             instant now) {
    using found = frame_reader::found;
    if (step.what == found::more) {
        return false;
    }
    if (phase_ == phase::greeting) {
        if (step.what == found::frame) {
            on_greeting(step.bytes, now);
        } else {
            lose(describe_stranger(link->in.rest()));
        }
    } else if (step.what == found::frame) {
        on_frame(step.bytes, now);
    } else if (step.what == found::too_long) {
        on_too_long(link, step, now);
    } else {
        nonsense("a frame of " + std::to_string(step.size) + " bytes");
    }
    return link_ == link;
}

/// A list too long for us is no reason to leave: who asked is told, and the rest goes on.
void client_core::on_too_long(const std::shared_ptr<client_link>& link,
                              const frame_reader::step& step,
                              instant now) {
    jute_reader in{step.bytes};
    protocol::reply_header header;
    const bool is_reply = decode(in, header) && link->sent_requests > 0 &&
                          header.xid == link->requests.front().xid &&
                          !link->requests.front().changes;
    if (!is_reply) {
        nonsense("a frame of " + std::to_string(step.size) + " bytes");
        return;
    }
    link->in.skip();
    header.error = zk_error::marshalling_error;
    on_reply(header, in, now);
}

void client_core::on_frame(std::string_view frame, instant now) {
    jute_reader in{frame};
    protocol::reply_header header;
    if (!decode(in, header)) {
        nonsense("a reply of " + std::to_string(frame.size()) + " bytes");
        return;
    }
    switch (header.xid) {
        case protocol::special_xid::watch_event:
            on_event(in);
            break;
        case protocol::special_xid::ping:
            on_special(link_->pings, header, now);
            break;
        case protocol::special_xid::auth:
            on_special(link_->auths, header, now);
            break;
        case protocol::special_xid::set_watches:
            on_special(link_->watch_sets, header, now);
            break;
        default:
            on_reply(header, in, now);
            break;
    }
}

void client_core::on_special(std::deque<client_link::special>& waiting,
                             const protocol::reply_header& header,
                             instant now) {
    if (waiting.empty() || !waiting.front().was_sent) {
        nonsense("a reply with xid " + std::to_string(header.xid) + ", which nobody awaits");
        return;
    }
    const client_link::special what = waiting.front();
    waiting.pop_front();
    note_zxid(header.zxid);
    link_->proven = true;
    link_->last_answer = now;
    if (disowns_session(header.error)) {
        lose("it answers " + name_of(header.error));
        return;
    }
    if (header.xid == protocol::special_xid::auth) {
        on_auth(what.id, header);
    } else if (header.xid == protocol::special_xid::set_watches && header.error != zk_error::ok) {
        // Going on would mean watches that never fire.
        lose("it cannot set our watches again: " + name_of(header.error));
    }
    tell_answered(what.sent, now);
}

void client_core::on_auth(std::uint64_t id, const protocol::reply_header& header) {
    const auto found = std::find_if(
        auths_.begin(), auths_.end(), [id](const credentials& one) { return one.id == id; });
    if (found != auths_.end() && found->done) {
        reply_facts facts;
        facts.how = header.error == zk_error::ok ? outcome::done : outcome::refused;
        facts.error = header.error;
        facts.session = session_.id;
        if (header.error != zk_error::ok) {
            facts.text = "the server refused the credentials: " + name_of(header.error);
        }
        later([done = std::exchange(found->done, nullptr), facts = std::move(facts)]() mutable {
            finish(std::move(done), std::move(facts));
        });
    }
    if (header.error != zk_error::ok) {
        const std::string scheme = found == auths_.end() ? std::string{} : found->scheme;
        end_session(session_state::auth_failed,
                    link_->server.text() + " refuses the credentials of scheme '" + scheme + "'");
    }
}

void client_core::on_event(jute_reader& body) {
    protocol::watcher_event event;
    if (!decode(body, event)) {
        nonsense("a watch event that is cut short");
        return;
    }
    switch (event.type) {
        case event_type::created:
        case event_type::deleted:
        case event_type::data_changed:
        case event_type::children_changed:
            break;
        case event_type::none:
        case event_type::data_watch_removed:
        case event_type::child_watch_removed:
        case event_type::persistent_watch_removed:
            return;
        default:
            nonsense("a watch event of type " +
                     std::to_string(static_cast<std::int32_t>(event.type)));
            return;
    }
    const watch_event seen{event.type, without_chroot(event.path, options_.servers.chroot)};
    for (const shared_watch& watch : watches_.take(event.type, event.path)) {
        (*watch)(seen);
        if (abandoned_ || is_over()) {
            return;
        }
    }
}

/// Only for replies that were awaited: a zxid from a stranger would make every server refuse us.
void client_core::note_zxid(std::int64_t zxid) noexcept {
    last_zxid_ = std::max(last_zxid_, zxid);
}

void client_core::tell_answered(instant sent, instant acked) {
    if (answer_ && !abandoned_ && session_.id != 0) {
        answer_(answered{session_.id, sent, acked});
    }
}

// --- Writing ------------------------------------------------------------------------------------

void client_core::plan_flush() {
    if (!std::exchange(link_->flush_planned, true)) {
        loop_->defer([weak = weak_from_this(), held = std::weak_ptr{link_}] {
            const auto me = weak.lock();
            const auto alive = held.lock();
            if (me != nullptr && alive != nullptr && me->link_ == alive) {
                me->flush();
            }
        });
    }
}

void client_core::flush() {
    client_link& link = *link_;
    link.flush_planned = false;
    if (link.is_writing || link.gathering.empty()) {
        return;
    }
    // Before the bytes are handed over: the lease counts from here.
    const instant now = loop_->now();
    link.last_sent = now;
    for (; link.sent_requests < link.requests.size(); ++link.sent_requests) {
        request& leaving = link.requests[link.sent_requests];
        leaving.was_sent = true;
        leaving.sent = now;
    }
    stamp(link.pings, now);
    stamp(link.auths, now);
    stamp(link.watch_sets, now);
    std::swap(link.gathering, link.writing);
    link.gathering.clear();
    link.is_writing = true;
    link.stream->write(link.writing,
                       [weak = weak_from_this(), held = std::weak_ptr{link_}](result<void> wrote) {
                           const auto me = weak.lock();
                           const auto alive = held.lock();
                           if (me == nullptr || alive == nullptr || me->link_ != alive) {
                               return;
                           }
                           alive->is_writing = false;
                           if (!wrote) {
                               me->on_end(alive, wrote.error().text);
                               return;
                           }
                           me->flush();
                       });
}

void client_core::send_ping() {
    jute_writer w{link_->gathering};
    const std::size_t mark = w.begin_frame();
    encode(link_->gathering, protocol::request_header{protocol::special_xid::ping, op_code::ping});
    w.end_frame(mark);
    link_->pings.push_back({});
    plan_flush();
}

void client_core::send_auth(const credentials& what) {
    jute_writer w{link_->gathering};
    const std::size_t mark = w.begin_frame();
    encode(link_->gathering, protocol::request_header{protocol::special_xid::auth, op_code::auth});
    encode(link_->gathering, protocol::auth_request{0, what.scheme, what.secret});
    w.end_frame(mark);
    link_->auths.push_back({false, {}, what.id});
    plan_flush();
}

void client_core::send_watches() {
    for (const std::string& frame : watches_.encode_all(last_zxid_, watch_chunk)) {
        link_->gathering += frame;
        link_->watch_sets.push_back({});
    }
}

// --- The clock ----------------------------------------------------------------------------------

duration client_core::ping_interval() const {
    constexpr duration shortest = 10ms;
    return std::max(shortest, std::min<duration>(options_.ping_interval, timeout_ / 3));
}

/// Since when the server owes an answer; `never` if it owes none.
///
/// Bytes alone prove little: what stands between us and the server may take all we send, forward
/// nothing, and bring us the events of others. What left in one go is answered one by one, so each
/// answer gives those behind it their time anew; pings and their like stand in line behind
/// requests.
instant client_core::owed_since() const {
    const client_link& link = *link_;
    instant since = never;
    if (link.sent_requests > 0) {
        since = std::max(link.requests.front().sent, link.last_reply);
    }
    for (const auto* waiting : {&link.pings, &link.auths, &link.watch_sets}) {
        if (!waiting->empty() && waiting->front().was_sent) {
            since = std::min(since, std::max(waiting->front().sent, link.last_answer));
        }
    }
    return since;
}

void client_core::watch_the_clock() {
    const instant now = loop_->now();
    const instant since = std::min(link_->last_heard, owed_since());
    const instant silence = since + timeout_ * 2 / 3;
    // While bytes wait for a server that does not read, another ping would change nothing.
    const bool stuck = link_->is_writing || !link_->gathering.empty();
    const instant ping = (stuck ? now : link_->last_sent) + ping_interval();
    clock_->set(std::min(silence, std::max(ping, now)),
                [weak = weak_from_this(), held = std::weak_ptr{link_}] {
                    const auto me = weak.lock();
                    const auto alive = held.lock();
                    if (me != nullptr && alive != nullptr && me->link_ == alive) {
                        me->on_clock();
                    }
                });
}

void client_core::on_clock() {
    const instant now = loop_->now();
    if (now - link_->last_heard >= timeout_ * 2 / 3) {
        lose("nothing was heard of it for " + in_ms(now - link_->last_heard));
        return;
    }
    const instant owed = owed_since();
    if (owed != never && now - owed >= timeout_ * 2 / 3) {
        lose("it has answered nothing for " + in_ms(now - owed));
        return;
    }
    const bool stuck = link_->is_writing || !link_->gathering.empty();
    if (!stuck && now - link_->last_sent >= ping_interval()) {
        send_ping();
    }
    watch_the_clock();
}

// --- Losing a connection ------------------------------------------------------------------------

void client_core::nonsense(std::string_view what) {
    lose("it sends what no ZooKeeper server does: " + std::string{what});
}

void client_core::lose(std::string why) {
    auto link = std::exchange(link_, nullptr);
    MUSTER_ASSERT(link != nullptr, "only a connection that is there can be lost");
    const bool was_up = phase_ == phase::up;
    const bool was_greeting = phase_ == phase::greeting;
    const std::string server = link->server.text();
    link->stream->close();
    clock_->cancel();
    phase_ = phase::resting;
    if (was_up) {
        state_ = session_state::connecting;
        say_connecting("lost the connection to " + server + ": " + why);
    }
    for (credentials& one : auths_) {
        one.was_sent = false;
    }
    end_all(std::move(link->requests), "the connection to " + server + " was lost: " + why);
    // A server that drops every connection soon after it was made must not be asked without pause.
    const bool was_sound = was_up && link->proven && loop_->now() - link->up_since >= timeout_ / 4;
    retire(std::move(link));
    if (closing_ && session_.id == 0) {
        rest(session_state::closed, "closed before there was a session");
        // The greeting has left: the server may have begun a session that we never heard of.
        close_finished(was_greeting ? outcome::outcome_unknown : outcome::done,
                       was_greeting
                           ? "the connection was lost while a session was asked for; if " + server +
                                 " began one, it ends by itself within its timeout"
                           : std::string{});
    } else if (!was_sound) {
        attempt_failed(server, why);
    } else {
        failed_rounds_ = 0;
        failures_.clear();
        silent_.clear();
        hosts_.begin_round();
        const milliseconds most = std::min(timeout_ / 40, longest_jitter);
        const auto bound = static_cast<std::uint64_t>(most.count()) + 1;
        pause_then_try(least_pause +
                       milliseconds{static_cast<milliseconds::rep>(loop_->random_below(bound))});
    }
}

}  // namespace muster::zookeeper
