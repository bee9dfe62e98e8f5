#include "postgres_store.hpp"

#include "postgres_server_test.hpp"
#include "store_rules_test.hpp"
#include "test_folder.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

namespace party_grid {
namespace {

using muster::errc;

/// One server for all tests of this program, started by the first that needs it.
class postgres_environment : public testing::Environment {
public:
    void TearDown() override { server_.reset(); }
    static postgres_server& server() {
        if (!server_) {
            server_ = std::make_unique<postgres_server>();
        }
        return *server_;
    }

private:
    static inline std::unique_ptr<postgres_server> server_;
};
[[maybe_unused]] const auto* const environment =
    testing::AddGlobalTestEnvironment(new postgres_environment);

/// One database of that server.
class postgres_place {
public:
    store::opener opener() {
        return [url = url_] { return open_postgres(url); };
    }

private:
    std::string url_ = postgres_environment::server().fresh();
};

INSTANTIATE_TYPED_TEST_SUITE_P(postgres, store_rules, postgres_place);

class postgres_store : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.is_running()) << "apt-get install postgresql"; }

    postgres_server& server_ = postgres_environment::server();
};

TEST_F(postgres_store, connects_again_after_the_server_was_restarted) {
    const auto kept = store::open(server_.fresh()).value();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    EXPECT_EQ(kept->load("parties", "3").value().size(), 1U);
    server_.stop("fast");
    EXPECT_EQ(kept->write("parties", "3", 7, "ann", "2").error().code, errc::unavailable);
    EXPECT_EQ(kept->load("parties", "3").error().code, errc::unavailable);
    server_.start();
    ASSERT_TRUE(server_.is_running());
    const auto again = kept->write("parties", "3", 7, "ann", "3");
    EXPECT_TRUE(again.has_value()) << again.error().text;
    EXPECT_EQ(kept->load("parties", "3").value(), (std::vector<record>{{"ann", "3"}}));
}

TEST_F(postgres_store, repeats_what_a_lost_connection_had_begun) {
    const auto kept = store::open(server_.fresh()).value();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    ASSERT_TRUE(
        server_.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name='party_grid'"));
    const auto again = kept->write("parties", "3", 7, "ann", "2");
    EXPECT_TRUE(again.has_value()) << again.error().text;
    EXPECT_EQ(kept->load("parties", "3").value(), (std::vector<record>{{"ann", "2"}}));
}

TEST_F(postgres_store, says_who_refused_it) {
    const auto missing = store::open(server_.url("no_such_database"));
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().code, errc::unavailable);
    EXPECT_NE(missing.error().text.find("no_such_database"), std::string::npos)
        << missing.error().text;
    const auto nobody = store::open(postgres_server::url_at("/no/such/folder", "postgres"));
    EXPECT_EQ(nobody.error().code, errc::unavailable);
}

TEST_F(postgres_store, makes_a_newer_claim_wait_for_the_older_owners_commit) {
    const std::string url = server_.fresh();
    auto former = store::open(url).value();
    const auto newer = store::open(url).value();
    // Every acknowledged write of the former owner is in what the newer loads after its claim.
    std::atomic<int> acknowledged{0};
    std::thread writer{[&] {
        for (int i = 0;; ++i) {
            if (!former->write("parties", "3", 5, "k" + std::to_string(i), "v")) {
                return;
            }
            ++acknowledged;
        }
    }};
    while (acknowledged < 20) {
        std::this_thread::yield();
    }
    const auto loaded = newer->acquire("parties", "3", 6);
    writer.join();
    ASSERT_TRUE(loaded.has_value()) << loaded.error().text;
    EXPECT_EQ(loaded->size(), static_cast<std::size_t>(acknowledged));
    EXPECT_EQ(newer->load("parties", "3").value(), *loaded);
}

/// Passes bytes between a client and the server until it sees COMMIT; then it cuts the line,
/// with the COMMIT passed on or not.
class cutting_proxy {
public:
    cutting_proxy(const std::string& server_folder, bool pass_commit)
        : target_{server_folder + "/.s.PGSQL.5432"}, pass_commit_{pass_commit} {
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un here = address(folder_.file(".s.PGSQL.5432"));
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
        EXPECT_EQ(::listen(listener_, 8), 0);
        thread_ = std::thread{[this] { run(); }};
    }
    ~cutting_proxy() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    cutting_proxy(const cutting_proxy&) = delete;
    cutting_proxy& operator=(const cutting_proxy&) = delete;

    [[nodiscard]] std::string folder() const { return folder_.path(); }
    void arm() { armed_ = true; }

private:
    static sockaddr_un address(const std::string& path) {
        sockaddr_un made{};
        made.sun_family = AF_UNIX;
        path.copy(made.sun_path, sizeof made.sun_path - 1);
        return made;
    }

    /// One connection at a time is enough for a writer.
    void run() {
        for (;;) {
            const int client = ::accept(listener_, nullptr, nullptr);
            if (client < 0) {
                return;
            }
            const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const sockaddr_un there = address(target_);
            if (::connect(server, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0) {
                pass(client, server);
            }
            ::close(client);
            ::close(server);
        }
    }

    void pass(int client, int server) {
        std::array<char, 65'536> buffer{};
        for (;;) {
            std::array<pollfd, 3> ends = {
                {{client, POLLIN, 0}, {server, POLLIN, 0}, {listener_, POLLHUP, 0}}};
            ::poll(ends.data(), 2, 100);
            ::poll(&ends[2], 1, 0);
            if ((ends[2].revents & POLLHUP) != 0) {
                return;
            }
            for (int i = 0; i < 2; ++i) {
                if (ends[static_cast<std::size_t>(i)].revents == 0) {
                    continue;
                }
                const ssize_t count =
                    ::recv(i == 0 ? client : server, buffer.data(), buffer.size(), 0);
                if (count <= 0) {
                    return;
                }
                const std::string_view bytes{buffer.data(), static_cast<std::size_t>(count)};
                const bool commit =
                    i == 0 && armed_ && bytes.find("COMMIT") != std::string_view::npos;
                if (!commit || pass_commit_) {
                    ::send(i == 0 ? server : client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
                }
                if (commit) {
                    armed_ = false;
                    char answered = 0;  // Wait until it was done, then lose the answer.
                    if (pass_commit_) {
                        ::recv(server, &answered, 1, 0);
                    }
                    return;
                }
            }
        }
    }

    test_folder folder_;
    std::string target_;
    bool pass_commit_;
    int listener_ = -1;
    std::atomic<bool> armed_{false};
    std::thread thread_;
};

TEST_F(postgres_store, does_not_know_the_outcome_of_a_commit_whose_answer_was_lost) {
    for (const bool done : {true, false}) {
        ASSERT_TRUE(server_.sql("DROP TABLE IF EXISTS party_records, party_fences"));
        cutting_proxy between{server_.folder(), done};
        auto connected = open_postgres(postgres_server::url_at(between.folder(), "postgres"));
        ASSERT_TRUE(connected.has_value()) << connected.error().text;
        const store_write one{"parties", "3", 7, {{"ann", "1"}}};
        between.arm();
        const auto lost = (*connected)->commit({&one, 1});
        EXPECT_EQ(lost.at(0).error().code, errc::outcome_unknown);

        const auto found = open_postgres(server_.url()).value()->load("parties", "3");
        EXPECT_EQ(found.value().size(), done ? 1U : 0U);
        // The next one goes over a new connection.
        const auto next = (*connected)->commit({&one, 1});
        EXPECT_TRUE(next.at(0).has_value()) << next.at(0).error().text;
    }
}

TEST_F(postgres_store, gives_up_on_a_lock_that_is_not_released) {
    const std::string url = server_.fresh();
    const auto kept = store::open(url).value();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    const std::string database = url.substr(url.find("db"), url.find('?') - url.find("db"));
    std::thread holder{[&] {
        shell("psql -X -q -h '" + server_.folder() + "' -U grid -d " + database +
              " -c \"BEGIN; SELECT fence AS held FROM party_fences FOR UPDATE;"
              " SELECT pg_sleep(30)\"");
    }};
    errc code = errc::closed;
    for (int tries = 0; tries < 50 && code == errc::closed; ++tries) {
        const auto outcome = kept->write("parties", "3", 7, "ann", "2");
        code = outcome ? errc::closed : outcome.error().code;
        std::this_thread::sleep_for(std::chrono::milliseconds{outcome ? 20 : 0});
    }
    EXPECT_EQ(code, errc::unavailable);
    EXPECT_TRUE(
        server_.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"));
    holder.join();
    const auto after = kept->write("parties", "3", 7, "ann", "3");
    EXPECT_TRUE(after.has_value()) << after.error().text;
}

}  // namespace
}  // namespace party_grid
