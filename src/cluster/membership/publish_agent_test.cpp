// What a member publishes, with the keeper in a simulated world.

#include "cluster/member_fixture_test.hpp"

#include <set>
#include <string>
#include <vector>

namespace muster::cluster {
namespace {

class a_publishing_member : public member_test {
protected:
    /// The children of a service; nothing where it is not there.
    std::vector<std::string> children(const std::string& path) {
        std::optional<std::vector<std::string>> got;
        operator_loop->post([&] {
            zk->children(path, {}, operator_loop->now() + 5s, [&](auto reply) {
                got = std::move(reply.value.names);
            });
        });
        wait([&] { return got.has_value(); }, 6s);
        return got.value_or(std::vector<std::string>{});
    }
    void publish(node& at, std::set<std::string> paths) {
        on(at, [&](node& one) { one.self->publish(std::move(paths)); });
    }

    const std::string service = where.services() + "/worker";
};

TEST_F(a_publishing_member, makes_what_it_wishes_for_and_removes_what_it_wishes_for_no_more) {
    start_keeper();
    node& a = start("a");
    publish(a, {service + "/1", service + "/2"});
    ASSERT_TRUE(wait([&] { return children(service).size() == 2; }));
    publish(a, {service + "/2"});
    EXPECT_TRUE(wait([&] { return children(service) == std::vector<std::string>{"2"}; }));
    publish(a, {});
    EXPECT_TRUE(wait([&] { return children(service).empty(); }));
}

TEST_F(a_publishing_member, makes_them_again_in_its_next_session) {
    start_keeper();
    node& a = start("a");
    publish(a, {service + "/1"});
    ASSERT_TRUE(wait([&] { return !children(service).empty(); }));
    net.isolate(*a.machine);
    ASSERT_TRUE(wait([&] { return children(service).empty(); }));
    net.heal();
    EXPECT_TRUE(wait([&] { return !children(service).empty(); }));
}

TEST_F(a_publishing_member, makes_each_once_though_replies_are_lost) {
    start_keeper();
    node& a = start("a");
    std::set<std::string> all;
    for (int i = 0; i < 100; ++i) {
        all.insert(service + "/" + std::to_string(i));
    }
    net.run_for(1s);
    publish(a, all);
    for (int i = 0; i < 5; ++i) {
        net.lose_next_reply(keeper_host, *a.machine);
        net.run_for(300ms);
    }
    EXPECT_TRUE(wait([&] { return children(service).size() == 100; }));
    publish(a, {});
    net.lose_next_reply(keeper_host, *a.machine);
    EXPECT_TRUE(wait([&] { return children(service).empty(); }));
}

TEST_F(a_publishing_member, waits_for_a_znode_of_another_session_to_go) {
    start_keeper();
    node& a = start("a");
    net.run_for(1s);
    write({zookeeper::create_op{.path = service},
           zookeeper::create_op{.path = service + "/1", .data = "another's"}});
    publish(a, {service + "/1"});
    net.run_for(2s);
    EXPECT_EQ(read(service + "/1").value.data, "another's");
    write({zookeeper::remove_op{.path = service + "/1"}});
    ASSERT_TRUE(wait([&] { return children(service).size() == 1; }));
    EXPECT_EQ(read(service + "/1").value.data, "");
}

}  // namespace
}  // namespace muster::cluster
