#include "base/strand_scope.hpp"
#include "node/node_world_test.hpp"

#include <algorithm>
#include <set>

namespace muster {
namespace {

using texts = std::vector<std::string>;

class three_nodes : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "bob", "cid"}) {
            world.start(name);
        }
        ASSERT_TRUE(world.settled({"ann", "bob", "cid"}));
        world.in.run_for(1s);
    }
    node_world world;
};

TEST_F(three_nodes, share_the_partitions_and_answer_for_every_key_from_any_of_them) {
    const auto shares = world.owners("bob");
    for (const auto& [name, share] : shares) {
        EXPECT_GE(share, 2U) << name;
        EXPECT_LE(share, 3U) << name;
    }
    const auto from_ann = world.at("ann").use<shelf>("shelves");
    const auto from_bob = world.at("bob").use<shelf>("shelves");
    for (int i = 0; i < 40; ++i) {
        const std::string key = "key " + std::to_string(i);
        EXPECT_EQ(world.answer(from_ann.ask<put>(key, "v" + key)), result<void>{});
        EXPECT_EQ(world.answer(from_bob.ask<get>(key)),
                  (result<std::optional<std::string>>{"v" + key}));
        EXPECT_EQ(world.answer(from_bob.ask<owner_of>(key)), from_ann.route(key)->member);
    }
}

TEST_F(three_nodes, see_each_other_with_what_each_said_of_itself) {
    const view now = world.at("ann").view();
    texts names;
    for (const member& one : now.members) {
        names.push_back(one.name);
        EXPECT_EQ(one.state, member_state::online);
        EXPECT_EQ(one.address, world.at(one.name).address());
    }
    EXPECT_EQ(names, (texts{"ann", "bob", "cid"}));
    EXPECT_EQ(now, world.at("cid").view());
    EXPECT_FALSE(now.leader.empty());
    const auto peers = world.at("bob").peers();
    ASSERT_EQ(peers.size(), 2U);
    EXPECT_EQ(peers[0].name, "ann");
    EXPECT_EQ(peers[1].name, "cid");
}

TEST_F(three_nodes, gather_from_all_partitions_of_one_plan) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(world.answer(shelves.ask<put>("a" + std::to_string(i), "x")));
        ASSERT_TRUE(world.answer(shelves.ask<put>("b" + std::to_string(i), "x")));
    }
    const auto all = world.answer(shelves.scatter<with_prefix>("a"));
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->missing.empty());
    EXPECT_EQ(all->answers.size(), 8U);
    EXPECT_EQ(all->plan, shelves.route("a")->plan);
    std::size_t found = 0;
    for (const auto& one : all->answers) {
        found += one.reply.size();
    }
    EXPECT_EQ(found, 20U);
}

TEST_F(three_nodes, gather_from_the_next_owner_what_moves_meanwhile_and_say_by_which_plan) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    std::vector<pending<gathered<std::string>>> asked;
    auto left = world.at("bob").leave();
    while (!left.is_ready()) {
        asked.push_back(shelves.scatter<owner_of>(""));
        world.in.run_for(100us);
    }
    std::size_t moved = 0;
    for (auto& one : asked) {
        const auto all = world.answer(std::move(one));
        ASSERT_TRUE(all) << all.error().text;
        EXPECT_TRUE(all->missing.empty()) << all->missing.front().why.text;
        std::set<std::string> partitions;
        for (const auto& got : all->answers) {
            partitions.insert(got.partition);
            EXPECT_GE(got.plan, all->plan);
            moved += got.plan > all->plan ? 1U : 0U;
        }
        EXPECT_EQ(partitions.size(), 8U);
        EXPECT_EQ(all->answers.size(), 8U) << "a partition has answered twice";
    }
    EXPECT_GT(moved, 0U) << "no plan came between a scatter and its answers";
    EXPECT_EQ(left.get(), result<void>{});
}

TEST_F(three_nodes, name_the_partitions_that_a_cut_off_member_could_not_answer_for) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    const auto own = world.owners("ann").at("cid");
    world.in.isolate(world.host("cid"));
    const auto all = world.answer(shelves.within(1s).scatter<with_prefix>("a"));
    ASSERT_TRUE(all);
    EXPECT_EQ(all->missing.size(), own);
    EXPECT_EQ(all->answers.size(), 8 - own);
    for (const auto& lost : all->missing) {
        EXPECT_NE(lost.why.next(), next_step::fix_call) << lost.why.text;
    }
}

TEST_F(three_nodes, own_everything_again_after_one_was_killed) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    world.kill("bob");
    for (int i = 0; i < 40; ++i) {
        const auto got = world.answer(shelves.within(30s).ask<owner_of>(std::to_string(i)));
        ASSERT_TRUE(got) << got.error().text;
        EXPECT_NE(*got, "bob");
    }
    EXPECT_TRUE(world.settled({"ann", "cid"}));
    world.start("bob");
    EXPECT_TRUE(world.settled({"ann", "bob", "cid"}));
}

TEST_F(three_nodes, fail_no_call_when_one_leaves_in_order) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    std::vector<pending<std::string>> asked;
    auto left = world.at("bob").leave();
    while (!left.is_ready()) {
        asked.push_back(shelves.ask<owner_of>(std::to_string(asked.size())));
        world.in.run_for(100us);
    }
    EXPECT_EQ(left.get(), result<void>{});
    EXPECT_GT(asked.size(), 20U);
    for (auto& one : asked) {
        const auto got = world.answer(std::move(one));
        EXPECT_TRUE(got) << got.error().text;
    }
    EXPECT_EQ(world.at("bob").state(), member_state::left);
    const auto after = world.at("bob").use<shelf>("shelves").ask<get>("x");
    world.forget("bob");
    EXPECT_TRUE(world.settled({"ann", "cid"}));
}

TEST_F(three_nodes, take_back_a_member_that_was_stranded_under_larger_fences_only) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    std::map<std::string, fence_token> before;
    for (int i = 0; i < 40; ++i) {
        const auto where = shelves.route(std::to_string(i));
        before[where->partition] = where->fence;
    }
    world.in.isolate(world.host("bob"));
    EXPECT_TRUE(world.until([&] { return world.at("bob").state() == member_state::stranded; }));
    // It answers for nothing while it is, and says so.
    const auto alone = world.at("bob").use<shelf>("shelves");
    std::string own;
    for (int i = 0; i < 40 && own.empty(); ++i) {
        own = alone.route(std::to_string(i))->member == "bob" ? std::to_string(i) : "";
    }
    const auto refused = world.answer(alone.within(1s).ask<get>(own));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::stranded) << refused.error().text;
    world.in.run_for(30s);
    world.in.heal();
    EXPECT_TRUE(world.settled({"ann", "bob", "cid"}));
    for (int i = 0; i < 40; ++i) {
        const std::string key = std::to_string(i);
        const auto got = world.answer(shelves.ask<owner_of>(key));
        ASSERT_TRUE(got) << got.error().text;
        const auto where = shelves.route(key);
        if (where->member == "bob") {
            EXPECT_GT(where->fence, before[where->partition]);
        }
    }
}

TEST_F(three_nodes, go_on_answering_while_a_handler_waits_for_another_partition) {
    const auto shelves = world.at("ann").use<shelf>("shelves");
    for (int i = 0; i < 20; ++i) {
        const std::string to = std::to_string(i + 100);
        if (shelves.route(std::to_string(i))->partition == shelves.route(to)->partition) {
            continue;
        }
        const auto got = world.answer(shelves.ask<through>(std::to_string(i), to));
        ASSERT_TRUE(got) << got.error().text;
        EXPECT_EQ(
            *got,
            shelves.route(std::to_string(i))->member + " heard of " + shelves.route(to)->member);
    }
    // A partition that asks itself waits for its own turn: until the deadline, never for ever.
    const auto itself = world.answer(shelves.within(2s).ask<through>("5", "5"));
    EXPECT_FALSE(itself && itself->ends_with(shelves.route("5")->member));
    EXPECT_TRUE(world.answer(shelves.ask<get>("5")));
}

TEST(four_nodes, suspect_one_that_two_beside_the_leader_do_not_reach) {
    node_world world;
    world.start_keeper();
    const texts names{"ann", "bob", "cid", "dan"};
    for (const std::string& name : names) {
        world.start(name);
    }
    ASSERT_TRUE(world.settled(names));
    const std::string leader = world.at("ann").view().find(world.at("ann").view().leader)->name;
    const std::string lost = leader == "dan" ? "cid" : "dan";
    // ZooKeeper still hears it, so its session and its membership stay.
    for (const std::string& name : names) {
        if (name != lost) {
            world.in.cut(world.host(name), world.host(lost));
            world.in.cut(world.host(lost), world.host(name));
        }
    }
    const auto state = [&] { return world.at(leader).view().find(lost)->state; };
    EXPECT_FALSE(world.until([&] { return state() == member_state::suspect; }, 10s));  // Unasked.
    for (const std::string& name : names) {
        for (int i = 0; i < 20 && name != lost; ++i) {
            const auto dropped =
                world.at(name).use<shelf>("shelves").ask<owner_of>(std::to_string(i));
        }
    }
    EXPECT_TRUE(world.until([&] { return state() == member_state::suspect; }, 15s));
    world.in.heal();
    EXPECT_TRUE(world.until([&] { return state() == member_state::online; }, 15s));
}

/// Answers whether a job of its own knows until when it is waited for.
struct count {
    using reply = bool;
    std::string key;
};
struct counter {
    using handles = requests<count>;
    explicit counter(ownership one) : mine{std::move(one)} {}
    task<bool> on(count /*what*/) {
        bool bounded = false;
        const auto done = co_await mine.node().blocking(
            [&] { bounded = detail::strand_scope::current_deadline() != never; });
        co_return done.has_value() && bounded;
    }
    ownership mine;
};

TEST(a_job_that_may_block, works_within_the_deadline_of_the_call_it_works_for) {
    node_world world;
    world.start_keeper();
    node& one = world.make(world.settings("ann"));
    const auto all = one.serve<counter>("counters", by_hash{.partitions = 1});
    ASSERT_TRUE(one.start());
    EXPECT_EQ(world.answer(all.ask<count>("x")), result<bool>{true});
}

TEST(check_health, makes_a_member_suspect_and_clears_it_again) {
    node_world world;
    world.start_keeper();
    health now = health::good;
    application program;
    program.check_health = [&] { return now; };
    world.start("ann", program);
    for (const char* name : {"bob", "cid"}) {
        world.start(name);
    }
    ASSERT_TRUE(world.settled({"ann", "bob", "cid"}));
    const auto seen = [&] { return world.at("bob").view().find("ann")->state; };
    now = health::suspect;
    EXPECT_TRUE(world.until([&] { return seen() == member_state::suspect; }, 5s));
    EXPECT_TRUE(world.until([&] { return !world.owners("bob").contains("ann"); }, 30s));
    now = health::good;
    EXPECT_TRUE(world.settled({"ann", "bob", "cid"}));
}

TEST(a_node, waits_for_a_zookeeper_that_is_not_there_yet) {
    node_world world;
    node& one = world.start("ann");
    const auto shelves = one.use<shelf>("shelves");
    const auto early = world.answer(shelves.within(2s).ask<get>("x"));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, errc::unavailable) << early.error().text;
    const auto no_plan = world.answer(shelves.within(2s).scatter<with_prefix>("a"));
    ASSERT_FALSE(no_plan);
    EXPECT_EQ(no_plan.error().code, errc::unavailable);
    EXPECT_EQ(one.state(), member_state::stranded);
    auto patient = shelves.within(50s).ask<get>("x");
    auto patient_scatter = shelves.within(50s).scatter<with_prefix>("a");
    world.start_keeper();
    EXPECT_TRUE(world.settled({"ann"}));
    EXPECT_TRUE(world.answer(std::move(patient)));
    EXPECT_TRUE(world.answer(std::move(patient_scatter)));
}

TEST(a_node, is_online_only_once_its_init_callback_has_returned) {
    node_world world;
    world.start_keeper();
    world.start("bob");
    ASSERT_TRUE(world.settled({"bob"}));
    std::optional<initial> seen;
    member_state during = member_state::left;
    application program;
    program.init = [&](const initial& first) -> result<void> {
        seen = first;
        during = world.at("ann").state();
        return {};
    };
    world.start("ann", program);
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->partitions.size(), 4U);
    EXPECT_EQ(seen->partitions.front().resource, "shelves");
    EXPECT_EQ(during, member_state::initializing);
}

TEST(a_node, whose_init_callback_fails_or_throws_does_not_become_a_member) {
    node_world world;
    world.start_keeper();
    application program;
    program.init = [](const initial&) -> result<void> {
        return fail(errc::unavailable, "no disk");
    };
    world.start("ann", program);
    application other;
    other.init = [](const initial&) -> result<void> { throw std::runtime_error{"oh"}; };
    world.start("bob", other);
    world.start("cid");
    EXPECT_TRUE(world.settled({"cid"}));
    world.in.run_for(10s);
    EXPECT_EQ(world.at("cid").view().members.size(), 1U);
    EXPECT_TRUE((std::ranges::count(world.said, "ann member.failed") > 0));
    EXPECT_TRUE((std::ranges::count(world.said, "bob member.failed") > 0));
    EXPECT_NE(world.at("ann").state(), member_state::online);
}

TEST(leadership_hooks, come_strictly_paired_with_growing_epochs) {
    node_world world;
    world.start_keeper();
    std::map<std::string, std::vector<leadership>> heard;
    for (const std::string name : {"ann", "bob", "cid"}) {
        application program;
        program.leadership_changed = [&heard, name](const leadership& now) {
            heard[name].push_back(now);
        };
        world.start(name, program);
    }
    ASSERT_TRUE(world.settled({"ann", "bob", "cid"}));
    // Strand each leader in turn, for long enough to be replaced.
    for (int round = 0; round < 4; ++round) {
        const view now = world.at("ann").view();
        const member* const leader = now.find(now.leader);
        ASSERT_NE(leader, nullptr);
        const std::string name = leader->name;
        world.in.isolate(world.host(name));
        world.in.run_for(40s);
        world.in.heal();
        ASSERT_TRUE(world.settled({"ann", "bob", "cid"}));
    }
    for (const char* name : {"ann", "bob", "cid"}) {
        world.forget(name);
    }
    std::set<leader_epoch> epochs;
    std::size_t gained = 0;
    for (const auto& [name, all] : heard) {
        EXPECT_EQ(all.size() % 2, 0U) << name;
        for (std::size_t i = 0; i < all.size(); ++i) {
            EXPECT_EQ(all[i].leading, i % 2 == 0) << name;
            if (i % 2 == 1) {
                EXPECT_EQ(all[i].epoch, all[i - 1].epoch);
            } else {
                ++gained;
                epochs.insert(all[i].epoch);
                EXPECT_TRUE(i == 0 || all[i].epoch > all[i - 1].epoch);
            }
        }
    }
    EXPECT_GE(gained, 5U);
    EXPECT_EQ(epochs.size(), gained);  // No epoch twice, on any member.
}

TEST(several_nodes, live_in_one_process_and_in_different_clusters) {
    node_world world;
    world.start_keeper();
    config second = world.settings("ann", 7001);
    world.start("ann");
    second.name = "ann-2";
    second.listen = world.host("ann").address() + ":7001";
    node& other = world.make(second, {}, "ann");
    const auto shelves = other.serve<shelf>("shelves", by_hash{.partitions = 8});
    ASSERT_TRUE(other.start());
    config elsewhere = second;
    elsewhere.cluster = "elsewhere";
    elsewhere.name = "ann-3";
    elsewhere.listen = world.host("ann").address() + ":7002";
    node& third = world.make(elsewhere, {}, "ann");
    static_cast<void>(third.serve<shelf>("shelves", by_hash{.partitions = 2}));
    ASSERT_TRUE(third.start());
    EXPECT_TRUE(world.settled({"ann", "ann-2"}));
    EXPECT_TRUE(world.until([&] { return third.state() == member_state::online; }));
    EXPECT_EQ(third.view().members.size(), 1U);
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(world.answer(shelves.ask<owner_of>(std::to_string(i))));
    }
}

TEST(a_resource_handle, answers_closed_once_its_node_is_gone) {
    node_world world;
    world.start_keeper();
    node& one = world.start("ann");
    ASSERT_TRUE(world.settled({"ann"}));
    const auto shelves = one.use<shelf>("shelves");
    world.forget("ann");
    const auto got = world.answer(shelves.ask<get>("x"));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::closed);
    const auto all = world.answer(shelves.scatter<with_prefix>("x"));
    EXPECT_TRUE(!all || all->missing.size() == 8U);
    EXPECT_EQ(world.answer(shelves.add("x")).error().code, errc::closed);
}

TEST(a_resource_handle, ends_all_calls_in_flight_when_its_node_is_destroyed) {
    node_world world;
    world.start_keeper();
    world.start("ann");
    world.start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    const auto shelves = world.at("ann").use<shelf>("shelves");
    world.in.cut(world.host("bob"), world.host("ann"));
    std::vector<pending<std::string>> asked;
    for (int i = 0; i < 50; ++i) {
        asked.push_back(shelves.within(1h).ask<owner_of>(std::to_string(i)));
    }
    world.in.run_for(1ms);
    for (int i = 0; i < 50; ++i) {
        asked.push_back(shelves.within(1h).ask<owner_of>(std::to_string(i)));
    }
    world.forget("ann");
    for (auto& one : asked) {
        ASSERT_TRUE(one.is_ready());
        const auto got = one.get();
        EXPECT_TRUE(got || got.error().code == errc::closed ||
                    got.error().code == errc::outcome_unknown)
            << got.error().text;
    }
}

TEST(a_resource_handle, made_by_use_is_the_same_once_the_name_is_served) {
    node_world world;
    world.start_keeper();
    node& one = world.make(world.settings("ann"));
    const auto before = one.use<shelf>("shelves");
    EXPECT_EQ(world.answer(before.ask<get>("x")).error().code, errc::unavailable);
    ASSERT_TRUE(one.start());
    static_cast<void>(one.serve<shelf>("shelves", by_hash{.partitions = 8}));
    EXPECT_TRUE(world.answer(before.within(30s).ask<get>("x")));
}

TEST(a_resource, that_is_described_otherwise_is_refused_and_asks_go_to_the_others) {
    node_world world;
    world.start_keeper();
    world.start("ann");
    ASSERT_TRUE(world.settled({"ann"}));
    node& one = world.make(world.settings("bob"));
    const auto shelves = one.serve<shelf>("shelves", by_hash{.partitions = 9});
    ASSERT_TRUE(one.start());
    ASSERT_TRUE(world.until([&] { return shelves.trouble().has_value(); }));
    EXPECT_EQ(shelves.trouble()->code, errc::conflict);
    EXPECT_TRUE(
        world.until([&] { return std::ranges::count(world.said, "bob resource.refused") > 0; }));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(world.answer(shelves.ask<owner_of>(std::to_string(i))),
                  result<std::string>{"ann"});
    }
}

TEST(a_list, has_partitions_that_come_and_go) {
    node_world world;
    world.start_keeper();
    node& one = world.make(world.settings("ann"));
    const auto dates = one.serve<shelf>("dates", by_list{});
    ASSERT_TRUE(one.start());
    ASSERT_TRUE(world.until([&] { return one.state() == member_state::online; }));
    EXPECT_EQ(dates.latest(), std::nullopt);
    EXPECT_EQ(world.answer(dates.add("2024-05-01")), result<void>{});
    EXPECT_EQ(world.answer(dates.add("2024-05-02")), result<void>{});
    EXPECT_EQ(world.answer(dates.ask<owner_of>("2024-05-02")), result<std::string>{"ann"});
    EXPECT_TRUE(world.until([&] { return dates.latest() == "2024-05-02"; }));
    EXPECT_EQ(world.answer(dates.remove("2024-05-02")), result<void>{});
    EXPECT_TRUE(world.until([&] { return dates.latest() == "2024-05-01"; }));
    const auto gone = world.answer(dates.ask<owner_of>("2024-05-02"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, errc::not_found);
    EXPECT_EQ(dates.partitions(), (texts{"2024-05-01"}));
}

struct partition_of_key {
    using reply = std::string;
    std::string key;
};
class shelf_of_a_range {
public:
    using handles = requests<partition_of_key>;
    explicit shelf_of_a_range(ownership mine) : mine_{std::move(mine)} {}
    std::string on(const partition_of_key&) const { return mine_.partition().name; }

private:
    ownership mine_;
};

TEST(a_range, has_a_partition_from_each_bound_on_and_the_first_has_what_is_below_it) {
    node_world world;
    world.start_keeper();
    const by_range how{.from = {"b", "g", "n"}};
    node& ann = world.make(world.settings("ann"));
    node& bob = world.make(world.settings("bob"));
    const auto shelves = ann.serve<shelf_of_a_range>("shelves", how);
    static_cast<void>(bob.serve<shelf_of_a_range>("shelves", how));
    ASSERT_TRUE(ann.start());
    ASSERT_TRUE(bob.start());
    ASSERT_TRUE(world.until([&] {
        std::set<std::string> owners;
        for (const char* const key : {"b", "g", "n"}) {
            const auto where = shelves.route(key);
            owners.insert(where ? where->member : "");
        }
        return owners == std::set<std::string>{"ann", "bob"};
    }));
    EXPECT_EQ(shelves.partitions(), (texts{"b", "g", "n"}));
    const std::vector<std::pair<std::string, std::string>> keys{{"", "b"},
                                                                {"a", "b"},
                                                                {"b", "b"},
                                                                {"fzz", "b"},
                                                                {"g", "g"},
                                                                {"mzz", "g"},
                                                                {"n", "n"},
                                                                {"zz", "n"},
                                                                {"\xff", "n"}};
    for (const auto& [key, partition] : keys) {
        EXPECT_EQ(world.answer(shelves.ask<partition_of_key>(key)), partition) << key;
        EXPECT_EQ(shelves.route(key)->partition, partition) << key;
    }
}

TEST(a_node, that_cannot_listen_says_so_and_may_be_started_again) {
    node_world world;
    world.start_keeper();
    world.start("ann");
    config same = world.settings("ann");
    same.name = "ann-2";
    node& second = world.make(same, {}, "ann");
    const auto refused = second.start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unavailable);
    world.forget("ann");
    EXPECT_EQ(second.start(), result<void>{});
    EXPECT_EQ(second.start().error().code, errc::conflict);
}

TEST(a_node, with_a_wrong_setting_or_resource_does_not_start) {
    node_world world;
    config bad = world.settings("ann");
    bad.weight = -1;
    EXPECT_EQ(world.make(bad).start().error().code, errc::invalid_argument);
    node& other = world.make(world.settings("ann"));
    const auto shelves = other.serve<shelf>("shelves", by_hash{.partitions = 0});
    EXPECT_EQ(other.start().error().code, errc::invalid_argument);
    EXPECT_EQ(shelves.trouble()->code, errc::invalid_argument);
}

TEST(a_node, that_was_told_to_leave_and_is_destroyed_meanwhile_still_leaves) {
    node_world world;
    world.start_keeper();
    world.start("ann");
    world.start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    auto left = world.at("bob").leave();
    auto again = world.at("bob").leave();
    world.forget("bob");
    ASSERT_TRUE(left.is_ready());
    EXPECT_EQ(left.get(), result<void>{});
    ASSERT_TRUE(again.is_ready());
    EXPECT_EQ(again.get(), result<void>{});
    const instant before = world.in.now();
    EXPECT_TRUE(world.settled({"ann"}));
    EXPECT_LT(world.in.now() - before, 1s);  // No session had to expire.
}

}  // namespace
}  // namespace muster
