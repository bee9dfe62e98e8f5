#include "cluster/lease/agent.hpp"

#include "runtime/sim/world.hpp"
#include "zookeeper/scripted_server_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster::cluster {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view alone = "Zookeeper version: 3.8.0\nMode: standalone\n";
constexpr std::string_view follower = "Zookeeper version: 3.8.0\nMode: follower\n";
constexpr std::string_view starting = "This ZooKeeper instance is not currently serving requests\n";

/// A lease over one server that says what a test tells it to.
class lease_agent_test : public testing::Test {
protected:
    lease_agent_test() {
        server.on_first_bytes = [this](zookeeper::scripted_server::peer& who) {
            // The first byte of a frame's length is 0; that of a word is a letter.
            if (words.empty() || !is_word) {
                return false;
            }
            ++asked;
            const std::string answer{words[std::min(asked - 1, words.size() - 1)]};
            if (!answer.empty()) {
                server.send_raw(who, answer);
            }
            server.hang_up(who);
            return true;
        };
        net.set_filter([this](const runtime::sim::packet_info& packet) {
            if (packet.to == "zk") {
                is_word = packet.bytes.starts_with("srvr");
            }
            return runtime::sim::verdict::deliver;
        });
    }

    ~lease_agent_test() override {
        machine.kill();
        agent.reset();
        at.reset();
        zk.reset();
        server_host.kill();
    }

    void start(milliseconds timeout) {
        loop->post([this, timeout] {
            zookeeper::client_options options;
            options.servers =
                zookeeper::connect_string::parse(server_host.address() + ":2181").value();
            options.session_timeout = timeout;
            zk = zookeeper::client::start(
                loop,
                options,
                [this](const zookeeper::session_change& change) {
                    if (change.state == zookeeper::session_state::connected) {
                        attached.push_back(net.now());
                        agent->attached(change);
                    }
                },
                [this](const zookeeper::answered& evidence) { agent->answered(evidence); });
            at.emplace(session_context{loop, *loop, *zk, where, settings, member_id{1, 1}});
            agent.emplace(
                *at,
                settings.lease,
                std::make_shared<lease_cell>(),
                lease_agent::hooks{.began = [this] { ++began; },
                                   .lapsed = [this] { ++lapsed; },
                                   .znodes_lost = [](const std::string&) {},
                                   .unsafe = [this](const error& why) { refused = why; }});
            agent->guard({"/mine"});
        });
    }

    runtime::sim::world net{5};
    runtime::sim::host& server_host{net.add_host("zk")};
    runtime::sim::host& machine{net.add_host("here")};
    zookeeper::scripted_server server{server_host};
    std::shared_ptr<runtime::loop> loop{machine.make_loop("control")};
    bool is_word = false;
    std::vector<std::string_view> words;  ///< what `srvr` is answered with, the last one for ever
    std::size_t asked = 0;
    const paths where{"test"};
    member_settings settings;
    std::unique_ptr<zookeeper::client> zk;
    std::optional<session_context> at;
    std::optional<lease_agent> agent;
    std::vector<instant> attached;
    int began = 0;
    int lapsed = 0;
    std::optional<error> refused;
};

TEST_F(lease_agent_test, goes_on_to_the_next_server_while_quorum_writes_stay_unanswered) {
    words = {alone};
    start(8s);  // The server never answers a multi. H is 1 s, T/4 2 s.
    net.run_for(7500ms);
    ASSERT_GE(attached.size(), 4U) << "attached, and again after 1, 3, 5 and 7 s";
    for (std::size_t i = 2; i < attached.size(); ++i) {
        EXPECT_GE(attached[i] - attached[i - 1], 1900ms) << "at most once per T/4";
    }
}

TEST_F(lease_agent_test, lapses_at_once_where_a_smaller_timeout_was_over_before_it_was_told) {
    words = {alone};
    settings.allow_unsafe_session_timeout = true;
    start(8s);
    net.run_for(500ms);
    ASSERT_EQ(began, 1);
    zookeeper::scripted_server::peer* slow = nullptr;
    server.on_greeting = [&](zookeeper::scripted_server::peer& who, const auto&) {
        slow = &who;
        return true;
    };
    ASSERT_TRUE(net.run_until([&] { return slow != nullptr; }, net.now() + 3s));
    net.run_for(900ms);
    ASSERT_EQ(lapsed, 0);
    const auto later = server_host.make_loop("later");
    later->post([&] { server.welcome(*slow, 1000, 0x77); });
    ASSERT_TRUE(net.run_until([&] { return attached.size() == 2; }, net.now() + 1s));
    net.run_for(1ms);
    EXPECT_EQ(lapsed, 1);
}

TEST_F(lease_agent_test, asks_a_server_again_that_said_nothing_or_does_not_serve_yet) {
    words = {"", starting, alone};
    start(8s);
    net.run_for(500ms);
    EXPECT_EQ(began, 0);
    net.run_for(3s);
    EXPECT_EQ(began, 1);
    EXPECT_GE(asked, 3U);
}

TEST_F(lease_agent_test, refuses_a_timeout_that_is_too_short_for_what_the_server_is) {
    words = {follower};
    start(8s);  // (S + 2) ticks are 14 s.
    net.run_for(500ms);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, errc::invalid_argument);
    EXPECT_EQ(began, 0);
}

TEST_F(lease_agent_test, refuses_a_timeout_once_a_server_that_stood_alone_is_part_of_an_ensemble) {
    words = {alone, follower};
    start(8s);
    net.run_for(500ms);
    EXPECT_EQ(began, 1);
    EXPECT_FALSE(refused);
    net.run_for(3s);  // The multis stay unanswered: it has gone elsewhere by now.
    EXPECT_TRUE(refused);
}

TEST_F(lease_agent_test, owns_under_a_short_timeout_where_that_is_allowed) {
    words = {follower};
    settings.allow_unsafe_session_timeout = true;
    start(8s);
    net.run_for(500ms);
    EXPECT_FALSE(refused);
    EXPECT_EQ(began, 1);
}

}  // namespace
}  // namespace muster::cluster
