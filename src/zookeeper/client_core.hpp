#pragma once

/// @file
/// The inside of a client: one session over a row of connections.
///
///      waiting ──► resolving ──► dialling ──► greeting ──► up
///         ▲            │             │            │         │
///         └────────────┴─────────────┴────────────┴─────────┘   (`attempt_failed`, `lose`)
///
/// client.cpp turns the public calls into requests, client_core.cpp keeps the session and its end,
/// client_connect.cpp walks the phases above, client_link.cpp speaks over one connection, and
/// client_requests.cpp sees to it that every operation ends exactly once.
///
/// Two things go wrong easily. A callback of the application may do anything, destroy the client
/// included: so after each call to the outside the code looks whether `link_` is still the one it
/// works for. And a late event of a dead connection must not touch the living one: so the handlers
/// hold the connection they belong to, and a connection that is left is never looked at again.
/// Destroying what the application handed in is a call to the outside too: it may own the client.

#include "runtime/loop.hpp"
#include "zookeeper/client.hpp"
#include "zookeeper/client_watches.hpp"
#include "zookeeper/frame_reader.hpp"
#include "zookeeper/handshake.hpp"
#include "zookeeper/host_list.hpp"
#include "zookeeper/request.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::zookeeper {

/// One connection, from its greeting on.
struct client_link {
    explicit client_link(std::size_t limit) : in(limit) {}

    frame_reader in;
    std::string gathering;  ///< goes out with the next write
    std::string writing;
    bool is_writing = false;
    bool flush_planned = false;
    bool proven = false;  ///< it has answered a request of ours
    instant connect_sent{};
    instant up_since{};
    instant last_sent{};
    instant last_heard{};
    instant last_reply{};   ///< to a request
    instant last_answer{};  ///< to anything that awaited one
    runtime::endpoint server;

    // What awaits an answer, oldest first: requests by number, the others by kind.
    std::deque<request> requests;
    std::size_t sent_requests = 0;  ///< so many of them have left
    struct special {
        bool was_sent = false;
        instant sent{};
        std::uint64_t id = 0;  ///< auths: which credentials
    };
    std::deque<special> pings;
    std::deque<special> watch_sets;
    std::deque<special> auths;

    std::unique_ptr<runtime::stream> stream;  ///< last: it goes first
};

class client_core : public std::enable_shared_from_this<client_core> {
public:
    client_core(std::shared_ptr<runtime::loop> loop,
                client_options options,
                client::on_change change,
                client::on_answer answer);

    void begin();
    /// From here on nothing is called. What was pending is dropped.
    void abandon();

    [[nodiscard]] session_state state() const noexcept { return state_; }
    [[nodiscard]] std::optional<session_ticket> session() const;
    [[nodiscard]] std::int64_t last_zxid() const noexcept { return last_zxid_; }
    [[nodiscard]] const client_options& options() const noexcept { return options_; }

    void renew();
    void reconnect(std::string_view why);
    void close(instant deadline, client::done<nothing> done);
    void add_auth(std::string scheme,
                  std::string credentials,
                  instant deadline,
                  client::done<nothing> done);
    void four_letter(std::string word, instant deadline, callback<result<std::string>> done);

    /// Puts a request on its way; `encode_body` appends its body to a string.
    template <class Encode>
    void issue(request what, const Encode& encode_body) {
        std::string frame;
        std::string* out = nullptr;
        if (!admit(what, frame, out)) {
            return;
        }
        jute_writer w{*out};
        const std::size_t mark = w.begin_frame();
        encode(*out, protocol::request_header{what.xid, what.code});
        encode_body(*out);
        w.end_frame(mark);
        enqueue(std::move(what), std::move(frame), mark);
    }
    /// Ends `what` before it has left, through the loop.
    void refuse(request what, zk_error error, std::string text);

    /// `path` as the server sees it. A path that no chroot can be put before is not valid.
    [[nodiscard]] std::optional<std::string> full_path(std::string path) const;

private:
    enum class phase : std::uint8_t { resting, waiting, resolving, dialling, greeting, up };

    struct credentials {
        std::uint64_t id = 0;
        std::string scheme;
        std::string secret;
        client::done<nothing> done;
        instant deadline = never;
        bool was_sent = false;
    };
    struct waiting_request {
        request what;
        std::string frame;
    };

    // client_core.cpp: the session, and its end
    void later(task_fn task);
    void drain_later();
    void say(session_change change);
    void say_connecting(std::string text);
    void end_session(session_state state, std::string text);
    void rest(session_state state, std::string text);
    void send_close();
    void close_overdue();
    void close_finished(outcome how, std::string text);
    [[nodiscard]] bool is_over() const noexcept;
    template <class T>
    void retire(T what);

    // client_connect.cpp: from host names to a session
    void try_next();
    void pause_then_try(duration pause);
    void round_failed();
    void resolve(const runtime::host_port& name);
    void dial(const runtime::endpoint& server);
    void greet(std::unique_ptr<runtime::stream> stream, const runtime::endpoint& server);
    void at_greeting(instant when, task_fn task);
    void ask_who_does_not_greet(instant end);
    void attempt_failed(const std::string& whom, std::string_view why);
    void on_greeting(std::string_view body, instant acked);
    void go_up(handshake_answer answer, instant acked);
    void ask_whether_it_went_back();
    void went_back(const runtime::endpoint& server, std::string_view srvr);
    [[nodiscard]] std::chrono::milliseconds attempt_time() const;

    // client_link.cpp: bytes, frames, pings
    void read(const std::shared_ptr<client_link>& link);
    void on_bytes(const std::shared_ptr<client_link>& link, result<std::size_t> got);
    void on_end(const std::shared_ptr<client_link>& link, std::string why);
    [[nodiscard]] bool take_frame(const std::shared_ptr<client_link>& link,
                                  const frame_reader::step& step,
                                  instant now);
    void on_too_long(const std::shared_ptr<client_link>& link,
                     const frame_reader::step& step,
                     instant now);
    void on_frame(std::string_view frame, instant now);
    void on_event(jute_reader& body);
    void on_special(std::deque<client_link::special>& waiting,
                    const protocol::reply_header& header,
                    instant now);
    [[nodiscard]] duration ping_interval() const;
    void on_auth(std::uint64_t id, const protocol::reply_header& header);
    void plan_flush();
    void flush();
    [[nodiscard]] instant owed_since() const;
    void watch_the_clock();
    void on_clock();
    void send_ping();
    void send_auth(const credentials& what);
    void send_watches();
    void lose(std::string why);
    void nonsense(std::string_view what);
    void note_zxid(std::int64_t zxid) noexcept;
    void tell_answered(instant sent, instant acked);

    // client_requests.cpp: every operation ends once
    [[nodiscard]] bool admit(request& what, std::string& frame, std::string*& out);
    void enqueue(request what, std::string frame, std::size_t mark);
    void send_waiting();
    [[nodiscard]] std::int32_t next_xid() noexcept;
    void expect_by(instant deadline);
    void on_deadline();
    void on_reply(const protocol::reply_header& header, jute_reader& body, instant now);
    void settle_tables(const request& what, zk_error error);
    void end_all(std::deque<request> requests, const std::string& why);
    void end_waiting(const std::string& why);
    void end_auths(const std::string& why);
    void end_one(completion done, outcome how, std::string text, instant sent);
    [[nodiscard]] std::string why_not_connected() const;

    std::shared_ptr<runtime::loop> loop_;
    client_options options_;
    client::on_change change_;
    client::on_answer answer_;
    host_list hosts_;
    client_watches watches_;

    session_state state_ = session_state::connecting;
    phase phase_ = phase::resting;
    bool abandoned_ = false;
    session_ticket session_;  ///< id 0: none
    std::chrono::milliseconds timeout_;
    std::int64_t last_zxid_ = 0;
    std::int32_t xid_ = 0;

    std::shared_ptr<client_link> link_;
    std::unique_ptr<runtime::operation> attempt_;
    std::unique_ptr<runtime::operation> asking_;
    std::map<std::uint64_t, std::unique_ptr<runtime::operation>> questions_;
    std::uint64_t last_question_ = 0;
    unsigned failed_rounds_ = 0;
    std::vector<std::string> failures_;      ///< of this round
    std::vector<runtime::endpoint> silent_;  ///< of this round: hung up on the greeting
    std::string went_back_;
    std::string last_said_;

    std::deque<waiting_request> waiting_;
    std::vector<credentials> auths_;
    std::uint64_t last_credentials_ = 0;
    instant next_deadline_ = never;

    bool closing_ = false;
    bool close_sent_ = false;
    std::vector<client::done<nothing>> closers_;
    instant close_deadline_ = never;

    std::deque<task_fn> later_;
    bool drain_posted_ = false;

    std::unique_ptr<runtime::timer> clock_;
    std::unique_ptr<runtime::timer> deadlines_;
    std::unique_ptr<runtime::timer> close_timer_;
};

/// Destroys `what` once the handler that runs now has returned.
template <class T>
void client_core::retire(T what) {
    loop_->post([what = std::move(what)]() mutable { const auto gone = std::move(what); });
}

}  // namespace muster::zookeeper
