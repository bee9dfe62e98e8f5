#include "muster/pending.hpp"

#include "muster/task.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace {

using muster::errc;
using muster::make_pending;

muster::task<std::string> greeting(muster::pending<std::string> name) {
    const auto got = co_await name;
    co_return "hello " + (got ? *got : got.error().text);
}

TEST(a_pending_of_ones_own, is_answered_by_its_completer) {
    auto made = make_pending<int>();
    EXPECT_FALSE(made.first.is_ready());
    made.second(42);
    EXPECT_TRUE(made.first.is_ready());
    EXPECT_EQ(made.first.get(), muster::result<int>{42});
}

TEST(a_pending_of_ones_own, takes_the_first_answer_only) {
    auto made = make_pending<int>();
    made.second(1);
    made.second(2);
    EXPECT_EQ(made.first.get(), muster::result<int>{1});
}

TEST(a_pending_of_ones_own, ends_with_closed_when_its_completer_is_dropped) {
    auto made = make_pending<void>();
    {
        const auto dropped = std::move(made.second);
    }
    ASSERT_TRUE(made.first.is_ready());
    EXPECT_EQ(made.first.get().error().code, errc::closed);
}

TEST(a_pending_of_ones_own, is_answered_from_another_thread) {
    auto made = make_pending<std::string>();
    std::thread other{[done = std::move(made.second)]() mutable { done("there"); }};
    EXPECT_EQ(made.first.get(), muster::result<std::string>{"there"});
    other.join();
}

TEST(a_pending_of_ones_own, resumes_the_coroutine_that_awaits_it) {
    auto made = make_pending<std::string>();
    auto running = greeting(std::move(made.first));
    bool ended = false;
    running.start([&ended] { ended = true; });
    EXPECT_FALSE(ended);
    made.second("ann");
    ASSERT_TRUE(ended);
    EXPECT_EQ(running.result(), "hello ann");
}

TEST(then, hears_an_answer_that_is_there_already) {
    auto made = make_pending<int>();
    made.second(7);
    std::optional<int> heard;
    made.first.then([&heard](muster::result<int> got) { heard = *got; });
    EXPECT_EQ(heard, 7);
}

TEST(then, hears_an_answer_that_comes_later_and_lets_go_of_everything) {
    const auto token = std::make_shared<int>(0);
    std::optional<errc> heard;
    {
        auto made = make_pending<int>();
        made.first.then([&heard, token](muster::result<int> got) { heard = got.error().code; });
        EXPECT_EQ(token.use_count(), 2);
        made.second(muster::fail(errc::moving, "not now"));
    }
    EXPECT_EQ(heard, errc::moving);
    EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
