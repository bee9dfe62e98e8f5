// Whole nodes prove to each other that they are of one cluster, with nothing configured.

#include "cluster/codec.hpp"
#include "cluster/paths.hpp"
#include "mesh/mesh.hpp"
#include "node/node_world_test.hpp"
#include "zookeeper/client.hpp"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

/// What whoever reaches ZooKeeper reads there.
std::string read_znode(node_world& world, const std::string& path) {
    auto loop = world.host("operator").make_loop("operator");
    std::unique_ptr<zookeeper::client> zk;
    std::optional<zookeeper::reply<zookeeper::node_data>> got;
    loop->post([&] {
        zookeeper::client_options how;
        how.servers = *zookeeper::connect_string::parse(world.keeper_host().address() + ":2181");
        zk = zookeeper::client::start(loop, how, [](const zookeeper::session_change&) {});
        zk->get(path, {}, loop->now() + 5s, [&](auto reply) { got = std::move(reply); });
    });
    EXPECT_TRUE(world.until([&] { return got.has_value(); }, 10s));
    bool gone = false;
    loop->post([&] {
        zk.reset();
        gone = true;
    });
    EXPECT_TRUE(world.until([&] { return gone; }, 1s));
    loop->stop();
    return got && got->ok() ? got->value.data : "";
}

/// What comes of a question that somebody from outside asks at that address of the mesh.
errc ask_from_outside(node_world& world,
                      const std::string& address,
                      std::optional<std::string> key) {
    const auto machine = world.host("outside").process();
    const auto loop = machine->make_loop("outside");
    mesh::settings wanted;
    wanted.cluster = "shop";
    wanted.accept = false;
    wanted.key = std::move(key);
    auto net = mesh::mesh::start(machine, {loop}, std::move(wanted), [](mesh::incoming) {});
    EXPECT_TRUE(net.has_value());
    std::optional<result<std::string>> got;
    (*net)->request({member_id{}, address}, "what do you own?", machine->now() + 5s, [&](auto how) {
        got = std::move(how);
    });
    EXPECT_TRUE(world.until([&] { return got.has_value(); }, 10s));
    (*net)->stop();
    loop->stop();
    return got && !*got ? got->error().code : errc::closed;
}

TEST(two_nodes, authenticate_by_themselves_with_a_key_that_no_log_tells) {
    std::string logged;  // Until the nodes have ended.
    node_world world;
    world.start_keeper();
    application program;
    program.log = [&logged](const log_line& line) {
        logged += std::string{line.event} + ": " + std::string{line.text} + "\n";
    };
    world.start("ann", program);
    world.start("bob", program);
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    const auto shelves = world.at("ann").use<shelf>("shelves");
    std::set<std::string> answered;
    for (int i = 0; i < 50; ++i) {
        const auto owner = world.answer(shelves.ask<owner_of>(std::to_string(i)));
        ASSERT_TRUE(owner) << owner.error().text;
        answered.insert(*owner);
    }
    EXPECT_EQ(answered, (std::set<std::string>{"ann", "bob"}));

    const std::string path = cluster::paths{"shop"}.key();
    const std::string stored = read_znode(world, path);
    const auto key = cluster::decode<cluster::key_record>(stored, path);
    ASSERT_TRUE(key) << key.error().text;
    EXPECT_EQ(logged.find(key->bytes), std::string::npos);
    const std::string digits = stored.substr(stored.find("\"key\":\"") + 7, 64);
    EXPECT_EQ(cluster::encode(*key), R"({"format":1,"key":")" + digits + "\"}");
    EXPECT_EQ(logged.find(digits.substr(0, 16)), std::string::npos);
    EXPECT_NE(logged.find("node.started"), std::string::npos) << "the log was looked at";

    const std::string bob = world.at("bob").address();
    EXPECT_EQ(ask_from_outside(world, bob, std::nullopt), errc::not_authorized);
    EXPECT_EQ(ask_from_outside(world, bob, std::string(32, 'x')), errc::not_authorized);
    EXPECT_NE(ask_from_outside(world, bob, key->bytes), errc::not_authorized);
}

TEST(two_nodes, authenticate_again_after_the_server_has_lost_the_key) {
    node_world world;
    world.start_keeper();
    world.start("ann");
    world.start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    const std::string path = cluster::paths{"shop"}.key();
    const std::string before = read_znode(world, path);
    world.keeper_host().kill();
    ASSERT_TRUE(world.until([&] {
        return world.at("ann").state() == member_state::stranded &&
               world.at("bob").state() == member_state::stranded;
    }));
    world.in.run_for(30s);
    world.keeper_host().restart();
    world.start_keeper();
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    EXPECT_NE(read_znode(world, path), before);
    for (int i = 0; i < 50; ++i) {
        const auto put_there =
            world.answer(world.at("bob").use<shelf>("shelves").ask<put>(std::to_string(i), "x"));
        ASSERT_TRUE(put_there) << put_there.error().text;
    }
}

}  // namespace
}  // namespace muster
