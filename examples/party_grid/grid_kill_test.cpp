// The promise of the grid: what was acknowledged is never lost. Owners are killed while a million
// writes run, one in five of them a removal; then every key is read back from every member, and
// what was removed must be gone.

#include "grid_fleet_test.hpp"
#include "postgres_server_test.hpp"

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <span>

namespace party_grid {
namespace {

/// By how the programs are built, wherever they come from.
std::size_t wanted_writes(std::size_t part_of_them = 1) {
    const bool sanitized = programs_are_sanitized();
    const char* const given = std::getenv("MUSTER_GRID_WRITES");
    const std::size_t all = given != nullptr ? std::strtoul(given, nullptr, 10)
                            : sanitized      ? 50'000
                                             : 1'000'000;
    const std::size_t writes = all / part_of_them;
    std::cout << "at least " << writes << " writes; " << program("party_grid")
              << (sanitized ? " is" : " is not") << " built with a sanitizer\n";
    return writes;
}

/// Writers with keys of their own, which they write and remove again and again; each remembers for
/// each key what was acknowledged last.
class pressure {
public:
    pressure(const grid_fleet& on, std::size_t keys_each) {
        for (std::size_t i = 0; i < writers; ++i) {
            written_.push_back(0);
            auto& mine = lines_.emplace_back();
            for (std::size_t k = 0; k < keys_each; ++k) {
                mine.push_back({"w" + std::to_string(i) + "-" + std::to_string(k), {}, ""});
            }
        }
        for (std::size_t i = 0; i < writers; ++i) {
            threads_.emplace_back([this, &on, i] { write(on.addresses(), i); });
        }
        for (std::size_t i = 0; i < readers; ++i) {
            threads_.emplace_back([this, &on, i] { write_and_read(on.addresses(), i); });
        }
    }
    ~pressure() { stop(); }
    pressure(const pressure&) = delete;
    pressure& operator=(const pressure&) = delete;

    void stop() {
        stopping_.store(true);
        for (std::thread& one : threads_) {
            if (one.joinable()) {
                one.join();
            }
        }
    }

    [[nodiscard]] std::size_t acknowledged() const { return acknowledged_.load(); }
    [[nodiscard]] std::size_t stale() const { return stale_.load(); }
    [[nodiscard]] std::string trouble() const {
        const std::lock_guard lock{mutex_};
        return trouble_;
    }
    /// Every key that was ever acknowledged, with its newest value, or none where it was removed.
    /// After `stop`.
    [[nodiscard]] std::vector<batch_line> newest() const {
        std::vector<batch_line> all;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            std::copy_n(lines_[i].begin(), written_[i], std::back_inserter(all));
        }
        return all;
    }

private:
    static constexpr std::size_t writers = 4;
    static constexpr std::size_t readers = 2;
    static constexpr std::size_t batch = 250;
    static constexpr std::size_t one_removal_in = 5;

    void complain(const std::string& what) {
        const std::lock_guard lock{mutex_};
        trouble_ = trouble_.empty() ? what : trouble_;
        stopping_.store(true);
    }

    void write(const std::vector<std::string>& members, std::size_t number) {
        grid_client grid{members, 90s};
        auto& mine = lines_[number];
        std::size_t sequence = 0;
        for (std::size_t at = 0; !stopping_.load(); at = (at + batch) % mine.size()) {
            ++sequence;
            const std::size_t end = std::min(mine.size(), at + batch);
            // Before it is written again: afterwards nobody could tell that a kill had lost it.
            if (end <= written_[number] &&
                !is_as_acknowledged(grid, std::span{mine}.subspan(at, end - at), sequence)) {
                complain("what was acknowledged was not there when it was written again");
                return;
            }
            // Each time round other keys, so that there is something to remove.
            const std::size_t round = (sequence - 1) * batch / mine.size();
            const auto wanted = [&](std::size_t i) {
                const bool removes = (i + round) % one_removal_in == 0;
                return removes ? std::nullopt : std::optional{"value " + std::to_string(sequence)};
            };
            std::string body;
            for (std::size_t i = at; i < end; ++i) {
                append_batch_line(body, mine[i].key, wanted(i));
            }
            const auto answer =
                grid.call({.method = "POST", .target = "/parties", .body = std::move(body)},
                          number + sequence);
            if (!answer || answer->status != 200) {
                complain(answer ? answer->body : answer.error().text);
                return;
            }
            for (std::size_t i = at; i < end; ++i) {
                mine[i].value = wanted(i);
            }
            written_[number] = std::max(written_[number], end);
            acknowledged_.fetch_add(end - at);
        }
    }

    static bool is_as_acknowledged(grid_client& grid,
                                   std::span<const batch_line> lines,
                                   std::size_t first) {
        std::string body;
        for (const batch_line& one : lines) {
            append_batch_line(body, one.key, std::nullopt);
        }
        const auto answer = grid.call(
            {.method = "POST", .target = "/parties/read", .body = std::move(body)}, first);
        const auto got = answer ? parse_batch(answer->body) : std::unexpected{answer.error()};
        return got && std::ranges::equal(*got, lines, [](const auto& seen, const auto& wanted) {
                   return seen.key == wanted.key && seen.value == wanted.value;
               });
    }

    /// One record at a time; what was acknowledged by one member is read at once from the next.
    void write_and_read(const std::vector<std::string>& members, std::size_t number) {
        grid_client grid{members, 90s};
        const std::string target = "/parties/r" + std::to_string(number);
        for (std::size_t sequence = 1; !stopping_.load(); ++sequence) {
            const std::string value = std::to_string(sequence);
            const bool removes = sequence % one_removal_in == 0;
            const auto done =
                removes ? grid.call({.method = "DELETE", .target = target, .body = {}}, sequence)
                        : grid.call({.method = "PUT", .target = target, .body = value}, sequence);
            const auto got =
                grid.call({.method = "GET", .target = target, .body = {}}, sequence + 1);
            if (!done || done->status != 204 || !got ||
                (got->status != 200 && got->status != 404)) {
                complain("a single write or read ended in an error");
                return;
            }
            acknowledged_.fetch_add(1);
            const bool as_acknowledged =
                removes ? got->status == 404 : got->status == 200 && got->body == value;
            stale_.fetch_add(as_acknowledged ? 0 : 1);
        }
    }

    std::vector<std::vector<batch_line>> lines_;
    std::vector<std::size_t> written_;  ///< of `lines_`, so many from the front
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> acknowledged_{0};
    std::atomic<std::size_t> stale_{0};
    mutable std::mutex mutex_;
    std::string trouble_;
    std::vector<std::thread> threads_;
};

/// Kills each of `victims` in turn while writes run, waits until others have taken over, and
/// starts it again. Returns the longest time a partition had no owner, in milliseconds.
double kill_each(grid_fleet& fleet,
                 const pressure& load,
                 const std::vector<std::size_t>& victims,
                 std::size_t writes) {
    double longest = 0;
    std::size_t done = 0;
    for (const std::size_t victim : victims) {
        ++done;
        const std::size_t threshold = writes * done / (victims.size() + 2);
        fleet.until("enough has been written", 120s, [&] {
            return load.acknowledged() >= threshold || !load.trouble().empty();
        });
        const auto before = fleet.owners();
        fleet.process(victim).kill();
        const std::int64_t at = *fleet.process(victim).died();
        const std::string name = grid_fleet::name(victim);
        fleet.until("others have taken over", 60s, [&] {
            return std::ranges::none_of(fleet.owners(),
                                        [&](const auto& one) { return one.second.member == name; });
        });
        for (const auto& [partition, now] : fleet.owners()) {
            if (before.at(partition).member == name) {
                longest = std::max(longest, static_cast<double>(now.t - at) / 1e6);
            }
        }
        fleet.start(victim);
        fleet.until(
            "it owns its share again", 60s, [&] { return fleet.owned_by(victim) >= 64 / 3; });
    }
    return longest;
}

void writes_survive_kills(grid_fleet& fleet,
                          std::size_t writes,
                          const std::vector<std::size_t>& victims) {
    const auto begin = std::chrono::steady_clock::now();
    pressure load{fleet, std::clamp<std::size_t>(writes / 20, 1'000, 50'000)};
    const double longest = kill_each(fleet, load, victims, writes);
    fleet.until("all writes are acknowledged", 150s, [&] {
        return load.acknowledged() >= writes || !load.trouble().empty();
    });
    load.stop();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EXPECT_EQ(load.trouble(), "");
    EXPECT_EQ(load.stale(), 0U) << "an acknowledged write was not read back at once";
    EXPECT_GE(load.acknowledged(), writes);
    // The others would cover up for a member that ended by itself, as a sanitizer makes it.
    for (std::size_t i = 0; i < fleet.addresses().size(); ++i) {
        EXPECT_FALSE(fleet.process(i).wait(0ms)) << fleet.complaints();
    }

    const auto newest = load.newest();
    const auto removed = std::ranges::count_if(newest, [](const auto& one) { return !one.value; });
    EXPECT_GT(removed, 0);
    for (const std::string& member : fleet.addresses()) {
        std::vector<char> right(newest.size(), 1);
        const auto checked = check_all(member, newest, right);
        ASSERT_TRUE(checked) << checked.error().text;
        EXPECT_EQ(std::ranges::count(right, 1), std::ssize(newest))
            << "lost, asked from " << member;
    }
    std::cout << load.acknowledged() << " writes acknowledged in " << seconds << " s with "
              << victims.size() << " kills, " << newest.size()
              << " keys read back from each member, " << removed
              << " of them removed; longest without an owner " << longest << " ms\n";
    testing::Test::RecordProperty("acknowledged_writes", std::to_string(load.acknowledged()));
    testing::Test::RecordProperty("seconds", std::to_string(seconds));
}

TEST(acknowledged_writes, survive_sigkill_of_each_owner) {
    grid_fleet three{{}};
    writes_survive_kills(three, wanted_writes(), {0, 1, 2});
}

TEST(acknowledged_writes, survive_sigkill_of_an_owner_over_postgresql) {
    postgres_server server;
    ASSERT_TRUE(server.is_running()) << "apt-get install postgresql";
    grid_fleet three{{.store = server.fresh()}};
    writes_survive_kills(three, wanted_writes(25), {1});
}

}  // namespace
}  // namespace party_grid
