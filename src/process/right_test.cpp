// Processes that act under a right, which ends whatever their code does.

#include "process/stage_test.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

using texts = std::vector<std::string>;

struct order {
    using reply = std::string;
    std::string what;
};
struct word {
    std::string text;
};

/// A right that the test ends.
class test_right final : public process_right {
public:
    [[nodiscard]] bool allowed() const noexcept override { return holds; }
    [[nodiscard]] ownership held() const override { return {}; }
    void unread(std::vector<detail::parcel_ptr> messages) override {
        for (auto& one : messages) {
            returned.push_back(std::move(one));
        }
    }
    bool holds = true;
    std::vector<detail::parcel_ptr> returned;
};

class under_a_right : public testing::Test {
protected:
    std::string error_of(const result<void>& how) { return std::string{name_of(how.error().code)}; }
    stage here;
    std::shared_ptr<test_right> right = std::make_shared<test_right>();
    texts heard;
};

process listener(self me, texts* heard) {
    while (auto in = co_await me.receive<word>()) {
        heard->push_back(in->body.text);
    }
}

// Row 56 of docs/internals/faults.md: what it still does is fenced.
TEST_F(under_a_right, code_that_goes_on_beyond_its_end_sends_asks_and_answers_nothing) {
    const pid other = here.host->spawn(listener, &heard);
    texts said;
    const pid who = here.host->spawn_under(
        [&, right = right](self me) -> process {
            auto in = co_await me.receive<order>();
            if (!in) {
                co_return;
            }
            static_cast<void>(me.send(other, word{"before"}));
            right->holds = false;  // As the lease does, in the midst of it.
            const auto sent = me.send(other, word{"after"});
            said.push_back(std::string{name_of(sent.error().code)});
            static_cast<void>(me.send_after(1ms, other, word{"later"}));
            auto asked = me.ask<order>(other, "an ask");
            said.push_back("not at once");
            if (asked.is_ready()) {
                said.back() = name_of(asked.await_resume().error().code);
            }
            const auto around = here.host->send(other, word{"around it"});
            said.push_back(std::string{name_of(around.error().code)});
            const pid linked = me.spawn_linked(listener, &heard);
            static_cast<void>(here.host->send(linked, word{"to a linked child"}));
            const pid child = me.spawn(listener, &heard);
            static_cast<void>(me.send(child, word{"to a child"}));
            in->reply("an answer");
        },
        right);
    const auto got = here.run(here.host->ask<order>(who, "go"));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::outcome_unknown);
    here.settle();
    EXPECT_EQ(said, (texts{"fenced", "fenced", "fenced"}));
    EXPECT_TRUE(here.host->send(other, word{"of somebody else"}));
    here.settle();
    EXPECT_EQ(heard, (texts{"before", "of somebody else"}));
}

TEST_F(under_a_right, whoever_hears_that_it_has_ended_goes_on_under_its_own) {
    const pid who = here.host->spawn_under(
        [right = right](self me) -> process {
            auto in = co_await me.receive<order>();
            right->holds = false;
            if (in) {
                in->reply("an answer");
            }
        },
        right);
    const pid other = here.host->spawn(listener, &heard);
    std::optional<errc> after;
    here.host->ask<order>(who, "go").then([&](const result<std::string>& got) {
        EXPECT_FALSE(got);
        const auto sent = here.host->send(other, word{"so it asks another"});
        after = sent ? std::optional<errc>{} : std::optional{sent.error().code};
    });
    here.settle();
    EXPECT_EQ(after, std::nullopt);
    EXPECT_EQ(heard, texts{"so it asks another"});
}

TEST_F(under_a_right, a_process_is_not_resumed_once_it_has_ended) {
    texts ran;
    const pid who = here.host->spawn_under(
        [&](self me) -> process {
            while (auto in = co_await me.receive<word>()) {
                ran.push_back(in->body.text);
            }
            ran.push_back("ends by itself");
        },
        right);
    ASSERT_TRUE(here.host->send(who, word{"one"}));
    here.settle();
    right->holds = false;
    ASSERT_TRUE(here.host->send(who, word{"two"}));
    here.settle();
    EXPECT_EQ(ran, texts{"one"});
    const auto sent = here.host->send(who, word{"three"});
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, errc::gone);
}

TEST_F(under_a_right, a_request_is_not_passed_on_after_its_end_and_is_before) {
    const pid answers = here.host->spawn([](self me) -> process {
        while (auto in = co_await me.receive<order>()) {
            in->reply("passed on " + in->body.what);
        }
    });
    const pid who = here.host->spawn_under(
        [&, right = right](self me) -> process {
            while (auto in = co_await me.receive<order>()) {
                right->holds = in->body.what != "second";
                in->forward(answers);
            }
        },
        right);
    EXPECT_EQ(here.run(here.host->ask<order>(who, "first")),
              result<std::string>{"passed on first"});
    const auto second = here.run(here.host->ask<order>(who, "second"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, errc::outcome_unknown);
}

TEST_F(under_a_right, what_a_process_had_not_seen_is_given_back_in_order) {
    const pid who = here.host->spawn_under(
        [](self me) -> process {
            const auto in = co_await me.receive<order>();
            static_cast<void>(in);
        },
        right);
    for (const char* text : {"a", "b", "c"}) {
        ASSERT_TRUE(here.host->send(who, word{text}));
    }
    auto asked = here.host->within(1h).ask<order>(who, "taken");
    auto unseen = here.host->within(1h).ask<order>(who, "unseen");
    here.settle();
    ASSERT_EQ(right->returned.size(), 4U);
    texts words;
    for (std::size_t i = 0; i < 3; ++i) {
        words.push_back(static_cast<detail::parcel_of<word>&>(*right->returned[i]).body.text);
    }
    EXPECT_EQ(words, (texts{"a", "b", "c"}));
    EXPECT_TRUE(asked.is_ready());
    EXPECT_FALSE(unseen.is_ready()) << "it is for whoever is next";
}

TEST_F(under_a_right, code_counts_as_running_while_it_runs_and_not_while_it_waits) {
    bool inside = false;
    const pid who = here.host->spawn_under(
        [&, right = right](self me) -> process {
            const auto in = co_await me.receive<word>();
            inside = in && right->runs_code();
            const auto more = co_await me.receive<word>();
            static_cast<void>(more);
        },
        right);
    here.settle();
    EXPECT_FALSE(right->runs_code());
    ASSERT_TRUE(here.host->send(who, word{"go"}));
    here.settle();
    EXPECT_TRUE(inside);
    EXPECT_FALSE(right->runs_code());
}

TEST_F(under_a_right, a_process_that_is_asked_to_end_may_still_say_what_it_has_to_say) {
    const pid other = here.host->spawn(listener, &heard);
    const pid who = here.host->spawn_under(
        [&](self me) -> process {
            while (auto in = co_await me.receive<order>()) {
            }
            static_cast<void>(me.send(other, word{"farewell"}));
        },
        right);
    here.settle();
    here.host->ask_to_end(who);
    here.settle();
    EXPECT_EQ(heard, texts{"farewell"});
    EXPECT_FALSE(here.host->send(who, word{"x"}));
}

}  // namespace
}  // namespace muster
