// Nodes as a program has them: real threads, real sockets, a keeper as a process of its own.

#include "live/agent_fleet.hpp"
#include "live/child_process.hpp"

#include <gtest/gtest.h>
#include <muster/muster.hpp>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

// As examples/shop names them: this test asks what that program answers.
struct put {
    using reply = void;
    std::string key, value;
};
struct get {
    using reply = std::optional<std::string>;
    std::string key;
};
struct shelf {
    using handles = muster::requests<put, get>;
};

/// A partition that does nothing, of which a node may own very many.
struct count_me {
    using reply = void;
    std::string key;
};
struct counted {
    using handles = muster::requests<count_me>;
    counted() { ++living; }
    ~counted() { --living; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    void on(const count_me& /*what*/) const {}
    static inline std::atomic<int> living{0};
};

struct sleep_for_ms {
    using reply = std::string;
    std::string key;
    long ms = 0;
};
struct sleeper {
    using handles = muster::requests<sleep_for_ms>;
    std::string on(const sleep_for_ms& what) const {
        std::this_thread::sleep_for(std::chrono::milliseconds{what.ms});
        return "slept";
    }
};

struct work_on {
    using reply = std::string;
};
struct hint {};

namespace muster::live {
namespace {

bool until(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

/// What a node said, from whatever thread.
class log_book {
public:
    std::function<void(const log_line&)> pen() {
        return [this](const log_line& line) {
            const std::lock_guard hold{mutex_};
            lines_.push_back(std::string{line.event} + ": " + std::string{line.text});
        };
    }
    std::string all() const {
        const std::lock_guard hold{mutex_};
        std::string text;
        for (const std::string& line : lines_) {
            text += line + "\n";
        }
        return text;
    }
    bool has(const std::string& part) const { return all().find(part) != std::string::npos; }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

config settings(const std::string& cluster, const std::string& name, const std::string& servers) {
    config one;
    one.cluster = cluster;
    one.name = name;
    one.zookeeper = servers;
    return one;
}

class nodes_on_a_keeper : public testing::Test {
protected:
    void SetUp() override {
        keeper = std::make_unique<keeper_process>(MUSTER_PROGRAM);
        servers = keeper->address(20s);
        ASSERT_NE(servers, "");
        std::string name = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        here = name;
    }
    void TearDown() override { std::filesystem::remove_all(here); }

    std::unique_ptr<keeper_process> keeper;
    std::string servers;
    std::filesystem::path here;
};

/// The names of the owners of all 64 shelves; empty while one has none.
std::set<std::string> owners(const resource<shelf>& shelves) {
    std::set<std::string> names;
    std::set<std::string> partitions;
    for (int i = 0; i < 2000; ++i) {
        const auto where = shelves.route("key " + std::to_string(i));
        if (!where || where->member.empty()) {
            return {};
        }
        names.insert(where->member);
        partitions.insert(where->partition);
    }
    return partitions.size() == 64 ? names : std::set<std::string>{};
}

/// A loss of ZooKeeper is no fault of the program: it must let go in time of however much it has,
/// and not be taken for stuck because that takes a while.
TEST_F(nodes_on_a_keeper, let_go_of_very_many_partitions_at_the_lease_end_and_take_them_again) {
    constexpr int many = 10'000;
    log_book log;
    application program;
    program.log = log.pen();
    {
        node one{settings("many", "a", servers), program};
        const auto all = one.serve<counted>("counted", by_hash{.partitions = many});
        ASSERT_TRUE(one.start());
        ASSERT_TRUE(until([] { return counted::living == many; }, 60s)) << log.all();
        keeper->pause();
        EXPECT_TRUE(until([] { return counted::living == 0; }, 30s)) << counted::living;
        keeper->resume();
        EXPECT_TRUE(until([] { return counted::living == many; }, 60s)) << log.all();
        EXPECT_FALSE(log.has("partition.stuck")) << log.all();
    }
    EXPECT_EQ(counted::living, 0);
}

/// What the code of a global process in the live tests has come to.
struct stubborn_boss {
    std::atomic<int> begun{0};
    std::atomic<bool> at_work{false};
    std::atomic<bool> may_stop{false};
    std::atomic<int> hints{0};
    std::atomic<int> refusal{-1};
};

process count_hints(self me, stubborn_boss* seen) {
    while (const auto in = co_await me.receive<hint>()) {
        ++seen->hints;
    }
}

/// Never waits while it works, whatever becomes of its right.
process never_waits(self me, pid other, stubborn_boss* seen) {
    ++seen->begun;
    while (auto in = co_await me.receive<work_on>()) {
        seen->at_work = true;
        while (!seen->may_stop) {
            std::this_thread::sleep_for(1ms);
        }
        const auto sent = me.send(other, hint{});
        seen->refusal = sent ? 0 : static_cast<int>(sent.error().code);
        in->reply("done");
    }
}

// Row 56 of docs/internals/faults.md, for a global process.
TEST_F(nodes_on_a_keeper, say_nothing_for_a_global_whose_code_goes_on_beyond_the_lease) {
    log_book log;
    stubborn_boss seen;
    application program;
    program.log = log.pen();
    config how = settings("stubborn", "ann", servers);
    how.workers = 2;
    node ann{how, program};
    const pid other = ann.spawn(count_hints, &seen);
    const global boss =
        ann.candidate({.name = "boss", .on_stuck = on_stuck::fence}, never_waits, other, &seen);
    ASSERT_TRUE(ann.start());
    auto asked = boss.within(5min).ask<work_on>();
    ASSERT_TRUE(until([&] { return seen.at_work.load(); }, 30s)) << log.all();
    keeper->pause();
    EXPECT_TRUE(until([&] { return log.has("partition.stuck: globals/boss"); }, 60s)) << log.all();
    seen.may_stop = true;
    const auto got = asked.get();
    EXPECT_FALSE(got);
    EXPECT_EQ(got ? errc::closed : got.error().code, errc::outcome_unknown);
    EXPECT_EQ(seen.refusal.load(), static_cast<int>(errc::fenced));
    EXPECT_EQ(seen.hints.load(), 0);
    keeper->resume();
    EXPECT_TRUE(until([&] { return seen.begun.load() == 2; }, 60s)) << log.all();
    EXPECT_EQ(boss.within(30s).ask<work_on>().get(), result<std::string>{"done"});
    EXPECT_TRUE(until([&] { return seen.hints.load() == 1; }, 30s)) << "it comes after the answer";
}

// The same where nobody said that it may go on: it cannot be stopped otherwise.
TEST_F(nodes_on_a_keeper, end_their_process_with_a_global_whose_code_goes_on_beyond_the_lease) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            stubborn_boss seen;
            node ann{settings("stubborn", "ann", servers)};
            const pid other = ann.spawn(count_hints, &seen);
            const global boss = ann.candidate("boss", never_waits, other, &seen);
            static_cast<void>(ann.start());
            const auto asked = boss.within(5min).ask<work_on>();
            static_cast<void>(until([&] { return seen.at_work.load(); }, 30s));
            keeper->pause();
            std::this_thread::sleep_for(60s);
        },
        testing::KilledBySignal(SIGABRT),
        "globals/boss .*its handler has not stopped, and the lease has ended");
}

TEST_F(nodes_on_a_keeper, run_the_program_of_23_lines_three_times_and_lose_one) {
    std::map<std::string, std::unique_ptr<child_process>> shops;
    for (const std::string name : {"a", "b", "c"}) {
        shops[name] = std::make_unique<child_process>(
            std::vector<std::string>{
                "/usr/bin/env", "MUSTER_ZOOKEEPER=" + servers, "MUSTER_NAME=" + name, SHOP_PROGRAM},
            here / name);
    }
    node asker{settings("shop", "asker", servers)};
    const auto shelves = asker.use<shelf>("shelves");
    ASSERT_TRUE(asker.start());
    ASSERT_TRUE(until([&] { return owners(shelves) == std::set<std::string>{"a", "b", "c"}; }, 30s))
        << shops["a"]->printed();
    for (int i = 0; i < 300; ++i) {
        const std::string key = "key " + std::to_string(i);
        ASSERT_TRUE(shelves.ask<put>(key, "v" + key).get()) << key;
        ASSERT_EQ(shelves.ask<get>(key).get(), (result<std::optional<std::string>>{"v" + key}));
    }

    shops["b"]->kill();
    EXPECT_TRUE(until([&] { return owners(shelves) == std::set<std::string>{"a", "c"}; }, 40s));
    for (int i = 0; i < 300; ++i) {
        // The rows of the one that died lived in memory only; every shelf answers again.
        const auto got = shelves.within(20s).ask<get>("key " + std::to_string(i)).get();
        ASSERT_TRUE(got) << got.error().text;
    }

    shops["a"]->terminate();
    EXPECT_EQ(shops["a"]->wait(30s), 0) << shops["a"]->printed();
    EXPECT_TRUE(until([&] { return owners(shelves) == std::set<std::string>{"c"}; }, 10s));
    EXPECT_EQ(asker.leave().get(), result<void>{});
    EXPECT_EQ(asker.state(), member_state::left);
}

/// "… timeout 4000 ms" of the line that says that the session began.
long session_timeout_in(const std::string& said) {
    const std::string before = "timeout ";
    const auto at = said.find(before, said.find("session.began"));
    long found = 0;
    if (at != std::string::npos) {
        std::from_chars(said.data() + at + before.size(), said.data() + said.size(), found);
    }
    return found;
}

TEST_F(nodes_on_a_keeper, keep_their_session_while_all_code_of_the_user_blocks) {
    log_book said;
    std::atomic<int> blocked_hooks{0};
    std::atomic<long> block_ms{0};
    application program;
    program.log = said.pen();
    program.check_health = [&] {
        if (const long ms = block_ms.load(); ms > 0) {
            ++blocked_hooks;
            std::this_thread::sleep_for(std::chrono::milliseconds{ms});
        }
        return health::good;
    };
    config how = settings("blocked", "ann", servers);
    how.workers = 2;
    how.session_timeout = 2s;
    how.allow_unsafe_session_timeout = true;  // Shorter is harder: it must live through all this.
    node ann{how, program};
    const auto sleepers = ann.serve<sleeper>("sleepers", by_hash{.partitions = 16});
    ASSERT_TRUE(ann.start());
    ASSERT_TRUE(until([&] { return ann.state() == member_state::online; }, 20s)) << said.all();
    ASSERT_TRUE(until([&] { return session_timeout_in(said.all()) > 0; }, 5s)) << said.all();
    ASSERT_TRUE(until(
        [&] { return sleepers.within(1s).ask<sleep_for_ms>("x", 0L).get().has_value(); }, 20s));
    const member_id before = ann.view().find("ann")->id;

    // Three times as long as the session would live: on both workers, and in a hook.
    const long ms = 3 * session_timeout_in(said.all());
    block_ms.store(ms);
    std::vector<pending<std::string>> asked;
    for (int i = 0; i < 40; ++i) {
        asked.push_back(sleepers.within(10min).ask<sleep_for_ms>("key " + std::to_string(i),
                                                                 i < 16 ? ms / 4 : 0L));
    }
    ASSERT_TRUE(until([&] { return blocked_hooks.load() > 0; }, 5s));
    std::this_thread::sleep_for(std::chrono::milliseconds{ms});
    EXPECT_EQ(ann.view().find("ann")->id, before);
    EXPECT_FALSE(said.has("session.lost")) << said.all();
    EXPECT_FALSE(said.has("-> stranded")) << said.all();
    block_ms.store(0);
    for (auto& one : asked) {
        EXPECT_EQ(one.get(), result<std::string>{"slept"});
    }
    EXPECT_TRUE(said.has("worker.blocked: sleepers/")) << said.all();
    EXPECT_FALSE(said.has("session.expired")) << said.all();
    EXPECT_EQ(ann.view().find("ann")->id, before);
}

TEST_F(nodes_on_a_keeper, end_in_time_with_calls_under_way_from_many_threads) {
    log_book said;
    application program;
    program.log = said.pen();
    auto ann = std::make_unique<node>(settings("busy", "ann", servers), program);
    auto bob = std::make_unique<node>(settings("busy", "bob", servers), program);
    const auto from_ann = ann->serve<sleeper>("sleepers", by_hash{.partitions = 16});
    static_cast<void>(bob->serve<sleeper>("sleepers", by_hash{.partitions = 16}));
    ASSERT_TRUE(ann->start());
    ASSERT_TRUE(bob->start());
    ASSERT_TRUE(until([&] { return from_ann.ask<sleep_for_ms>("x", 0L).get().has_value(); }, 20s));
    std::atomic<bool> ended{false};
    std::atomic<int> answered{0};
    std::vector<std::thread> askers;
    for (int t = 0; t < 4; ++t) {
        askers.emplace_back([&, t] {
            for (int i = 0; !ended.load(); ++i) {
                const auto got =
                    from_ann.ask<sleep_for_ms>(std::to_string(t * 1000 + i % 50), 1L).get();
                answered += got ? 1 : 0;
            }
        });
    }
    ASSERT_TRUE(until([&] { return answered.load() > 200; }, 30s));
    const auto begin = std::chrono::steady_clock::now();
    bob.reset();
    ann.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 12s);
    ended.store(true);
    for (auto& one : askers) {
        one.join();
    }
    EXPECT_EQ(from_ann.ask<sleep_for_ms>("x", 0L).get().error().code, errc::closed);
}

}  // namespace
}  // namespace muster::live
