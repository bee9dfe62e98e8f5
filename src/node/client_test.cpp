// Clients of a cluster in a simulated world.

#include "zookeeper/client.hpp"

#include "node/node_world_test.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

using texts = std::vector<std::string>;

// --- What cannot be written ----------------------------------------------------------------------

template <class T>
concept can_serve = requires(T it) { it.template serve<shelf>("shelves", by_hash{}); };
template <class T>
concept can_lead = requires(T it) { it.lead([](self) -> process { co_return; }); };
template <class T>
concept can_stand = requires(T it) { it.candidate("boss", [](self) -> process { co_return; }); };
template <class T>
concept can_register = requires(T it, pid who) { it.register_name("name", who); };
template <class T>
concept can_announce = requires(T it, pid who) { it.announce("name", who); };
template <class T>
concept can_use = requires(T it) { it.template use<shelf>("shelves"); };

static_assert(can_serve<node> && can_lead<node> && can_stand<node>);
static_assert(can_register<node> && can_announce<node> && can_use<node>);
static_assert(!can_serve<client> && !can_lead<client> && !can_stand<client>);
static_assert(!can_register<client> && !can_announce<client>);
static_assert(can_use<client>);
static_assert(!std::is_copy_constructible_v<client> && !std::is_move_constructible_v<client>);

// --- What is said --------------------------------------------------------------------------------

struct who_are_you {
    using reply = std::string;
};
struct note_down {
    std::string text;
};
struct call_back {
    pid whom;
    std::string text;
};
struct unanswered {
    using reply = std::string;
};

/// Answers, notes, and sends to whom it is told to; says what could not be delivered.
process worker(self me, texts* noted) {
    while (auto in =
               co_await me.receive<who_are_you, note_down, call_back, unanswered, undelivered>()) {
        if (auto* asked = in->get_if<who_are_you>()) {
            asked->reply(me.member().name);
        } else if (auto* told = in->get_if<note_down>()) {
            noted->push_back(told->body.text);
        } else if (auto* back = in->get_if<call_back>()) {
            const auto how = me.send(back->body.whom, note_down{back->body.text});
            if (!how) {
                noted->push_back(std::string{name_of(how.error().code)});
            }
        } else if (in->get_if<unanswered>() != nullptr) {
            co_await me.pause(1h);
        } else if (auto* lost = in->get_if<undelivered>()) {
            noted->push_back("undelivered " + std::to_string(lost->body.count));
        }
    }
}

process listener(self me, pid other, texts* noted) {
    const auto name = co_await me.ask<who_are_you>(other);
    noted->push_back(name ? "with " + *name : name.error().text);
    me.send(other, call_back{me.pid(), "hello"});
    while (auto in = co_await me.receive<note_down>()) {
        noted->push_back(in->from.member() + ": " + in->body.text);
    }
}

class a_client : public testing::Test {
protected:
    ~a_client() override {
        ours.reset();
        reader_host.kill();
        zk.reset();
    }
    void start_members(const std::string& digest = "") {
        world.start_keeper();
        for (const char* name : {"ann", "bob"}) {
            config one = world.settings(name);
            one.digest = digest;
            node& made = world.make(one);
            static_cast<void>(made.serve<shelf>("shelves", by_hash{.partitions = 8}));
            EXPECT_EQ(made.start(), result<void>{});
        }
        ASSERT_TRUE(world.settled({"ann", "bob"}));
    }
    config client_settings() {
        config one;
        one.cluster = "shop";
        one.zookeeper = world.keeper_host().address() + ":2181";
        return one;
    }
    client& make(const config& settings) {
        ours = std::make_unique<client>(
            settings, std::make_shared<detail::machine>(world.host("outside").process()));
        return *ours;
    }
    client& make() { return make(client_settings()); }
    pid worker_on(const std::string& member) {
        const pid who = world.at(member).spawn(worker, &noted);
        EXPECT_EQ(world.at(member).register_name("worker", who), result<void>{});
        return who;
    }
    template <class T>
    errc code_of(pending<T> one) {
        const auto got = world.answer(std::move(one));
        return got ? errc::closed : got.error().code;
    }

    /// The children of a znode, as a ZooKeeper client of its own reads them.
    std::size_t children(const std::string& path) {
        if (!zk) {
            reader_loop = reader_host.make_loop("reader");
            reader_loop->post([this] {
                zookeeper::client_options how;
                how.servers =
                    zookeeper::connect_string::parse(world.keeper_host().address() + ":2181")
                        .value();
                zk = zookeeper::client::start(
                    reader_loop, how, [](const zookeeper::session_change&) {});
            });
            world.in.run_for(100ms);
        }
        std::optional<std::size_t> got;
        reader_loop->post([&] {
            zk->children("/muster/shop" + path, {}, reader_loop->now() + 5s, [&](auto reply) {
                got = reply.value.names.size();
            });
        });
        EXPECT_TRUE(world.until([&] { return got.has_value(); }));
        return got.value_or(0);
    }

    node_world world;
    runtime::sim::host& reader_host{world.in.add_host("reader")};
    std::shared_ptr<runtime::loop> reader_loop;
    std::unique_ptr<zookeeper::client> zk;
    std::unique_ptr<client> ours;
    texts noted;
};

TEST_F(a_client, finds_processes_and_asks_and_sends_to_them) {
    start_members();
    worker_on("ann");
    worker_on("bob");
    client& mine = make();
    const auto found = world.answer(mine.find("worker"));
    ASSERT_TRUE(found) << found.error().text;
    ASSERT_EQ(found->size(), 2U);
    texts names;
    for (const instance& one : *found) {
        const auto name = world.answer(mine.ask<who_are_you>(one.who));
        names.push_back(name ? *name : name.error().text);
        EXPECT_EQ(mine.send(one.who, note_down{"for " + one.member}), result<void>{});
    }
    std::ranges::sort(names);
    EXPECT_EQ(names, (texts{"ann", "bob"}));
    EXPECT_TRUE(world.until([&] { return noted.size() == 2; }));
    std::ranges::sort(noted);
    EXPECT_EQ(noted, (texts{"for ann", "for bob"}));
    const auto all = world.answer(mine.ask_all<who_are_you>("worker"));
    ASSERT_TRUE(all);
    EXPECT_EQ(all->size(), 2U);
}

TEST_F(a_client, asks_the_owners_of_a_resource_and_routes_as_a_node_does) {
    start_members();
    client& mine = make();
    const auto shelves = mine.use<shelf>("shelves");
    EXPECT_EQ(world.answer(shelves.ask<put>("ann", "42")), result<void>{});
    EXPECT_EQ(world.answer(shelves.ask<get>("ann")),
              result<std::optional<std::string>>{std::optional<std::string>{"42"}});
    const auto where = shelves.route("ann");
    const auto theirs = world.at("bob").use<shelf>("shelves").route("ann");
    ASSERT_TRUE(where && theirs);
    EXPECT_EQ(where->owner, theirs->owner);
    EXPECT_EQ(where->address, theirs->address);
    EXPECT_EQ(where->fence, theirs->fence);
    EXPECT_EQ(world.answer(shelves.ask<owner_of>("ann")), result<std::string>{where->member});
    const auto all = world.answer(shelves.scatter<with_prefix>("a"));
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_EQ(all->answers.size(), 8U);
    EXPECT_EQ(mine.view().members.size(), 2U);
}

TEST_F(a_client, follows_a_partition_to_its_next_owner) {
    start_members();
    client& mine = make();
    const auto shelves = mine.use<shelf>("shelves");
    const auto first = world.answer(shelves.ask<owner_of>("ann"));
    ASSERT_TRUE(first) << first.error().text;
    world.kill(*first);
    world.in.run_for(100ms);  // It has heard that the connection is gone.
    const auto next = world.answer(shelves.within(30s).ask<owner_of>("ann"));
    ASSERT_TRUE(next) << next.error().text;
    EXPECT_NE(*next, *first);
}

TEST_F(a_client, reaches_a_global_process_wherever_it_is_elected) {
    start_members();
    for (const char* name : {"ann", "bob"}) {
        static_cast<void>(world.at(name).candidate("boss", worker, &noted));
    }
    client& mine = make();
    const global boss = mine.global("boss");
    const auto first = world.answer(boss.within(20s).ask<who_are_you>());
    ASSERT_TRUE(first) << first.error().text;
    const auto where = world.answer(boss.where());
    ASSERT_TRUE(where) << where.error().text;
    EXPECT_EQ(where->member(), *first);
    EXPECT_EQ(boss.send(note_down{"a job"}), result<void>{});
    EXPECT_TRUE(world.until([&] { return noted == texts{"a job"}; }));
    world.kill(*first);
    world.in.run_for(100ms);
    const auto next = world.answer(boss.within(60s).ask<who_are_you>(), 90s);
    ASSERT_TRUE(next) << next.error().text;
    EXPECT_NE(*next, *first);
    EXPECT_EQ(world.answer(mine.find_global("boss"))->name(), "boss");
}

TEST_F(a_client, reaches_the_process_of_the_leader_whoever_leads) {
    start_members();
    for (const char* name : {"ann", "bob"}) {
        static_cast<void>(world.at(name).lead(worker, &noted));
    }
    const global leads = make().leader();
    const auto first = world.answer(leads.within(20s).ask<who_are_you>());
    ASSERT_TRUE(first) << first.error().text;
    const auto seen = ours->view();
    EXPECT_EQ(seen.find(seen.leader)->name, *first);
    world.kill(*first);
    world.in.run_for(100ms);
    const auto next = world.answer(leads.within(60s).ask<who_are_you>(), 90s);
    ASSERT_TRUE(next) << next.error().text;
    EXPECT_NE(*next, *first);
    EXPECT_EQ(leads.send(note_down{"a job"}), result<void>{});
    EXPECT_TRUE(world.until([&] { return noted == texts{"a job"}; }));
}

TEST_F(a_client, says_that_nobody_stands_for_a_name) {
    start_members();
    static_cast<void>(world.at("ann").candidate("boss", worker, &noted));
    client& mine = make();
    ASSERT_TRUE(world.answer(mine.global("boss").within(20s).ask<who_are_you>()));
    EXPECT_EQ(code_of(mine.global("bos").ask<who_are_you>()), errc::not_found);
    EXPECT_EQ(code_of(mine.find_global("bos")), errc::not_found);
}

TEST_F(a_client, leaves_no_trace_among_the_members) {
    start_members();
    const pid who = worker_on("ann");
    client& mine = make();
    ASSERT_TRUE(world.answer(mine.ask<who_are_you>(who)));
    ASSERT_TRUE(world.answer(mine.use<shelf>("shelves").ask<get>("ann")));
    world.in.run_for(30s);
    EXPECT_EQ(children("/members"), 2U);
    EXPECT_EQ(children("/status"), 2U);
    EXPECT_EQ(children("/succession"), 2U);
    EXPECT_EQ(children("/services"), 1U);
    EXPECT_EQ(world.at("ann").view().members.size(), 2U);
}

TEST_F(a_client, whose_first_deed_is_an_ask_waits_until_it_sees_the_members) {
    start_members();
    const pid who = worker_on("bob");
    client& mine = make();
    EXPECT_EQ(world.answer(mine.ask<who_are_you>(who)), result<std::string>{"bob"});
}

TEST_F(a_client, keeps_the_order_of_what_it_sends_before_and_after_it_sees_the_members) {
    start_members();
    const pid who = worker_on("bob");
    client& mine = make();
    texts sent;
    for (int i = 0; i < 50; ++i) {
        sent.push_back(std::to_string(i));
        EXPECT_EQ(mine.send(who, note_down{sent.back()}), result<void>{});
        world.in.run_for(2ms);
    }
    EXPECT_TRUE(world.until([&] { return noted.size() == sent.size(); }));
    EXPECT_EQ(noted, sent);
}

TEST_F(a_client, waits_within_its_deadlines_for_a_zookeeper_that_is_not_there_yet) {
    client& mine = make();
    const pid nobody{member_id{1, 2}, "ann", 0, 1};
    const auto shelves = mine.use<shelf>("shelves");
    const instant begin = world.in.now();
    auto asked = mine.within(1s).ask<who_are_you>(nobody);
    auto of_shelf = shelves.within(1s).ask<get>("ann");
    auto looked_up = mine.find("worker");
    EXPECT_EQ(code_of(std::move(asked)), errc::unavailable);
    EXPECT_EQ(code_of(std::move(of_shelf)), errc::unavailable);
    EXPECT_LE(world.in.now() - begin, 1100ms);
    EXPECT_EQ(code_of(std::move(looked_up)), errc::unavailable);
    EXPECT_EQ(mine.view().number, 0);
    start_members();
    const pid who = worker_on("ann");
    EXPECT_EQ(world.answer(mine.within(30s).ask<who_are_you>(who)), result<std::string>{"ann"});
    EXPECT_EQ(world.answer(shelves.ask<put>("ann", "42")), result<void>{});
}

TEST_F(a_client, says_that_nobody_has_joined_the_cluster) {
    world.start_keeper();
    client& mine = make();
    const auto got = world.answer(mine.use<shelf>("shelves").within(1s).ask<get>("ann"));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::unavailable);
    EXPECT_NE(got.error().text.find("cluster 'shop' does not exist"), std::string::npos)
        << got.error().text;
}

TEST_F(a_client, says_that_a_resource_is_not_there) {
    start_members();
    const auto got = world.answer(make().use<shelf>("sheves").within(1s).ask<get>("ann"));
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().text.find("resource 'sheves' does not exist yet"), std::string::npos)
        << got.error().text;
}

TEST_F(a_client, goes_on_through_a_lost_session) {
    start_members();
    const pid who = worker_on("ann");
    client& mine = make();
    const auto shelves = mine.use<shelf>("shelves");
    ASSERT_TRUE(world.answer(mine.ask<who_are_you>(who)));
    ASSERT_TRUE(world.answer(shelves.ask<put>("ann", "42")));
    world.in.isolate(world.host("outside"));
    world.in.run_for(60s);
    world.in.heal();
    EXPECT_EQ(world.answer(mine.within(30s).ask<who_are_you>(who)), result<std::string>{"ann"});
    EXPECT_TRUE(world.answer(shelves.within(30s).ask<get>("ann")));
    // It sees what changes afterwards.
    const auto before = mine.view().number;
    world.kill("bob");
    EXPECT_TRUE(world.until([&] { return mine.view().number > before; }));
}

TEST_F(a_client, with_the_right_credentials_reads_what_only_they_may_read) {
    start_members("shop:secret");
    const pid who = worker_on("ann");
    config settings = client_settings();
    settings.digest = "shop:secret";
    client& mine = make(settings);
    const auto found = world.answer(mine.find("worker"));
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_EQ(found->size(), 1U);
    EXPECT_EQ(world.answer(mine.ask<who_are_you>(who)), result<std::string>{"ann"});
    EXPECT_EQ(world.answer(mine.use<shelf>("shelves").ask<put>("ann", "42")), result<void>{});
}

TEST_F(a_client, with_wrong_credentials_is_told_so_whatever_it_asks) {
    start_members("shop:secret");
    const pid who = worker_on("ann");
    for (const char* digest : {"", "shop:wrong"}) {
        config settings = client_settings();
        settings.digest = digest;
        client& mine = make(settings);
        const instant begin = world.in.now();
        const auto asked = world.answer(mine.ask<who_are_you>(who));
        ASSERT_FALSE(asked);
        EXPECT_EQ(asked.error().code, errc::not_authorized) << asked.error().text;
        EXPECT_NE(asked.error().text.find("`digest` must be the one that the members have"),
                  std::string::npos)
            << asked.error().text;
        EXPECT_EQ(code_of(mine.find("worker")), errc::not_authorized);
        EXPECT_EQ(code_of(mine.use<shelf>("shelves").ask<get>("ann")), errc::not_authorized);
        EXPECT_LE(world.in.now() - begin, 2s);
        ours.reset();
    }
}

TEST_F(a_client, with_a_wrong_setting_says_so_in_each_call) {
    config settings = client_settings();
    settings.cluster = std::string(201, 'x');
    client& mine = make(settings);
    const pid nobody{member_id{1, 2}, "ann", 0, 1};
    EXPECT_EQ(code_of(mine.find("worker")), errc::invalid_argument);
    EXPECT_EQ(code_of(mine.ask<who_are_you>(nobody)), errc::invalid_argument);
    EXPECT_EQ(code_of(mine.ask_all<who_are_you>("worker")), errc::invalid_argument);
    EXPECT_EQ(code_of(mine.use<shelf>("shelves").ask<get>("ann")), errc::invalid_argument);
    EXPECT_EQ(code_of(mine.use<shelf>("shelves").add("x")), errc::invalid_argument);
    EXPECT_EQ(mine.send(nobody, note_down{}).error().code, errc::invalid_argument);
    EXPECT_EQ(mine.send_to_all("worker", note_down{}).error().code, errc::invalid_argument);
}

TEST_F(a_client, hears_at_once_what_is_wrong_with_its_arguments) {
    start_members();
    client& mine = make();
    EXPECT_EQ(mine.send(pid{}, note_down{}).error().code, errc::invalid_argument);
    EXPECT_EQ(code_of(mine.ask<who_are_you>(pid{})), errc::invalid_argument);
    EXPECT_EQ(code_of(mine.find("")), errc::invalid_argument);
    const pid who = worker_on("ann");
    ASSERT_TRUE(world.answer(mine.ask<who_are_you>(who)));
    const std::string huge(std::size_t{17} << 20U, 'x');
    EXPECT_EQ(mine.send(who, note_down{huge}).error().code, errc::invalid_argument);
}

TEST_F(a_client, can_send_after_something_too_large_was_refused) {
    start_members();
    const pid who = worker_on("ann");
    client& mine = make();
    // Before it sees the cluster, when all waits.
    const std::string huge(std::size_t{17} << 20U, 'x');
    for (int i = 0; i < 3; ++i) {
        const auto refused = mine.send(who, note_down{huge});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, errc::overloaded);
    }
    EXPECT_EQ(mine.send(who, note_down{"small"}), result<void>{});
    world.in.run_for(2s);
    EXPECT_EQ(noted, texts{"small"});
}

TEST_F(a_client, has_processes_that_members_send_to_over_the_connection_it_made) {
    start_members();
    const pid who = worker_on("bob");
    client& mine = make();
    const pid here = mine.spawn(listener, who, &noted);
    EXPECT_NE(here.life(), who.life());
    EXPECT_TRUE(world.until([&] { return noted.size() == 2; }));
    EXPECT_EQ(noted, (texts{"with bob", "bob: hello"}));
}

TEST_F(a_client, that_has_ended_gets_nothing_more_and_the_sender_hears_so) {
    start_members();
    const pid who = worker_on("bob");
    client& mine = make();
    const pid here = mine.spawn(listener, who, &noted);
    ASSERT_TRUE(world.until([&] { return noted.size() == 2; }));
    ours.reset();
    noted.clear();
    world.in.run_for(100ms);
    EXPECT_EQ(world.at("bob").send(who, call_back{here, "still there?"}), result<void>{});
    ASSERT_TRUE(world.until([&] { return !noted.empty(); }));
    EXPECT_EQ(noted, texts{"undelivered 1"});
    // Later it is known at once.
    world.in.run_for(10s);
    noted.clear();
    EXPECT_EQ(world.at("bob").send(who, call_back{here, "now?"}), result<void>{});
    ASSERT_TRUE(world.until([&] { return !noted.empty(); }));
    EXPECT_EQ(noted, texts{"unavailable"});
}

TEST_F(a_client, ends_within_six_seconds_whatever_is_under_way) {
    start_members();
    const pid who = worker_on("ann");
    client& mine = make();
    const auto shelves = mine.use<shelf>("shelves");
    ASSERT_TRUE(world.answer(shelves.ask<put>("ann", "42")));
    auto asked = mine.within(1h).ask<unanswered>(who);
    auto nobody_there = mine.within(1h).ask<who_are_you>(pid{member_id{1, 2}, "eve", 0, 1});
    world.in.run_for(100ms);
    world.in.isolate(world.host("outside"));
    world.in.run_for(10ms);
    const instant begin = world.in.now();
    ours.reset();
    EXPECT_LE(world.in.now() - begin, 6s);
    ASSERT_TRUE(asked.is_ready());
    EXPECT_FALSE(asked.get());
    ASSERT_TRUE(nobody_there.is_ready());
    EXPECT_FALSE(nobody_there.get());
    EXPECT_EQ(code_of(shelves.ask<get>("ann")), errc::closed);
}

TEST_F(a_client, that_was_never_used_ends_at_once_and_has_touched_nothing) {
    const instant begin = world.in.now();
    make();
    ours.reset();
    EXPECT_EQ(world.in.now(), begin);
}

}  // namespace
}  // namespace muster
