#include "show.hpp"

#include "cluster_picture_test.hpp"
#include "table.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace muster::cli {
namespace {

std::string printed(const printer& print, format as, const picture& all = two_members()) {
    std::ostringstream out;
    const auto how = print(all, {.as = as, .colours = false}, out);
    return how ? out.str() : std::string{how.error().code};
}

printer partitions_of(const std::string& resource) {
    return [resource](const picture& all, const style& how, std::ostream& out) {
        return print_partitions(all, resource, how, out);
    };
}

printer route_to(const std::string& key) {
    return [key](const picture& all, const style& how, std::ostream& out) {
        return print_route(all, "orders", key, how, out);
    };
}

TEST(page, of_status_begins_with_the_verdict) {
    EXPECT_EQ(printed(print_status, format::table),
              "shop: healthy: 2 members, all 4 partitions owned\n"
              "zookeeper  1/1 up, 1.2 ms, session ok             "
              "leader  a1 (epoch 72057594037927941, 1m)\n"
              "MEMBER  STATE   PARTITIONS  CALLS/S  P99  VERSION     UP\n"
              "a1*     online           2        -    -  0.1.0    1m40s\n"
              "b2      online           2        -    -  0.1.0    1m40s\n");
}

TEST(page, of_status_has_at_most_twenty_lines_whatever_the_size) {
    picture all = two_members();
    for (std::uint64_t i = 10; i < 200; ++i) {
        all.members.emplace(member_id{i, i}, all.members.at(id_a));
    }
    all.leader.reset();
    const std::string page = printed(print_status, format::table, all);
    EXPECT_LE(std::ranges::count(page, '\n'), 20);
}

TEST(page, of_status_answers_by_its_exit_code) {
    std::ostringstream out;
    EXPECT_EQ(*print_status(two_members(), {}, out), exit_code::done);
    picture all = two_members();
    all.leader.reset();
    EXPECT_EQ(*print_status(all, {}, out), exit_code::no);
    EXPECT_EQ(*print_status(picture{}, {}, out), exit_code::no);
}

TEST(page, of_a_leader_that_is_not_there_says_so_in_every_format) {
    picture all = two_members();
    all.leader.reset();
    for (const format as : {format::table, format::wide, format::json, format::name}) {
        std::ostringstream out;
        const auto how = print_leader(all, {.as = as, .colours = false}, out);
        ASSERT_FALSE(how);
        EXPECT_EQ(how.error().code, "MUS0102");
        EXPECT_EQ(exit_of(how.error()), exit_code::no);
        EXPECT_EQ(out.str().contains(R"("items":[])"), as == format::json) << out.str();
    }
}

TEST(page, of_partitions_has_a_line_for_each) {
    EXPECT_EQ(printed(partitions_of("orders"), format::table),
              "PARTITION  OWNER  PHASE              FENCE\n"
              "        0  a1     owned  72057594037928036\n"
              "        1  b2     owned  72057594037928036\n"
              "        2  a1     owned  72057594037928036\n"
              "        3  b2     owned  72057594037928036\n");
    EXPECT_EQ(printed(partitions_of("orders"), format::name), "0\n1\n2\n3\n");
}

TEST(page, of_resources_and_leader_and_members) {
    EXPECT_EQ(printed(print_resources, format::table),
              "NAME    KIND  PARTITIONS  REPLICAS  UNOWNED  MOVING\n"
              "orders  hash           4         1        0       0\n");
    EXPECT_EQ(printed(print_leader, format::table),
              "NAME  EPOCH              FOR\na1    72057594037927941   1m\n");
    EXPECT_EQ(printed(print_members, format::name), "a1\nb2\n");
}

TEST(json, of_members_is_the_documented_one) {
    EXPECT_EQ(printed(print_members, format::json),
              R"({"schema":"muster.members/1","cluster":"shop",)"
              R"("at":{"view":"7","unix_ms":1000000},"items":[)"
              R"({"name":"a1","id":"00000000000000010000000000000001","state":"online",)"
              R"("address":"10.0.0.1:7000","admin":"","zone":"","weight":1E0,"version":"0.1.0",)"
              R"("started_unix_ms":900000,"leader":true,"partitions":2},)"
              R"({"name":"b2","id":"00000000000000020000000000000002","state":"online",)"
              R"("address":"10.0.0.2:7000","admin":"","zone":"","weight":1E0,"version":"0.1.0",)"
              R"("started_unix_ms":900000,"leader":false,"partitions":2}]})"
              "\n");
}

/// The fields that the contract names for each document.
void expect_fields(const printer& print,
                   std::string_view schema,
                   const std::vector<std::string_view>& fields) {
    const auto whole = boost::json::parse(printed(print, format::json)).as_object();
    EXPECT_EQ(whole.at("schema").as_string(), "muster." + std::string{schema} + "/1");
    EXPECT_EQ(whole.at("cluster").as_string(), "shop");
    ASSERT_FALSE(whole.at("items").as_array().empty());
    for (const auto& item : whole.at("items").as_array()) {
        for (const std::string_view field : fields) {
            EXPECT_TRUE(item.as_object().contains(field)) << schema << " lacks " << field;
        }
    }
}

TEST(json, of_every_reading_verb_has_the_fields_of_the_contract) {
    expect_fields(print_leader, "leader", {"name", "id", "epoch", "since_unix_ms"});
    expect_fields(
        print_resources,
        "resources",
        {"name", "kind", "partitions", "replicas", "policy", "plan", "unowned", "moving"});
    expect_fields(partitions_of("orders"),
                  "partitions",
                  {"partition", "owner", "owner_id", "fence", "phase", "successor", "replicas"});
    expect_fields(route_to("ann"),
                  "route",
                  {"resource", "key", "partition", "owner", "address", "fence", "plan"});
    expect_fields(print_status,
                  "status",
                  {"verdict", "healthy", "members", "partitions", "owned", "moving", "unowned"});
}

TEST(json, writes_sixty_four_bits_as_strings_and_hash_partitions_as_numbers) {
    const auto whole = boost::json::parse(printed(partitions_of("orders"), format::json));
    const auto& first = whole.at("items").at(0).as_object();
    EXPECT_EQ(first.at("fence").as_string(), "72057594037928036");
    EXPECT_EQ(first.at("partition").to_number<int>(), 0);
}

TEST(missing, clusters_and_resources_are_named_with_a_code) {
    for (const printer& print : {printer{print_members},
                                 printer{print_leader},
                                 printer{print_resources},
                                 partitions_of("orders")}) {
        EXPECT_EQ(printed(print, format::table, picture{}), "MUS0601");
    }
    std::ostringstream out;
    const auto how = print_partitions(two_members(), "order", {}, out);
    ASSERT_FALSE(how);
    EXPECT_EQ(how.error().code, "MUS0602");
    EXPECT_EQ(how.error().facts.at(0).second, "you meant 'orders'");
}

TEST(ages, are_told_in_two_units) {
    EXPECT_EQ(age(41'000), "41s");
    EXPECT_EQ(age(11'520'000), "3h12m");
    EXPECT_EQ(age(-5), "0s");
    EXPECT_EQ(age(1'051'200'000), "12d4h");
}

TEST(numbers, are_grouped_by_thousands) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(4'210), "4,210");
    EXPECT_EQ(grouped(1'234'567), "1,234,567");
}

}  // namespace
}  // namespace muster::cli
