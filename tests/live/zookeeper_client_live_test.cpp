#include "live/loop_room.hpp"
#include "live/real_zookeeper.hpp"
#include "zookeeper/client.hpp"
#include "zookeeper/four_letter_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace muster::zookeeper {
namespace {

using live::loop_room;
using live::real_zookeeper;
using testing::ElementsAre;
using testing::HasSubstr;

/// A client on a loop of its own, driven from the test's thread.
class party {
public:
    explicit party(const std::string& servers, client_options options = {}) {
        options.servers = connect_string::parse(servers).value();
        room.on([&] {
            zk = client::start(
                room.loop(),
                options,
                [this](const session_change& change) { changes.push_back(change); },
                [this](const answered& what) { answers.push_back(what); });
        });
    }
    ~party() {
        room.on([&] { zk.reset(); });
    }
    party(const party&) = delete;
    party& operator=(const party&) = delete;

    bool wait_for(session_state state, duration limit = 10s) {
        return room.wait([&] { return zk->state() == state && !changes.empty() &&
                                      changes.back().state == state; },
                         limit);
    }

    /// Runs an operation and waits for its end.
    template <class T, class Begin>
    reply<T> ask(Begin begin, duration limit = 10s) {
        std::promise<reply<T>> made;
        auto answer = made.get_future();
        room.on([&] {
            begin(*zk, room.in(limit), [&](reply<T> got) { made.set_value(std::move(got)); });
        });
        return answer.get();
    }
    reply<created> create(const std::string& path,
                          const std::string& data = {},
                          create_mode mode = create_mode::persistent) {
        return ask<created>([&](client& c, instant by, auto done) {
            c.create(create_op{path, data, mode, {}, {}}, by, std::move(done));
        });
    }
    reply<node_data> get(const std::string& path, client::on_event watch = {}) {
        return ask<node_data>([&](client& c, instant by, auto done) {
            c.get(path, std::move(watch), by, std::move(done));
        });
    }
    reply<stat> set(const std::string& path,
                    const std::string& data,
                    std::int32_t version = any_version) {
        return ask<stat>([&](client& c, instant by, auto done) {
            c.set(path, data, version, by, std::move(done));
        });
    }
    reply<stat> exists(const std::string& path, client::on_event watch = {}) {
        return ask<stat>([&](client& c, instant by, auto done) {
            c.exists(path, std::move(watch), by, std::move(done));
        });
    }
    reply<nothing> close() {
        return ask<nothing>(
            [](client& c, instant by, auto done) { c.close(by, std::move(done)); });
    }

    loop_room room;
    std::vector<session_change> changes;
    std::vector<answered> answers;
    std::unique_ptr<client> zk;
};

std::string data_of(std::size_t size) {
    return std::string(size, 'x');
}

class standalone : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ASSERT_TRUE(real_zookeeper::is_installed()) << "install libzookeeper-java and a Java";
        server = new real_zookeeper;
        ASSERT_TRUE(server->is_serving(0)) << server->log(0);
    }
    static void TearDownTestSuite() {
        delete server;
        server = nullptr;
    }
    static real_zookeeper* server;
};
real_zookeeper* standalone::server = nullptr;

TEST_F(standalone, a_session_begins_and_ends_confirmed) {
    party one{server->connect_string()};
    ASSERT_TRUE(one.wait_for(session_state::connected));
    EXPECT_TRUE(one.changes.back().is_new);
    EXPECT_EQ(one.changes.back().timeout, 4000ms);
    EXPECT_LE(one.changes.back().connect_sent, one.changes.back().connect_acked);
    EXPECT_TRUE(one.close().ok());
    EXPECT_TRUE(one.wait_for(session_state::closed));
}

TEST_F(standalone, znodes_of_every_mode_are_made_read_changed_and_removed) {
    party one{server->connect_string()};
    const auto made = one.create("/modes", "first");
    ASSERT_TRUE(made.ok()) << made.text;
    EXPECT_EQ(made.value.path, "/modes");
    EXPECT_EQ(made.zxid, made.value.meta.czxid);
    EXPECT_EQ(one.get("/modes").value.data, "first");
    EXPECT_EQ(one.set("/modes", "second", 0).value.version, 1);
    EXPECT_TRUE(one.set("/modes", "third", 0).refused_with(zk_error::bad_version));
    EXPECT_EQ(one.create("/modes/s-", "", create_mode::persistent_sequential).value.path,
              "/modes/s-0000000000");
    const auto brief = one.create("/modes/e-", "", create_mode::ephemeral_sequential);
    EXPECT_EQ(brief.value.path, "/modes/e-0000000001");
    EXPECT_EQ(brief.value.meta.ephemeral_owner, brief.session);
    EXPECT_TRUE(one.create("/modes/c", "", create_mode::container).ok());
    const auto timed = one.ask<created>([](client& c, instant by, auto done) {
        c.create(create_op{"/modes/t", "", create_mode::persistent_with_ttl, {}, 60s},
                 by,
                 std::move(done));
    });
    EXPECT_TRUE(timed.ok()) << timed.text;
    auto children = one.ask<node_children>(
        [](client& c, instant by, auto done) { c.children("/modes", {}, by, std::move(done)); });
    std::sort(children.value.names.begin(), children.value.names.end());
    EXPECT_THAT(children.value.names, ElementsAre("c", "e-0000000001", "s-0000000000", "t"));
    const auto removed = one.ask<nothing>(
        [](client& c, instant by, auto done) { c.remove("/modes", -1, by, std::move(done)); });
    EXPECT_TRUE(removed.refused_with(zk_error::not_empty));
}

TEST_F(standalone, a_multi_is_done_whole_or_not_at_all_and_names_the_culprit) {
    party one{server->connect_string()};
    const auto good = one.ask<std::vector<op_result>>([](client& c, instant by, auto done) {
        c.multi({create_op{"/m", "1", {}, {}, {}},
                 create_op{"/m/a-", "", create_mode::ephemeral_sequential, {}, {}},
                 set_op{"/m", "2", 0},
                 check_op{"/m", 1}},
                by,
                std::move(done));
    });
    ASSERT_TRUE(good.ok()) << good.text;
    EXPECT_EQ(good.value[1].path, "/m/a-0000000000");
    EXPECT_EQ(good.value[2].meta.version, 1);
    const auto bad = one.ask<std::vector<op_result>>([](client& c, instant by, auto done) {
        c.multi({set_op{"/m", "3", any_version}, check_op{"/m", 7}, remove_op{"/m", any_version}},
                by,
                std::move(done));
    });
    EXPECT_TRUE(bad.refused_with(zk_error::bad_version)) << bad.text;
    ASSERT_EQ(bad.value.size(), 3U);
    EXPECT_EQ(bad.value[0].error, zk_error::ok);
    EXPECT_EQ(bad.value[1].error, zk_error::bad_version);
    EXPECT_EQ(bad.value[2].error, zk_error::runtime_inconsistency);
    EXPECT_EQ(one.get("/m").value.data, "2");
}

TEST_F(standalone, below_a_chroot_paths_are_relative_both_ways) {
    party outside{server->connect_string()};
    ASSERT_TRUE(outside.create("/root").ok());
    party inside{server->connect_string() + "/root"};
    EXPECT_EQ(inside.create("/a-", "", create_mode::persistent_sequential).value.path,
              "/a-0000000000");
    EXPECT_TRUE(outside.exists("/root/a-0000000000").ok());
    EXPECT_TRUE(inside.exists("/").ok());
    EXPECT_TRUE(inside.exists("nonsense").refused_with(zk_error::bad_arguments));
    std::vector<watch_event> events;
    EXPECT_TRUE(inside.exists("/b", [&](const watch_event& e) { events.push_back(e); })
                    .refused_with(zk_error::no_node));
    ASSERT_TRUE(outside.create("/root/b").ok());
    ASSERT_TRUE(inside.room.wait([&] { return !events.empty(); }, 5s));
    EXPECT_EQ(events.front(), (watch_event{event_type::created, "/b"}));
}

TEST_F(standalone, one_shot_watches_fire_once_and_persistent_ones_until_removed) {
    party one{server->connect_string()};
    ASSERT_TRUE(one.create("/w", "0").ok());
    int once = 0;
    std::vector<watch_event> always;
    ASSERT_TRUE(one.get("/w", [&](const watch_event&) { ++once; }).ok());
    const auto added = one.ask<nothing>([&](client& c, instant by, auto done) {
        c.add_watch("/w",
                    watch_mode::persistent_recursive,
                    [&](const watch_event& e) { always.push_back(e); },
                    by,
                    std::move(done));
    });
    ASSERT_TRUE(added.ok()) << added.text;
    ASSERT_TRUE(one.set("/w", "1").ok());
    ASSERT_TRUE(one.set("/w", "2").ok());
    ASSERT_TRUE(one.create("/w/below").ok());
    EXPECT_EQ(once, 1);
    EXPECT_THAT(always,
                ElementsAre(watch_event{event_type::data_changed, "/w"},
                            watch_event{event_type::data_changed, "/w"},
                            watch_event{event_type::created, "/w/below"}));
    const auto remove = [](client& c, instant by, auto done) {
        c.remove_watches("/w", watcher_type::any, by, std::move(done));
    };
    EXPECT_TRUE(one.ask<nothing>(remove).ok());
    EXPECT_TRUE(one.ask<nothing>(remove).refused_with(zk_error::no_watcher));
    ASSERT_TRUE(one.set("/w", "3").ok());
    EXPECT_EQ(always.size(), 3U);
}

TEST_F(standalone, only_its_creator_reads_a_znode_of_its_own) {
    client_options known;
    known.auth = {{"digest", "ann:secret"}};
    known.default_acl = creator_all_acl();
    party ann{server->connect_string(), known};
    ASSERT_TRUE(ann.create("/mine", "hidden").ok());
    party bob{server->connect_string()};
    EXPECT_TRUE(bob.get("/mine").refused_with(zk_error::no_auth));
    const auto let_in = bob.ask<nothing>([](client& c, instant by, auto done) {
        c.add_auth("digest", "ann:secret", by, std::move(done));
    });
    EXPECT_TRUE(let_in.ok()) << let_in.text;
    EXPECT_EQ(bob.get("/mine").value.data, "hidden");
    // The credentials go along to the next connection.
    bob.room.on([&] { bob.zk->reconnect("the test says so"); });
    EXPECT_EQ(bob.get("/mine").value.data, "hidden");
}

TEST_F(standalone, unknown_credentials_are_final) {
    party one{server->connect_string()};
    const auto refused = one.ask<nothing>([](client& c, instant by, auto done) {
        c.add_auth("no-such-scheme", "x", by, std::move(done));
    });
    EXPECT_TRUE(refused.refused_with(zk_error::auth_failed)) << refused.text;
    EXPECT_TRUE(one.wait_for(session_state::auth_failed));
    EXPECT_EQ(one.get("/").how, outcome::not_sent);
}

TEST_F(standalone, a_request_over_the_limit_is_refused_and_the_connection_stays) {
    party one{server->connect_string()};
    ASSERT_TRUE(one.create("/big").ok());
    EXPECT_TRUE(one.set("/big", data_of(1 << 20)).refused_with(zk_error::marshalling_error));
    const auto most = one.set("/big", data_of((1 << 20) - 64));
    EXPECT_TRUE(most.ok()) << most.text;
    EXPECT_EQ(one.changes.size(), 1U);
}

TEST_F(standalone, a_session_is_resumed_with_its_ticket) {
    party first{server->connect_string()};
    ASSERT_TRUE(first.create("/held", "", create_mode::ephemeral).ok());
    client_options again;
    again.resume = first.room.on([&] { return first.zk->session(); });
    first.room.on([&] { first.zk.reset(); });
    party second{server->connect_string(), again};
    ASSERT_TRUE(second.wait_for(session_state::connected));
    EXPECT_FALSE(second.changes.back().is_new);
    const auto held = second.exists("/held");
    EXPECT_EQ(held.value.ephemeral_owner, again.resume->id);
}

TEST_F(standalone, a_session_that_another_has_closed_is_expired_and_can_be_renewed) {
    party one{server->connect_string()};
    ASSERT_TRUE(one.create("/fleeting", "", create_mode::ephemeral).ok());
    int fired = 0;
    ASSERT_TRUE(one.exists("/fleeting", [&](const watch_event&) { ++fired; }).ok());
    client_options thief;
    thief.resume = one.room.on([&] { return one.zk->session(); });
    {
        party other{server->connect_string(), thief};
        ASSERT_TRUE(other.close().ok());
    }
    ASSERT_TRUE(one.wait_for(session_state::expired));
    EXPECT_EQ(one.get("/").how, outcome::not_sent);
    const std::int64_t seen = one.room.on([&] { return one.zk->last_zxid(); });
    EXPECT_GT(seen, 0);
    one.room.on([&] { one.zk->renew(); });
    ASSERT_TRUE(one.wait_for(session_state::connected));
    EXPECT_TRUE(one.changes.back().is_new);
    EXPECT_TRUE(one.exists("/fleeting").refused_with(zk_error::no_node));
}

TEST_F(standalone, ten_thousand_watches_survive_a_reconnect) {
    party one{server->connect_string()};
    ASSERT_TRUE(one.create("/many").ok());
    const std::string name(95, 'n');
    constexpr int count = 10'000;
    int set = 0;
    std::vector<std::string> fired;
    one.room.on([&] {
        for (int i = 0; i < count; ++i) {
            const std::string path = "/many/" + name + std::to_string(i);
            one.zk->exists(
                path,
                [&fired](const watch_event& e) { fired.push_back(e.path); },
                one.room.in(20s),
                [&set](reply<stat> got) { set += got.refused_with(zk_error::no_node) ? 1 : 0; });
        }
    });
    ASSERT_TRUE(one.room.wait([&] { return set == count; }, 20s)) << set;
    one.room.on([&] { one.zk->reconnect("the test says so"); });
    ASSERT_TRUE(one.create("/many/" + name + "77").ok());
    ASSERT_TRUE(one.room.wait([&] { return !fired.empty(); }, 5s));
    EXPECT_THAT(fired, ElementsAre("/many/" + name + "77"));
    EXPECT_THAT(server->ask(0, "wchs"), HasSubstr("Total watches:9999"));
}

TEST_F(standalone, pings_go_on_beside_silence_and_every_answer_is_told_with_its_times) {
    client_options options;
    options.ping_interval = 50ms;
    party one{server->connect_string(), options};
    ASSERT_TRUE(one.wait_for(session_state::connected));
    ASSERT_TRUE(one.room.wait([&] { return one.answers.size() >= 10; }, 5s));
    const auto answers = one.room.on([&] { return one.answers; });
    for (std::size_t i = 0; i < answers.size(); ++i) {
        EXPECT_LT(answers[i].sent, answers[i].acked);
        if (i > 0) {
            EXPECT_GE(answers[i].sent - answers[i - 1].sent, 50ms);
        }
    }
}

TEST_F(standalone, four_letter_words_are_answered) {
    party one{server->connect_string()};
    ASSERT_TRUE(one.wait_for(session_state::connected));
    std::promise<result<std::string>> made;
    one.room.on([&] {
        one.zk->four_letter("srvr", one.room.in(5s), [&](result<std::string> got) {
            made.set_value(std::move(got));
        });
    });
    const auto answer = made.get_future().get();
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_THAT(*answer, HasSubstr("Mode: standalone"));
}

TEST_F(standalone, a_word_that_is_sent_as_a_line_is_answered_all_the_same) {
    loop_room room;
    for (int i = 0; i < 50; ++i) {
        std::promise<result<std::string>> made;
        auto asking = room.on([&] {
            return ask_who_is_there(*room.loop(),
                                    {"127.0.0.1", server->port(0)},
                                    room.in(5s),
                                    [&](result<std::string> got) { made.set_value(got); });
        });
        const auto answer = made.get_future().get();
        room.on([&] { asking.reset(); });
        ASSERT_TRUE(answer) << answer.error().text;
        EXPECT_TRUE(is_answer_to_word(*answer));
        EXPECT_THAT(*answer, HasSubstr("Mode: standalone"));
    }
}

// --- Faults --------------------------------------------------------------------------------------

TEST(zookeeper_faults, a_paused_server_is_left_and_the_session_goes_on) {
    real_zookeeper server;
    party one{server.connect_string()};
    ASSERT_TRUE(one.create("/here", "", create_mode::ephemeral).ok());
    server.pause(0);
    const auto unknown = one.ask<stat>(
        [](client& c, instant by, auto done) { c.set("/here", "1", -1, by, std::move(done)); },
        500ms);
    EXPECT_EQ(unknown.how, outcome::outcome_unknown);
    ASSERT_TRUE(one.wait_for(session_state::connecting, 8s));
    server.resume(0);
    ASSERT_TRUE(one.wait_for(session_state::connected, 8s));
    EXPECT_FALSE(one.changes.back().is_new);
    EXPECT_TRUE(one.exists("/here").ok());
}

TEST(zookeeper_faults, a_wiped_server_is_recognised_as_an_ensemble_that_went_back) {
    real_zookeeper server;
    party one{server.connect_string()};
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(one.create("/n" + std::to_string(i)).ok());
    }
    server.kill(0);
    server.wipe(0);
    server.start(0);
    ASSERT_TRUE(server.wait_until_serving(10s));
    EXPECT_TRUE(one.room.wait(
        [&] {
            return !one.changes.empty() &&
                   one.changes.back().text.find("the ensemble went back") != std::string::npos;
        },
        20s))
        << one.changes.back().text;
    EXPECT_EQ(one.room.on([&] { return one.zk->state(); }), session_state::connecting);
}

TEST(zookeeper_faults, closing_while_the_server_is_paused_ends_by_its_deadline) {
    real_zookeeper server;
    party one{server.connect_string()};
    ASSERT_TRUE(one.wait_for(session_state::connected));
    server.pause(0);
    const instant before = one.room.loop()->now();
    const auto closed = one.ask<nothing>(
        [](client& c, instant by, auto done) { c.close(by, std::move(done)); }, 300ms);
    EXPECT_EQ(closed.how, outcome::outcome_unknown);
    EXPECT_LT(one.room.loop()->now() - before, 1s);
}

TEST(zookeeper_faults, a_session_survives_the_death_of_its_server_and_of_the_leader) {
    real_zookeeper ensemble{{.servers = 3}};
    client_options options;
    options.session_timeout = 7s;
    party one{ensemble.connect_string(), options};
    ASSERT_TRUE(one.wait_for(session_state::connected));
    ASSERT_TRUE(one.create("/kept", "", create_mode::ephemeral).ok());
    int fired = 0;
    ASSERT_TRUE(one.exists("/later", [&](const watch_event&) { ++fired; })
                    .refused_with(zk_error::no_node));
    const auto leader = ensemble.leader();
    ASSERT_TRUE(leader);
    ensemble.kill(*leader);
    reply<created> made;
    for (int tries = 0; tries < 20 && !made.ok() && !made.refused_with(zk_error::node_exists);
         ++tries) {
        made = one.ask<created>(
            [](client& c, instant by, auto done) {
                c.create(create_op{"/later", "", {}, {}, {}}, by, std::move(done));
            },
            2s);
    }
    EXPECT_TRUE(made.ok() || made.refused_with(zk_error::node_exists)) << made.text;
    EXPECT_TRUE(one.room.wait([&] { return fired == 1; }, 5s));
    EXPECT_TRUE(one.exists("/kept").ok());
    const auto changes = one.room.on([&] { return one.changes; });
    EXPECT_EQ(std::count_if(changes.begin(), changes.end(), [](const session_change& c) {
                  return c.is_new;
              }),
              1);
}

}  // namespace
}  // namespace muster::zookeeper
