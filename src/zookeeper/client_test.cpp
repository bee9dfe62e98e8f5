#include "zookeeper/client_fixture_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster::zookeeper {
namespace {

using namespace std::string_literals;
using protocol::op_code;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

// --- Finding a server ----------------------------------------------------------------------------

TEST_F(client_test, among_many_dead_hosts_the_living_one_is_found) {
    std::string where = "s0";
    add_server("s0");
    for (int i = 1; i < 30; ++i) {
        auto& dead = net.add_host("dead" + std::to_string(i));
        where += ",dead" + std::to_string(i);
        if (i % 2 == 0) {
            net.cut(here, dead);
        }
    }
    start(where);
    EXPECT_TRUE(wait_for(session_state::connected, 10s));
    EXPECT_EQ(changes.back().server.text(), hosts[0]->address() + ":2181");
}

TEST_F(client_test, a_name_nobody_knows_is_no_reason_to_give_up_the_others) {
    add_server("s0");
    start("no-such-host,s0");
    EXPECT_TRUE(wait_for(session_state::connected, 10s));
}

TEST_F(client_test, without_any_server_it_says_why_and_pauses_between_rounds) {
    net.add_host("dead");
    start("dead:2181");
    net.run_for(20s);
    ASSERT_FALSE(changes.empty());
    EXPECT_EQ(changes[0].state, session_state::connecting);
    EXPECT_THAT(changes[0].text, HasSubstr("no ZooKeeper server is reached"));
    EXPECT_EQ(changes.size(), 1U) << "the same thing is said once";
    get("/x", {}, 100ms);
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::not_sent);
    EXPECT_THAT(texts[0], HasSubstr("no ZooKeeper server is reached"));
}

TEST_F(client_test, an_http_server_is_recognised_and_another_server_taken) {
    scripted_server& web = add_server("web");
    web.on_first_bytes = [&](auto& peer) {
        web.send_raw(peer, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        return true;
    };
    start("web");
    ASSERT_TRUE(wait([&] { return !changes.empty(); }));
    EXPECT_THAT(changes[0].text, HasSubstr("not a ZooKeeper server: it answers 'HTTP/1.1 400"));
    net.run_for(10s);
    EXPECT_LT(web.peers.size(), 30U) << "it must not be asked without pause";
    EXPECT_EQ(zk->state(), session_state::connecting);
}

TEST_F(client_test, an_http_server_that_waits_for_the_end_of_a_line_is_recognised_too) {
    scripted_server& web = add_server("web");
    web.on_first_bytes = [&](auto& peer) {
        if (peer.in.rest().ends_with('\n')) {
            web.send_raw(peer, "<!DOCTYPE HTML>\n<html lang=\"en\">\n");
            web.hang_up(peer);
        }
        return true;
    };
    start("web");
    ASSERT_TRUE(wait([&] { return !changes.empty(); }));
    EXPECT_THAT(changes[0].text,
                HasSubstr("a web server, not a ZooKeeper server: it answers '<!DOCTYPE HTML>'"));
}

TEST_F(client_test, a_server_that_is_slow_to_greet_is_not_taken_for_a_stranger) {
    scripted_server& slow = add_server("slow");
    scripted_server::peer* first = nullptr;
    slow.on_greeting = [&](auto& peer, const auto&) {
        first = &peer;
        return true;
    };
    slow.on_first_bytes = [&](auto& peer) {
        if (peer.in.rest() != "srvr\n") {
            return false;
        }
        slow.send_raw(peer, "Zookeeper version: 3.8.0\nMode: follower\n");
        slow.hang_up(peer);
        slow.welcome(*first, 4000, 5);
        return true;
    };
    start("slow");
    ASSERT_TRUE(wait_for(session_state::connected));
    EXPECT_EQ(changes.size(), 1U);
}

TEST_F(client_test, absurd_handshakes_are_refused_and_the_next_server_taken) {
    scripted_server& odd = add_server("odd");
    std::vector<std::int32_t> offers{0, -1, 1, 2'147'483'647, 540'291'120};
    std::size_t next = 0;
    odd.on_greeting = [&](auto& peer, const auto&) {
        odd.welcome(peer, offers[next++ % offers.size()], 5);
        return true;
    };
    add_server("good");
    start("odd,good");
    ASSERT_TRUE(wait_for(session_state::connected));
    EXPECT_EQ(changes.back().server.address, hosts[1]->address());
}

TEST_F(client_test, a_server_that_only_reads_is_left_for_another) {
    scripted_server& cut_off = add_server("cut-off");
    cut_off.on_greeting = [&](auto& peer, const auto& hello) {
        EXPECT_FALSE(hello.read_only);
        protocol::connect_response answer;
        answer.timeout_ms = hello.timeout_ms;
        answer.session = 5;
        answer.password = std::string(16, 'p');
        answer.read_only = true;
        std::string body;
        encode(body, answer);
        cut_off.send_frame(peer, body);
        return true;
    };
    start("cut-off");
    ASSERT_TRUE(wait([&] { return !changes.empty(); }));
    EXPECT_THAT(changes[0].text, HasSubstr("only reads"));
    on_loop([&] { zk.reset(); });
    add_server("good");
    start("cut-off,good");
    ASSERT_TRUE(wait_for(session_state::connected));
    EXPECT_EQ(changes.back().server.address, hosts[1]->address());
}

TEST_F(client_test, the_clients_of_an_ensemble_spread_over_its_servers) {
    for (const auto* name : {"s0", "s1", "s2"}) {
        add_server(name);
    }
    std::set<std::string> taken;
    for (int i = 0; i < 24; ++i) {
        changes.clear();
        start("s0,s1,s2");
        ASSERT_TRUE(wait_for(session_state::connected));
        taken.insert(changes.back().server.address);
        on_loop([&] { zk.reset(); });
    }
    EXPECT_EQ(taken.size(), 3U);
}

TEST_F(client_test, a_server_that_accepts_and_says_nothing_is_left_for_another) {
    scripted_server& mute = add_server("mute");
    mute.on_greeting = [](auto&, const auto&) { return true; };
    add_server("good");
    start("mute,good");
    ASSERT_TRUE(wait_for(session_state::connected, 5s));
    EXPECT_EQ(changes.back().server.address, hosts[1]->address());
}

// --- Requests ------------------------------------------------------------------------------------

TEST_F(client_test, requests_of_one_turn_are_stamped_before_they_leave_and_answered_in_order) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    for (int i = 0; i < 3; ++i) {
        set("/x");
    }
    ASSERT_TRUE(wait([&] { return stats.size() == 3; }));
    EXPECT_THAT(ends, Each(outcome::done));
    for (const auto& got : stats) {
        EXPECT_GT(got.acked, got.sent);
        EXPECT_EQ(got.session, 0x77);
        EXPECT_EQ(got.zxid, 9);
    }
    EXPECT_EQ(zk->last_zxid(), 9);
}

TEST_F(client_test, what_was_asked_before_there_was_a_server_is_sent_when_there_is_one) {
    auto& late = net.add_host("late");
    start("late");
    set("/x");
    net.run_for(1s);
    servers.push_back(std::make_unique<scripted_server>(late));
    servers[0]->on_request = sound(*servers[0]);
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::done);
}

TEST_F(client_test, a_broken_connection_leaves_writes_unknown_and_reads_not_sent) {
    scripted_server& server = add_server("s0");
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/w");
    get("/r");
    net.run_for(50ms);
    EXPECT_TRUE(ends.empty());
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_THAT(ends, ElementsAre(outcome::outcome_unknown, outcome::not_sent));
    ASSERT_TRUE(wait_for(session_state::connected));
    EXPECT_FALSE(changes.back().is_new);
    EXPECT_EQ(server.greetings.back().session, 0x77);
    EXPECT_EQ(server.requests_of(op_code::set_data), 1U) << "what was sent is never repeated";
}

TEST_F(client_test, a_lost_reply_is_unknown_at_the_deadline_and_dropped_when_it_comes) {
    scripted_server& server = add_server("s0");
    scripted_server::peer* asked = nullptr;
    std::int32_t xid = 0;
    server.on_request = [&](auto& peer, const auto& request) {
        if (request.header.type != op_code::set_data || xid != 0) {
            return sound(server)(peer, request);
        }
        asked = &peer;
        xid = request.header.xid;
        return true;
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/x", 100ms);
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::outcome_unknown);
    std::string body;
    protocol::encode(body, stat{});
    server.reply(*asked, xid, 4, zk_error::ok, body);
    set("/x");
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_EQ(ends[1], outcome::done);
    EXPECT_EQ(changes.size(), 1U);
}

TEST_F(client_test, a_list_over_the_limit_is_refused_and_the_connection_stays) {
    scripted_server& server = add_server("s0");
    bool large = true;
    server.on_request = [&](auto& peer, const auto& request) {
        if (request.header.type != op_code::get_data) {
            return false;
        }
        std::string body;
        const std::string data(std::exchange(large, false) ? 5000 : 5, 'x');
        protocol::encode(body, data, false, stat{});
        server.reply(peer, request.header.xid, 1, zk_error::ok, body);
        return true;
    };
    client_options options;
    options.max_reply = 1000;
    start("s0", options);
    ASSERT_TRUE(wait_for(session_state::connected));
    get("/large");
    get("/small");
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_THAT(ends, ElementsAre(outcome::refused, outcome::done));
    EXPECT_EQ(changes.size(), 1U);
}

TEST_F(client_test, a_request_of_as_many_bytes_as_servers_take_is_sent_and_one_more_is_refused) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    // Header 8, path 4 + 2, length of the data 4, version 4.
    const std::size_t rest = 8 + 6 + 4 + 4;
    const auto set_of = [&](std::size_t size) {
        on_loop([&] {
            zk->set(
                "/x", std::string(size - rest, 'x'), -1, loop->now() + 5s, [this](reply<stat> got) {
                    ends.push_back(got.how);
                });
        });
    };
    set_of(0xfffff);
    set_of(0x100000);
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_EQ(std::ranges::count(ends, outcome::done), 1);
    EXPECT_EQ(std::ranges::count(ends, outcome::refused), 1);
    EXPECT_EQ(server.requests_of(op_code::set_data), 1U);
    EXPECT_EQ(changes.size(), 1U) << "the connection stays";
}

// --- Nonsense ------------------------------------------------------------------------------------

class nonsense : public client_test, public testing::WithParamInterface<std::string> {};

TEST_P(nonsense, costs_the_connection_and_neither_the_process_nor_a_spin) {
    scripted_server& server = add_server("s0");
    server.on_request = [&](auto& peer, const auto& request) {
        if (request.header.type == op_code::set_data) {
            server.send_raw(peer, GetParam());
            return true;
        }
        return false;
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/x");
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::outcome_unknown);
    const auto complaint = std::find_if(changes.begin(), changes.end(), [](const auto& change) {
        return change.text.find("what no ZooKeeper server does") != std::string::npos;
    });
    EXPECT_NE(complaint, changes.end());
    ASSERT_TRUE(wait_for(session_state::connected));
    net.run_for(5s);
    EXPECT_EQ(server.greetings.size(), 2U);
    EXPECT_LE(zk->last_zxid(), 1) << "a zxid nobody asked for would lock us out everywhere";
}

std::string frame_of(const protocol::reply_header& header, std::string_view body = {}) {
    std::string inside;
    encode(inside, header);
    inside += body;
    std::string out;
    jute_writer{out}.text(inside);
    return out;
}

INSTANTIATE_TEST_SUITE_P(
    all,
    nonsense,
    testing::Values("\xff\xff\xff\xff"s,                            // length -1
                    "\x7f\xff\xff\xff"s + std::string(16, 'x'),     // length 2^31-1
                    "\0\0\0\0"s,                                    // an empty frame
                    "\0\0\0\3abc"s,                                 // a short header
                    frame_of({4711, 1LL << 60, zk_error::ok}),      // unexpected xid
                    frame_of({-3, 1, zk_error::ok}),                // unknown special xid
                    frame_of({-2, 1, zk_error::ok}),                // a ping nobody sent
                    frame_of({-4, 1, zk_error::ok}),                // credentials likewise
                    frame_of({1, 1, zk_error::ok}, "short"),        // half a stat
                    frame_of({-1, -1, zk_error::ok}, "\0\0\0\3"s),  // half an event
                    frame_of({-1, -1, zk_error::ok},                // an unknown event
                             "\0\0\0\x63\0\0\0\3\0\0\0\2/x"s)));

TEST_F(client_test, a_server_that_talks_nonsense_after_every_handshake_is_not_asked_without_pause) {
    scripted_server& server = add_server("s0");
    server.on_greeting = [&](auto& peer, const auto& hello) {
        server.welcome(peer, hello.timeout_ms, 0x77);
        server.send_raw(peer, "\xff\xff\xff\xff");
        return true;
    };
    start("s0");
    net.run_for(20s);
    EXPECT_GT(server.greetings.size(), 10U);
    EXPECT_LT(server.greetings.size(), 60U);
}

}  // namespace
}  // namespace muster::zookeeper
