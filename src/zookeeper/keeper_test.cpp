// The keeper as a server, in a simulated world: connections, bounds and time.

#include "zookeeper/keeper.hpp"

#include "runtime/sim/world.hpp"
#include "zookeeper/client.hpp"
#include "zookeeper/keeper_connection.hpp"
#include "zookeeper/protocol.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

/// A connection that says what it is told to.
class plain_peer {
public:
    plain_peer(std::shared_ptr<runtime::loop> loop, const runtime::endpoint& to) : loop_(loop) {
        dial_ = loop_->connect(to, loop_->now() + 1s, [this](auto made) {
            if (made) {
                stream_ = std::move(*made);
                flush();
                read();
            } else {
                is_over = true;
            }
        });
    }

    void say(std::string bytes) {
        out_ += bytes;
        flush();
    }
    void say_frame(const std::string& body) {
        std::string bytes;
        jute_writer frame{bytes};
        const std::size_t mark = frame.begin_frame();
        bytes += body;
        frame.end_frame(mark);
        say(bytes);
    }
    void greet(std::int32_t timeout_ms = 4000) {
        protocol::connect_request asked;
        asked.timeout_ms = timeout_ms;
        const std::string password(16, '\0');
        asked.password = password;
        std::string body;
        protocol::encode(body, asked);
        say_frame(body);
    }

    bool reads = true;
    bool is_over = false;
    std::string heard;

private:
    void flush() {
        if (!stream_ || !writing_.empty() || out_.empty()) {
            return;
        }
        std::swap(writing_, out_);
        stream_->write(writing_, [this](result<void>) {
            writing_.clear();
            flush();
        });
    }
    void read() {
        if (!reads) {
            return;
        }
        stream_->read_some(room_, [this](result<std::size_t> got) {
            if (!got || *got == 0) {
                is_over = true;
                return;
            }
            heard.append(room_, *got);
            read();
        });
    }

    std::shared_ptr<runtime::loop> loop_;
    std::string out_;
    std::string writing_;
    char room_[4096] = {};
    std::unique_ptr<runtime::operation> dial_;
    std::unique_ptr<runtime::stream> stream_;
};

/// A stream that hands out what a test gives it, and shows how much room each read had.
class fed_stream final : public runtime::stream {
public:
    void read_some(std::span<char> into, callback<result<std::size_t>> done) override {
        rooms.push_back(into.size());
        into_ = into;
        done_ = std::move(done);
    }
    void write(std::string_view, callback<result<void>>) override {}
    [[nodiscard]] std::size_t write_now(std::string_view) override { return 0; }
    void close() override {}
    [[nodiscard]] runtime::endpoint local() const override { return {"10.0.0.1", 2181}; }
    [[nodiscard]] runtime::endpoint remote() const override { return {"10.0.0.2", 999}; }
    void set_user_timeout(std::chrono::milliseconds) override {}

    void feed(std::string_view bytes) {
        while (!bytes.empty()) {
            const std::size_t some = std::min(bytes.size(), into_.size());
            std::copy_n(bytes.data(), some, into_.data());
            bytes.remove_prefix(some);
            std::exchange(done_, nullptr)(some);
        }
    }
    std::vector<std::size_t> rooms;

private:
    std::span<char> into_;
    callback<result<std::size_t>> done_;
};

class frame_counter final : public connection_owner {
public:
    void on_frame(connection_id, std::string_view bytes) override { sizes.push_back(bytes.size()); }
    bool on_word(connection_id, std::string_view) override { return false; }
    void on_pending(connection_id) override {}
    void on_end(connection_id) override {}
    std::vector<std::size_t> sizes;
};

std::string frame_of(std::size_t size) {
    std::string bytes;
    jute_writer{bytes}.text(std::string(size, 'x'));
    return bytes;
}

TEST(keeper_connections, give_back_the_room_of_a_long_request) {
    frame_counter owner;
    auto stream = std::make_unique<fed_stream>();
    fed_stream& fed = *stream;
    keeper_connection link{1, std::move(stream), {}, owner};
    link.start();
    fed.feed(frame_of(0xfffff));
    fed.feed(frame_of(8));
    fed.feed(frame_of(8));
    EXPECT_EQ(owner.sizes, (std::vector<std::size_t>{0xfffff, 8, 8}));
    EXPECT_EQ(fed.rooms.back(), std::size_t{128} << 10U);
}

TEST(keeper_connections, read_a_busy_client_in_large_pieces) {
    frame_counter owner;
    auto stream = std::make_unique<fed_stream>();
    fed_stream& fed = *stream;
    keeper_connection link{1, std::move(stream), {}, owner};
    link.start();
    EXPECT_EQ(fed.rooms.back(), std::size_t{4} << 10U);
    std::string many;
    for (int i = 0; i < 8; ++i) {
        many += frame_of(508);
    }
    fed.feed(many);
    EXPECT_EQ(owner.sizes.size(), 8U);
    EXPECT_EQ(fed.rooms.back(), std::size_t{128} << 10U);
}

TEST(keeper_connections, take_a_request_of_the_limit_and_not_a_byte_more) {
    frame_counter owner;
    auto stream = std::make_unique<fed_stream>();
    fed_stream& fed = *stream;
    keeper_connection link{1, std::move(stream), {}, owner};
    link.start();
    fed.feed(frame_of(0xfffff));
    EXPECT_EQ(owner.sizes, (std::vector<std::size_t>{0xfffff}));
    const std::size_t reads = fed.rooms.size();
    fed.feed(std::string{"\0\x10\0\0", 4});
    EXPECT_EQ(fed.rooms.size(), reads) << "it is over";
}

class keeper_test : public testing::Test {
protected:
    keeper_test()
        : server(net.add_host("server")),
          other(net.add_host("client")),
          server_loop(server.make_loop("keeper")),
          loop(other.make_loop("client")) {}
    ~keeper_test() override {
        run(loop, [this] {
            peers.clear();
            zk.reset();
        });
        run(server_loop, [this] { served.reset(); });
    }

    void run(const std::shared_ptr<runtime::loop>& on, std::function<void()> task) {
        bool ran = false;
        on->post([&] {
            task();
            ran = true;
        });
        net.run_until([&] { return ran; }, net.now() + 1s);
    }

    void serve(keeper_options options = {}) {
        options.listen = runtime::endpoint{server.address(), 2181};
        run(server_loop, [&] {
            served.reset();
            auto made = keeper::start(server_loop, options);
            ASSERT_TRUE(made) << made.error().text;
            served = std::move(*made);
        });
    }

    plain_peer& dial() {
        run(loop, [this] {
            peers.push_back(
                std::make_unique<plain_peer>(loop, runtime::endpoint{server.address(), 2181}));
        });
        net.run_for(5ms);
        return *peers.back();
    }

    void in_loop(std::function<void()> task) {
        run(loop, std::move(task));
        net.run_for(5ms);
    }

    runtime::sim::world net{7};
    runtime::sim::host& server;
    runtime::sim::host& other;
    std::shared_ptr<runtime::loop> server_loop;
    std::shared_ptr<runtime::loop> loop;
    std::unique_ptr<keeper> served;
    std::unique_ptr<client> zk;
    std::vector<std::unique_ptr<plain_peer>> peers;
};

TEST_F(keeper_test, answers_four_letters_and_hangs_up) {
    serve();
    plain_peer& one = dial();
    in_loop([&] { one.say("ru"); });
    EXPECT_FALSE(one.is_over);
    in_loop([&] { one.say("ok"); });
    EXPECT_EQ(one.heard, "imok");
    EXPECT_TRUE(one.is_over);
    EXPECT_EQ(served->connections(), 0U);
}

TEST_F(keeper_test, answers_four_letters_that_end_a_line_too) {
    serve();
    plain_peer& one = dial();
    in_loop([&] { one.say("srvr\n"); });
    EXPECT_NE(one.heard.find("Mode: standalone\n"), std::string::npos);
    EXPECT_TRUE(one.is_over);
}

TEST_F(keeper_test, refuses_what_is_not_zookeeper_before_it_makes_room) {
    serve();
    plain_peer& web = dial();
    in_loop([&] { web.say("GET / HTTP/1.1\r\n\r\n"); });
    EXPECT_TRUE(web.is_over);
    EXPECT_EQ(web.heard, "");
}

TEST_F(keeper_test, gives_a_handshake_ten_seconds) {
    serve();
    plain_peer& slow = dial();
    in_loop([&] { slow.say(std::string{"\0\0", 2}); });
    net.run_for(9s);
    EXPECT_FALSE(slow.is_over);
    net.run_for(2s);
    EXPECT_TRUE(slow.is_over);
    EXPECT_EQ(served->connections(), 0U);
}

TEST_F(keeper_test, bounds_the_connections_of_one_address) {
    keeper_options options;
    options.max_connections_per_ip = 3;
    serve(options);
    for (int i = 0; i < 3; ++i) {
        dial();
    }
    plain_peer& fourth = dial();
    EXPECT_TRUE(fourth.is_over);
    EXPECT_EQ(served->connections(), 3U);
    in_loop([&] { peers.erase(peers.begin()); });
    plain_peer& again = dial();
    EXPECT_FALSE(again.is_over);
}

TEST_F(keeper_test, a_frame_may_come_byte_by_byte_and_many_at_once) {
    serve();
    plain_peer& slow = dial();
    std::string body;
    protocol::encode(body, protocol::connect_request{});
    std::string bytes{"\0\0\0", 3};
    bytes += static_cast<char>(body.size());
    bytes += body;
    std::string ping{"\0\0\0\x08\xff\xff\xff\xfe\0\0\0\x0b", 12};
    for (const char c : bytes) {
        in_loop([&] { slow.say(std::string(1, c)); });
    }
    EXPECT_EQ(slow.heard.size(), 4U + 37U);
    slow.heard.clear();
    std::string many;
    for (int i = 0; i < 1000; ++i) {
        many += ping;
    }
    in_loop([&] { slow.say(many); });
    net.run_for(50ms);
    EXPECT_EQ(slow.heard.size(), 1000U * 20U);
}

TEST_F(keeper_test, a_reader_that_stops_is_not_read_from_and_expires) {
    keeper_options options;
    options.max_unread = 4U << 20;
    serve(options);
    plain_peer& glutton = dial();
    in_loop([&] { glutton.greet(); });
    std::string body;
    protocol::encode(body, protocol::request_header{1, op_code::create2});
    protocol::create_request made;
    const std::string large(200'000, 'x');
    made.path = "/a";
    made.data = large;
    made.access = open_acl();
    protocol::encode(body, made);
    in_loop([&] {
        glutton.reads = false;
        glutton.say_frame(body);
    });
    body.clear();
    protocol::encode(body, protocol::request_header{2, op_code::get_data});
    protocol::encode(body, protocol::read_request{op_code::get_data, "/a", false});
    in_loop([&] {
        for (int i = 0; i < 10'000; ++i) {
            glutton.say_frame(body);
        }
    });
    net.run_for(1s);
    EXPECT_EQ(served->connections(), 1U);
    // Its session ends like any that is not heard from, and then its connection.
    net.run_for(30s);
    EXPECT_EQ(served->connections(), 0U);
}

TEST_F(keeper_test, a_port_in_use_is_told) {
    serve();
    run(server_loop, [&] {
        keeper_options options;
        options.listen = runtime::endpoint{server.address(), 2181};
        const auto second = keeper::start(server_loop, options);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, errc::unavailable);
    });
}

TEST_F(keeper_test, options_out_of_range_are_told) {
    run(server_loop, [&] {
        keeper_options options;
        options.tick_time = 0ms;
        EXPECT_EQ(keeper::start(server_loop, options).error().code, errc::invalid_argument);
        options = {};
        options.min_session_timeout = 5s;
        options.max_session_timeout = 4s;
        EXPECT_EQ(keeper::start(server_loop, options).error().code, errc::invalid_argument);
        options = {};
        options.server_id = 255;
        EXPECT_EQ(keeper::start(server_loop, options).error().code, errc::invalid_argument);
    });
}

TEST_F(keeper_test, serves_our_client_and_lets_it_come_back) {
    serve();
    std::vector<session_change> changes;
    const auto is = [&](session_state wanted) {
        return net.run_until([&] { return !changes.empty() && changes.back().state == wanted; },
                             net.now() + 30s);
    };
    run(loop, [&] {
        client_options options;
        options.servers = connect_string::parse(server.address() + ":2181").value();
        zk = client::start(
            loop, options, [&](const session_change& change) { changes.push_back(change); });
    });
    ASSERT_TRUE(is(session_state::connected));
    const std::int64_t session = changes.back().session;
    bool made = false;
    run(loop, [&] {
        create_op what;
        what.path = "/e";
        what.mode = create_mode::ephemeral;
        zk->create(what, loop->now() + 1s, [&](reply<created> got) { made = got.ok(); });
    });
    net.run_for(50ms);
    EXPECT_TRUE(made);

    changes.clear();
    net.break_connections(server, other);
    ASSERT_TRUE(is(session_state::connected));
    EXPECT_EQ(changes.back().session, session);
    EXPECT_FALSE(changes.back().is_new);

    changes.clear();
    net.isolate(other);
    net.run_for(20s);
    net.heal();
    ASSERT_TRUE(is(session_state::expired));
}

TEST_F(keeper_test, serves_our_client_over_ipv6) {
    run(server_loop, [&] {
        keeper_options options;
        options.listen = runtime::endpoint{"::1", 2181};
        auto made = keeper::start(server_loop, options);
        ASSERT_TRUE(made) << made.error().text;
        served = std::move(*made);
    });
    const auto neighbour = server.make_loop("neighbour");
    std::vector<session_change> changes;
    std::unique_ptr<client> near;
    std::string text;
    run(neighbour, [&] {
        client_options options;
        options.servers = connect_string::parse("[::1]:2181/").value();
        near = client::start(
            neighbour, options, [&](const session_change& change) { changes.push_back(change); });
    });
    ASSERT_TRUE(net.run_until([&] { return !changes.empty(); }, net.now() + 10s));
    EXPECT_EQ(changes[0].state, session_state::connected);
    EXPECT_EQ(changes[0].server.text(), "[::1]:2181");
    run(neighbour, [&] {
        near->four_letter("cons", neighbour->now() + 1s, [&](result<std::string> got) {
            text = got.value_or("");
        });
    });
    net.run_for(50ms);
    EXPECT_NE(text.find("/[::1]:"), std::string::npos) << text;
    run(neighbour, [&] { near.reset(); });
}

TEST_F(keeper_test, a_client_is_served_by_a_keeper_that_was_started_again) {
    serve();
    std::vector<session_change> changes;
    run(loop, [&] {
        client_options options;
        options.servers = connect_string::parse(server.address() + ":2181").value();
        zk = client::start(loop, options, [&](const session_change& change) {
            changes.push_back(change);
            if (change.state == session_state::expired) {
                zk->renew();
            }
        });
    });
    net.run_for(1s);
    ASSERT_EQ(changes.back().state, session_state::connected);
    const std::int64_t first = changes.back().session;
    serve();
    ASSERT_TRUE(net.run_until(
        [&] {
            return changes.back().state == session_state::connected &&
                   changes.back().session != first;
        },
        net.now() + 30s));
    EXPECT_TRUE(changes.back().is_new);
}

TEST_F(keeper_test, a_keeper_that_was_stopped_waits_for_all_even_while_others_come) {
    serve();
    plain_peer& one = dial();
    plain_peer& two = dial();
    in_loop([&] { one.greet(4000); });
    in_loop([&] { two.greet(4000); });
    server.pause();
    net.run_for(10s);
    server.resume();
    // A newcomer first, and then the pings of the two, 20 ms apart.
    const std::string ping{"\0\0\0\x08\xff\xff\xff\xfe\0\0\0\x0b", 12};
    dial();
    in_loop([&] { one.say(ping); });
    net.run_for(15ms);
    in_loop([&] { two.say(ping); });
    net.run_for(1s);
    EXPECT_FALSE(one.is_over);
    EXPECT_FALSE(two.is_over);
    EXPECT_EQ(served->connections(), 3U);
}

TEST_F(keeper_test, a_keeper_that_was_stopped_reads_before_it_judges) {
    serve();
    plain_peer& one = dial();
    in_loop([&] { one.greet(4000); });
    server.pause();
    net.run_for(2s);
    std::string ping{"\0\0\0\x08\xff\xff\xff\xfe\0\0\0\x0b", 12};
    in_loop([&] { one.say(ping); });
    net.run_for(8s);
    server.resume();
    net.run_for(1s);
    EXPECT_FALSE(one.is_over);
    EXPECT_EQ(served->connections(), 1U);
}

}  // namespace
}  // namespace muster::zookeeper
