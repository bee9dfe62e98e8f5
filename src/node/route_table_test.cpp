#include "node/route_table.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace muster::detail {
namespace {

using cluster::resource_kind;

const member_id ann{0, 1};
const member_id bob{0, 2};

/// The partitions belong to ann and bob in turn.
std::shared_ptr<const cluster::plan_snapshot> plan(const cluster::specification& spec,
                                                   const std::vector<std::string>& partitions) {
    cluster::plan whole;
    whole.number = 9;
    whole.chunks.push_back({.number = 9, .entries = {}});
    for (const auto& name : partitions) {
        auto& entries = whole.chunks[0].entries;
        cluster::entry one;
        one.partition = name;
        one.owner = entries.size() % 2 == 0 ? ann : bob;
        one.fence = 7;
        entries.push_back(one);
    }
    return std::make_shared<const cluster::plan_snapshot>("shelves", 1, spec, std::move(whole));
}

std::shared_ptr<const view> only_ann() {
    auto seen = std::make_shared<view>();
    member one;
    one.id = ann;
    one.name = "ann, whose name is longer than most";
    one.address = "10.0.0.1:7000";
    seen->members.push_back(one);
    return seen;
}

route at_ann(const std::string& partition) {
    return {.partition = partition,
            .owner = ann,
            .member = "ann, whose name is longer than most",
            .address = "10.0.0.1:7000",
            .fence = fence_token{(std::int64_t{1} << 56) + 7},
            .plan = 9};
}

TEST(a_route_table, says_where_a_key_is_served_and_by_whom) {
    cluster::specification spec;
    spec.kind = resource_kind::range;
    spec.from = {"", "m"};
    const route_table table{plan(spec, {"", "m"}), only_ann()};
    EXPECT_EQ(*table.find("a"), at_ann(""));
    const route* const unseen = table.find("z");
    ASSERT_NE(unseen, nullptr);
    EXPECT_EQ(unseen->owner, bob);
    EXPECT_EQ(unseen->member, "") << "not in the view";
}

TEST(a_route_table, has_all_partitions_of_a_hash) {
    cluster::specification spec;
    spec.partitions = 8;
    const route_table table{plan(spec, {"0", "1", "2", "3", "4", "5", "6", "7"}), only_ann()};
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) {
        seen.insert(table.find(std::to_string(i))->partition);
    }
    EXPECT_EQ(seen.size(), 8U);
}

TEST(a_route_table, has_no_route_where_there_is_no_partition) {
    cluster::specification spec;
    spec.kind = resource_kind::list;
    const route_table table{plan(spec, {"monday", "friday"}), only_ann()};
    EXPECT_EQ(*table.find("monday"), at_ann("monday"));
    EXPECT_EQ(table.find("friday")->owner, bob);
    EXPECT_EQ(table.find("sunday"), nullptr);
    const route_table none{plan({}, {}), only_ann()};
    EXPECT_EQ(none.find("a"), nullptr);
}

TEST(a_route_table, knows_no_address_before_there_is_a_view) {
    cluster::specification spec;
    spec.kind = resource_kind::list;
    const route_table table{plan(spec, {"monday"}), nullptr};
    EXPECT_EQ(table.find("monday")->address, "");
}

TEST(a_route_table, makes_one_route_for_all_threads_that_ask_at_once) {
    cluster::specification spec;
    spec.kind = resource_kind::list;
    std::vector<std::string> names;
    for (int i = 0; i < 500; ++i) {
        names.push_back(std::to_string(i));
    }
    const route_table table{plan(spec, names), only_ann()};
    std::vector<std::vector<const route*>> found(3);
    std::barrier together{3};
    std::vector<std::thread> threads;
    for (auto& mine : found) {
        threads.emplace_back([&] {
            for (const auto& name : names) {
                together.arrive_and_wait();
                mine.push_back(table.find(name));
            }
        });
    }
    for (std::thread& one : threads) {
        one.join();
    }
    EXPECT_EQ(found[0], found[1]);
    EXPECT_EQ(found[0], found[2]);
    EXPECT_EQ(found[0][42]->partition, "42");
}

}  // namespace
}  // namespace muster::detail
