// Global processes of whole nodes in a simulated world.

#include "node/globals_world_test.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

using texts = std::vector<std::string>;

/// Three candidates for `boss`, and a stranger.
class elected : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "bob", "cid"}) {
            node& one = world.make(world.settings(name));
            addresses.emplace(name, one.candidate("boss", boss, &book));
            ASSERT_TRUE(one.start());
        }
        ASSERT_TRUE(world.make(world.settings("dan")).start());
        ASSERT_TRUE(all_online({"ann", "bob", "cid", "dan"}));
        const auto found = world.answer(at("dan").find_global("boss"));
        ASSERT_TRUE(found) << found.error().text;
        from_dan = *found;
        ASSERT_TRUE(world.until([&] { return book.begun.size() == 1; }));
    }

    node& at(const std::string& name) { return world.at(name); }
    bool all_online(const texts& names) {
        return world.until([&] {
            return std::ranges::all_of(names, [&](const std::string& name) {
                return at(name).state() == member_state::online &&
                       at(name).view().members.size() == names.size();
            });
        });
    }
    [[nodiscard]] std::string elected_member() const { return book.begun.back().member; }
    /// Who answers, as a caller on that node sees it.
    std::string answers(const global& address) {
        const auto got = world.answer(address.within(20s).ask<who_are_you>(), 60s);
        return got ? *got : got.error().text;
    }
    /// Another one has been elected after the first `before`, and it is alone.
    void expect_another_after(std::size_t before) {
        const auto last = book.begun[before - 1];
        ASSERT_TRUE(world.until([&] { return book.begun.size() > before; }));
        world.in.run_for(5s);
        EXPECT_EQ(book.begun.size(), before + 1) << "exactly one";
        EXPECT_EQ(book.running, 1);
        EXPECT_EQ(book.most, 1);
        EXPECT_NE(book.begun.back().member, last.member);
        EXPECT_TRUE(fences_grow(book));
        EXPECT_EQ(answers(from_dan), elected_member());
    }

    boss_book book;
    node_world world;
    std::map<std::string, global> addresses;
    global from_dan;
};

TEST_F(elected, one_runs_and_answers_candidates_and_strangers_alike) {
    world.in.run_for(5s);
    EXPECT_EQ(book.begun.size(), 1U);
    for (const auto& [name, address] : addresses) {
        EXPECT_EQ(answers(address), elected_member()) << name;
    }
    EXPECT_EQ(answers(from_dan), elected_member());
    const auto where = world.answer(from_dan.where());
    ASSERT_TRUE(where);
    EXPECT_EQ(*where, book.begun.back().who);
    EXPECT_EQ(addresses.at("ann").name(), "boss");
}

TEST_F(elected, another_is_elected_when_it_returns) {
    ASSERT_TRUE(from_dan.send(end_now{}));
    expect_another_after(1);
}

TEST_F(elected, another_is_elected_when_it_crashes) {
    ASSERT_TRUE(from_dan.send(crash_now{}));
    expect_another_after(1);
}

TEST_F(elected, another_is_elected_when_its_node_is_killed) {
    const std::string first = elected_member();
    addresses.erase(first);
    world.kill(first);
    book.running = 0;  // What a killed program had in memory is gone with it.
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    world.in.run_for(5s);
    EXPECT_EQ(book.begun.size(), 2U);
    EXPECT_NE(elected_member(), first);
    EXPECT_TRUE(fences_grow(book));
    EXPECT_EQ(answers(from_dan), elected_member());
}

// Row 62 of docs/internals/faults.md, as far as the end of the lease goes.
TEST_F(elected, another_is_elected_when_its_node_is_stranded_and_never_beside_it) {
    const std::string first = elected_member();
    world.in.isolate(world.host(first));
    expect_another_after(1);
    world.in.heal();
    ASSERT_TRUE(all_online({"ann", "bob", "cid", "dan"}));
    world.in.run_for(5s);
    EXPECT_EQ(book.most, 1);
    EXPECT_EQ(answers(addresses.at(first)), elected_member());
}

// Row 52: nobody takes what was there before ZooKeeper was lost for what is there now.
TEST_F(elected, nobody_runs_while_zookeeper_is_lost_and_one_does_afterwards) {
    world.keeper_host().pause();
    ASSERT_TRUE(world.until([&] { return book.running == 0; }));
    world.in.run_for(60s);
    EXPECT_EQ(book.running, 0);
    const std::size_t before = book.begun.size();
    const auto away = world.answer(from_dan.within(1s).ask<who_are_you>());
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().next(), next_step::wait) << away.error().text;
    world.keeper_host().resume();
    ASSERT_TRUE(world.until([&] { return book.running == 1; }));
    world.in.run_for(10s);
    EXPECT_EQ(book.running, 1);
    EXPECT_EQ(book.most, 1);
    EXPECT_GT(book.begun.size(), before);
    EXPECT_TRUE(fences_grow(book));
    EXPECT_EQ(answers(from_dan), elected_member());
}

// Row 65: who cannot be reached by anybody but ZooKeeper keeps what it has, and nobody else begins.
TEST_F(elected, one_that_callers_do_not_reach_is_not_elected_twice) {
    const std::string first = elected_member();
    ASSERT_EQ(answers(from_dan), first);
    world.in.cut(world.host("dan"), world.host(first));
    world.in.cut(world.host(first), world.host("dan"));
    const auto away = world.answer(from_dan.within(2s).ask<who_are_you>());
    EXPECT_FALSE(away);
    world.in.run_for(20s);
    EXPECT_EQ(book.begun.size(), 1U);
    world.in.heal();
    world.in.run_for(5s);
    EXPECT_EQ(answers(from_dan), first);
}

TEST_F(elected, it_is_moved_without_a_lost_call_when_its_node_leaves) {
    const std::string first = elected_member();
    std::vector<pending<std::string>> asked;
    auto left = at(first).leave();
    for (int i = 0; i < 200; ++i) {
        asked.push_back(from_dan.ask<who_are_you>());
        world.in.run_for(5ms);
    }
    ASSERT_TRUE(world.answer(std::move(left)));
    for (auto& one : asked) {
        const auto got = world.answer(std::move(one));
        EXPECT_TRUE(got) << got.error().text;
    }
    EXPECT_EQ(book.most, 1);
    EXPECT_NE(elected_member(), first);
}

TEST_F(elected, the_lookup_is_cached_and_swept_when_the_process_ends) {
    const pid first = book.begun.back().who;
    auto found = at("dan").find_global("boss");
    EXPECT_TRUE(found.is_ready());
    auto where = from_dan.where();
    ASSERT_TRUE(world.answer(std::move(where)));
    EXPECT_TRUE(from_dan.where().is_ready());
    ASSERT_TRUE(from_dan.send(end_now{}));
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    world.in.run_for(1s);
    const auto now = world.answer(from_dan.where());
    ASSERT_TRUE(now);
    EXPECT_NE(*now, first);
    EXPECT_EQ(*now, book.begun.back().who);
}

/// Sends the numbers up to 300, and tells the receiver to end in the midst of them. Notes how many
/// it heard to be lost.
process count_up(self me, global to, std::uint64_t* lost) {
    for (int i = 0; i < 300; ++i) {
        static_cast<void>(me.send(to, note_down{std::to_string(i)}));
        if (i == 100) {
            static_cast<void>(me.send(to, end_now{}));
        }
        const auto paused = co_await me.pause(1ms);
        static_cast<void>(paused);
    }
    while (const auto in = co_await me.receive<undelivered>(10s)) {
        *lost += in->body.count;
        EXPECT_EQ(in->body.global, to.name());
    }
}

bool is_ascending(const texts& numbers) {
    return std::ranges::is_sorted(
        numbers, {}, [](const std::string& one) { return std::stoi(one); });
}

TEST_F(elected, its_move_loses_nothing_of_what_its_own_node_sends) {
    std::uint64_t lost = 0;
    at(elected_member()).spawn(count_up, addresses.at(elected_member()), &lost);
    world.in.run_for(20s);
    EXPECT_EQ(book.noted.size(), 300U);
    EXPECT_TRUE(is_ascending(book.noted));
    EXPECT_EQ(lost, 0U);
    EXPECT_EQ(book.begun.size(), 2U);
}

TEST_F(elected, what_it_had_not_seen_when_it_ended_goes_to_the_next_in_order) {
    const global address = addresses.at(elected_member());
    ASSERT_EQ(answers(address), elected_member());
    ASSERT_TRUE(address.send(end_now{}));
    for (const char* text : {"1", "2", "3"}) {
        ASSERT_TRUE(address.send(note_down{text}));
    }
    auto asked = address.ask<who_are_you>();
    ASSERT_TRUE(address.send(note_down{"4"}));
    const auto got = world.answer(std::move(asked));
    world.in.run_for(1s);
    EXPECT_EQ(book.begun.size(), 2U);
    EXPECT_EQ(got, result<std::string>{elected_member()});
    EXPECT_EQ(book.noted, (texts{"1", "2", "3", "4"}));
}

TEST_F(elected, what_is_under_way_from_another_node_when_it_ends_is_told_to_its_sender) {
    std::uint64_t lost = 0;
    at("dan").spawn(count_up, from_dan, &lost);
    world.in.run_for(20s);
    EXPECT_EQ(book.noted.size() + lost, 300U);
    EXPECT_LT(lost, 10U);
    EXPECT_TRUE(is_ascending(book.noted));
    EXPECT_EQ(book.begun.size(), 2U);
}

TEST_F(elected, a_body_staged_anew_takes_the_place_of_the_one_that_runs_and_leaks_nothing) {
    const std::string first = elected_member();
    auto kept = std::make_shared<int>(7);
    std::weak_ptr<int> watched = kept;
    boss_book other;
    const auto mine = [&other, kept = std::move(kept)](self me) -> process {
        return boss(me, &other);
    };
    // Everywhere, so that it is certain which one is elected.
    for (const char* name : {"ann", "bob", "cid"}) {
        static_cast<void>(at(name).candidate("boss", std::as_const(mine)));
    }
    ASSERT_TRUE(world.until([&] { return other.begun.size() == 1; }));
    world.in.run_for(2s);
    EXPECT_EQ(book.running, 0);
    EXPECT_EQ(other.running, 1);
    EXPECT_GT(other.begun.front().fence.value(), book.begun.back().fence.value());
    for (const char* name : {"ann", "bob", "cid"}) {
        static_cast<void>(at(name).candidate("boss", boss, &book));
    }
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2 && other.running == 0; }));
    world.in.run_for(2s);
    EXPECT_EQ(watched.use_count(), 1) << "only the test's own copy is left";
}

class one_candidate : public testing::Test {
protected:
    void SetUp() override {
        world.start_keeper();
        for (const char* name : {"ann", "dan"}) {
            ASSERT_TRUE(world.make(world.settings(name)).start());
        }
        ASSERT_TRUE(world.until([&] {
            return world.at("dan").view().members.size() == 2 &&
                   world.at("ann").state() == member_state::online;
        }));
    }
    void stand() {
        static_cast<void>(world.at("ann").candidate("boss", boss, &book));
        ASSERT_TRUE(world.until([&] { return book.begun.size() == 1; }));
    }
    global from_dan() {
        const auto got = world.answer(world.at("dan").find_global("boss"));
        EXPECT_TRUE(got) << got.error().text;
        return got ? *got : global{};
    }
    boss_book book;
    node_world world;
};

TEST_F(one_candidate, is_elected_again_after_a_pause_when_its_process_ends) {
    stand();
    const auto address = from_dan();
    for (std::size_t lives = 2; lives < 5; ++lives) {
        const instant ended = world.in.now();
        ASSERT_TRUE(address.send(end_now{}));
        ASSERT_TRUE(world.until([&] { return book.begun.size() == lives; }));
        EXPECT_GT(world.in.now() - ended, 300ms);
        world.in.run_for(1s);
        EXPECT_EQ(book.begun.size(), lives);
    }
    EXPECT_TRUE(fences_grow(book));
    EXPECT_EQ(book.most, 1);
}

TEST_F(one_candidate, may_stand_before_its_node_has_started_and_after) {
    stand();
    static_cast<void>(world.at("ann").candidate("second", boss, &book));
    ASSERT_TRUE(world.until([&] { return book.running == 2; }));
    const auto got = world.answer(world.at("dan").find_global("second"));
    ASSERT_TRUE(got);
    EXPECT_EQ(world.answer(got->ask<who_are_you>()), result<std::string>{"ann"});
}

TEST_F(one_candidate, a_name_that_nobody_stands_for_is_not_found) {
    stand();
    static_cast<void>(from_dan());
    const auto got = world.answer(world.at("dan").find_global("chief"));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::not_found) << got.error().text;
    const auto nameless = world.answer(world.at("dan").find_global(""));
    ASSERT_FALSE(nameless);
    EXPECT_EQ(nameless.error().code, errc::invalid_argument);
    const auto nobody = world.answer(global{}.ask<who_are_you>());
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, errc::invalid_argument);
}

TEST_F(one_candidate, is_not_found_any_more_once_it_has_left) {
    stand();
    static_cast<void>(from_dan());
    ASSERT_TRUE(world.answer(world.at("ann").leave()));
    world.in.run_for(5s);
    const auto got = world.answer(world.at("dan").find_global("boss"));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::not_found) << got.error().text;
    EXPECT_EQ(book.running, 0);
}

TEST_F(one_candidate, what_could_not_be_delivered_is_told_to_its_sender) {
    stand();
    const auto address = from_dan();
    ASSERT_TRUE(world.answer(address.ask<who_are_you>()));
    world.kill("ann");
    world.in.run_for(30s);  // It is known now that nobody has it.
    std::vector<undelivered> heard;
    world.at("dan").spawn([&heard, address](self me) -> process {
        for (int i = 0; i < 3; ++i) {
            static_cast<void>(me.send(address, note_down{"lost"}));
        }
        std::uint64_t count = 0;
        while (count < 3) {
            const auto in = co_await me.receive<undelivered>();
            if (!in) {
                break;
            }
            count += in->body.count;
            heard.push_back(in->body);
        }
    });
    world.in.run_for(4s);
    EXPECT_TRUE(heard.empty()) << "they are held for 5 s";
    world.in.run_for(2s);
    ASSERT_FALSE(heard.empty());
    std::uint64_t count = 0;
    for (const auto& one : heard) {
        EXPECT_EQ(one.global, "boss");
        count += one.count;
    }
    EXPECT_EQ(count, 3U);
    // From a plain thread it is said in the log.
    ASSERT_TRUE(address.send(note_down{"lost too"}));
    EXPECT_TRUE(
        world.until([&] { return std::ranges::count(world.said, "dan global.undelivered") > 0; }));
    const auto asked = world.answer(address.within(1s).ask<who_are_you>());
    ASSERT_FALSE(asked);
    EXPECT_TRUE(asked.error().code == errc::not_found || asked.error().code == errc::timed_out)
        << asked.error().text;
}

TEST_F(one_candidate, no_more_is_held_than_the_bound) {
    stand();
    const auto address = from_dan();
    ASSERT_TRUE(world.answer(address.ask<who_are_you>()));
    world.kill("ann");
    world.in.run_for(30s);
    std::size_t accepted = 0;
    result<void> last;
    while ((last = address.send(note_down{"x"})) && accepted < 20'000) {
        ++accepted;
    }
    EXPECT_EQ(accepted, 10'000U);
    EXPECT_EQ(last.error().code, errc::overloaded);
    world.in.run_for(6s);
    EXPECT_TRUE(address.send(note_down{"x"})) << "there is room again";
}

TEST_F(one_candidate, is_reached_by_a_process_as_by_a_thread) {
    stand();
    const auto address = from_dan();
    texts heard;
    world.at("dan").spawn([&heard](self me) -> process {
        const auto found = co_await me.find_global("boss");
        if (!found) {
            co_return;
        }
        static_cast<void>(me.send(*found, note_down{"hello"}));
        const auto got = co_await me.within(1s).ask<who_are_you>(*found);
        heard.push_back(got ? *got : got.error().text);
        const auto again = co_await me.ask<who_are_you>(*found);
        heard.push_back(again ? *again : again.error().text);
    });
    EXPECT_TRUE(world.until([&] { return heard.size() == 2; }));
    EXPECT_EQ(heard, (texts{"ann", "ann"}));
    EXPECT_EQ(book.noted, texts{"hello"});
}

// Row 62: the next one begins when the last has ended, however long that takes.
TEST(a_global, that_ends_slowly_holds_back_its_successor_and_is_killed_in_the_end) {
    boss_book book;
    node_world world;
    world.start_keeper();
    for (const char* name : {"ann", "bob"}) {
        node& one = world.make(world.settings(name));
        const pid silent = one.spawn([](self me) -> process {
            const auto in = co_await me.receive<end_now>();
            static_cast<void>(in);
        });
        static_cast<void>(one.candidate("boss", slow_to_end, silent, &book));
        ASSERT_TRUE(one.start());
    }
    ASSERT_TRUE(world.until([&] {
        return book.begun.size() == 1 && world.at("ann").view().members.size() == 2 &&
               world.at("ann").state() == member_state::online &&
               world.at("bob").state() == member_state::online;
    }));
    const std::string first = book.begun.front().member;
    const instant asked = world.in.now();
    auto left = world.at(first).leave();
    ASSERT_TRUE(world.until([&] { return book.begun.size() == 2; }));
    EXPECT_GE(world.in.now() - asked, 5s);
    EXPECT_LT(world.in.now() - asked, 7s);
    EXPECT_EQ(book.most, 1);
    EXPECT_EQ(std::ranges::count(world.said, first + " global.release_late"), 1);
    EXPECT_TRUE(world.answer(std::move(left)));
}

TEST(a_global, answers_closed_once_its_node_is_gone) {
    global kept;
    {
        node_world world;
        world.start_keeper();
        node& one = world.make(world.settings("ann"));
        boss_book book;
        kept = one.candidate("boss", boss, &book);
        ASSERT_TRUE(one.start());
        ASSERT_TRUE(world.until([&] { return !book.begun.empty(); }));
        ASSERT_TRUE(world.answer(kept.ask<who_are_you>()));
        world.forget("ann");
        EXPECT_EQ(book.running, 0);
        const auto asked = world.answer(kept.ask<who_are_you>());
        ASSERT_FALSE(asked);
        EXPECT_EQ(asked.error().code, errc::closed);
        const auto sent = kept.send(note_down{"x"});
        ASSERT_FALSE(sent);
        EXPECT_EQ(sent.error().code, errc::closed);
    }
}

TEST(a_global, is_taken_up_when_zookeeper_comes_late) {
    boss_book book;
    node_world world;
    node& one = world.make(world.settings("ann"));
    const global address = one.candidate("boss", boss, &book);
    ASSERT_TRUE(one.start());
    auto asked = address.within(20s).ask<who_are_you>();
    world.in.run_for(5s);
    world.start_keeper();
    EXPECT_EQ(world.answer(std::move(asked)), result<std::string>{"ann"});
}

}  // namespace
}  // namespace muster
