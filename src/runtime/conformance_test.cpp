// What every room above relies on, asked of each implementation of the runtime alike.

#include "runtime/conformance_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::runtime {
namespace {

TEST_P(runtime_conformance, tasks_run_later_and_in_the_order_posted) {
    const auto here = make_loop();
    std::vector<int> seen;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        EXPECT_TRUE(here->is_current());
        for (int i = 0; i < 100; ++i) {
            here->post([&seen, i] { seen.push_back(i); });
        }
        here->post(done);
        EXPECT_TRUE(seen.empty());
    }));
    ASSERT_EQ(seen.size(), 100U);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
    EXPECT_FALSE(here->is_current());
}

TEST_P(runtime_conformance, what_is_deferred_runs_after_what_is_ready) {
    const auto here = make_loop();
    std::string order;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        here->post([&, done] {
            here->defer([&order, done] {
                order += 'd';
                done();
            });
            order += 'a';
        });
        here->post([&] { order += 'b'; });
    }));
    EXPECT_EQ(order, "abd");
}

TEST_P(runtime_conformance, a_stopped_loop_runs_nothing_more) {
    const auto here = make_loop();
    bool ran = false;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        const std::shared_ptr<timer> soon = here->make_timer();
        soon->set(here->now(), [&ran, soon] { ran = true; });
        here->post([&ran] { ran = true; });
        here->stop();
        done();
    }));
    here->stop();
    here->post([&ran] { ran = true; });
    settle(make_loop());
    EXPECT_FALSE(ran);
}

TEST_P(runtime_conformance, a_loop_may_be_dropped_by_its_own_last_task) {
    auto here = host().make_loop("short");
    loop& face = *here;
    const std::shared_ptr<gate> done = host().make_gate();
    face.post([here = std::move(here), done]() mutable {
        here.reset();
        done->open();
    });
    EXPECT_TRUE(done->wait(host().now() + 20s));
}

TEST_P(runtime_conformance, what_a_dropped_task_holds_is_released) {
    const auto here = make_loop();
    const auto held = std::make_shared<int>(0);
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        const std::shared_ptr<timer> late = here->make_timer();
        late->set(never, [late, held] {});
        here->post([held] {});
        here->stop();
        done();
    }));
    here->stop();
    EXPECT_EQ(held.use_count(), 1);
}

TEST_P(runtime_conformance, timers_fire_in_the_order_of_their_instants) {
    const auto here = make_loop();
    std::vector<int> seen;
    std::vector<std::unique_ptr<timer>> timers;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        const instant start = here->now();
        for (const int ms : {30, 10, 20, 10, 0, -5}) {
            timers.push_back(here->make_timer());
            const instant when = start + std::chrono::milliseconds{ms};
            timers.back()->set(when, [&seen, &here, when, ms, done] {
                EXPECT_GE(here->now(), when);
                seen.push_back(ms);
                if (seen.size() == 6) {
                    done();
                }
            });
            EXPECT_TRUE(timers.back()->is_set());
        }
        EXPECT_TRUE(seen.empty());
    }));
    EXPECT_EQ(seen, (std::vector<int>{-5, 0, 10, 10, 20, 30}));
    EXPECT_FALSE(timers.front()->is_set());
}

TEST_P(runtime_conformance, a_timer_cancelled_or_replaced_or_destroyed_stays_silent) {
    const auto here = make_loop();
    std::string fired;
    std::unique_ptr<timer> cancelled;
    std::unique_ptr<timer> replaced;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        cancelled = here->make_timer();
        cancelled->set(here->now(), [&] { fired += 'c'; });
        cancelled->cancel();
        EXPECT_FALSE(cancelled->is_set());
        auto destroyed = here->make_timer();
        destroyed->set(here->now(), [&] { fired += 'd'; });
        replaced = here->make_timer();
        replaced->set(here->now(), [&] { fired += 'x'; });
        replaced->set(here->now() + 5ms, [&, done] {
            fired += 'r';
            replaced->set(here->now() + 1ms, [&, done] {
                fired += '2';
                replaced.reset();  // From inside its own handler.
                done();
            });
        });
    }));
    settle(here, 20ms);
    EXPECT_EQ(fired, "r2");
    drop(here, cancelled);
}

TEST_P(runtime_conformance, one_due_timer_may_cancel_another) {
    const auto here = make_loop();
    int fired = 0;
    std::array<std::unique_ptr<timer>, 2> timers;
    ASSERT_TRUE(run(
                    here,
                    [&](const std::function<void()>&) {
                        for (std::size_t i = 0; i < 2; ++i) {
                            timers[i] = here->make_timer();
                            timers[i]->set(here->now(), [&, i] {
                                ++fired;
                                timers[1 - i]->cancel();
                            });
                        }
                    },
                    0s) ||
                true);
    settle(here, 20ms);
    EXPECT_EQ(fired, 1);
    drop(here, timers[0], timers[1]);
}

TEST_P(runtime_conformance, connecting_where_nobody_listens_is_refused) {
    const auto here = make_loop();
    std::unique_ptr<listener> door;
    std::unique_ptr<operation> connecting;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        door = here->listen(anywhere(), [](std::unique_ptr<stream>) {}).value();
        const endpoint closed = door->local();
        door.reset();
        connecting =
            here->connect(closed, here->now() + 5s, [=](result<std::unique_ptr<stream>> made) {
                ASSERT_FALSE(made);
                EXPECT_EQ(made.error().code, errc::unavailable);
                EXPECT_NE(made.error().text.find(closed.text()), std::string::npos);
                done();
            });
    }));
    drop(here, connecting);
}

TEST_P(runtime_conformance, what_is_not_an_address_is_refused_through_the_loop) {
    const auto here = make_loop();
    std::unique_ptr<operation> connecting;
    bool inside = true;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        EXPECT_EQ(here->listen({"nonsense", 0}, [](std::unique_ptr<stream>) {}).error().code,
                  errc::invalid_argument);
        connecting = here->connect({"nonsense", 1},
                                   here->now() + 5s,
                                   [&inside, done](result<std::unique_ptr<stream>> made) {
                                       EXPECT_FALSE(inside);
                                       EXPECT_EQ(made.error().code, errc::invalid_argument);
                                       done();
                                   });
        inside = false;
    }));
    drop(here, connecting);
}

TEST_P(runtime_conformance, an_abandoned_connect_is_never_answered) {
    const auto here = make_loop();
    bool answered = false;
    std::unique_ptr<listener> door;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        door = here->listen(anywhere(), [](std::unique_ptr<stream>) {}).value();
        auto connecting = here->connect(door->local(),
                                        here->now() + 1ms,
                                        [&](result<std::unique_ptr<stream>>) { answered = true; });
        connecting.reset();
        done();
    }));
    settle(here);
    EXPECT_FALSE(answered);
    drop(here, door);
}

TEST_P(runtime_conformance, an_address_in_use_is_refused_and_is_free_again_once_dropped) {
    const auto here = make_loop();
    std::unique_ptr<listener> door;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        door = here->listen(anywhere(), [](std::unique_ptr<stream>) {}).value();
        const endpoint at = door->local();
        const auto second = here->listen(at, [](std::unique_ptr<stream>) {});
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, errc::unavailable);
        door.reset();
        EXPECT_TRUE(here->listen(at, [](std::unique_ptr<stream>) {}));
        done();
    }));
}

TEST_P(runtime_conformance, an_accepted_stream_belongs_to_the_loop_it_was_placed_on) {
    const auto here = make_loop("control");
    const auto worker = make_loop("worker");
    std::unique_ptr<listener> door;
    std::unique_ptr<operation> connecting;
    std::unique_ptr<stream> client;
    std::unique_ptr<stream> server;
    std::array<char, 16> room{};
    std::array<char, 16> reply{};
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        const auto answer = [&](std::unique_ptr<stream> accepted) {
            EXPECT_TRUE(worker->is_current());
            server = std::move(accepted);
            server->read_some(room, [&](result<std::size_t> count) {
                EXPECT_TRUE(worker->is_current());
                server->write({room.data(), *count}, [](result<void>) {});
            });
        };
        door = here->listen(anywhere(), answer, [&] { return worker; }).value();
        connecting = here->connect(
            door->local(), here->now() + 5s, [&, done](result<std::unique_ptr<stream>> made) {
                client = std::move(made.value());
                client->write("hop", [](result<void>) {});
                client->read_some(reply, [&, done](result<std::size_t> count) {
                    EXPECT_TRUE(here->is_current());
                    EXPECT_EQ((std::string_view{reply.data(), count.value()}), "hop");
                    done();
                });
            });
    }));
    drop(here, door, connecting, client);
    drop(worker, server);
}

TEST_P(runtime_conformance, numeric_addresses_and_localhost_are_resolved) {
    const auto here = make_loop();
    std::unique_ptr<operation> numeric;
    std::unique_ptr<operation> named;
    int answers = 0;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        const auto count = [&answers, done] {
            if (++answers == 2) {
                done();
            }
        };
        numeric = here->resolve(
            {"::1", 7}, here->now() + 5s, [count](result<std::vector<endpoint>> found) {
                EXPECT_EQ(found, (std::vector<endpoint>{{"::1", 7}}));
                count();
            });
        named = here->resolve(
            {"localhost", 9}, here->now() + 15s, [count](result<std::vector<endpoint>> found) {
                ASSERT_TRUE(found) << found.error().text;
                ASSERT_FALSE(found->empty());
                EXPECT_EQ(found->front().port, 9);
                count();
            });
        EXPECT_EQ(answers, 0);
    }));
    drop(here, numeric, named);
}

TEST_P(runtime_conformance, an_abandoned_look_up_is_never_answered) {
    const auto here = make_loop();
    bool answered = false;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        here->resolve({"localhost", 9},
                      here->now() + 5s,
                      [&](result<std::vector<endpoint>>) { answered = true; })
            .reset();
        done();
    }));
    settle(here);
    EXPECT_FALSE(answered);
}

TEST_P(runtime_conformance, blocking_jobs_run_beside_the_loops) {
    const auto here = make_loop();
    const std::shared_ptr<gate> done = host().make_gate();
    host().run_blocking([&] {
        EXPECT_FALSE(here->is_current());
        here->post([done] { done->open(); });
    });
    EXPECT_TRUE(done->wait(host().now() + 20s));
}

TEST_P(runtime_conformance, a_gate_stays_shut_until_its_deadline_and_open_for_good) {
    const auto door = host().make_gate();
    const instant deadline = host().now() + 20ms;
    EXPECT_FALSE(door->wait(deadline));
    EXPECT_GE(host().now(), deadline);
    door->open();
    EXPECT_TRUE(door->wait(deadline));
    EXPECT_TRUE(door->wait(never));
}

TEST_P(runtime_conformance, random_numbers_differ_and_stay_below_their_bound) {
    const auto here = make_loop();
    EXPECT_NE(here->random_u64(), here->random_u64());
    std::array<int, 7> seen{};
    for (int i = 0; i < 700; ++i) {
        ++seen.at(here->random_below(7));
    }
    EXPECT_TRUE(std::ranges::all_of(seen, [](int count) { return count > 30; }));
}

TEST_P(runtime_conformance, a_host_says_who_it_is) {
    EXPECT_FALSE(host().host_name().empty());
    EXPECT_FALSE(host().boot_id().empty());
    EXPECT_GT(host().process_number(), 0);
    EXPECT_GE(host().cores(), 1U);
    EXPECT_GT(host().unix_ms(), 1'600'000'000'000);
}

INSTANTIATE_TEST_SUITE_P(each,
                         runtime_conformance,
                         testing::ValuesIn(ground_kinds()),
                         [](const auto& kind) { return std::string{kind.param->name}; });

}  // namespace
}  // namespace muster::runtime
