#pragma once

/// @file
/// A server that does what a test tells it to: real bytes on simulated connections.

#include "runtime/sim/world.hpp"
#include "zookeeper/frame_reader.hpp"
#include "zookeeper/protocol.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::zookeeper {

/// Without orders it accepts every session, and answers pings, sets of watches, credentials and
/// closes with ok; it is silent to everything else.
/// Threads: the world's. Lifetime: it goes before the world.
class scripted_server {
public:
    struct peer {
        std::unique_ptr<runtime::stream> stream;
        frame_reader in{std::size_t{1} << 24U};
        std::string out;
        std::string writing;
        bool is_writing = false;
        bool greeted = false;
        bool open = true;
    };
    struct seen_request {
        protocol::request_header header;
        std::string body;
    };

    explicit scripted_server(runtime::sim::host& at) : loop_(at.make_loop("server")) {
        loop_->post([this, address = at.address()] {
            listener_ = loop_->listen({address, 2181}, [this](auto stream) {
                                  accept(std::move(stream));
                              }).value();
        });
    }

    /// Runs what the test wants instead of what a sound server does; true: done with it.
    std::function<bool(peer&, const protocol::connect_request&)> on_greeting;
    std::function<bool(peer&, const seen_request&)> on_request;
    /// Called with the first bytes of a connection, before they are looked at.
    std::function<bool(peer&)> on_first_bytes;

    void welcome(peer& to, std::int32_t timeout_ms, std::int64_t session) {
        protocol::connect_response answer;
        answer.timeout_ms = timeout_ms;
        answer.session = session;
        answer.password = std::string(16, session == 0 ? '\0' : 'p');
        std::string body;
        encode(body, answer);
        send_frame(to, body);
    }

    void reply(peer& to,
               std::int32_t xid,
               std::int64_t zxid,
               zk_error error = zk_error::ok,
               std::string_view body = {}) {
        std::string bytes;
        encode(bytes, protocol::reply_header{xid, zxid, error});
        bytes += body;
        send_frame(to, bytes);
    }

    void event(peer& to, event_type type, const std::string& path) {
        std::string body;
        encode(body, protocol::watcher_event{type, 3, path});
        reply(to, protocol::special_xid::watch_event, -1, zk_error::ok, body);
    }

    void send_frame(peer& to, std::string_view body) {
        jute_writer{to.out}.text(body);
        flush(to);
    }
    void send_raw(peer& to, std::string_view bytes) {
        to.out += bytes;
        flush(to);
    }
    void hang_up(peer& who) {
        who.open = false;
        loop_->post([&who] { who.stream->close(); });
    }

    [[nodiscard]] std::size_t requests_of(protocol::op_code code) const {
        std::size_t many = 0;
        for (const seen_request& one : requests) {
            many += one.header.type == code ? 1 : 0;
        }
        return many;
    }

    std::vector<protocol::connect_request> greetings;  ///< passwords are not kept
    std::vector<seen_request> requests;
    std::vector<std::unique_ptr<peer>> peers;

private:
    void accept(std::unique_ptr<runtime::stream> stream) {
        peers.push_back(std::make_unique<peer>());
        peers.back()->stream = std::move(stream);
        read(*peers.back());
    }

    void read(peer& who) {
        who.stream->read_some(who.in.space(), [this, &who](result<std::size_t> got) {
            if (!got || *got == 0) {
                who.open = false;
                return;
            }
            who.in.filled(*got);
            if (on_first_bytes && !who.greeted && on_first_bytes(who)) {
                return;
            }
            for (auto step = who.in.next();
                 who.open && step.what == frame_reader::found::frame;
                 step = who.in.next()) {
                take(who, step.bytes);
            }
            if (who.open) {
                read(who);
            }
        });
    }

    void take(peer& who, std::string_view frame) {
        jute_reader in{frame};
        if (!std::exchange(who.greeted, true)) {
            protocol::connect_request hello;
            if (!decode(in, hello)) {
                return;
            }
            hello.password = {};
            greetings.push_back(hello);
            if (!on_greeting || !on_greeting(who, hello)) {
                welcome(who, hello.timeout_ms, hello.session == 0 ? 0x77 : hello.session);
            }
            return;
        }
        seen_request request;
        static_cast<void>(decode(in, request.header));
        request.body = std::string{frame.substr(frame.size() - in.remaining())};
        requests.push_back(request);
        if (on_request && on_request(who, request)) {
            return;
        }
        switch (request.header.type) {
            case protocol::op_code::ping:
            case protocol::op_code::auth:
            case protocol::op_code::set_watches:
            case protocol::op_code::set_watches2:
            case protocol::op_code::close_session:
                reply(who, request.header.xid, 0);
                break;
            default:
                break;
        }
    }

    void flush(peer& to) {
        if (to.is_writing || to.out.empty() || !to.open) {
            return;
        }
        to.is_writing = true;
        std::swap(to.out, to.writing);
        to.out.clear();
        to.stream->write(to.writing, [this, &to](result<void> wrote) {
            to.is_writing = false;
            if (wrote) {
                flush(to);
            }
        });
    }

    std::shared_ptr<runtime::loop> loop_;
    std::unique_ptr<runtime::listener> listener_;
};

}  // namespace muster::zookeeper
