// Resources whose reads go on without ZooKeeper, served by whole nodes.

#include "node/node_world_test.hpp"
#include "node/partition_cell.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

/// How old what was read is, as its handler was told.
struct age_of {
    using reply = std::int64_t;
    std::string key;
};
/// Answered by an `on` that is not const.
struct count_reads {
    using reply = int;
    using reads = void;
    std::string key;
};
struct write_down {
    using reply = int;
    std::string key;
};

std::map<std::string, ownership>* owned = nullptr;  // NOLINT: a class cannot tell a test otherwise

class old_news {
public:
    using handles = requests<age_of, count_reads, write_down, owner_of>;
    explicit old_news(ownership mine) : mine_{std::move(mine)} {
        (*owned)[mine_.node().name() + "/" + mine_.partition().name] = mine_;
    }
    std::int64_t on(const age_of&, const call& who) const { return who.age.count(); }
    int on(count_reads) { return ++count_; }
    int on(write_down) { return ++count_; }
    std::string on(const owner_of&) const { return mine_.node().name(); }

private:
    ownership mine_;
    int count_ = 0;
};

class news : public testing::Test {
protected:
    news() {
        owned = &rights;
        world.start_keeper();
    }

    void start(const std::string& name, by_hash how) {
        node& one = world.make(world.settings(name));
        static_cast<void>(one.serve<old_news>("shelves", std::move(how)));
        EXPECT_EQ(one.start(), result<void>{});
    }
    void begin(when_stranded how, std::uint32_t partitions = 4) {
        start("ann", {.partitions = partitions, .when_stranded = how});
        ASSERT_TRUE(world.settled({"ann"}, partitions));
        start("bob", {.partitions = partitions, .when_stranded = how});
        ASSERT_TRUE(partitions == 1 || world.settled({"ann", "bob"}, partitions));
        ASSERT_TRUE(world.until(
            [&] { return world.at("bob").state() == member_state::online && all_are_begun(); }));
        for (int i = 0; key.empty(); ++i) {
            const auto where = use("ann").route(std::to_string(i));
            if (where->member == "ann") {
                key = std::to_string(i);
                mine = "ann/" + where->partition;
            }
        }
    }
    /// By those who own them as the plan says.
    [[nodiscard]] bool all_are_begun() {
        for (const std::string& partition : use("ann").partitions()) {
            const auto right = rights.find(owner(partition) + "/" + partition);
            if (right == rights.end() || !right->second.valid()) {
                return false;
            }
        }
        return true;
    }
    std::string owner(const std::string& partition) {
        for (int i = 0;; ++i) {
            const auto where = use("ann").route(std::to_string(i));
            if (where->partition == partition) {
                return where->member;
            }
        }
    }
    resource<old_news> use(const std::string& from) {
        return world.at(from).use<old_news>("shelves").within(1s);
    }
    void cut_from_zookeeper(const std::string& name) {
        world.in.cut(world.host(name), world.keeper_host());
        world.in.cut(world.keeper_host(), world.host(name));
    }
    void strand() {
        cut_from_zookeeper("ann");
        cut_from_zookeeper("bob");
        ASSERT_TRUE(world.until([&] {
            return world.at("ann").state() == member_state::stranded &&
                   world.at("bob").state() == member_state::stranded;
        }));
        ended = world.in.now();
    }

    /// The newest, by "<node>/<partition>". It outlives the nodes, which hand over as they end.
    std::map<std::string, ownership> rights;
    node_world world;
    std::string key;   ///< of a partition of ann's
    std::string mine;  ///< the place in `rights` of that
    instant ended{};   ///< both leases by then
};

TEST_F(news, are_read_while_stranded_by_owner_and_others_who_hear_how_old_they_are) {
    begin(when_stranded::serve_stale);
    const auto fresh = world.answer(use("bob").ask_with_age<age_of>(key));
    ASSERT_TRUE(fresh) << fresh.error().text;
    EXPECT_EQ(fresh->age, 0ns);
    EXPECT_EQ(fresh->reply, 0);
    EXPECT_TRUE(rights[mine].valid());
    EXPECT_TRUE(rights[mine].readable());

    strand();
    EXPECT_FALSE(rights[mine].valid());
    EXPECT_TRUE(rights[mine].readable());
    world.in.run_for(3s);
    for (const char* const from : {"ann", "bob"}) {
        const auto got = world.answer(use(from).ask_with_age<age_of>(key));
        ASSERT_TRUE(got) << from << ": " << got.error().text;
        EXPECT_GE(got->age, 3s);
        EXPECT_LT(got->age, world.in.now() - ended + 5s);
        EXPECT_EQ(got->reply, got->age.count()) << "the handler was told otherwise";
        const auto marked = world.answer(use(from).ask<count_reads>(key));
        EXPECT_TRUE(marked) << from << ": " << marked.error().text;
        const auto refused = world.answer(use(from).ask<write_down>(key));
        ASSERT_FALSE(refused) << from;
        EXPECT_EQ(refused.error().code, errc::stranded) << refused.error().text;
    }
}

TEST_F(news, are_gathered_while_stranded_each_with_its_age) {
    begin(when_stranded::serve_stale);
    strand();
    world.in.run_for(2s);
    const auto all = world.answer(use("ann").scatter<age_of>(""));
    ASSERT_TRUE(all);
    EXPECT_EQ(all->answers.size(), 4U) << all->missing.front().why.text;
    for (const auto& one : all->answers) {
        EXPECT_GE(one.age, 2s) << one.partition;
        EXPECT_EQ(one.age.count(), one.reply) << one.partition;
    }
}

TEST_F(news, are_as_old_as_the_end_of_the_lease_where_the_process_stood_still_since) {
    begin(when_stranded::serve_stale);
    cut_from_zookeeper("ann");
    world.host("ann").pause();
    world.in.run_for(2min);
    world.host("ann").resume();
    const auto got = world.answer(use("ann").ask_with_age<age_of>(key));
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_GT(got->age, 90s);
}

TEST_F(news, are_read_for_ten_minutes_and_no_longer) {
    begin(when_stranded::serve_stale);
    strand();
    world.in.run_for(detail::partition_cell::max_stale - 20s);
    EXPECT_TRUE(rights[mine].readable());
    EXPECT_TRUE(world.answer(use("ann").ask<age_of>(key)));
    world.in.run_for(20s);
    EXPECT_FALSE(rights[mine].readable());
    const auto got = world.answer(use("ann").ask<age_of>(key));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::stranded) << got.error().text;
}

TEST_F(news, are_read_no_longer_once_a_newer_plan_gives_them_to_another) {
    begin(when_stranded::serve_stale, 1);
    const ownership before = rights[mine];
    cut_from_zookeeper("ann");
    ASSERT_TRUE(world.until([&] { return use("bob").route(key)->member == "bob"; }));
    EXPECT_TRUE(before.readable()) << "it cannot have heard of it";
    EXPECT_EQ(world.answer(use("ann").ask<owner_of>(key)), result<std::string>{"ann"});
    world.in.heal();
    ASSERT_TRUE(world.until([&] { return !before.readable(); }));
    const auto got = world.answer(use("ann").ask_with_age<owner_of>(key));
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->reply, "bob");
    EXPECT_EQ(got->age, 0ns);
}

TEST_F(news, are_fresh_again_once_they_are_owned_again) {
    begin(when_stranded::serve_stale);
    const ownership before = rights[mine];
    cut_from_zookeeper("ann");
    ASSERT_TRUE(world.until([&] { return world.at("ann").state() == member_state::stranded; }));
    world.in.heal();
    ASSERT_TRUE(world.settled({"ann", "bob"}, 4));
    ASSERT_TRUE(world.until([&] {
        const auto got = world.answer(use("ann").ask_with_age<age_of>(key));
        return got && got->age == 0ns;
    }));
    EXPECT_FALSE(before.readable());
}

TEST_F(news, of_an_exclusive_resource_are_not_read_while_stranded) {
    begin(when_stranded::exclusive);
    strand();
    EXPECT_FALSE(rights[mine].readable());
    const auto got = world.answer(use("ann").ask<age_of>(key));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::stranded) << got.error().text;
}

TEST_F(news, are_read_by_nobody_once_their_partition_or_their_node_is_gone) {
    begin(when_stranded::serve_stale);
    const ownership moved = rights[mine];
    EXPECT_EQ(world.answer(world.at("ann").leave()), result<void>{});
    EXPECT_FALSE(moved.readable());
    world.forget("ann");
    EXPECT_FALSE(moved.readable());
    ownership last;
    for (const auto& [name, one] : rights) {
        if (name.starts_with("bob/")) {
            last = one;
        }
    }
    EXPECT_TRUE(last.readable());
    cut_from_zookeeper("bob");
    world.in.run_for(1min);
    EXPECT_TRUE(last.readable());
    world.forget("bob");
    EXPECT_FALSE(last.readable());
}

}  // namespace
}  // namespace muster
