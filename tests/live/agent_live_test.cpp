#include "live/keeper_room.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace muster::live {
namespace {

TEST_F(agents_on_a_keeper, leave_no_overlap_when_one_is_stopped_beyond_its_session) {
    auto a = agent("a", "", "12");
    auto b = agent("b", "", "12");
    auto c = agent("c", "", "12");
    ASSERT_TRUE(wait_healthy("3 members")) << a->printed();
    a->pause();
    ASSERT_TRUE(wait_healthy("2 members"));
    a->resume();
    ASSERT_TRUE(wait_healthy("3 members")) << a->printed();
    b->kill();
    ASSERT_TRUE(wait_healthy("2 members"));
    for (auto* one : {c.get(), a.get()}) {
        one->terminate();
        EXPECT_EQ(one->wait(20s), 0) << one->printed();
    }
    const auto verdict =
        check_journals({journal_of("a"), journal_of("b", b.get()), journal_of("c")});
    EXPECT_EQ(verdict.text(), "");
    EXPECT_EQ(verdict.state("a"), "Left");
    EXPECT_GE(count_of(journal_of("a").text, "\"event\":\"revoke\""), 1U);
    EXPECT_EQ(journal_of("a").text.find("\"event\":\"start\""),
              journal_of("a").text.find("\"event\""));
    EXPECT_NE(journal_of("a").text.rfind("\"event\":\"exit\""), std::string::npos);
}

/// Every 5 ms each command appends the time, in microseconds, to a file of its own: who acted last,
/// and when. Nothing but the lease stands between the two owners: there is no handover delay.
TEST_F(agents_on_a_keeper, have_their_commands_killed_at_the_lease_end_while_they_are_stopped) {
    const std::string beat = "exec bash -c 'sleep 1000 & while :; do echo $EPOCHREALTIME >> " +
                             folder_.string() +
                             "/beat.$MUSTER_MEMBER.$MUSTER_PARTITION; sleep 0.005; done'";
    const std::vector<std::string> at_once{"--handover-delay", "0ms"};
    auto a = agent("a", beat, "1", at_once);
    ASSERT_TRUE(until([&] { return !text_of(folder_ / "beat.a.0").empty(); }, 20s));
    auto b = agent("b", beat, "1", at_once);
    ASSERT_TRUE(wait_healthy("2 members"));
    a->pause();
    ASSERT_TRUE(until([&] { return text_of(folder_ / "beat.b.0").contains('\n'); }, 20s))
        << b->printed();
    const std::string by_a = text_of(folder_ / "beat.a.0");
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(text_of(folder_ / "beat.a.0"), by_a) << "a stopped agent's command still acts";
    const auto last_line = by_a.rfind('\n', by_a.size() - 2);
    const double until_a =
        std::stod(by_a.substr(last_line == std::string::npos ? 0 : last_line + 1));
    EXPECT_LT(until_a, std::stod(text_of(folder_ / "beat.b.0")));
    a->resume();
    ASSERT_TRUE(wait_healthy("2 members")) << a->printed();
    for (auto* one : {a.get(), b.get()}) {
        one->terminate();
        EXPECT_EQ(one->wait(20s), 0) << one->printed();
    }
    EXPECT_EQ(check_journals({journal_of("a"), journal_of("b")}).text(), "");
}

TEST_F(agents_on_a_keeper, that_are_killed_take_the_whole_group_of_each_command_with_them) {
    const std::string file = (folder_ / "pids").string();
    auto a = agent("a", "sleep 1000 & echo $! $$ >> " + file + "; wait");
    ASSERT_TRUE(until([&] { return count_of(text_of(file), "\n") == 2; }, 20s)) << a->printed();
    a->kill();
    std::istringstream pids{text_of(file)};
    for (pid_t pid = 0; pids >> pid;) {
        EXPECT_TRUE(until([&] { return !runs(pid); }, 5s)) << pid;
    }
}

TEST_F(agents_on_a_keeper, release_only_after_the_last_process_of_the_group_is_reaped) {
    const std::string file = (folder_ / "pids").string();
    auto a =
        agent("a",
              "trap '' TERM; (trap '' TERM; sleep 1000) & echo $! $$ >> " + file + "; wait; wait",
              "1");
    ASSERT_TRUE(until([&] { return count_of(text_of(file), "\n") == 1; }, 20s)) << a->printed();
    a->terminate();
    EXPECT_EQ(a->wait(30s), 0) << a->printed();
    std::istringstream pids{text_of(file)};
    for (pid_t pid = 0; pids >> pid;) {
        EXPECT_FALSE(runs(pid)) << pid;
    }
    EXPECT_EQ(count_of(journal_of("a").text, "\"event\":\"release\""), 1U);
}

TEST_F(agents_on_a_keeper, start_a_failed_command_again_under_the_same_fence_and_a_good_one_not) {
    const std::string file = (folder_ / "starts").string();
    auto a = agent("a",
                   "echo $MUSTER_PARTITION $MUSTER_FENCE >> " + file +
                       "; echo hello; [ $MUSTER_PARTITION = 0 ] && exit 0; "
                       "[ $(grep -c '^1 ' " +
                       file + ") -ge 3 ] && exec sleep 1000; exit 3");
    ASSERT_TRUE(until([&] { return count_of("\n" + text_of(file), "\n1 ") == 3; }, 20s))
        << a->printed();
    std::this_thread::sleep_for(500ms);
    const std::string starts = "\n" + text_of(file);
    EXPECT_EQ(count_of(starts, "\n0 "), 1U) << starts;
    EXPECT_EQ(count_of(starts, "\n1 "), 3U) << starts;
    const auto first = starts.substr(starts.find("\n1 "), starts.find('\n', 1));
    EXPECT_EQ(count_of(starts, first.substr(0, first.find('\n', 1))), 3U) << starts;
    EXPECT_NE(a->printed().find("jobs/0 hello\n"), std::string::npos) << a->printed();
    EXPECT_EQ(count_of(journal_of("a").text, "\"event\":\"acquire\""), 2U);
}

TEST_F(agents_on_a_keeper, give_a_partition_up_whose_command_fails_five_times_in_a_minute) {
    auto a = agent("a", "[ $MUSTER_MEMBER = a ] && exit 1; exec sleep 1000", "1");
    auto b = agent("b", "[ $MUSTER_MEMBER = a ] && exit 1; exec sleep 1000", "1");
    EXPECT_TRUE(
        until([&] { return journal_of("b").text.find("\"acquire\"") != std::string::npos; }, 20s))
        << a->printed() << b->printed();
    EXPECT_EQ(check_journals({journal_of("a"), journal_of("b")}).text(), "");
}

TEST_F(agents_on_a_keeper, wait_for_their_name_and_refuse_another_description) {
    auto a = agent("a", "");
    ASSERT_TRUE(wait_healthy("1 member,"));
    auto same = start({"agent", "--name", "a", "--resource", "jobs", "--partitions", "2"}, "same");
    EXPECT_TRUE(until(
        [&] { return same->printed().contains(", pid " + std::to_string(a->pid()) + " on "); },
        10s))
        << same->printed();
    EXPECT_EQ(same->wait(0ms), std::nullopt);
    const auto [code, said] =
        ask({"agent", "--name", "c", "--resource", "jobs", "--partitions", "3"});
    EXPECT_EQ(code, 6) << said;
    EXPECT_NE(said.find("MUS0603"), std::string::npos) << said;
}

TEST_F(agents_on_a_keeper, elect_one_and_answer_with_the_code_of_its_command) {
    const auto [code, said] =
        ask({"elect",
             "boss",
             "--",
             "sh",
             "-c",
             "echo $MUSTER_NAME ${MUSTER_FENCE:+fenced} $MUSTER_MEMBER; exit 7"});
    EXPECT_EQ(code, 7) << said;
    EXPECT_NE(said.find("boss fenced "), std::string::npos) << said;
    EXPECT_EQ(ask({"elect", "boss", "--", "sh", "-c", "kill -9 $$"}).first, 137);
    EXPECT_EQ(ask({"elect", "boss", "--", "no-such-program"}).first, 127);

    auto holder = start({"elect", "boss", "--", "sleep", "1000"}, "holder");
    ASSERT_TRUE(
        until([&] { return holder->printed().find("\"elected\"") != std::string::npos; }, 20s));
    EXPECT_EQ(ask({"elect", "boss", "--timeout", "1s", "--", "true"}).first, 4);
    auto next = start({"elect", "boss", "--", "true"}, "next");
    EXPECT_EQ(next->wait(500ms), std::nullopt);
    holder->terminate();
    EXPECT_EQ(holder->wait(20s), 143) << holder->printed();
    EXPECT_EQ(next->wait(20s), 0) << next->printed();
}

TEST_F(agents_on_a_keeper, that_lose_an_election_end_their_command_and_stand_again_unless_once) {
    const std::string file = (folder_ / "terms").string();
    const std::string term = "echo $MUSTER_FENCE >> " + file + "; exec sleep 1000";
    auto often = start({"elect", "boss", "--session-timeout", "2s", "--", "sh", "-c", term}, "o");
    ASSERT_TRUE(until([&] { return count_of(text_of(file), "\n") == 1; }, 20s));
    often->pause();
    std::this_thread::sleep_for(4s);
    often->resume();
    EXPECT_TRUE(until([&] { return count_of(text_of(file), "\n") == 2; }, 20s)) << often->printed();
    often->terminate();
    EXPECT_EQ(often->wait(20s), 143);

    auto once = start(
        {"elect", "boss", "--once", "--session-timeout", "2s", "--", "sh", "-c", term}, "once");
    ASSERT_TRUE(until([&] { return count_of(text_of(file), "\n") == 3; }, 20s));
    once->pause();
    std::this_thread::sleep_for(4s);
    once->resume();
    EXPECT_EQ(once->wait(20s), 1) << once->printed();
}

TEST_F(agents_on_a_keeper, need_no_zookeeper_to_start_and_leave_at_once_without) {
    auto alone = std::make_unique<child_process>(
        std::vector<std::string>{MUSTER_PROGRAM,
                                 "agent",
                                 "--zookeeper",
                                 "127.0.0.1:1",
                                 "--name",
                                 "a",
                                 "--resource",
                                 "jobs",
                                 "--partitions",
                                 "2",
                                 "--journal",
                                 (folder_ / "alone.journal").string()},
        folder_ / "alone");
    EXPECT_TRUE(
        until([&] { return journal_of("alone").text.find("start") != std::string::npos; }, 10s));
    EXPECT_EQ(alone->wait(1s), std::nullopt) << alone->printed();
    alone->terminate();
    EXPECT_EQ(alone->wait(10s), 0);
    EXPECT_NE(journal_of("alone").text.find("\"event\":\"exit\""), std::string::npos);
}

TEST_F(agents_on_a_keeper, end_at_once_with_130_at_a_second_signal) {
    const std::string file = (folder_ / "pid").string();
    // It would take its time, and the agent with it.
    auto a = agent("a", "trap '' TERM; echo $$ >> " + file + "; while :; do sleep 1; done", "1");
    ASSERT_TRUE(until([&] { return text_of(file).contains('\n'); }, 20s)) << a->printed();
    a->terminate();
    ASSERT_TRUE(until([&] { return a->printed().contains("member.leaving"); }, 20s))
        << a->printed();
    a->terminate();
    EXPECT_EQ(a->wait(4s), 130) << a->printed();
    const pid_t command = std::stoi(text_of(file));
    EXPECT_TRUE(until([&] { return !runs(command); }, 10s));
}

TEST_F(agents_on_a_keeper, are_seen_by_every_reading_verb_in_every_format) {
    auto a = agent("a", "");
    ASSERT_TRUE(wait_healthy("1 member,"));
    for (const std::vector<std::string>& verb :
         {std::vector<std::string>{"status"},
          std::vector<std::string>{"members"},
          std::vector<std::string>{"leader"},
          std::vector<std::string>{"resources"},
          std::vector<std::string>{"partitions", "jobs"},
          std::vector<std::string>{"route", "jobs", "ann"}}) {
        for (const char* form : {"table", "wide", "json", "name"}) {
            std::vector<std::string> words = verb;
            words.insert(words.end(), {"-o", form});
            const auto [code, said] = ask(words);
            EXPECT_EQ(code, 0) << verb[0] << " -o " << form << ": " << said;
            EXPECT_NE(said, "") << verb[0];
        }
    }
    EXPECT_EQ(ask({"partitions", "job"}).first, 1);
    EXPECT_EQ(ask({"members", "--cluster", "nowhere"}).first, 1);
    const auto started = std::chrono::steady_clock::now();
    EXPECT_EQ(ask({"members", "--zookeeper", "127.0.0.1:1", "--timeout", "1s"}).first, 3);
    EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST_F(agents_on_a_keeper, are_told_of_by_watch_as_they_come_and_go) {
    auto watch = start({"watch"}, "watch");
    ASSERT_EQ(watch->wait(300ms), std::nullopt);
    auto a = agent("a", "");
    ASSERT_TRUE(wait_healthy("1 member,"));
    a->terminate();
    ASSERT_EQ(a->wait(20s), 0);
    for (const char* event :
         {"member.joined", "leader.changed", "plan.changed", "partition.changed", "member.left"}) {
        EXPECT_TRUE(until([&] { return watch->printed().find(event) != std::string::npos; }, 5s))
            << event;
    }
    ::kill(watch->pid(), SIGINT);
    EXPECT_EQ(watch->wait(5s), 130);
}

}  // namespace
}  // namespace muster::live
