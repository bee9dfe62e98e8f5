#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::runtime::sim {
namespace {

constexpr std::uint16_t port = 7000;

/// A program that accepts connections and notes what it reads; it answers if told to.
class server {
public:
    explicit server(host& at, std::string answer = {})
        : loop_{at.make_loop("server")}, answer_{std::move(answer)} {
        loop_->post([this, address = at.address()] {
            door_ = loop_
                        ->listen({address, port},
                                 [this](std::unique_ptr<stream> accepted) {
                                     stream_ = std::move(accepted);
                                     read();
                                 })
                        .value();
        });
    }

    std::string heard;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<error> broken;
    bool ended = false;

private:
    void read() {
        stream_->read_some(room_, [this](result<std::size_t> count) {
            if (!count) {
                broken = std::make_unique<error>(count.error());
                return;
            }
            if (*count == 0) {
                ended = true;
                return;
            }
            heard.append(room_.data(), *count);
            if (!answer_.empty()) {
                stream_->write(answer_, [](result<void>) {});
            }
            read();
        });
    }

    std::shared_ptr<loop> loop_;
    std::string answer_;
    std::unique_ptr<listener> door_;
    std::array<char, 4096> room_{};
};

/// A program that connects and notes what it reads.
class client {
public:
    client(host& at, const host& to, duration limit = 5s) : loop_{at.make_loop("client")} {
        loop_->post([this, limit, address = to.address()] {
            operation_ = loop_->connect({address, port},
                                        loop_->now() + limit,
                                        [this](result<std::unique_ptr<stream>> made) {
                                            decided_at = loop_->now();
                                            if (!made) {
                                                refused = std::make_unique<error>(made.error());
                                                return;
                                            }
                                            stream_ = std::move(*made);
                                            read();
                                        });
        });
    }

    void say(std::string text) {
        loop_->post([this, text = std::move(text)]() mutable {
            said_.push_back(std::make_unique<std::string>(std::move(text)));
            stream_->write(*said_.back(), [this](result<void> written) {
                if (!written) {
                    broken = std::make_unique<error>(written.error());
                }
            });
        });
    }

    std::string heard;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<error> refused;
    std::unique_ptr<error> broken;
    instant decided_at{};

private:
    void read() {
        stream_->read_some(room_, [this](result<std::size_t> count) {
            if (!count) {
                broken = std::make_unique<error>(count.error());
            } else if (*count > 0) {
                heard.append(room_.data(), *count);
                read();
            }
        });
    }

    std::shared_ptr<loop> loop_;
    std::unique_ptr<operation> operation_;
    std::array<char, 4096> room_{};
    std::vector<std::unique_ptr<std::string>> said_;
};

class simulated_pair : public testing::Test {
protected:
    /// A client on `a`, connected to a server on `b`.
    void connect(std::string answer = {}) {
        server_ = std::make_unique<server>(b, std::move(answer));
        world_.run_for(10ms);
        client_ = std::make_unique<client>(a, b);
        world_.run_for(100ms);
        ASSERT_TRUE(client_->stream_ && server_->stream_);
    }

    world world_{7};
    host& a = world_.add_host("a");
    host& b = world_.add_host("b");
    std::unique_ptr<server> server_;
    std::unique_ptr<client> client_;
};

TEST_F(simulated_pair, a_one_way_cut_holds_bytes_back_until_it_heals) {
    connect("pong");
    world_.cut(b, a);
    client_->say("ping");
    world_.run_for(10s);
    EXPECT_EQ(server_->heard, "ping");
    EXPECT_EQ(client_->heard, "");
    world_.heal(b, a);
    world_.run_for(1s);
    EXPECT_EQ(client_->heard, "pong");
    EXPECT_FALSE(client_->broken);
}

TEST_F(simulated_pair, bytes_in_flight_are_caught_by_a_cut) {
    connect();
    world_.set_delay(a, b, 1s, 1s);
    client_->say("on the way");
    world_.run_for(500ms);
    world_.cut(a, b);
    world_.run_for(10s);
    EXPECT_EQ(server_->heard, "");
    world_.heal();
    world_.run_for(3s);
    EXPECT_EQ(server_->heard, "on the way");
}

TEST_F(simulated_pair, connecting_through_a_cut_ends_at_the_deadline) {
    server_ = std::make_unique<server>(b);
    world_.cut(b, a);
    const instant start = world_.now();
    client_ = std::make_unique<client>(a, b, 5s);
    world_.run_for(20s);
    ASSERT_TRUE(client_->refused);
    EXPECT_EQ(client_->refused->code, errc::timed_out);
    EXPECT_GE(client_->decided_at, start + 5s);
    EXPECT_LT(client_->decided_at, start + 5s + 1ms);
}

TEST_F(simulated_pair, connecting_goes_on_when_a_cut_heals_in_time) {
    server_ = std::make_unique<server>(b);
    world_.cut(a, b);
    client_ = std::make_unique<client>(a, b, 5s);
    world_.run_for(500ms);
    world_.heal(a, b);
    world_.run_for(2s);
    EXPECT_TRUE(client_->stream_);
}

TEST_F(simulated_pair, connecting_to_a_dead_or_deaf_or_refusing_host_is_refused) {
    client deaf{a, b};
    world_.run_for(1s);
    ASSERT_TRUE(deaf.refused);
    EXPECT_EQ(deaf.refused->code, errc::unavailable);

    server_ = std::make_unique<server>(b);
    world_.run_for(1s);
    b.refuse_connects();
    client refusing{a, b};
    world_.run_for(1s);
    EXPECT_TRUE(refusing.refused);

    b.accept_connects();
    b.kill();
    client dead{a, b};
    world_.run_for(1s);
    EXPECT_TRUE(dead.refused);
}

TEST_F(simulated_pair, a_kill_silences_the_host_and_resets_its_peers) {
    connect();
    b.kill();
    const std::uint64_t before = server_->heard.size();
    client_->say("too late");
    world_.run_for(1s);
    ASSERT_TRUE(client_->broken);
    EXPECT_EQ(client_->broken->code, errc::unavailable);
    EXPECT_EQ(server_->heard.size(), before);
    EXPECT_FALSE(b.is_alive());
}

TEST_F(simulated_pair, a_kill_behind_a_cut_is_noticed_only_by_sending) {
    connect();
    world_.cut(b, a);
    b.kill();
    world_.run_for(60s);
    world_.heal();
    world_.run_for(60s);
    EXPECT_FALSE(client_->broken);
    client_->say("anybody there?");
    world_.run_for(1s);
    EXPECT_TRUE(client_->broken);
}

TEST_F(simulated_pair, a_restarted_host_is_another_process_at_the_same_address) {
    connect();
    const auto old = b.process();
    b.restart();
    EXPECT_NE(old->process_number(), b.process_number());
    EXPECT_EQ(old->boot_id(), b.boot_id());
    bool ran = false;
    old->run_blocking([&ran] { ran = true; });
    old->make_loop("ghost")->post([&ran] { ran = true; });
    old->abort_process("nobody hears this");
    server second{b};
    client again{a, b};
    world_.run_for(1s);
    EXPECT_TRUE(again.stream_);
    EXPECT_TRUE(b.is_alive());
    EXPECT_FALSE(ran);
    EXPECT_FALSE(old->make_gate()->wait(never));
}

TEST_F(simulated_pair, a_paused_host_catches_up_when_it_resumes) {
    connect();
    const auto here = b.make_loop("timers");
    instant fired{};
    std::unique_ptr<timer> alarm;
    here->post([&] {
        alarm = here->make_timer();
        alarm->set(here->now() + 1s, [&] { fired = here->now(); });
    });
    world_.run_for(10ms);
    b.pause();
    client_->say("queued");
    world_.run_for(10s);
    EXPECT_EQ(server_->heard, "");
    EXPECT_EQ(fired, instant{});
    EXPECT_EQ(b.now(), world_.now());
    const instant resumed = world_.now();
    b.resume();
    world_.run_for(1ms);
    EXPECT_EQ(server_->heard, "queued");
    EXPECT_GE(fired, resumed);
    here->stop();
}

TEST_F(simulated_pair, a_user_timeout_breaks_when_acknowledgements_are_cut) {
    connect();
    client_->stream_->set_user_timeout(5s);
    world_.cut(b, a);
    client_->say("heard, but who knows");
    world_.run_for(4900ms);
    EXPECT_EQ(server_->heard, "heard, but who knows");
    EXPECT_FALSE(client_->broken);
    world_.run_for(200ms);
    ASSERT_TRUE(client_->broken);
    EXPECT_NE(client_->broken->text.find("timed out"), std::string::npos);
    EXPECT_FALSE(server_->broken);
}

TEST_F(simulated_pair, a_user_timeout_spares_a_connection_that_is_idle_or_slow) {
    connect("fine");
    client_->stream_->set_user_timeout(5s);
    for (int i = 0; i < 10; ++i) {
        client_->say("ping");
        world_.run_for(20s);
    }
    EXPECT_FALSE(client_->broken);
    EXPECT_EQ(client_->heard.size(), 40U);
}

TEST_F(simulated_pair, a_lost_reply_breaks_the_connection_after_the_request_was_done) {
    connect("done");
    world_.lose_next_reply(b, a);
    client_->say("please");
    world_.run_for(1s);
    EXPECT_EQ(server_->heard, "please");
    EXPECT_EQ(client_->heard, "");
    EXPECT_TRUE(client_->broken);
    EXPECT_TRUE(server_->broken);
}

TEST_F(simulated_pair, a_filter_sees_the_bytes_and_decides) {
    connect("reply");
    std::string seen;
    world_.set_filter([&](const packet_info& packet) {
        seen += std::string{packet.from} + ">" + std::string{packet.to} + ":" +
                std::string{packet.bytes} + " ";
        return packet.bytes == "reply" ? verdict::break_after : verdict::deliver;
    });
    client_->say("x");
    world_.run_for(1s);
    EXPECT_EQ(seen, "a>b:x b>a:reply ");
    EXPECT_EQ(client_->heard, "reply");
    EXPECT_TRUE(client_->broken);
}

TEST_F(simulated_pair, broken_connections_break_at_both_ends) {
    connect();
    world_.break_connections(a, b);
    world_.run_for(1ms);
    EXPECT_TRUE(client_->broken);
    EXPECT_TRUE(server_->broken);
}

TEST_F(simulated_pair, a_fast_clock_shows_more_and_fires_sooner) {
    const auto here = a.make_loop("clock");
    bool fired = false;
    std::unique_ptr<timer> alarm;
    here->post([&] {
        alarm = here->make_timer();
        alarm->set(here->now() + 108s, [&] { fired = true; });
    });
    world_.run_for(10ms);
    a.set_clock_drift(80'000);
    const instant start = a.now();
    world_.run_for(99s);
    EXPECT_FALSE(fired);
    world_.run_for(1s);
    EXPECT_TRUE(fired);
    EXPECT_EQ(a.now() - start, 108s);
    here->stop();
}

TEST_F(simulated_pair, a_host_that_aborts_dies_but_what_it_was_doing_ends) {
    const auto here = a.make_loop("suicide");
    const auto held = std::make_shared<int>(0);
    bool after = false;
    bool later = false;
    here->post([&, held] {
        here->post([&, held] { later = true; });
        a.abort_process("enough");
        after = held.use_count() > 2;  // Not destroyed under its feet.
    });
    world_.run_for(1s);
    EXPECT_TRUE(after);
    EXPECT_FALSE(later);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(a.is_alive());
}

TEST_F(simulated_pair, a_blocking_job_may_wait_while_the_world_goes_on) {
    const auto here = a.make_loop("worker");
    bool opened = false;
    a.run_blocking([&] {
        const std::shared_ptr<gate> answered = a.make_gate();
        here->post([answered] { answered->open(); });
        opened = answered->wait(a.now() + 5s);
    });
    world_.run_for(1s);
    EXPECT_TRUE(opened);
    here->stop();
}

TEST_F(simulated_pair, names_of_hosts_are_resolved_as_slowly_as_asked) {
    const auto here = a.make_loop("names");
    std::vector<result<std::vector<endpoint>>> answers;
    std::vector<std::unique_ptr<operation>> kept;
    const auto ask = [&](const std::string& name) {
        here->post([&, name] {
            kept.push_back(here->resolve({name, 1}, here->now() + 1s, [&](auto found) {
                answers.push_back(std::move(found));
            }));
        });
        world_.run_for(2s);
    };
    ask("b");
    ask("nobody");
    a.set_resolver_delay(7s);
    ask("b");
    ASSERT_EQ(answers.size(), 3U);
    EXPECT_EQ(answers[0], (std::vector<endpoint>{{b.address(), 1}}));
    EXPECT_EQ(answers[1].error().code, errc::unavailable);
    EXPECT_EQ(answers[2].error().code, errc::timed_out);
    here->stop();
}

TEST(simulated_world, an_idle_hour_costs_nothing) {
    world quiet{1};
    quiet.add_host("a");
    const std::uint64_t before = quiet.events();
    const instant start = quiet.now();
    quiet.run_for(1h);
    EXPECT_EQ(quiet.events(), before);
    EXPECT_EQ(quiet.now(), start + 1h);
}

TEST(simulated_world, runs_until_something_is_true) {
    world home{1};
    host& a = home.add_host("a");
    const auto here = a.make_loop("l");
    bool done = false;
    here->post([&] { done = true; });
    EXPECT_TRUE(home.run_until([&] { return done; }, home.now() + 1s));
    EXPECT_FALSE(home.run_until([] { return false; }, home.now() + 1s));
}

/// Three hosts that talk, suffer a cut, a pause, a kill and a restart.
std::string eventful_trace(std::uint64_t seed) {
    world home{seed, {.trace = true}};
    host& a = home.add_host("a");
    host& b = home.add_host("b");
    host& c = home.add_host("c");
    server at_b{b, "yes"};
    server at_c{c, "no"};
    home.run_for(10ms);
    client to_b{a, b};
    client to_c{b, c};
    home.run_for(1s);
    for (int i = 0; i < 50; ++i) {
        to_b.say("question " + std::to_string(home.random_below(1000)));
        to_c.say("request");
        home.run_for(10ms);
        if (i == 10) {
            home.cut(b, a);
        } else if (i == 20) {
            home.heal();
            c.pause();
        } else if (i == 30) {
            c.resume();
        } else if (i == 45) {
            c.restart();
        }
    }
    const auto here = a.make_loop("random");
    home.note(a, "drew " + std::to_string(here->random_u64()));
    return home.trace();
}

TEST(simulated_world, the_same_seed_gives_the_same_trace) {
    const std::string once = eventful_trace(42);
    EXPECT_GT(once.size(), 10'000U);
    EXPECT_TRUE(once == eventful_trace(42));
}

TEST(simulated_world, another_seed_gives_another_trace) {
    EXPECT_FALSE(eventful_trace(42) == eventful_trace(43));
}

}  // namespace
}  // namespace muster::runtime::sim
