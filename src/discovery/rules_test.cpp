#include "discovery/rules.hpp"

#include "discovery/service_name.hpp"

#include <gtest/gtest.h>

namespace muster::discovery {
namespace {

using texts = std::vector<std::string>;

const member_id own{1, 1};
const member_id other{2, 2};

instance of(const member_id& life, std::uint32_t index) {
    return {pid{life, "m", index, 1}, "m", "h:1", "z"};
}

TEST(the_facts_of_a_service, are_what_was_listed_and_what_came_and_went_since) {
    service_facts facts{own};
    EXPECT_FALSE(facts.known());
    EXPECT_EQ(facts.listed({encode_instance(of(other, 1)), encode_instance(of(other, 2))}),
              texts{});
    EXPECT_TRUE(facts.known());
    EXPECT_TRUE(facts.came(encode_instance(of(other, 3))));
    EXPECT_FALSE(facts.came(encode_instance(of(other, 3))));
    EXPECT_TRUE(facts.went(encode_instance(of(other, 1))));
    EXPECT_FALSE(facts.went(encode_instance(of(other, 1))));
    EXPECT_EQ(facts.others(), (std::vector<instance>{of(other, 2), of(other, 3)}));
    EXPECT_EQ(facts.listed({encode_instance(of(other, 9))}), texts{});
    EXPECT_EQ(facts.others(), std::vector<instance>{of(other, 9)});
}

TEST(the_facts_of_a_service, leave_out_this_nodes_own_and_foreign_children) {
    service_facts facts{own};
    const texts children{encode_instance(of(own, 1)), encode_instance(of(other, 1)), "strange"};
    EXPECT_EQ(facts.listed(children), texts{"strange"});
    EXPECT_EQ(facts.listed(children), texts{}) << "said once";
    EXPECT_EQ(facts.others(), std::vector<instance>{of(other, 1)});
}

TEST(the_reads, are_so_many_at_once_and_awaited_ones_first) {
    read_queue queue{2};
    queue.want("a", urgency::in_turn);
    queue.want("b", urgency::in_turn);
    queue.want("c", urgency::awaited);
    EXPECT_EQ(queue.next(), "c");
    EXPECT_EQ(queue.next(), "a");
    EXPECT_EQ(queue.next(), std::nullopt);
    queue.ended("c");
    EXPECT_EQ(queue.next(), "b");
}

TEST(the_reads, of_one_service_follow_each_other) {
    read_queue queue{4};
    queue.want("a", urgency::awaited);
    queue.want("a", urgency::in_turn);
    EXPECT_EQ(queue.next(), "a");
    EXPECT_EQ(queue.next(), std::nullopt);
    queue.want("a", urgency::in_turn);
    queue.want("a", urgency::awaited);
    EXPECT_EQ(queue.next(), std::nullopt) << "it is being read";
    queue.ended("a");
    EXPECT_EQ(queue.next(), "a") << "once more, for what has happened since";
    queue.ended("a");
    EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(the_reads, of_a_dropped_service_are_not_made) {
    read_queue queue{1};
    queue.want("a", urgency::awaited);
    queue.want("b", urgency::in_turn);
    queue.drop("a");
    EXPECT_EQ(queue.next(), "b");
    queue.clear();
    EXPECT_EQ(queue.next(), std::nullopt);
}

}  // namespace
}  // namespace muster::discovery
