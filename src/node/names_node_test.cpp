// Names of whole nodes in a simulated world.

#include "node/node_world_test.hpp"
#include "zookeeper/client.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

using texts = std::vector<std::string>;

struct who_are_you {
    using reply = std::string;
};
struct note_down {
    std::string text;
};
struct go_away {};

process worker(self me, texts* noted) {
    while (auto in = co_await me.receive<who_are_you, note_down, go_away>()) {
        if (auto* asked = in->get_if<who_are_you>()) {
            asked->reply(me.member().name);
        } else if (auto* told = in->get_if<note_down>()) {
            noted->push_back(me.member().name + ": " + told->body.text);
        } else {
            co_return;
        }
    }
}

process mute(self me) {
    const auto in = co_await me.receive<go_away>();
    static_cast<void>(in);
}

class named : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "bob"}) {
            world.start(name);
        }
        ASSERT_TRUE(world.settled({"ann", "bob"}));
    }
    ~named() override {
        reader_host.kill();
        zk.reset();
    }

    node& at(const std::string& name) { return world.at(name); }

    /// What `by` answers now, as members in order; a look-up that fails is its error.
    texts found(const std::string& by, const std::string& name) {
        const auto all = world.answer(at(by).find(name));
        if (!all) {
            return {std::string{name_of(all.error().code)}};
        }
        texts members;
        for (const auto& one : *all) {
            members.push_back(one.member);
        }
        std::ranges::sort(members);
        return members;
    }
    bool comes_to(const std::string& by, const std::string& name, const texts& members) {
        const auto deadline = world.in.now() + 60s;
        while (found(by, name) != members && world.in.now() < deadline) {
            world.in.run_for(10ms);
        }
        return found(by, name) == members;
    }

    /// The children of a znode, as a client of its own reads them.
    texts children(const std::string& path) {
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
        std::optional<texts> got;
        reader_loop->post([&] {
            zk->children(path, {}, reader_loop->now() + 5s, [&](auto reply) {
                got = std::move(reply.value.names);
            });
        });
        EXPECT_TRUE(world.until([&] { return got.has_value(); }));
        return got.value_or(texts{});
    }

    /// Counts how often `by` sends ZooKeeper something about that service.
    void count_requests(const std::string& by, const std::string& service) {
        world.in.set_filter([this, by, path = "/muster/shop/services/" + service](
                                const runtime::sim::packet_info& one) {
            if (one.from == by && one.to == "zk") {
                for (auto at = one.bytes.find(path); at != std::string_view::npos;
                     at = one.bytes.find(path, at + 1)) {
                    ++requests;
                }
            }
            return runtime::sim::verdict::deliver;
        });
    }

    node_world world;
    runtime::sim::host& reader_host{world.in.add_host("reader")};
    std::shared_ptr<runtime::loop> reader_loop;
    std::unique_ptr<zookeeper::client> zk;
    int requests = 0;
    texts noted;
};

TEST_F(named, a_registered_name_is_found_here_at_once_and_on_other_members_by_itself) {
    const pid mine = at("ann").spawn(worker, &noted);
    ASSERT_TRUE(at("ann").register_name("worker", mine));
    const auto here = world.answer(at("ann").find("worker"));
    ASSERT_TRUE(here);
    ASSERT_EQ(here->size(), 1U);
    EXPECT_EQ(*here->begin(), (instance{mine, "ann", at("ann").address(), ""}));
    EXPECT_TRUE(comes_to("bob", "worker", {"ann"}));
    const auto there = world.answer(at("bob").find("worker"));
    ASSERT_TRUE(there);
    EXPECT_EQ(*there->begin(), *here->begin());
    EXPECT_EQ(world.answer(at("bob").ask<who_are_you>(there->begin()->who)),
              result<std::string>{"ann"});
}

TEST_F(named, a_registered_name_is_a_znode_that_says_all_of_its_instance) {
    const pid mine = at("ann").spawn(worker, &noted);
    ASSERT_TRUE(at("ann").register_name("a/b", mine));
    world.in.run_for(1s);
    const auto seen = children("/muster/shop/services/a%2fb");
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_NE(seen.front().find(mine.life().text()), std::string::npos) << seen.front();
    EXPECT_NE(seen.front().find(at("ann").address()), std::string::npos) << seen.front();
}

TEST_F(named, only_names_with_the_prefix_leave_the_node_and_what_is_announced) {
    auto settings = world.settings("cy");
    settings.publish_prefix = "public.";
    node& cy = world.make(std::move(settings));
    ASSERT_TRUE(cy.start());
    ASSERT_TRUE(world.until([&] { return cy.state() == member_state::online; }));
    const pid mine = cy.spawn(worker, &noted);
    ASSERT_TRUE(cy.register_name("private", mine));
    ASSERT_TRUE(cy.register_name("public.worker", mine));
    ASSERT_TRUE(cy.announce("further", mine));
    world.in.run_for(2s);
    auto seen = children("/muster/shop/services");
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (texts{"further", "public.worker"}));
    EXPECT_EQ(found("cy", "private"), texts{"cy"});
    EXPECT_EQ(found("bob", "private"), texts{});
    ASSERT_TRUE(cy.announce("private", mine)) << "registered already, and published from then on";
    EXPECT_TRUE(comes_to("bob", "private", {"cy"}));
}

TEST_F(named, a_registration_goes_when_its_process_ends) {
    const pid mine = at("ann").spawn(worker, &noted);
    ASSERT_TRUE(at("ann").register_name("worker", mine));
    ASSERT_TRUE(comes_to("bob", "worker", {"ann"}));
    ASSERT_TRUE(at("ann").send(mine, go_away{}));
    EXPECT_TRUE(comes_to("bob", "worker", {}));
    EXPECT_EQ(found("ann", "worker"), texts{});
    EXPECT_EQ(children("/muster/shop/services/worker"), texts{});
    const auto late = at("ann").register_name("worker", mine);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, errc::gone);
    EXPECT_EQ(found("ann", "worker"), texts{});
}

TEST_F(named, a_registration_can_be_taken_back_and_made_again) {
    const pid mine = at("ann").spawn(worker, &noted);
    ASSERT_TRUE(at("ann").register_name("worker", mine));
    ASSERT_TRUE(at("ann").register_name("clerk", mine));
    ASSERT_TRUE(comes_to("bob", "worker", {"ann"}));
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(at("ann").unregister_name("worker", mine));
        EXPECT_EQ(found("ann", "worker"), texts{});
        EXPECT_TRUE(comes_to("bob", "worker", {}));
        ASSERT_TRUE(at("ann").register_name("worker", mine));
        EXPECT_TRUE(comes_to("bob", "worker", {"ann"}));
    }
    EXPECT_TRUE(comes_to("bob", "clerk", {"ann"}));
    ASSERT_TRUE(at("ann").send(mine, go_away{}));
    EXPECT_TRUE(comes_to("bob", "worker", {}));
    EXPECT_TRUE(comes_to("bob", "clerk", {}));
    const auto none = at("ann").unregister_name("worker", mine);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::not_found);
}

TEST_F(named, a_registration_goes_when_its_node_dies) {
    ASSERT_TRUE(at("ann").register_name("worker", at("ann").spawn(worker, &noted)));
    ASSERT_TRUE(comes_to("bob", "worker", {"ann"}));
    world.kill("ann");
    EXPECT_TRUE(comes_to("bob", "worker", {}));
}

TEST_F(named, what_cannot_be_registered_is_refused) {
    const pid mine = at("ann").spawn(mute);
    const auto code = [](const result<void>& how) { return how ? errc{} : how.error().code; };
    EXPECT_EQ(code(at("ann").register_name("", mine)), errc::invalid_argument);
    EXPECT_EQ(code(at("ann").register_name("x", pid{})), errc::invalid_argument);
    EXPECT_EQ(code(at("bob").register_name("x", mine)), errc::invalid_argument);
    EXPECT_EQ(code(at("bob").announce("x", mine)), errc::invalid_argument);
    EXPECT_EQ(code(at("ann").register_name(std::string(300'000, 'x'), mine)), errc::overloaded);
    EXPECT_EQ(found("ann", ""), texts{"invalid_argument"});
}

TEST_F(named, registrations_are_made_again_by_the_next_session) {
    ASSERT_TRUE(at("bob").register_name("worker", at("bob").spawn(worker, &noted)));
    ASSERT_TRUE(comes_to("ann", "worker", {"bob"}));
    world.in.isolate(world.host("bob"));
    EXPECT_TRUE(comes_to("ann", "worker", {})) << "its session has expired";
    world.in.heal();
    EXPECT_TRUE(comes_to("ann", "worker", {"bob"}));
    EXPECT_TRUE(comes_to("bob", "worker", {"bob"})) << "counted once";
}

TEST_F(named, a_found_name_is_answered_with_its_age_while_zookeeper_is_away) {
    ASSERT_TRUE(at("ann").register_name("worker", at("ann").spawn(worker, &noted)));
    ASSERT_TRUE(comes_to("bob", "worker", {"ann"}));
    const auto before = world.answer(at("bob").find("worker"));
    ASSERT_TRUE(before);
    EXPECT_EQ(before->age(), 0ns);
    world.in.isolate(world.keeper_host());
    world.in.run_for(10min);
    const auto away = world.answer(at("bob").find("worker"));
    ASSERT_TRUE(away);
    EXPECT_EQ(away->size(), 1U) << "never empty because ZooKeeper could not be asked";
    EXPECT_GT(away->age(), 9min);
    EXPECT_LT(away->age(), 10min);
    const auto never_seen = world.answer(at("bob").find("other"));
    ASSERT_FALSE(never_seen);
    EXPECT_EQ(never_seen.error().code, errc::unavailable);
    ASSERT_TRUE(at("bob").register_name("mine", at("bob").spawn(worker, &noted)));
    const auto own = world.answer(at("bob").find("mine"));
    ASSERT_TRUE(own) << "its own it knows all the same";
    EXPECT_EQ(own->age(), std::chrono::nanoseconds::max());
    world.in.heal();
    EXPECT_TRUE(comes_to("bob", "worker", {"ann"}));
    EXPECT_TRUE(world.until([&] {
        const auto now = at("bob").find("worker");
        return now.is_ready() && at("bob").state() == member_state::online;
    }));
    world.in.run_for(5s);
    const auto after = world.answer(at("bob").find("worker"));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->size(), 1U);
    EXPECT_EQ(after->age(), 0ns);
}

TEST_F(named, an_unknown_name_is_cached_and_found_once_it_is_there) {
    EXPECT_EQ(found("bob", "worker"), texts{});
    count_requests("bob", "worker");
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(found("bob", "worker"), texts{});
    }
    world.in.run_for(1s);
    EXPECT_EQ(requests, 0);
    ASSERT_TRUE(at("ann").register_name("worker", at("ann").spawn(worker, &noted)));
    EXPECT_TRUE(comes_to("bob", "worker", {"ann"}));
    EXPECT_EQ(requests, 0) << "the watch says who came";
}

TEST_F(named, a_name_is_read_once_however_many_ask_at_the_same_moment) {
    ASSERT_TRUE(at("ann").register_name("worker", at("ann").spawn(worker, &noted)));
    world.in.run_for(1s);
    count_requests("bob", "worker");
    std::vector<pending<instances>> asked;
    asked.reserve(100);
    for (int i = 0; i < 100; ++i) {
        asked.push_back(at("bob").find("worker"));
    }
    for (auto& one : asked) {
        const auto got = world.answer(std::move(one));
        ASSERT_TRUE(got);
        EXPECT_EQ(got->size(), 1U);
    }
    EXPECT_EQ(requests, 2) << "one watch, one list";
}

TEST_F(named, changes_missed_while_the_connection_was_lost_are_seen_afterwards) {
    const pid first = at("ann").spawn(worker, &noted);
    ASSERT_TRUE(at("ann").register_name("worker", first));
    ASSERT_TRUE(comes_to("bob", "worker", {"ann"}));
    world.in.cut(world.host("bob"), world.keeper_host());
    world.in.cut(world.keeper_host(), world.host("bob"));
    world.in.run_for(100ms);
    ASSERT_TRUE(at("ann").send(first, go_away{}));
    ASSERT_TRUE(at("ann").register_name("worker", at("ann").spawn(worker, &noted)));
    world.in.run_for(200ms);
    world.in.break_connections(world.host("bob"), world.keeper_host());
    world.in.run_for(100ms);
    world.in.heal();
    world.in.run_for(30s);
    const auto seen = world.answer(at("bob").find("worker"));
    ASSERT_TRUE(seen);
    ASSERT_EQ(seen->size(), 1U);
    EXPECT_NE(seen->begin()->who, first);
    EXPECT_EQ(seen->age(), 0ns);
}

TEST_F(named, a_broadcast_reaches_every_process_of_a_service) {
    for (const char* name : {"ann", "bob"}) {
        ASSERT_TRUE(at(name).register_name("worker", at(name).spawn(worker, &noted)));
    }
    ASSERT_TRUE(comes_to("ann", "worker", {"ann", "bob"}));
    at("ann").spawn([](self me) -> process {
        static_cast<void>(me.send_to_all("worker", note_down{"all"}));
        co_return;
    });
    world.in.run_for(1s);
    std::ranges::sort(noted);
    EXPECT_EQ(noted, (texts{"ann: all", "bob: all"}));
    noted.clear();
    // Where it was never asked for before, it is sent once it has been found.
    ASSERT_TRUE(at("bob").send_to_all("worker", note_down{"later"}));
    world.in.run_for(1s);
    std::ranges::sort(noted);
    EXPECT_EQ(noted, (texts{"ann: later", "bob: later"}));
}

TEST_F(named, a_broadcast_that_could_not_be_addressed_is_not_lost_silently) {
    world.in.cut(world.host("ann"), world.keeper_host());
    world.in.cut(world.keeper_host(), world.host("ann"));
    at("ann").spawn([&](self me) -> process {
        EXPECT_TRUE(me.send_to_all("worker", note_down{"all"}));
        const auto in = co_await me.receive<undelivered>(60s);
        noted.push_back(in ? std::to_string(in->body.count) + " undelivered" : "nothing");
    });
    EXPECT_TRUE(at("ann").send_to_all("worker", note_down{"from a thread"}));
    EXPECT_EQ(at("ann").lost_messages(), 0U);
    world.in.run_for(90s);
    EXPECT_EQ(noted, texts{"1 undelivered"});
    EXPECT_EQ(at("ann").lost_messages(), 1U);
    EXPECT_EQ(std::ranges::count(world.said, "ann message.lost"), 1);
}

TEST_F(named, a_broadcast_to_peers_reaches_that_name_on_every_other_member) {
    for (const char* name : {"ann", "bob"}) {
        ASSERT_TRUE(at(name).register_name("worker", at(name).spawn(worker, &noted)));
    }
    ASSERT_TRUE(comes_to("ann", "worker", {"ann", "bob"}));
    ASSERT_TRUE(at("ann").send_to_peers("worker", note_down{"others"}));
    world.in.run_for(1s);
    EXPECT_EQ(noted, texts{"bob: others"});
}

TEST_F(named, whoever_is_used_is_connected_with_and_its_traffic_is_counted) {
    ASSERT_TRUE(at("bob").register_name("worker", at("bob").spawn(worker, &noted)));
    ASSERT_TRUE(comes_to("ann", "worker", {"bob"}));
    EXPECT_TRUE(at("ann").traffic().empty()) << "nobody is connected with who is not used";
    ASSERT_TRUE(at("ann").send_to_peers("worker", note_down{std::string(5000, 'x')}));
    world.in.run_for(1s);
    const std::vector<peer_traffic> from = at("ann").traffic();
    ASSERT_EQ(from.size(), 1U);
    EXPECT_EQ(from[0].name, "bob");
    EXPECT_EQ(from[0].address, at("bob").address());
    EXPECT_TRUE(from[0].is_connected);
    EXPECT_EQ(from[0].connections, 1U);
    EXPECT_GT(from[0].bytes_out, 5000U);
    EXPECT_EQ(from[0].waiting, 0U);
    const std::vector<peer_traffic> to = at("bob").traffic();
    ASSERT_EQ(to.size(), 1U);
    EXPECT_EQ(to[0].name, "ann");
    EXPECT_GT(to[0].bytes_in, 5000U);
    EXPECT_GE(to[0].frames_in, 1U);
    EXPECT_GE(from[0].frames_out, 1U);
}

TEST_F(named, ask_all_answers_by_the_deadline_with_who_is_missing) {
    for (const char* name : {"ann", "bob"}) {
        ASSERT_TRUE(at(name).register_name("worker", at(name).spawn(worker, &noted)));
    }
    const pid silent = at("bob").spawn(mute);
    ASSERT_TRUE(at("bob").register_name("worker", silent));
    ASSERT_TRUE(comes_to("ann", "worker", {"ann", "bob", "bob"}));
    const auto before = world.in.now();
    const auto got = world.answer(at("ann").within(1s).ask_all<who_are_you>("worker"));
    ASSERT_TRUE(got);
    EXPECT_LE(world.in.now() - before, 1100ms);
    texts answers;
    for (const auto& one : *got) {
        answers.push_back(one.answer ? *one.answer : "nothing");
        EXPECT_EQ(!one.answer, one.who == silent);
    }
    std::ranges::sort(answers);
    EXPECT_EQ(answers, (texts{"ann", "bob", "nothing"}));
    const auto nobody = world.answer(at("ann").within(1s).ask_all<who_are_you>("unheard of"));
    ASSERT_TRUE(nobody);
    EXPECT_TRUE(nobody->empty());
}

TEST_F(named, a_process_finds_and_asks_by_name_and_picks_in_turn) {
    for (const char* name : {"ann", "bob"}) {
        ASSERT_TRUE(at(name).register_name("worker", at(name).spawn(worker, &noted)));
    }
    world.in.run_for(1s);
    texts heard;
    at("bob").spawn([&heard](self me) -> process {
        for (int i = 0; i < 4; ++i) {
            const auto all = co_await me.find("worker");
            const auto one = all ? all->pick(round_robin) : std::nullopt;
            if (one) {
                const auto got = co_await me.ask<who_are_you>(*one);
                heard.push_back(got ? *got : got.error().text);
            }
        }
        const auto answers = co_await me.within(1s).ask_all<who_are_you>("worker");
        heard.push_back(answers ? std::to_string(answers->size()) : answers.error().text);
    });
    EXPECT_TRUE(world.until([&] { return heard.size() == 5; }));
    std::ranges::sort(heard);
    EXPECT_EQ(heard, (texts{"2", "ann", "ann", "bob", "bob"}));
}

TEST_F(named, the_nearest_are_those_of_the_same_zone) {
    for (const char* name : {"cy", "dee"}) {
        auto settings = world.settings(name);
        settings.zone = name == std::string{"cy"} ? "east" : "west";
        ASSERT_TRUE(world.make(std::move(settings)).start());
    }
    for (const char* name : {"cy", "dee"}) {
        ASSERT_TRUE(at(name).register_name("worker", at(name).spawn(worker, &noted)));
        ASSERT_TRUE(
            comes_to("cy", "worker", name == std::string{"cy"} ? texts{"cy"} : texts{"cy", "dee"}));
    }
    ASSERT_TRUE(comes_to("dee", "worker", {"cy", "dee"}));
    for (const char* name : {"cy", "dee"}) {
        const auto all = world.answer(at(name).find("worker"));
        ASSERT_TRUE(all);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(all->pick(nearest)->member(), name);
        }
    }
}

TEST_F(named, a_look_up_makes_no_connection_between_nodes) {
    auto settings = world.settings("cy");
    node& cy = world.make(std::move(settings));
    ASSERT_TRUE(cy.start());
    ASSERT_TRUE(at("ann").register_name("worker", at("ann").spawn(worker, &noted)));
    const auto packets = std::make_shared<int>(0);  // The world goes on after this test.
    world.in.set_filter([packets](const runtime::sim::packet_info& one) {
        const bool both =
            (one.from == "cy" && one.to == "ann") || (one.from == "ann" && one.to == "cy");
        *packets += both ? 1 : 0;
        return runtime::sim::verdict::deliver;
    });
    ASSERT_TRUE(comes_to("cy", "worker", {"ann"}));
    world.in.run_for(10s);
    EXPECT_EQ(*packets, 0);
}

TEST(a_name, is_registered_before_its_node_starts) {
    node_world world;
    texts noted;
    world.start_keeper();
    node& one = world.make(world.settings("ann"));
    ASSERT_TRUE(one.register_name("worker", one.spawn(worker, &noted)));
    const auto early = world.answer(one.find("worker"));
    ASSERT_TRUE(early);
    EXPECT_EQ(early->size(), 1U);
    EXPECT_EQ(world.answer(one.find("other")).error().code, errc::unavailable);
    ASSERT_TRUE(one.start());
    const auto later = world.answer(one.find("worker"));
    ASSERT_TRUE(later);
    EXPECT_EQ(later->begin()->address, one.address());
}

}  // namespace
}  // namespace muster
