// The key of the mesh: who makes it, who reads it, and what a damaged one does.

#include "cluster/member_fixture_test.hpp"

#include <string>
#include <vector>

namespace muster::cluster {
namespace {

class cluster_key : public member_test {
protected:
    void SetUp() override { start_keeper(); }

    bool wait_told(node& who, std::size_t times = 1) {
        return wait([&] { return who.app->keys.size() == times; });
    }
    void store_key(const std::string& data) {
        write({zookeeper::create_op{.path = "/muster"},
               zookeeper::create_op{.path = where.root(), .data = encode(root_record{})},
               zookeeper::create_op{.path = where.key(), .data = data}});
    }
};

TEST_F(cluster_key, is_made_by_whoever_joins_first_and_told_to_all) {
    node& a = start("a");
    node& b = start("b");
    ASSERT_TRUE(wait([&] {
        return a.self->state() == lifecycle::online && b.self->state() == lifecycle::online;
    }));
    ASSERT_EQ(a.app->keys.size(), 1U);
    EXPECT_EQ(a.app->keys, b.app->keys);
    EXPECT_EQ(a.app->keys.front().size(), key_record::size);
    EXPECT_EQ(read(where.key()).value.data, encode(key_record{a.app->keys.front()}));
}

TEST_F(cluster_key, that_is_there_is_taken) {
    const key_record there{std::string(key_record::size, '\x7f')};
    store_key(encode(there));
    node& a = start("a");
    ASSERT_TRUE(wait_told(a));
    EXPECT_EQ(a.app->keys.front(), there.bytes);
}

TEST_F(cluster_key, is_told_before_the_member_has_joined) {
    node& a = start("a");
    ASSERT_TRUE(wait_told(a));
    EXPECT_EQ(a.self->state(), lifecycle::stranded);
    EXPECT_TRUE(wait([&] { return a.self->state() == lifecycle::online; }));
}

TEST_F(cluster_key, is_read_again_by_each_incarnation) {
    node& a = start("a");
    ASSERT_TRUE(wait([&] { return a.self->state() == lifecycle::online; }));
    net.isolate(*a.machine);
    net.run_for(5s);
    const key_record another{std::string(key_record::size, 'x')};
    write({zookeeper::set_op{.path = where.key(), .data = encode(another)}});
    net.heal();
    ASSERT_TRUE(wait_told(a, 2));
    EXPECT_EQ(a.app->keys.back(), another.bytes);
}

TEST_F(cluster_key, is_read_by_nobody_without_the_credentials) {
    node& a = start("a", {}, [](member_settings& how) {
        how.auth = {{"digest", "shop:secret"}};
        how.access = zookeeper::creator_all_acl();
    });
    ASSERT_TRUE(wait_told(a));
    EXPECT_TRUE(read(where.key()).refused_with(zookeeper::zk_error::no_auth));
}

// faults.md row 123
TEST_F(cluster_key, that_is_damaged_lets_nobody_in) {
    const std::string digits(2 * key_record::size, 'a');
    const std::vector<std::pair<std::string, errc>> rubbish{
        {"", errc::invalid_argument},
        {"rubbish", errc::invalid_argument},
        {R"({"format":1})", errc::invalid_argument},
        {R"({"format":1,"key":7})", errc::invalid_argument},
        {R"({"format":1,"key":""})", errc::invalid_argument},
        {R"({"format":1,"key":")" + digits.substr(1) + "\"}", errc::invalid_argument},
        {R"({"format":1,"key":")" + digits + "aa\"}", errc::invalid_argument},
        {R"({"format":1,"key":")" + digits.substr(1) + "g\"}", errc::invalid_argument},
        {R"({"format":2,"key":")" + digits + "\"}", errc::incompatible}};
    store_key("");
    for (const auto& [data, code] : rubbish) {
        write({zookeeper::set_op{.path = where.key(), .data = data}});
        node& one = start("one-" + std::to_string(nodes.size()));
        ASSERT_TRUE(wait([&] { return one.app->failure.has_value(); })) << data;
        EXPECT_EQ(one.app->failure->code, code) << data;
        EXPECT_TRUE(one.app->failure->text.starts_with(where.key())) << one.app->failure->text;
        EXPECT_NE(one.app->failure->text.find("delete the znode"), std::string::npos);
        EXPECT_EQ(one.app->failure->text.find("aaaa"), std::string::npos) << "it tells the key";
        EXPECT_TRUE(one.app->keys.empty());
        EXPECT_EQ(one.self->state(), lifecycle::stranded);
        EXPECT_EQ(read(where.key()).value.data, data) << "it is left as it was";
    }
}

}  // namespace
}  // namespace muster::cluster
