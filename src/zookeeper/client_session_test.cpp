#include "zookeeper/client_fixture_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::zookeeper {
namespace {

using protocol::op_code;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

// --- The session ---------------------------------------------------------------------------------

TEST_F(client_test, an_expired_session_ends_everything_and_drops_its_watches) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    bool expire = false;
    server.on_greeting = [&](auto& peer, const auto& hello) {
        if (hello.session != 0 && expire) {
            server.welcome(peer, 0, 0);
            return true;
        }
        return false;
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    int fired = 0;
    get("/x", [&](const watch_event&) { ++fired; });
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    expire = true;
    net.break_connections(here, *hosts[0]);
    net.run_for(1ms);
    set("/y");
    ASSERT_TRUE(wait_for(session_state::expired));
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_EQ(ends[1], outcome::not_sent);
    EXPECT_FALSE(zk->session());
    const std::int64_t seen = zk->last_zxid();
    on_loop([&] { zk->renew(); });
    ASSERT_TRUE(wait_for(session_state::connected));
    EXPECT_TRUE(changes.back().is_new);
    EXPECT_EQ(server.greetings.back().last_zxid_seen, seen);
    EXPECT_EQ(server.requests_of(op_code::set_watches), 0U);
    EXPECT_EQ(fired, 0);
}

TEST_F(client_test, watches_are_set_again_with_the_zxid_last_seen_and_below_the_chroot) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0/app");
    ASSERT_TRUE(wait_for(session_state::connected));
    std::vector<watch_event> events;
    get("/x", [&](const watch_event& event) { events.push_back(event); });
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return server.requests_of(op_code::set_watches) == 1; }));
    const auto found =
        std::find_if(server.requests.begin(), server.requests.end(), [](const auto& request) {
            return request.header.type == op_code::set_watches;
        });
    protocol::set_watches_request again;
    again.code = op_code::set_watches;
    jute_reader in{found->body};
    ASSERT_TRUE(decode(in, again));
    EXPECT_THAT(again.data, ElementsAre("/app/x"));
    EXPECT_EQ(again.relative_zxid, 9);
    server.event(*server.peers.back(), event_type::data_changed, "/app/x");
    server.event(*server.peers.back(), event_type::data_changed, "/app/x");
    net.run_for(1s);
    EXPECT_THAT(events, ElementsAre(watch_event{event_type::data_changed, "/x"}));
}

TEST_F(client_test, a_silent_server_is_left_after_two_thirds_of_the_timeout) {
    scripted_server& server = add_server("s0");
    server.on_request = [](auto&, const auto&) { return true; };
    add_server("s1");
    start("s0,s1");
    ASSERT_TRUE(wait_for(session_state::connected));
    if (changes.back().server.address != hosts[0]->address()) {
        on_loop([&] { zk->reconnect("to the other one"); });
        ASSERT_TRUE(wait([&] { return changes.back().server.address == hosts[0]->address(); }));
    }
    const instant up = net.now();
    ASSERT_TRUE(wait_for(session_state::connecting));
    EXPECT_GE(net.now() - up, 2600ms);
    EXPECT_LE(net.now() - up, 2800ms);
    ASSERT_TRUE(wait_for(session_state::connected));
    EXPECT_EQ(changes.back().server.address, hosts[1]->address());
}

TEST_F(client_test, a_server_that_tells_events_but_answers_nothing_is_left_all_the_same) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/x");
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    server.on_request = [](auto&, const auto&) { return true; };
    const instant mute_since = net.now();
    while (changes.size() == 1 && net.now() - mute_since < 20s) {
        net.run_for(100ms);
        server.event(*server.peers.back(), event_type::data_changed, "/other");
    }
    EXPECT_LE(net.now() - mute_since, 3300ms) << "a ping interval, and two thirds of 4 s";
    ASSERT_GT(changes.size(), 1U);
    EXPECT_THAT(changes[1].text, HasSubstr("it has answered nothing for"));
}

TEST_F(client_test, a_server_that_answers_pings_but_no_requests_is_left_too) {
    scripted_server& server = add_server("s0");
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    const instant asked = net.now();
    set("/x", 20s);
    ASSERT_TRUE(wait_for(session_state::connecting));
    EXPECT_GE(net.now() - asked, 2600ms);
    EXPECT_LE(net.now() - asked, 3300ms);
    EXPECT_EQ(server.requests_of(op_code::set_data), 1U);
}

TEST_F(client_test, a_long_row_of_requests_may_take_long_while_answers_come) {
    scripted_server& server = add_server("s0");
    std::deque<scripted_server::seen_request> held;
    server.on_request = [&](auto&, const auto& request) {
        held.push_back(request);
        return true;
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    on_loop([&] {
        for (int i = 0; i < 10; ++i) {
            zk->set("/x", "", -1, loop->now() + 60s, [this](reply<stat> got) {
                ends.push_back(got.how);
            });
        }
    });
    // One answer a second: the last comes long after two thirds of the timeout.
    for (int i = 0; i < 10; ++i) {
        net.run_for(1s);
        do {
            ASSERT_FALSE(held.empty());
            const auto request = held.front();
            held.pop_front();
            std::string body;
            if (request.header.type == op_code::set_data) {
                protocol::encode(body, stat{});
            }
            server.reply(*server.peers.back(), request.header.xid, 9, zk_error::ok, body);
        } while (!held.empty() && held.front().header.type == op_code::ping);
    }
    net.run_for(100ms);
    EXPECT_EQ(std::ranges::count(ends, outcome::done), 10);
    EXPECT_EQ(changes.size(), 1U);
}

TEST_F(client_test, a_reply_that_disowns_the_session_is_no_evidence_and_costs_the_connection) {
    scripted_server& server = add_server("s0");
    server.on_request = [&](auto& peer, const auto& request) {
        if (request.header.type == op_code::set_data) {
            server.reply(peer, request.header.xid, 9, zk_error::session_expired);
            return true;
        }
        return false;
    };
    client_options options;
    options.ping_interval = 1s;
    start("s0", options);
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/x");
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::refused);
    EXPECT_TRUE(answers.empty());
    ASSERT_TRUE(wait([&] { return server.greetings.size() == 2; }));
    EXPECT_EQ(server.greetings.back().session, 0x77) << "the next handshake tells the truth";
}

TEST_F(client_test, a_server_that_drops_us_again_and_again_is_not_asked_in_a_spin) {
    scripted_server& server = add_server("s0");
    server.on_greeting = [&](auto& peer, const auto&) {
        server.welcome(peer, 50, 0x77);
        return true;
    };
    bool answered = false;
    server.on_request = [&](auto& peer, const auto& request) {
        answered = !answered;
        if (answered) {
            server.reply(peer, request.header.xid, 0);
        } else {
            server.hang_up(peer);
        }
        return true;
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    net.run_for(10s);
    // Two pings of 16 ms, and then at least 10 ms.
    EXPECT_GT(server.greetings.size(), 20U);
    EXPECT_LT(server.greetings.size(), 240U);
}

TEST_F(client_test, a_ping_leaves_whenever_nothing_else_has_for_the_interval) {
    scripted_server& server = add_server("s0");
    client_options options;
    options.ping_interval = 200ms;
    start("s0", options);
    ASSERT_TRUE(wait_for(session_state::connected));
    net.run_for(10s);
    EXPECT_GE(server.requests_of(op_code::ping), 48U);
    EXPECT_LE(server.requests_of(op_code::ping), 51U);
    EXPECT_EQ(answers.size(), server.requests_of(op_code::ping));
    for (const answered& one : answers) {
        EXPECT_LT(one.sent, one.acked);
        EXPECT_EQ(one.session, 0x77);
    }
}

TEST_F(client_test, a_shorter_timeout_on_the_next_connection_counts_at_once) {
    scripted_server& server = add_server("s0");
    std::int32_t offer = 4000;
    server.on_greeting = [&](auto& peer, const auto&) {
        server.welcome(peer, offer, 0x77);
        return true;
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    offer = 1000;
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return changes.back().timeout == 1000ms; }));
    EXPECT_EQ(zk->session()->timeout, 1000ms);
}

TEST_F(client_test, refused_credentials_are_final_and_others_go_out_on_every_connection) {
    scripted_server& server = add_server("s0");
    client_options options;
    options.auth = {{"digest", "a:b"}};
    start("s0", options);
    ASSERT_TRUE(wait([&] { return server.requests_of(op_code::auth) == 1; }));
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return server.requests_of(op_code::auth) == 2; }));
    server.on_request = [&](auto& peer, const auto& request) {
        if (request.header.type == op_code::auth) {
            server.reply(peer, request.header.xid, 0, zk_error::auth_failed);
            return true;
        }
        return false;
    };
    std::vector<zk_error> refused;
    on_loop([&] {
        zk->add_auth("bad", "x", loop->now() + 5s, [&](reply<nothing> got) {
            refused.push_back(got.error);
        });
    });
    ASSERT_TRUE(wait_for(session_state::auth_failed));
    EXPECT_THAT(refused, ElementsAre(zk_error::auth_failed));
    net.run_for(10s);
    EXPECT_EQ(zk->state(), session_state::auth_failed);
}

TEST_F(client_test, an_ensemble_that_went_back_is_named) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/x");
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    server.on_greeting = [&](auto& peer, const auto&) {
        server.hang_up(peer);
        return true;
    };
    server.on_first_bytes = [&](auto& peer) {
        if (peer.in.rest() != "srvr") {
            return false;
        }
        server.send_raw(peer, "Zookeeper version: 3.8.0\nZxid: 0x3\nMode: standalone\n");
        server.hang_up(peer);
        return true;
    };
    net.break_connections(here, *hosts[0]);
    EXPECT_TRUE(wait(
        [&] { return changes.back().text.find("the ensemble went back") != std::string::npos; }));
    EXPECT_EQ(changes.back().state, session_state::connecting);
}

// --- The end -------------------------------------------------------------------------------------

TEST_F(client_test, closing_is_confirmed_and_what_comes_later_is_not_sent) {
    add_server("s0");
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    close();
    get("/x");
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_TRUE(wait_for(session_state::closed));
    close();
    ASSERT_TRUE(wait([&] { return ends.size() == 3; }));
    EXPECT_EQ(std::count(ends.begin(), ends.end(), outcome::done), 2);
    EXPECT_EQ(std::count(ends.begin(), ends.end(), outcome::not_sent), 1);
}

TEST_F(client_test, closing_while_nobody_answers_ends_by_the_deadline_as_unknown) {
    scripted_server& server = add_server("s0");
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    server.on_request = [](auto&, const auto&) { return true; };
    set("/x");
    const instant begun = net.now();
    close(700ms);
    ASSERT_TRUE(wait([&] { return ends.size() == 2; }));
    EXPECT_LE(net.now() - begun, 750ms);
    EXPECT_THAT(ends, Each(outcome::outcome_unknown));
}

TEST_F(client_test, a_close_whose_reply_was_lost_is_confirmed_by_the_next_handshake) {
    scripted_server& server = add_server("s0");
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    server.on_request = [&](auto& peer, const auto& request) {
        if (request.header.type == op_code::close_session) {
            server.hang_up(peer);
            return true;
        }
        return false;
    };
    server.on_greeting = [&](auto& peer, const auto& hello) {
        server.welcome(peer, hello.session == 0 ? 4000 : 0, hello.session == 0 ? 0x78 : 0);
        return true;
    };
    close(3s);
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::done);
}

TEST_F(client_test, closing_in_the_first_greeting_is_unknown_once_the_connection_is_lost) {
    scripted_server& server = add_server("s0");
    server.on_greeting = [](auto&, const auto&) { return true; };
    start("s0");
    ASSERT_TRUE(wait([&] { return server.greetings.size() == 1; }));
    close(10s);
    net.run_for(10ms);
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return ends.size() == 1; }));
    EXPECT_EQ(ends[0], outcome::outcome_unknown) << "the server may have begun a session";
    EXPECT_EQ(zk->state(), session_state::closed);
}

TEST_F(client_test, may_be_owned_by_a_watch_that_goes_with_the_session) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    bool watching = false;
    std::weak_ptr<std::unique_ptr<client>> alive;
    on_loop([&] {
        auto owned = std::make_shared<std::unique_ptr<client>>();
        alive = owned;
        client& at = *zk;
        *owned = std::move(zk);
        for (const auto* path : {"/x", "/y"}) {
            at.get(
                path,
                [owned](const watch_event&) {},
                loop->now() + 1s,
                [&](reply<node_data>) { watching = true; });
        }
    });
    ASSERT_TRUE(wait([&] { return watching; }));
    server.on_greeting = [&](auto& peer, const auto&) {
        server.welcome(peer, 0, 0);
        return true;
    };
    net.break_connections(here, *hosts[0]);
    EXPECT_TRUE(wait_for(session_state::expired));
    net.run_for(5s);
    EXPECT_TRUE(alive.expired());
}

TEST_F(client_test, may_be_destroyed_in_the_callback_of_an_operation) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    on_loop([&] {
        zk->set("/x", "", -1, loop->now() + 1s, [this](reply<stat> got) {
            ends.push_back(got.how);
            zk.reset();
        });
        zk->set(
            "/y", "", -1, loop->now() + 1s, [this](reply<stat> got) { ends.push_back(got.how); });
    });
    net.run_for(5s);
    EXPECT_THAT(ends, ElementsAre(outcome::done)) << "after its end nothing is called";
}

TEST_F(client_test, may_be_destroyed_in_the_callback_of_a_change_and_of_a_watch) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    on_change = [this](const session_change& change) {
        if (change.state == session_state::connecting) {
            zk.reset();
        }
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    set("/never-answered");
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return zk == nullptr; }));
    on_change = nullptr;
    start("s0");
    ASSERT_TRUE(wait([&] { return changes.back().state == session_state::connected; }));
    bool second = false;
    get("/x", [this](const watch_event&) { zk.reset(); });
    get("/x", [&](const watch_event&) { second = true; });
    net.run_for(100ms);
    server.event(*server.peers.back(), event_type::deleted, "/x");
    ASSERT_TRUE(wait([&] { return zk == nullptr; }));
    net.run_for(5s);
    EXPECT_FALSE(second);
}

TEST_F(client_test, may_be_closed_and_called_again_from_every_callback) {
    scripted_server& server = add_server("s0");
    server.on_request = sound(server);
    int closed = 0;
    bool lost = false;
    on_change = [&](const session_change& change) {
        if (change.state == session_state::connecting && !std::exchange(lost, true)) {
            zk->set("/a", "", -1, loop->now() + 1s, [&](reply<stat> got) {
                ends.push_back(got.how);
                zk->close(loop->now() + 1s, [&](reply<nothing>) { ++closed; });
                zk->close(loop->now() + 1s, [&](reply<nothing>) { ++closed; });
            });
        }
    };
    start("s0");
    ASSERT_TRUE(wait_for(session_state::connected));
    net.break_connections(here, *hosts[0]);
    ASSERT_TRUE(wait([&] { return closed == 2; }));
    EXPECT_THAT(ends, ElementsAre(outcome::done));
    EXPECT_EQ(zk->state(), session_state::closed);
}

}  // namespace
}  // namespace muster::zookeeper
