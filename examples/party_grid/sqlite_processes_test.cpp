#include "store.hpp"
#include "test_folder.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <thread>

namespace party_grid {
namespace {

using muster::errc;

/// A process of its own, and what it reports through a pipe.
class child {
public:
    /// `body` gets the end of the pipe to write to; its result is the exit code.
    explicit child(const std::function<int(int)>& body) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe(ends.data()), 0);
        reports_ = ends[0];
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(ends[0]);
            ::_exit(body(ends[1]));
        }
        ::close(ends[1]);
    }
    ~child() {
        if (pid_ > 0) {
            kill();
            wait();
        }
        ::close(reports_);
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    void kill() const { signal(SIGKILL); }
    void signal(int number) const { ::kill(pid_, number); }

    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    /// The next number it reported, or nothing once it has ended and all are read.
    std::optional<std::uint32_t> next() const {
        std::uint32_t number = 0;
        return ::read(reports_, &number, sizeof number) == sizeof number ? std::optional{number}
                                                                         : std::nullopt;
    }

private:
    int reports_ = -1;
    pid_t pid_ = -1;
};

void report(int to, std::uint32_t number) {
    if (::write(to, &number, sizeof number) != sizeof number) {
        ::_exit(3);
    }
}

std::string key_of(std::uint32_t number) {
    return "k" + std::to_string(number);
}

TEST(sqlite_processes, write_to_one_file_at_the_same_time) {
    const test_folder folder;
    const std::string path = folder.file("parties.db");
    constexpr std::uint32_t each = 2000;
    {
        std::vector<std::unique_ptr<child>> members;
        for (int m = 0; m < 3; ++m) {
            members.push_back(std::make_unique<child>([&, partition = std::to_string(m)](int) {
                const auto kept = store::open(path);
                if (!kept) {
                    return 1;
                }
                std::atomic<int> failed{0};
                for (std::uint32_t i = 0; i < each; ++i) {
                    store_write one{"parties", partition, 7, {{key_of(i), partition}}};
                    (*kept)->submit(std::move(one), [&failed](muster::result<void> outcome) {
                        failed += outcome ? 0 : 1;
                    });
                    if (i % 16 == 0) {  // So that the three really alternate.
                        failed += (*kept)->claim("parties", partition, 7) ? 0 : 1;
                    }
                }
                failed += (*kept)->claim("parties", partition, 7) ? 0 : 1;
                return failed == 0 ? 0 : 2;
            }));
        }
        for (const auto& one : members) {
            EXPECT_EQ(one->wait(), 0);
        }
    }
    EXPECT_EQ(store::open(path).value()->count("parties").value(), 3 * each);
}

TEST(sqlite_processes, keep_every_acknowledged_write_through_sigkill) {
    const test_folder folder;
    const std::string path = folder.file("parties.db");
    std::set<std::uint32_t> acknowledged;
    for (std::uint32_t round = 1; round <= 5; ++round) {
        child member{[&](int to) {
            const auto kept = store::open(path);
            for (std::uint32_t i = 0; kept; ++i) {
                const std::uint32_t number = round * 1'000'000 + i;
                if (!(*kept)->write("parties", "3", round, key_of(number), "v")) {
                    return 1;
                }
                report(to, number);
            }
            return 2;
        }};
        for (int i = 0; i < 200; ++i) {
            const auto number = member.next();
            ASSERT_TRUE(number.has_value());
            acknowledged.insert(*number);
        }
        member.kill();
        while (const auto number = member.next()) {
            acknowledged.insert(*number);
        }
    }
    std::set<std::string> kept;
    const auto found = store::open(path).value()->load("parties", "3");
    ASSERT_TRUE(found.has_value()) << found.error().text;
    for (const record& one : *found) {
        kept.insert(one.key);
    }
    std::size_t lost = 0;
    for (const std::uint32_t number : acknowledged) {
        lost += kept.contains(key_of(number)) ? 0U : 1U;
    }
    EXPECT_GE(acknowledged.size(), 1000U);
    EXPECT_EQ(lost, 0U);
}

TEST(sqlite_processes, stop_a_former_owner_at_the_claim_of_the_next) {
    const test_folder folder;
    const std::string path = folder.file("parties.db");
    child former{[&](int to) {
        const auto kept = store::open(path);
        for (std::uint32_t i = 0; kept; ++i) {
            const auto outcome = (*kept)->write("parties", "3", 5, key_of(i), "v");
            if (!outcome) {
                return outcome.error().code == errc::fenced ? 0 : 1;
            }
            report(to, i);
        }
        return 2;
    }};
    ASSERT_TRUE(former.next().has_value());
    const auto newer = store::open(path).value();
    const auto loaded = newer->acquire("parties", "3", 6);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().text;
    std::uint32_t reported = 1;
    while (former.next()) {
        ++reported;
    }
    EXPECT_EQ(former.wait(), 0);
    // What the new owner loaded is all there is: nothing came in behind it.
    EXPECT_EQ(loaded->size(), reported);
    EXPECT_EQ(newer->load("parties", "3").value(), *loaded);
}

TEST(sqlite_processes, write_nothing_while_another_holds_the_file) {
    const test_folder folder;
    const std::string path = folder.file("parties.db");
    const auto kept = store::open(path).value();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);

    const auto outcome = kept->write("parties", "3", 7, "ann", "2");  // Gives up after 5 s.
    EXPECT_EQ(outcome.error().code, errc::unavailable);
    EXPECT_EQ(kept->load("parties", "3").value(), (std::vector<record>{{"ann", "1"}}));

    sqlite3_close(other);
    EXPECT_TRUE(kept->write("parties", "3", 7, "ann", "3"));
    EXPECT_EQ(kept->load("parties", "3").value(), (std::vector<record>{{"ann", "3"}}));
}

TEST(sqlite_processes, do_not_lose_patience_with_a_lock_while_they_are_stopped) {
    using namespace std::chrono_literals;
    const test_folder folder;
    const std::string path = folder.file("parties.db");
    child member{[&](int to) {
        const auto kept = store::open(path);
        for (std::uint32_t i = 0; kept; ++i) {
            if (!(*kept)->write("parties", "3", 7, key_of(i), "v")) {
                return 1;
            }
            report(to, i);
        }
        return 2;
    }};
    ASSERT_TRUE(member.next().has_value());
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 30'000);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    std::this_thread::sleep_for(200ms);
    member.signal(SIGSTOP);
    std::this_thread::sleep_for(5'500ms);  // Longer than a lock is waited for.
    member.signal(SIGCONT);
    std::this_thread::sleep_for(200ms);
    sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
    sqlite3_close(other);
    // More than it can have reported before: the pipe holds no more.
    constexpr std::size_t pipe_holds = 65'536 / sizeof(std::uint32_t);
    for (std::size_t i = 0; i <= pipe_holds; ++i) {
        ASSERT_TRUE(member.next().has_value()) << "it gave the write up";
    }
}

}  // namespace
}  // namespace party_grid
