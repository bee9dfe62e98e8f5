// Handlers that do not stop, or do not answer.

#include "node/node_world_test.hpp"

#include <algorithm>

namespace muster {
namespace {

/// A partition whose handler waits for an answer that the test gives, or does not.
struct wait_for_test {
    using reply = std::string;
    std::string key;
};
class stubborn {
public:
    using handles = requests<wait_for_test>;
    task<std::string> on(wait_for_test what) {
        auto made = make_pending<std::string>();
        held().push_back(std::move(made.second));
        const auto got = co_await made.first;
        co_return what.key + (got ? *got : got.error().text);
    }
    static std::vector<completer<std::string>>& held() {
        static std::vector<completer<std::string>> all;
        return all;
    }
};

class a_handler_that_does_not_stop : public testing::Test {
protected:
    void TearDown() override { stubborn::held().clear(); }
    /// Is running on `ann`, which has just been cut off.
    void begin(on_stuck then) {
        world.start_keeper();
        node& one = world.make(world.settings("ann"));
        const auto all = one.serve<stubborn>(
            "jobs", by_hash{.partitions = 1, .effects = effects::none, .on_stuck = then});
        ASSERT_TRUE(one.start());
        ASSERT_TRUE(world.until([&] { return one.state() == member_state::online; }));
        asked.emplace(all.within(1h).ask<wait_for_test>("x"));
        ASSERT_TRUE(world.until([&] { return !stubborn::held().empty(); }));
        world.in.isolate(world.host("ann"));
    }
    node_world world;
    std::optional<pending<std::string>> asked;
};

TEST_F(a_handler_that_does_not_stop, ends_its_process_when_the_lease_has_ended) {
    begin(on_stuck::abort);
    EXPECT_TRUE(world.until([&] { return !world.host("ann").is_alive(); }));
}

TEST_F(a_handler_that_does_not_stop, ends_its_process_also_while_its_node_is_being_destroyed) {
    begin(on_stuck::abort);
    world.in.heal();
    world.forget("ann");
    EXPECT_FALSE(world.host("ann").is_alive());
}

TEST_F(a_handler_that_does_not_stop, is_fenced_where_its_resource_says_so) {
    begin(on_stuck::fence);
    EXPECT_TRUE(
        world.until([&] { return std::ranges::count(world.said, "ann partition.stuck") > 0; }));
    EXPECT_TRUE(world.host("ann").is_alive());
    world.in.heal();
    stubborn::held().front()(std::string{" at last"});
    const auto got = world.answer(std::move(*asked));
    ASSERT_FALSE(got);  // It came after the end of the right under which it ran.
    EXPECT_EQ(got.error().code, errc::outcome_unknown);
    // Then the partition is acquired anew, and the member is no suspect any more.
    const auto jobs = world.at("ann").use<stubborn>("jobs");
    stubborn::held().clear();
    auto again = jobs.within(60s).ask<wait_for_test>("y");
    ASSERT_TRUE(world.until([&] { return !stubborn::held().empty(); }));
    stubborn::held().front()(std::string{"!"});
    EXPECT_EQ(world.answer(std::move(again)), result<std::string>{"y!"});
    EXPECT_TRUE(world.until([&] { return world.at("ann").state() == member_state::online; }));
}

TEST(a_scatter, that_waited_for_its_plan_has_only_the_rest_of_its_deadline) {
    node_world world;
    node& one = world.make(world.settings("ann"));
    const auto all = one.serve<stubborn>("jobs", by_hash{.partitions = 1});
    ASSERT_TRUE(one.start());
    const instant begun = world.in.now();
    auto got = all.within(6s).scatter<wait_for_test>("x");
    world.in.run_for(3s);
    world.start_keeper();
    ASSERT_TRUE(world.until([&] { return !stubborn::held().empty(); }));
    const auto answer = world.answer(std::move(got));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->missing.size(), 1U);
    EXPECT_LT(world.in.now() - begun, 6100ms);
    stubborn::held().clear();
}

}  // namespace
}  // namespace muster
