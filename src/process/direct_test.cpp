// Messages of other lives that a process takes where they are read, past its mailbox.

#include "process/places_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

struct word {
    std::string text;
};
struct pass {};  ///< Lets a process that waits for it alone go on to the words.
struct order {
    using reply = std::string;
    std::string what;
};

/// Ends when the test says so.
class brief_right final : public process_right {
public:
    [[nodiscard]] bool allowed() const noexcept override { return holds; }
    [[nodiscard]] ownership held() const override { return {}; }
    void unread(std::vector<detail::parcel_ptr>) override {}
    bool holds = true;
};

/// One process on each of bob's two workers: one of them is where its messages are read.
class taken_where_read : public two_nodes {
protected:
    std::vector<pid> on_both_workers(const std::function<process(self)>& body) {
        return {bob->host().spawn(body), bob->host().spawn(body)};
    }
    void send(const pid& to, const std::string& text) {
        EXPECT_TRUE(ann->host().send(to, word{text})) << text;
    }
    texts heard;
};

process listener(self me, texts* heard) {
    while (auto in = co_await me.receive<word>()) {
        heard->push_back(in->body.text);
    }
}

TEST_F(taken_where_read, messages_keep_their_order_with_those_that_wait) {
    std::vector<texts> took(2);
    std::size_t next = 0;
    const auto body = [&](self me) -> process {
        texts& mine = took[next++];
        for (int i = 0; i < 3; ++i) {
            const auto go = co_await me.receive<pass>();
            if (!go) {
                co_return;
            }
            for (int j = 0; j < 4; ++j) {
                const auto in = co_await me.receive<word>();
                if (!in) {
                    co_return;
                }
                mine.push_back(in->body.text);
            }
        }
    };
    const auto who = on_both_workers(body);
    run();
    for (int i = 0; i < 12; ++i) {
        for (const pid& to : who) {
            send(to, std::to_string(i));
            if (i % 4 == 1) {  // Two wait in the mailbox, two are waited for.
                EXPECT_TRUE(ann->host().send(to, pass{}));
            }
        }
        if (i % 3 == 0) {
            run(10ms);
        }
    }
    run();
    const texts in_order{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"};
    EXPECT_EQ(took, (std::vector<texts>{in_order, in_order}));
}

TEST_F(taken_where_read, no_message_overtakes_a_signal_that_was_sent_before_it) {
    for (int i = 0; i < 2; ++i) {
        const pid to = bob->host().spawn(listener, &heard);
        run();
        ann->host().spawn([to](self me) -> process {
            static_cast<void>(me.send(to, word{"before"}));
            me.kill(to);
            static_cast<void>(me.send(to, word{"after"}));
            co_return;
        });
        run();
    }
    // Whether the process had seen the first one when it was killed depends on where it ran.
    EXPECT_EQ(std::ranges::count(heard, "after"), 0);
    EXPECT_GE(std::ranges::count(heard, "before"), 1);
}

TEST_F(taken_where_read, who_sent_it_is_known) {
    texts from;
    const auto who = on_both_workers([&](self me) -> process {
        while (auto in = co_await me.receive<word>()) {
            from.push_back(in->from.empty() ? "nobody" : in->from.text());
        }
    });
    run();
    texts wanted;
    for (const pid& to : who) {
        const pid sender = ann->host().spawn([to](self me) -> process {
            static_cast<void>(me.send(to, word{"x"}));
            co_return;
        });
        run();
        send(to, "of a thread");
        run();
        wanted.push_back(sender.text());
        wanted.emplace_back("nobody");
    }
    EXPECT_EQ(from, wanted);
}

TEST_F(taken_where_read, a_process_whose_right_has_ended_takes_nothing_and_its_sender_hears_so) {
    for (int i = 0; i < 2; ++i) {
        const auto right = std::make_shared<brief_right>();
        heard.clear();
        const pid to = bob->host().spawn_under(
            [this](self me) -> process {
                while (auto in = co_await me.receive<word, order>()) {
                    if (const auto* one = in->get_if<word>()) {
                        heard.push_back(one->body.text);
                    } else if (auto* asked = in->get_if<order>()) {
                        asked->reply("done");
                    }
                }
            },
            right);
        watch_from(*bob, to);
        run();
        texts lost;
        ann->host().spawn([&lost, to](self me) -> process {
            static_cast<void>(me.send(to, word{"while it holds"}));
            const auto paused = co_await me.pause(100ms);
            EXPECT_TRUE(paused);
            static_cast<void>(me.send(to, word{"after"}));
            if (const auto in = co_await me.receive<undelivered>(1s)) {
                lost.push_back(std::to_string(in->body.count) + " to " + in->body.to.text());
            }
        });
        run(50ms);
        right->holds = false;
        run();
        EXPECT_EQ(heard, texts{"while it holds"});
        EXPECT_EQ(lost, texts{"1 to " + to.text()});
    }
    EXPECT_EQ(ends, (texts{"killed: its right has ended", "killed: its right has ended"}));
}

TEST_F(taken_where_read, an_ask_of_a_process_whose_right_has_ended_was_not_seen) {
    for (int i = 0; i < 2; ++i) {
        const auto right = std::make_shared<brief_right>();
        const pid to = bob->host().spawn_under(
            [right](self me) -> process {
                while (auto in = co_await me.receive<order>()) {
                    right->holds = in->body.what != "end";
                    in->reply("done");
                }
            },
            right);
        run();
        EXPECT_EQ(answer(ann->host().ask<order>(to, "first")), result<std::string>{"done"});
        const auto last = answer(ann->host().ask<order>(to, "end"));
        ASSERT_FALSE(last);
        EXPECT_EQ(last.error().code, errc::outcome_unknown) << "it was seen";
        const auto after = answer(ann->host().ask<order>(to, "after"));
        ASSERT_FALSE(after);
        EXPECT_EQ(after.error().code, errc::gone);
    }
}

TEST_F(taken_where_read, a_process_may_end_or_throw_in_the_midst_of_what_was_read) {
    const auto who = on_both_workers([this](self me) -> process {
        while (auto in = co_await me.receive<word>()) {
            heard.push_back(in->body.text);
            if (in->body.text == "throw") {
                throw std::runtime_error{"asked to"};
            }
        }
    });
    texts lost;
    run();
    for (const pid& to : who) {
        watch_from(*bob, to);
        ann->host().spawn([&lost, to](self me) -> process {
            for (const char* text : {"one", "throw", "two", "three"}) {
                static_cast<void>(me.send(to, word{text}));
            }
            std::uint64_t count = 0;
            while (auto in = co_await me.receive<undelivered>(1s)) {
                count += in->body.count;
            }
            lost.push_back(std::to_string(count));
        });
    }
    run(3s);
    EXPECT_EQ(heard, (texts{"one", "throw", "one", "throw"}));
    EXPECT_EQ(ends, (texts{"crashed: asked to", "crashed: asked to"}));
    EXPECT_EQ(lost, (texts{"2", "2"}));
}

/// An answer from far resumes the process that awaits it at once, but never inside code of the
/// user's: here in what hears of another answer, which completes what processes await.
TEST_F(taken_where_read, no_process_goes_on_inside_a_callback_of_the_user) {
    const pid answers = bob->host().spawn([](self me) -> process {
        while (auto in = co_await me.receive<order>()) {
            in->reply("re: " + in->body.what);
        }
    });
    bool inside = false;
    std::vector<completer<int>> owed;
    for (int i = 0; i < 2; ++i) {
        ann->host().spawn([&](self) -> process {
            auto [promised, told] = make_pending<int>();
            owed.push_back(std::move(told));
            const auto got = co_await std::move(promised);
            heard.push_back(got && !inside ? "between" : "inside");
        });
    }
    run();
    bool called = false;
    ann->host().ask<order>(answers, "x").then([&](const result<std::string>& got) {
        called = got.has_value();
        inside = true;
        for (auto& told : owed) {
            told(1);
        }
        inside = false;
    });
    run();
    EXPECT_TRUE(called);
    EXPECT_EQ(heard, (texts{"between", "between"}));
}

}  // namespace
}  // namespace muster
