#include "cluster/lease/probe.hpp"

#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::cluster {
namespace {

using runtime::sim::host;
using runtime::sim::world;

constexpr std::string_view alone = "Zookeeper version: 3.8.0\nMode: standalone\nNode count: 5\n";
constexpr std::string_view starting = "This ZooKeeper instance is not currently serving requests\n";

TEST(server_words, tell_what_a_server_is) {
    EXPECT_EQ(read_server_words(alone, "clientPort=2181\ntickTime=500\nsyncLimit=7\n"),
              (server_facts{true, true, std::chrono::milliseconds{500}, 7U}));
    EXPECT_EQ(read_server_words("Zookeeper version: 3.8.0\nMode: follower\n", ""),
              (server_facts{true, false, std::nullopt, std::nullopt}));
    EXPECT_EQ(read_server_words("srvr is not executed because it is not in the whitelist.\n", ""),
              (server_facts{true, false, std::nullopt, std::nullopt}));
}

TEST(server_words, of_strangers_prove_nothing) {
    EXPECT_EQ(read_server_words("ClickHouse Keeper version: v23\nMode: standalone\n",
                                "tickTime=-4\nsyncLimit=99999999\n"),
              server_facts{});
    EXPECT_EQ(read_server_words("HTTP/1.1 400 Bad Request\r\n", ""), server_facts{});
}

/// Answers each connection with the next of `answers`, the last one for ever.
struct talker {
    talker(world& in, std::string name, std::vector<std::string_view> what)
        : machine{in.add_host(std::move(name))}, answers{std::move(what)} {
        loop = machine.process()->make_loop("talker");
        loop->post([this] {
            listening = std::move(*loop->listen({machine.address(), 2181}, [this](auto line) {
                const std::string_view words = answers[std::min(count++, answers.size() - 1)];
                auto* const raw = line.get();
                lines.push_back(std::move(line));
                raw->write(words, [raw](result<void>) { raw->close(); });
            }));
        });
    }
    host& machine;
    std::vector<std::string_view> answers;
    std::size_t count = 0;
    std::shared_ptr<runtime::loop> loop;
    std::unique_ptr<runtime::listener> listening;
    std::vector<std::unique_ptr<runtime::stream>> lines;
};

TEST(server_probe, waits_for_a_server_that_is_starting) {
    world w{1, {}};
    talker server{w, "zk", {starting, starting, alone, "tickTime=2000\n"}};
    host& here = w.add_host("here");
    const auto loop = here.process()->make_loop("control");
    std::unique_ptr<server_probe> probe;
    std::optional<server_facts> found;
    loop->post([&] {
        probe = std::make_unique<server_probe>(
            *loop,
            *zookeeper::connect_string::parse(server.machine.address() + ":2181"),
            [&](const server_facts& facts) { found = facts; },
            [](const error&) {});
    });
    w.run_for(30s);
    EXPECT_EQ(found, (server_facts{true, true, std::chrono::milliseconds{2000}, std::nullopt}));
    loop->post([&] { probe.reset(); });
    server.loop->post([&] {
        server.lines.clear();
        server.listening.reset();
    });
    w.run_for(1s);
}

TEST(server_probe, names_a_web_server) {
    world w{1, {}};
    talker server{w, "web", {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"}};
    host& here = w.add_host("here");
    const auto loop = here.process()->make_loop("control");
    std::unique_ptr<server_probe> probe;
    bool found = false;
    std::vector<std::string> troubles;
    loop->post([&] {
        probe = std::make_unique<server_probe>(
            *loop,
            *zookeeper::connect_string::parse(server.machine.address() + ":2181"),
            [&](const server_facts&) { found = true; },
            [&](const error& what) { troubles.push_back(what.text); });
    });
    w.run_for(1s);
    EXPECT_FALSE(found);
    ASSERT_FALSE(troubles.empty());
    EXPECT_NE(troubles[0].find("a web server, not a ZooKeeper server"), std::string::npos)
        << troubles[0];
    loop->post([&] { probe.reset(); });
    server.loop->post([&] {
        server.lines.clear();
        server.listening.reset();
    });
    w.run_for(1s);
}

}  // namespace
}  // namespace muster::cluster
