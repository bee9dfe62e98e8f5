// Commands below their wardens: how they are started, what they are given, and how they end.

#include "live/keeper_room.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace muster::live {
namespace {

class commands_below_wardens : public agents_on_a_keeper {
protected:
    [[nodiscard]] std::string file(const std::string& name) const {
        return (folder_ / name).string();
    }
    [[nodiscard]] std::string text(const std::string& name) const {
        return text_of(folder_ / name);
    }
    bool wait_for_lines(const std::string& name, std::size_t lines) {
        return until([&] { return count_of(text(name), "\n") >= lines; }, 30s);
    }
    [[nodiscard]] std::vector<pid_t> pids(const std::string& name) const {
        std::vector<pid_t> all;
        std::istringstream in{text(name)};
        for (pid_t one = 0; in >> one;) {
            all.push_back(one);
        }
        return all;
    }
};

// The shell dies of SIGTERM at once; what it runs has something to finish.
TEST_F(commands_below_wardens, that_are_stopped_have_their_time_also_where_their_shell_is_dead) {
    auto a = agent("a",
                   "(trap 'sleep 1; echo flushed >> " + file("store") +
                       "; exit 0' TERM; echo ready >> " + file("ready") +
                       "; while :; do sleep 0.1; done) & wait",
                   "1");
    ASSERT_TRUE(wait_for_lines("ready", 1)) << a->printed();
    a->terminate();
    EXPECT_EQ(a->wait(30s), 0) << a->printed();
    EXPECT_EQ(text("store"), "flushed\n");
    EXPECT_EQ(count_of(journal_of("a").text, "\"event\":\"release\""), 1U);
}

TEST_F(commands_below_wardens, that_end_by_themselves_take_what_they_left_running_with_them) {
    auto a = agent("a",
                   "setsid sleep 1000 & echo $! >> " + file("pids") + "; sleep 1000 & echo $! >> " +
                       file("pids"),
                   "1");
    ASSERT_TRUE(wait_for_lines("pids", 2)) << a->printed();
    for (const pid_t one : pids("pids")) {
        EXPECT_TRUE(until([&] { return !runs(one); }, 10s)) << one;
    }
    a->terminate();
    EXPECT_EQ(a->wait(30s), 0) << a->printed();
}

// Each leaves the group of the one that starts it, so that it is nobody's child until that ends.
TEST_F(commands_below_wardens, that_are_killed_leave_nothing_behind_that_acts_beside_the_next_one) {
    std::ofstream{file("second.sh")} << "setsid sh " << file("third.sh") << " & echo $! >> "
                                     << file("pids") << "; sleep 1000\n";
    std::ofstream{file("third.sh")} << "setsid sleep 1000 & echo $! >> " << file("pids")
                                    << "; sleep 1000\n";
    auto a = agent("a",
                   "setsid sh " + file("second.sh") + " & echo $! >> " + file("pids") +
                       "; echo $PPID >> " + file("wardens") + "; wait",
                   "1");
    ASSERT_TRUE(wait_for_lines("pids", 3)) << a->printed();
    ASSERT_TRUE(wait_for_lines("wardens", 1));
    ::kill(pids("wardens").front(), SIGKILL);
    ASSERT_TRUE(wait_for_lines("wardens", 2)) << a->printed();
    const auto all = pids("pids");
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_FALSE(runs(all[i])) << i;
    }
    a->terminate();
    EXPECT_EQ(a->wait(30s), 0) << a->printed();
}

TEST_F(commands_below_wardens, have_no_descriptor_of_the_agent) {
    auto a = agent("a",
                   "ls -l /proc/$$/fd > " + file("own") + "; ls -l /proc/$PPID/fd > " +
                       file("warden") + "; echo > " + file("listed") + "; exec sleep 1000",
                   "1");
    ASSERT_TRUE(wait_for_lines("listed", 1)) << a->printed();
    EXPECT_TRUE(text("own").contains(" 0 -> /dev/null")) << text("own");
    EXPECT_FALSE(text("own").contains("socket:")) << text("own");
    EXPECT_FALSE(text("own").contains("anon_inode:")) << text("own");
    EXPECT_TRUE(text("warden").contains(" 4 -> pipe:")) << text("warden");
    EXPECT_FALSE(text("warden").contains("socket:")) << text("warden");
}

TEST_F(commands_below_wardens, are_started_after_their_acquire_stands_in_the_journal) {
    auto a = agent("a",
                   "grep acquire " + file("a.journal") + " > " + file("seen") +
                       ".$MUSTER_PARTITION; echo $MUSTER_FENCE >> " + file("fences") +
                       "; exec sleep 1000",
                   "1");
    ASSERT_TRUE(wait_for_lines("fences", 1)) << a->printed();
    std::string fence = text("fences");
    fence.pop_back();
    EXPECT_TRUE(text("seen.0").contains("\"fence\":\"" + fence + "\"")) << text("seen.0");
}

TEST_F(commands_below_wardens, print_on_stderr_with_their_name_and_leave_stdout_to_the_journal) {
    auto a = start({"agent",
                    "--name",
                    "a",
                    "--resource",
                    "jobs",
                    "--partitions",
                    "2",
                    "--journal",
                    "-",
                    "--exec",
                    "echo out; echo err >&2; printf unfinished; echo > " + file("done") +
                        ".$MUSTER_PARTITION; exec sleep 1000"},
                   "out",
                   "err");
    ASSERT_TRUE(wait_for_lines("done.0", 1) && wait_for_lines("done.1", 1)) << text("err");
    a->terminate();
    EXPECT_EQ(a->wait(30s), 0) << text("err");
    std::istringstream lines{a->printed()};
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        EXPECT_TRUE(line.starts_with("{\"t\":") && line.ends_with("}")) << line;
    }
    EXPECT_GE(count, 6U) << a->printed();
    const std::string journal = a->printed();
    EXPECT_EQ(check_journals({{.process = "a", .text = journal, .died = std::nullopt}}).text(), "");
    EXPECT_FALSE(journal.contains("unfinished"));
    for (const char* line : {"jobs/0 out\n",
                             "jobs/0 err\n",
                             "jobs/0 unfinished\n",
                             "jobs/1 out\n",
                             "jobs/1 err\n",
                             "jobs/1 unfinished\n"}) {
        EXPECT_EQ(count_of("\n" + text("err"), "\n" + std::string{line}), 1U)
            << line << text("err");
    }
}

// A pipe that is open, and that nobody reads.
TEST_F(commands_below_wardens, that_print_where_nobody_reads_cost_the_agent_nothing) {
    ASSERT_EQ(::mkfifo(file("unread").c_str(), 0600), 0);
    const int unread = ::open(file("unread").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(unread, 0);
    auto a = agent("a", "exec yes", "2", {}, "unread");
    ASSERT_TRUE(
        until([&] { return count_of(journal_of("a").text, "\"event\":\"acquire\"") == 2; }, 30s));
    std::this_thread::sleep_for(3s);  // Longer than its session.
    // What is told from now on finds the pipe full.
    auto b = agent("b", "");
    ASSERT_TRUE(
        until([&] { return count_of(journal_of("a").text, "\"event\":\"release\"") == 1; }, 30s));
    a->terminate();
    EXPECT_EQ(a->wait(30s), 0);
    EXPECT_EQ(count_of(journal_of("a").text, "\"event\":\"revoke\""), 0U) << journal_of("a").text;
    EXPECT_EQ(count_of(journal_of("a").text, "\"event\":\"exit\""), 1U);
    ::close(unread);
}

class elections : public commands_below_wardens {
protected:
    std::unique_ptr<child_process> elect(std::vector<std::string> words,
                                         const std::string& command,
                                         const std::string& log) {
        words.insert(words.begin(), {"elect", "boss", "--session-timeout", "2s"});
        words.insert(words.end(), {"--", "sh", "-c", command});
        return start(std::move(words), log);
    }
};

TEST_F(elections, end_with_125_and_a_message_where_there_is_no_warden) {
    fs::create_directories(folder_ / "bin");
    const fs::path alone = folder_ / "bin" / "muster";
    fs::copy_file(MUSTER_PROGRAM, alone);
    child_process lonely{{alone.string(), "--zookeeper", address_, "elect", "boss", "--", "true"},
                         folder_ / "lonely"};
    EXPECT_EQ(lonely.wait(30s), 125) << lonely.printed();
    EXPECT_TRUE(lonely.printed().contains("MUS0702")) << lonely.printed();
    EXPECT_TRUE(lonely.printed().contains((folder_ / "bin" / "warden").string()))
        << lonely.printed();
}

TEST_F(elections, end_with_125_and_a_message_where_the_warden_is_killed) {
    auto running = elect({}, "echo $PPID >> " + file("wardens") + "; exec sleep 1000", "running");
    ASSERT_TRUE(wait_for_lines("wardens", 1)) << running->printed();
    ::kill(pids("wardens").front(), SIGKILL);
    EXPECT_EQ(running->wait(30s), 125) << running->printed();
    EXPECT_TRUE(running->printed().contains("MUS0702")) << running->printed();
}

// The command ends while nobody can hear of it; by the time somebody does, the right is lost.
TEST_F(elections, run_a_command_once_that_ended_by_itself_before_the_right_was_lost) {
    for (const bool once : {false, true}) {
        const std::string name = once ? "once" : "often";
        auto running = elect(once ? std::vector<std::string>{"--once"} : std::vector<std::string>{},
                             "echo $$ >> " + file(name) + ".started; while [ ! -e " + file(name) +
                                 ".go ]; do sleep 0.01; done; exit 7",
                             name);
        ASSERT_TRUE(wait_for_lines(name + ".started", 1)) << running->printed();
        running->pause();
        std::ofstream{file(name) + ".go"} << "go\n";
        std::this_thread::sleep_for(5s);
        running->resume();
        EXPECT_EQ(running->wait(30s), 7) << running->printed();
        EXPECT_EQ(count_of(text(name + ".started"), "\n"), 1U);
    }
}

}  // namespace
}  // namespace muster::live
