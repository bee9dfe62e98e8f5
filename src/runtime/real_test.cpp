// What only the real runtime can show: threads, the machine's clock, the system's resolver.

#include "runtime/real.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace muster::runtime {
namespace {

TEST(real_runtime, many_threads_post_and_each_keeps_its_order) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("many");
    constexpr int each = 20'000;
    std::array<int, 3> last{};
    bool in_order = true;
    std::vector<std::jthread> posters;
    for (std::size_t poster = 0; poster < last.size(); ++poster) {
        posters.emplace_back([&, poster] {
            for (int i = 1; i <= each; ++i) {
                here->post([&, poster, i] {
                    in_order = in_order && last.at(poster) == i - 1;
                    last.at(poster) = i;
                });
            }
        });
    }
    posters.clear();
    const std::shared_ptr<gate> done = host->make_gate();
    here->post([done] { done->open(); });
    ASSERT_TRUE(done->wait(host->now() + 60s));
    here->stop();
    EXPECT_TRUE(in_order);
    EXPECT_EQ(last, (std::array<int, 3>{each, each, each}));
}

/// A thread that does not block SIGTERM is enough to end the program by it.
TEST(real_runtime, leaves_the_signals_that_end_a_program_to_whoever_waits_for_them) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("here");
    const auto is_blocked = [] {
        sigset_t now;
        pthread_sigmask(SIG_BLOCK, nullptr, &now);
        return sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGINT) == 1;
    };
    EXPECT_FALSE(is_blocked());
    std::atomic<int> blocked{0};
    const std::shared_ptr<gate> both = host->make_gate();
    const auto look = [&] {
        if (is_blocked() && blocked.fetch_add(1) == 1) {
            both->open();
        }
    };
    here->post(look);
    host->run_blocking(look);
    EXPECT_TRUE(both->wait(host->now() + 10s));
    here->stop();
}

TEST(real_runtime, two_loops_bounce_a_task_and_both_wake) {
    const auto host = make_real_platform();
    const auto left = host->make_loop("left");
    const auto right = host->make_loop("right");
    const std::shared_ptr<gate> done = host->make_gate();
    std::function<void(int)> bounce = [&](int rest) {
        if (rest == 0) {
            done->open();
            return;
        }
        (rest % 2 == 0 ? left : right)->post([&bounce, rest] { bounce(rest - 1); });
    };
    bounce(5000);
    EXPECT_TRUE(done->wait(host->now() + 60s));
    left->stop();
    right->stop();
}

TEST(real_runtime, stop_waits_for_the_task_that_runs) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("busy");
    const auto started = host->make_gate();
    const auto release = host->make_gate();
    std::atomic<bool> ended{false};
    here->post([&] {
        started->open();
        release->wait(never);
        ended = true;
    });
    ASSERT_TRUE(started->wait(host->now() + 60s));
    std::jthread stopper{[&] {
        here->stop();
        EXPECT_TRUE(ended);
    }};
    release->open();
}

TEST(real_runtime, two_threads_may_stop_one_loop) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("twice");
    const std::jthread other{[&] { here->stop(); }};
    here->stop();
}

TEST(real_runtime, jobs_left_when_the_platform_goes_are_waited_for) {
    std::atomic<int> done{0};
    {
        const auto host = make_real_platform();
        for (int i = 0; i < 200; ++i) {
            host->run_blocking([&done] { ++done; });
        }
    }
    EXPECT_EQ(done, 200);
}

TEST(real_runtime, a_job_that_blocks_does_not_hold_up_the_next) {
    const auto host = make_real_platform();
    const std::shared_ptr<gate> first = host->make_gate();
    const std::shared_ptr<gate> second = host->make_gate();
    host->run_blocking([first] { first->wait(never); });
    host->run_blocking([second] { second->open(); });
    EXPECT_TRUE(second->wait(host->now() + 60s));
    first->open();
}

TEST(real_runtime, time_is_read_from_the_clock_that_counts_suspension) {
    const auto host = make_real_platform();
    timespec before{};
    ::clock_gettime(CLOCK_BOOTTIME, &before);
    const instant now = host->now();
    timespec after{};
    ::clock_gettime(CLOCK_BOOTTIME, &after);
    const auto as_instant = [](const timespec& at) {
        return instant{std::chrono::seconds{at.tv_sec} + std::chrono::nanoseconds{at.tv_nsec}};
    };
    EXPECT_LE(as_instant(before), now);
    EXPECT_GE(as_instant(after), now);
}

TEST(real_runtime, connecting_into_the_void_ends_at_the_deadline) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("void");
    const std::shared_ptr<gate> done = host->make_gate();
    std::unique_ptr<operation> connecting;
    result<std::unique_ptr<stream>> outcome;
    // TEST-NET-1 (RFC 5737) leads nowhere; where the route itself is refused, that is an answer.
    here->post([&, done] {
        connecting = here->connect({"192.0.2.1", 9},
                                   here->now() + 50ms,
                                   [&outcome, done](result<std::unique_ptr<stream>> made) {
                                       outcome = std::move(made);
                                       done->open();
                                   });
    });
    EXPECT_TRUE(done->wait(host->now() + 60s));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().next(), next_step::wait);
    here->stop();
}

/// Whoever tries again and again while a server of this machine starts gets there sooner or later.
TEST(real_runtime, never_connects_a_port_that_nobody_listens_on_to_itself) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("itself");
    const std::shared_ptr<gate> done = host->make_gate();
    endpoint nobody{"127.0.0.1", 0};
    const std::shared_ptr<gate> known = host->make_gate();
    here->post([&, known] {
        const auto listened = here->listen(nobody, [](std::unique_ptr<stream>) {});
        // Linux gives the even ports to those who connect.
        nobody.port = static_cast<std::uint16_t>(listened.value()->local().port & ~1U);
        known->open();
    });
    ASSERT_TRUE(known->wait(host->now() + 10s));
    constexpr int enough = 20'000;  // goes once through all of them
    int tried = 0;
    bool connected = false;
    std::unique_ptr<operation> connecting;
    std::function<void()> attempt = [&, done] {
        connecting = here->connect(
            nobody, here->now() + 10s, [&, done](const result<std::unique_ptr<stream>>& made) {
                connected = connected || made;
                if (connected || ++tried == enough) {
                    done->open();
                } else {
                    here->post([&attempt] { attempt(); });
                }
            });
    };
    here->post([&attempt] { attempt(); });
    EXPECT_TRUE(done->wait(host->now() + 60s));
    here->stop();
    EXPECT_FALSE(connected) << "after " << tried;
}

TEST(real_runtime, a_name_that_does_not_exist_is_an_error_or_a_timeout) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("names");
    const std::shared_ptr<gate> done = host->make_gate();
    std::unique_ptr<operation> resolving;
    result<std::vector<endpoint>> outcome;
    here->post([&, done] {
        resolving = here->resolve({"no-such-host.invalid", 9},
                                  here->now() + 500ms,
                                  [&outcome, done](result<std::vector<endpoint>> found) {
                                      outcome = std::move(found);
                                      done->open();
                                  });
    });
    EXPECT_TRUE(done->wait(host->now() + 60s));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().next(), next_step::wait);
    EXPECT_NE(outcome.error().text.find("no-such-host.invalid"), std::string::npos);
    here->stop();
}

TEST(real_runtime, ipv6_is_spoken_where_the_host_has_it) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("six");
    const std::shared_ptr<gate> done = host->make_gate();
    std::unique_ptr<listener> door;
    std::unique_ptr<operation> connecting;
    std::unique_ptr<stream> made;
    bool available = true;
    here->post([&, done] {
        auto opened = here->listen({"::1", 0}, [](std::unique_ptr<stream>) {});
        if (!opened) {
            available = false;
            done->open();
            return;
        }
        door = std::move(*opened);
        connecting = here->connect(
            door->local(), here->now() + 5s, [&, done](result<std::unique_ptr<stream>> stream) {
                made = std::move(stream.value());
                EXPECT_EQ(made->remote(), door->local());
                done->open();
            });
    });
    EXPECT_TRUE(done->wait(host->now() + 60s));
    here->stop();
    if (!available) {
        GTEST_SKIP() << "this host has no IPv6";
    }
    EXPECT_EQ(door->local().address, "::1");
}

/// The user timeouts of this program's sockets, where they have one.
std::vector<int> user_timeouts() {
    std::vector<int> all;
    for (int fd = 0; fd < 1024; ++fd) {
        int limit = 0;
        socklen_t size = sizeof limit;
        if (getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, &size) == 0 && limit != 0) {
            all.push_back(limit);
        }
    }
    return all;
}

// Without it the system goes on for a quarter of an hour to send what nobody acknowledges.
TEST(real_runtime, gives_the_system_the_user_timeout_of_a_connection) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("here");
    const std::shared_ptr<gate> done = host->make_gate();
    std::unique_ptr<listener> door;
    std::unique_ptr<operation> connecting;
    std::unique_ptr<stream> made;
    here->post([&, done] {
        door = std::move(here->listen({"127.0.0.1", 0}, [](std::unique_ptr<stream>) {}).value());
        connecting = here->connect(
            door->local(), here->now() + 5s, [&, done](result<std::unique_ptr<stream>> stream) {
                made = std::move(stream.value());
                EXPECT_EQ(user_timeouts(), std::vector<int>{});
                made->set_user_timeout(4321ms);
                EXPECT_EQ(user_timeouts(), std::vector<int>{4321});
                done->open();
            });
    });
    EXPECT_TRUE(done->wait(host->now() + 60s));
    here->stop();
}

TEST(real_runtime, aborting_says_why) {
    EXPECT_DEATH(make_real_platform()->abort_process("the lease ended and a handler did not"),
                 "the lease ended and a handler did not");
}

/// Whether every socket of this process ends with an `exec`; and how many there are.
std::pair<bool, int> all_end_with_exec() {
    bool all = true;
    int sockets = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;
        const auto what = std::filesystem::read_symlink(entry.path(), gone);
        if (!gone && what.string().starts_with("socket:")) {
            ++sockets;
            const int fd = std::stoi(entry.path().filename().string());
            all = all && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
        }
    }
    return {all, sockets};
}

TEST(real_runtime, leaves_no_socket_to_programs_that_it_may_start) {
    const auto host = make_real_platform();
    const auto here = host->make_loop("here");
    const std::shared_ptr<gate> connected = host->make_gate();
    std::unique_ptr<listener> open;
    std::vector<std::unique_ptr<stream>> both;
    std::unique_ptr<operation> connecting;
    const auto keep = [&](std::unique_ptr<stream> one) {
        both.push_back(std::move(one));
        if (both.size() == 2) {
            connected->open();
        }
    };
    here->post([&] {
        auto made = here->listen({"127.0.0.1", 0}, keep);
        ASSERT_TRUE(made);
        open = std::move(*made);
        connecting = here->connect(
            open->local(), host->now() + 5s, [&](result<std::unique_ptr<stream>> got) {
                ASSERT_TRUE(got);
                keep(std::move(*got));
            });
    });
    ASSERT_TRUE(connected->wait(host->now() + 10s));
    const auto [all, sockets] = all_end_with_exec();
    EXPECT_TRUE(all);
    EXPECT_GE(sockets, 3);
    const std::shared_ptr<gate> ended = host->make_gate();
    here->post([&] {
        connecting.reset();
        both.clear();
        open.reset();
        ended->open();
    });
    ASSERT_TRUE(ended->wait(host->now() + 10s));
    here->stop();
}

}  // namespace
}  // namespace muster::runtime
