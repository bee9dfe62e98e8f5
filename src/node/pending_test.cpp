#include "muster/pending.hpp"

#include "muster/task.hpp"

#include "base/strand_scope.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace {

using muster::errc;
using muster::fail;
using muster::make_pending;
using muster::pending;
using muster::result;

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

TEST(a_pending_that_is_answered_from_the_start, is_ready_and_gives_its_answer) {
    pending<std::string> answered{std::string{"a name too long to stand within a string"}};
    EXPECT_TRUE(answered.is_ready());
    EXPECT_EQ(answered.get(), result<std::string>{"a name too long to stand within a string"});
}

TEST(a_pending_that_is_answered_from_the_start, gives_its_error) {
    pending<int> refused{fail(errc::moving, "not now")};
    EXPECT_TRUE(refused.is_ready());
    EXPECT_EQ(refused.get().error(), (muster::error{errc::moving, "not now"}));
}

TEST(a_pending_that_is_answered_from_the_start, is_awaited_without_a_pause) {
    for (const std::string name : {"ann", "somebody whose name does not fit into a string"}) {
        auto running = greeting(pending<std::string>{name});
        bool ended = false;
        running.start([&ended] { ended = true; });
        ASSERT_TRUE(ended);
        EXPECT_EQ(running.result(), "hello " + name);
    }
    auto refused = greeting(pending<std::string>{fail(errc::moving, "not now")});
    refused.start([] {});
    EXPECT_EQ(refused.result(), "hello not now");
}

pending<std::string> answered_at_once(const std::string& text) {
    return pending<std::string>{text};
}

muster::task<std::string> two_greetings(std::string one, std::string other) {
    const auto first = co_await answered_at_once(one);
    const auto second = co_await answered_at_once(other);
    co_return *first + " and " + *second;
}

TEST(a_pending_that_is_answered_from_the_start, is_awaited_where_it_is_made) {
    auto running = two_greetings("ann", "somebody whose name does not fit into a string");
    running.start([] {});
    EXPECT_EQ(running.result(), "ann and somebody whose name does not fit into a string");
}

TEST(a_pending_that_is_answered_from_the_start, keeps_its_answer_when_it_is_moved) {
    pending<std::unique_ptr<int>> first{std::make_unique<int>(7)};
    auto second = std::move(first);
    auto third = make_pending<std::unique_ptr<int>>().first;
    third = std::move(second);
    ASSERT_TRUE(third.is_ready());
    EXPECT_EQ(**third.get(), 7);
}

TEST(a_pending_that_is_answered_from_the_start, lets_go_of_an_answer_that_nobody_reads) {
    const auto token = std::make_shared<int>(0);
    {
        const pending<std::shared_ptr<int>> unread{token};
        EXPECT_EQ(token.use_count(), 2);
    }
    EXPECT_EQ(token.use_count(), 1);
}

TEST(a_pending_that_is_answered_from_the_start, is_read_on_another_thread) {
    pending<std::string> answered{std::string{"here"}};
    std::thread{[one = std::move(answered)]() mutable {
        EXPECT_EQ(one.get(), result<std::string>{"here"});
    }}.join();
}

TEST(a_pending_that_is_answered_from_the_start, may_be_of_nothing) {
    pending<void> done{result<void>{}};
    EXPECT_TRUE(done.get());
    pending<void> refused{fail(errc::closed, "it has ended")};
    EXPECT_EQ(refused.get().error().code, errc::closed);
}

TEST(a_pending_that_is_answered_from_the_start, tells_then_at_once) {
    const auto token = std::make_shared<int>(7);
    std::optional<int> heard;
    pending<std::shared_ptr<int>>{token}.then(
        [&heard](result<std::shared_ptr<int>> got) { heard = **got; });
    EXPECT_EQ(heard, 7);
    EXPECT_EQ(token.use_count(), 1);
}

/// Muster's own threads run code of a strand.
class somewhere final : public muster::detail::strand {
public:
    void post(std::move_only_function<void()> job) override { job(); }
};

void get_on_a_strand() {
    const std::shared_ptr<muster::detail::strand> here = std::make_shared<somewhere>();
    const muster::detail::strand_scope scope{here, muster::never};
    static_cast<void>(pending<int>{1}.get());
}

TEST(a_pending_that_is_answered_from_the_start, is_not_to_be_got_where_one_must_not_block) {
    EXPECT_DEATH(get_on_a_strand(), "co_await it here");
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
