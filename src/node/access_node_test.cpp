// A cluster that only those with its credentials may see or join.

#include "node/node_world_test.hpp"
#include "zookeeper/client.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

class a_restricted_cluster : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "bob"}) {
            start(name, "shop:secret");
        }
        ASSERT_TRUE(world.settled({"ann", "bob"}));
    }
    node& start(const std::string& name, const std::string& digest) {
        config one = world.settings(name);
        one.digest = digest;
        application program;
        program.log = [this, name](const log_line& line) {
            logged += name + " " + std::string{line.event} + ": " + std::string{line.text} + "\n";
        };
        node& made = world.make(one, std::move(program));
        static_cast<void>(made.serve<shelf>("shelves", by_hash{.partitions = 8}));
        EXPECT_EQ(made.start(), result<void>{});
        return made;
    }
    /// What a stranger with these credentials, or none, is answered when it reads that znode.
    std::string read(const std::string& path, const std::string& digest) {
        auto& host = world.host("stranger");
        auto loop = host.make_loop("stranger");
        std::unique_ptr<zookeeper::client> zk;
        std::optional<std::string> got;
        loop->post([&] {
            zookeeper::client_options how;
            how.servers =
                *zookeeper::connect_string::parse(world.keeper_host().address() + ":2181");
            if (!digest.empty()) {
                how.auth.emplace_back("digest", digest);
            }
            zk = zookeeper::client::start(loop, how, [](const zookeeper::session_change&) {});
            zk->get(path, {}, loop->now() + 5s, [&](const auto& reply) {
                got = reply.ok()                                         ? "read"
                      : reply.refused_with(zookeeper::zk_error::no_auth) ? "not allowed"
                                                                         : reply.text;
            });
        });
        EXPECT_TRUE(world.until([&] { return got.has_value(); }, 10s));
        bool gone = false;
        loop->post([&] {
            zk.reset();
            gone = true;
        });
        EXPECT_TRUE(world.until([&] { return gone; }, 1s));
        loop->stop();
        return got.value_or("nothing");
    }

    std::string logged;  // Until the nodes have ended.
    node_world world;
};

process idle(self me) {
    while (const auto in = co_await me.receive<down>()) {
    }
}

TEST_F(a_restricted_cluster, is_set_up_for_those_with_the_right_credentials_alone) {
    node& ann = world.at("ann");
    ASSERT_TRUE(ann.register_name("worker", ann.spawn(idle)));
    ASSERT_TRUE(world.until([&] {
        const auto found = world.answer(world.at("bob").find("worker"));
        return found && found->size() == 1;
    }));
    EXPECT_TRUE(world.answer(ann.use<shelf>("shelves").ask<put>("key", "value")));
    for (const char* part : {"", "/key", "/view", "/resources/shelves", "/services/worker"}) {
        const std::string path = "/muster/shop" + std::string{part};
        EXPECT_EQ(read(path, ""), "not allowed") << path;
        EXPECT_EQ(read(path, "shop:wrong"), "not allowed") << path;
        EXPECT_EQ(read(path, "shop:secret"), "read") << path;
    }
}

TEST_F(a_restricted_cluster, refuses_a_member_with_wrong_credentials_and_says_what_to_do) {
    node& ann = world.at("ann");
    ASSERT_TRUE(ann.register_name("worker", ann.spawn(idle)));
    for (const char* digest : {"", "shop:wrong"}) {
        logged.clear();
        node& cy = start("cy", digest);
        ASSERT_TRUE(world.until(
            [&] { return logged.find("cy member.failed: ") != std::string::npos; }, 10s));
        EXPECT_NE(logged.find("could not read /muster/shop: "), std::string::npos) << logged;
        EXPECT_NE(logged.find("`digest` must be the one that the other members have"),
                  std::string::npos)
            << logged;
        EXPECT_EQ(cy.state(), member_state::stranded);
        EXPECT_EQ(ann.view().members.size(), 2U);
        world.forget("cy");
    }
}

}  // namespace
}  // namespace muster
