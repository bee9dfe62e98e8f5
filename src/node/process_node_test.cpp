// Processes of whole nodes in a simulated world.

#include "node/node_world_test.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

using texts = std::vector<std::string>;

struct say {
    using reply = std::string;
    std::string text;
};
struct stop_now {};

process parrot(self me, std::string voice) {
    while (auto in = co_await me.receive<say, stop_now>()) {
        if (auto* asked = in->get_if<say>()) {
            asked->reply(voice + me.member().name + ": " + asked->body.text);
        } else {
            co_return;
        }
    }
}

process ask_another(self me, pid other, std::vector<std::string>* heard) {
    const auto got = co_await me.ask<say>(other, "hello");
    heard->push_back(got ? *got : got.error().text);
}

process keep_watch(self me, pid other, std::vector<ending>* heard) {
    me.monitor(other);
    while (auto in = co_await me.receive<down>()) {
        heard->push_back(in->body.why.how);
    }
}

class two_members : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "bob"}) {
            world.start(name);
        }
        ASSERT_TRUE(world.settled({"ann", "bob"}));
    }
    node_world world;
};

TEST(a_process, runs_before_its_node_is_started_and_ends_with_it) {
    texts heard;
    {
        node_world world;
        node& one = world.make(world.settings("ann"));
        const pid who = one.spawn(parrot, "");
        EXPECT_EQ(world.answer(one.ask<say>(who, "early")), result<std::string>{"ann: early"});
        one.spawn([&heard](self me) -> process {
            const auto in = co_await me.receive<say>();
            heard.push_back(in ? "?" : std::string{name_of(in.error().code)});
        });
        world.in.run_for(1s);
    }
    EXPECT_EQ(heard, texts{"closed"});
}

TEST_F(two_members, ask_processes_of_each_other_as_their_own) {
    const pid mine = world.at("ann").spawn(parrot, "");
    const pid theirs = world.at("bob").spawn(parrot, "");
    texts heard;
    world.at("ann").spawn(ask_another, mine, &heard);
    world.in.run_for(1s);
    world.at("ann").spawn(ask_another, theirs, &heard);
    world.in.run_for(1s);
    EXPECT_EQ(heard, (texts{"ann: hello", "bob: hello"}));
    EXPECT_EQ(world.answer(world.at("ann").ask<say>(theirs, "from a thread")),
              result<std::string>{"bob: from a thread"});
}

TEST_F(two_members, hear_that_a_node_is_lost_by_the_view) {
    const pid theirs = world.at("bob").spawn(parrot, "");
    std::vector<ending> heard;
    world.at("ann").spawn(keep_watch, theirs, &heard);
    world.in.run_for(1s);
    world.kill("bob");
    EXPECT_TRUE(world.until([&] { return !heard.empty(); }));
    world.in.run_for(30s);
    EXPECT_EQ(heard, std::vector{ending::node_lost});
}

TEST_F(two_members, keep_their_processes_through_a_lost_session) {
    const pid theirs = world.at("bob").spawn(parrot, "");
    world.in.isolate(world.host("bob"));
    ASSERT_TRUE(world.until([&] { return world.at("ann").view().members.size() == 1; }));
    const auto away = world.answer(world.at("ann").within(1s).ask<say>(theirs, "there?"));
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().next(), next_step::wait) << away.error().text;
    world.in.heal();
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    EXPECT_EQ(world.answer(world.at("ann").ask<say>(theirs, "back")),
              result<std::string>{"bob: back"});
}

TEST_F(two_members, start_processes_on_each_other) {
    world.at("bob").factory("parrot", parrot);
    const auto seen = world.at("ann").view();
    const auto made = world.answer(
        world.at("ann").spawn_on(*seen.find("bob"), "parrot", std::string{"squawk, "}));
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->member(), "bob");
    EXPECT_EQ(world.answer(world.at("ann").ask<say>(*made, "hi")),
              result<std::string>{"squawk, bob: hi"});
    const auto wrong = world.answer(world.at("ann").spawn_on(*seen.find("bob"), "parrot", 17));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, errc::incompatible);
}

/// Cannot be copied twice.
struct fussy {
    fussy() = default;
    fussy(const fussy&) { throw std::runtime_error{"no copies"}; }
    fussy(fussy&&) = default;
};
process take(self me, fussy /*given*/) {
    const auto in = co_await me.receive<stop_now>();
    static_cast<void>(in);
}

TEST_F(two_members, surface_errors_in_arguments_in_the_caller) {
    node& ann = world.at("ann");
    world.at("bob").factory("parrot", parrot);
    const pid theirs = world.at("bob").spawn(parrot, "");
    const auto code = [&](auto one) {
        const auto got = world.answer(std::move(one));
        return got ? errc::closed : got.error().code;
    };
    const auto seen = ann.view();
    const member& bob = *seen.find("bob");
    EXPECT_EQ(code(ann.spawn_on(bob, "parrot", 17)), errc::incompatible);
    EXPECT_EQ(code(ann.spawn_on(bob, "owl", std::string{})), errc::not_found);
    EXPECT_EQ(code(ann.ask<say>(pid{}, "hello")), errc::invalid_argument);
    EXPECT_EQ(ann.send(pid{}, stop_now{}).error().code, errc::invalid_argument);
    const std::string huge(std::size_t{17} << 20U, 'x');
    EXPECT_EQ(ann.send(theirs, say{huge}).error().code, errc::invalid_argument);
    EXPECT_EQ(code(ann.ask<say>(theirs, huge)), errc::invalid_argument);
    const fussy one;
    EXPECT_THROW(ann.spawn(take, one), std::runtime_error);
    // Nobody else has noticed.
    EXPECT_EQ(world.answer(ann.ask<say>(theirs, "hello")), result<std::string>{"bob: hello"});
}

TEST_F(two_members, tell_a_stale_pid_that_its_life_has_ended) {
    const pid theirs = world.at("bob").spawn(parrot, "");
    world.kill("bob");
    world.start("bob");
    ASSERT_TRUE(world.settled({"ann", "bob"}));
    const auto asked = world.answer(world.at("ann").ask<say>(theirs, "still there?"));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().code, errc::gone) << asked.error().text;
    EXPECT_EQ(world.at("ann").send(theirs, say{"still there?"}).error().code, errc::gone);
    std::vector<ending> heard;
    world.at("ann").spawn(keep_watch, theirs, &heard);
    world.in.run_for(1s);
    EXPECT_EQ(heard, std::vector{ending::node_lost});
    const auto unseen = world.at("ann").send(pid{member_id{7, 7}, "bob", 1, 1}, say{"?"});
    EXPECT_EQ(unseen.error().code, errc::unavailable) << "this view may be the older one";
    EXPECT_NE(world.at("bob").spawn(parrot, "").life(), theirs.life());
}

}  // namespace
}  // namespace muster
