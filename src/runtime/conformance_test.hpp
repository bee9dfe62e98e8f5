#pragma once

/// @file
/// Loops and connections of whichever implementation of the runtime a test is given.

#include "runtime/ground_test.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::runtime {

using ends = std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>>;

class runtime_conformance : public testing::TestWithParam<const ground_kind*> {
protected:
    void TearDown() override {
        for (const auto& each : loops_) {
            each->stop();
        }
    }

    platform& host() { return *ground_->host; }
    endpoint anywhere() { return {ground_->address, 0}; }

    std::shared_ptr<loop> make_loop(const std::string& name = "test") {
        loops_.push_back(host().make_loop(name));
        return loops_.back();
    }

    /// Runs `what` on `where`, handing it a function that ends the wait.
    testing::AssertionResult run(const std::shared_ptr<loop>& where,
                                 callback<std::function<void()>> what,
                                 duration limit = 20s) {
        const std::shared_ptr<gate> done = host().make_gate();
        where->post([done, what = std::move(what)]() mutable { what([done] { done->open(); }); });
        if (done->wait(host().now() + limit)) {
            return testing::AssertionSuccess();
        }
        return testing::AssertionFailure() << "the wait timed out";
    }

    /// Lets everything already under way happen.
    void settle(const std::shared_ptr<loop>& where, duration how_long = 50ms) {
        EXPECT_TRUE(run(where, [&](const std::function<void()>& done) {
            const std::shared_ptr<timer> wait = where->make_timer();
            wait->set(where->now() + how_long, [wait, done] { done(); });
        }));
    }

    /// Two ends of one connection, both on `where`; to be dropped there.
    ends connected(const std::shared_ptr<loop>& where) {
        ends both;
        std::unique_ptr<listener> door;
        std::unique_ptr<operation> connecting;
        EXPECT_TRUE(run(where, [&](const std::function<void()>& done) {
            const auto ready = [&both, done] {
                if (both.first && both.second) {
                    done();
                }
            };
            door = where
                       ->listen(anywhere(),
                                [&both, ready](std::unique_ptr<stream> accepted) {
                                    both.second = std::move(accepted);
                                    ready();
                                })
                       .value();
            connecting = where->connect(door->local(),
                                        where->now() + 5s,
                                        [&both, ready](result<std::unique_ptr<stream>> made) {
                                            ASSERT_TRUE(made) << made.error().text;
                                            both.first = std::move(*made);
                                            ready();
                                        });
        }));
        drop(where, door, connecting);
        return both;
    }

    template <class... Owned>
    void drop(const std::shared_ptr<loop>& where, Owned&... owned) {
        EXPECT_TRUE(run(where, [&](const std::function<void()>& done) {
            (owned.reset(), ...);
            done();
        }));
    }

private:
    const std::unique_ptr<ground> ground_ = GetParam()->make();
    std::vector<std::shared_ptr<loop>> loops_;
};

}  // namespace muster::runtime
