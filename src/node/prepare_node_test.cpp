// Planned moves that are prepared first, in whole nodes.

#include "node/node_world_test.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

namespace muster {
namespace {

/// What happened to its partitions, by node.
struct diary {
    std::map<std::string, int> prepared, made;
    std::map<std::string, std::string> from;  ///< owner named by the hint, by partition
    bool throws = false;
};
diary* written = nullptr;  // NOLINT: a class has no other way to tell a test

class warm_shelf {
public:
    using handles = requests<owner_of>;
    explicit warm_shelf(ownership mine) : mine_{std::move(mine)} {
        ++written->made[mine_.node().name() + "/" + mine_.partition().name];
    }
    std::string on(const owner_of&) const { return mine_.node().name(); }

    static void prepare(const partition_hint& hint) {
        ++written->prepared[hint.node().name() + "/" + hint.partition().name];
        for (const member& one : hint.node().view().members) {
            if (one.id == hint.owner()) {
                written->from[hint.partition().name] = one.name;
            }
        }
        if (written->throws) {
            throw std::runtime_error{"there is nothing to read ahead"};
        }
    }

private:
    ownership mine_;
};

class prepared_moves : public testing::Test {
protected:
    prepared_moves() { written = &notes; }

    void start(const std::string& name) {
        node& one = world.make(world.settings(name));
        static_cast<void>(
            one.serve<warm_shelf>("shelves", by_hash{.partitions = 8, .prepare_deadline = 2s}));
        EXPECT_EQ(one.start(), result<void>{});
    }

    diary notes;  // Outlives the nodes, which hand over as they end.
    node_world world;
};

TEST_F(prepared_moves, call_the_class_on_the_new_owner_before_it_gets_a_partition) {
    world.start_keeper();
    start("ann");
    ASSERT_TRUE(world.settled({"ann"}));
    EXPECT_TRUE(notes.prepared.empty()) << "what nobody owns is not prepared";
    start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    EXPECT_EQ(notes.prepared.size(), 4U);
    for (const auto& [what, times] : notes.prepared) {
        EXPECT_TRUE(what.starts_with("bob/")) << what;
        EXPECT_EQ(times, 1) << what;
    }
    ASSERT_TRUE(world.until([&] { return notes.made.size() == 12; }));
    for (const auto& [partition, owner] : notes.from) {
        EXPECT_EQ(owner, "ann");
        EXPECT_EQ(notes.made["bob/" + partition], 1) << partition;
    }
    EXPECT_EQ(notes.from.size(), 4U);
}

TEST_F(prepared_moves, go_on_where_the_class_fails_to_prepare) {
    world.start_keeper();
    notes.throws = true;
    start("ann");
    ASSERT_TRUE(world.settled({"ann"}));
    start("bob");
    const instant begin = world.in.now();
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    EXPECT_LT(world.in.now() - begin, 2s) << "the deadline was not waited for";
    world.in.run_for(100ms);
    EXPECT_EQ(std::ranges::count(world.said, "bob partition.prepare_failed"), 4);
}

TEST_F(prepared_moves, are_none_after_a_crash) {
    world.start_keeper();
    start("ann");
    start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    world.in.run_for(3s);
    notes.prepared.clear();
    world.kill("bob");
    ASSERT_TRUE(world.settled({"ann"}));
    EXPECT_TRUE(notes.prepared.empty());
}

TEST_F(prepared_moves, are_prepared_too_when_a_member_leaves_in_order) {
    world.start_keeper();
    start("ann");
    start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    world.in.run_for(3s);
    notes.prepared.clear();
    EXPECT_EQ(world.answer(world.at("bob").leave()), result<void>{});
    EXPECT_EQ(notes.prepared.size(), 4U);
}

TEST(a_resource_with_a_prepare_deadline, needs_a_class_that_prepares) {
    node_world world;
    node& one = world.make(world.settings("ann"));
    const auto shelves = one.serve<shelf>("shelves", by_hash{.prepare_deadline = 1s});
    ASSERT_TRUE(shelves.trouble());
    EXPECT_NE(shelves.trouble()->text.find("prepare"), std::string::npos);
}

}  // namespace
}  // namespace muster
