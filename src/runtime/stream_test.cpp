// Streams, asked of each implementation of the runtime alike.

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

class stream_conformance : public runtime_conformance {};

TEST_P(stream_conformance, bytes_arrive_whole_and_in_order_and_then_the_end) {
    const auto here = make_loop();
    ends both = connected(here);
    ASSERT_TRUE(both.first && both.second);
    std::string sent;
    for (std::uint32_t i = 0; i < 3'000'000; ++i) {
        sent += static_cast<char>((i * 2654435761U) >> 24U);
    }
    std::string got;
    std::array<char, 65536> room{};
    std::function<void()> read;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        read = [&, done] {
            both.second->read_some(room, [&, done](result<std::size_t> count) {
                ASSERT_TRUE(count) << count.error().text;
                if (*count == 0) {
                    done();
                    return;
                }
                got.append(room.data(), *count);
                read();
            });
        };
        read();
        both.first->write(sent, [&](result<void> written) {
            EXPECT_TRUE(written);
            both.first->close();
        });
    }));
    EXPECT_TRUE(got == sent) << got.size() << " bytes of " << sent.size();
    drop(here, both.first, both.second);
}

TEST_P(stream_conformance, both_ends_know_each_other) {
    const auto here = make_loop();
    ends both = connected(here);
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        EXPECT_EQ(both.first->remote(), both.second->local());
        EXPECT_EQ(both.second->remote(), both.first->local());
        EXPECT_EQ(both.first->local().address, anywhere().address);
        EXPECT_NE(both.first->local().port, 0);
        both.first->set_user_timeout(5s);
        done();
    }));
    drop(here, both.first, both.second);
}

TEST_P(stream_conformance, a_read_of_waiting_bytes_is_answered_through_the_loop) {
    const auto here = make_loop();
    ends both = connected(here);
    std::array<char, 16> room{};
    bool answered = false;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        both.first->write("ping", [done](result<void>) { done(); });
    }));
    settle(here);
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        both.second->read_some(room, [&, done](result<std::size_t> count) {
            answered = true;
            EXPECT_EQ(count, 4U);
            done();
        });
        EXPECT_FALSE(answered);
    }));
    drop(here, both.first, both.second);
}

TEST_P(stream_conformance, nothing_is_heard_from_a_stream_closed_or_destroyed) {
    const auto here = make_loop();
    ends both = connected(here);
    ends other = connected(here);
    std::array<char, 16> room{};
    int heard = 0;
    const auto held = std::make_shared<int>(0);
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        both.second->read_some(room, [&heard, held](result<std::size_t>) { ++heard; });
        both.second->write("x", [&heard, held](result<void>) { ++heard; });
        both.second->close();
        both.second->close();
        other.second->read_some(room, [&heard, held](result<std::size_t>) { ++heard; });
        other.second->write("x", [&heard, held](result<void>) { ++heard; });
        other.second.reset();
        done();
    }));
    settle(here);
    EXPECT_EQ(heard, 0);
    EXPECT_EQ(held.use_count(), 1);
    drop(here, both.first, both.second, other.first);
}

TEST_P(stream_conformance, a_handler_may_destroy_its_stream) {
    const auto here = make_loop();
    ends both = connected(here);
    std::array<char, 16> room{};
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        both.second->read_some(room, [&, done](result<std::size_t> count) {
            EXPECT_EQ(count, 4U);
            both.second.reset();
            done();
        });
        both.first->write("ping", [&](result<void>) { both.first.reset(); });
    }));
    settle(here);
    EXPECT_FALSE(both.first);
}

TEST_P(stream_conformance, writing_to_an_end_that_is_gone_fails_in_time) {
    const auto here = make_loop();
    ends both = connected(here);
    drop(here, both.second);
    std::function<void()> write;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        write = [&, done] {
            both.first->write("hello", [&, done](result<void> written) {
                if (written) {
                    write();
                    return;
                }
                EXPECT_EQ(written.error().code, errc::unavailable);
                EXPECT_NE(written.error().text.find(both.first->remote().text()),
                          std::string::npos);
                done();
            });
        };
        write();
    }));
    drop(here, both.first);
}

TEST_P(stream_conformance, a_write_waits_while_the_reader_does_not_read) {
    const auto here = make_loop();
    ends both = connected(here);
    const std::string much(64U << 20U, 'm');
    bool written = false;
    ASSERT_TRUE(run(here, [&](const std::function<void()>& done) {
        both.first->write(much, [&](result<void>) { written = true; });
        done();
    }));
    settle(here);
    EXPECT_FALSE(written);
    drop(here, both.first, both.second);
    EXPECT_FALSE(written);
}

TEST_P(stream_conformance, what_is_written_at_once_arrives_before_what_is_written_then) {
    const auto where = make_loop();
    auto both = connected(where);
    const std::string sent = [] {
        std::string bytes;
        for (int i = 0; bytes.size() < 32U << 20U; ++i) {
            bytes += std::to_string(i) + ' ';
        }
        return bytes;
    }();
    std::size_t at_once = 0;
    std::string got;
    std::vector<char> room(1U << 20U);
    EXPECT_TRUE(run(where, [&](const std::function<void()>& done) {
        at_once = both.first->write_now(sent);
        both.first->write(std::string_view{sent}.substr(at_once),
                          [](const result<void>& outcome) { EXPECT_TRUE(outcome); });
        EXPECT_EQ(both.first->write_now("too early"), 0U) << "the network is full";
        const auto more = std::make_shared<std::function<void()>>();
        *more = [&, done, weak = std::weak_ptr{more}] {
            const auto again = weak.lock();
            both.second->read_some(room, [&, done, again](const result<std::size_t>& count) {
                got.append(room.data(), count.value_or(0));
                got.size() < sent.size() && count ? (*again)() : done();
            });
        };
        (*more)();
    }));
    EXPECT_GT(at_once, 0U);
    EXPECT_LT(at_once, sent.size());
    EXPECT_TRUE(got == sent);
    EXPECT_TRUE(run(where, [&](const std::function<void()>& done) {
        both.first->close();
        EXPECT_EQ(both.first->write_now("after the end"), 0U);
        both = {};
        done();
    }));
}

TEST_P(stream_conformance, what_is_written_at_once_goes_behind_the_write_that_is_under_way) {
    const auto where = make_loop();
    auto both = connected(where);
    const std::string first(32U << 20U, 'f');
    const std::string then = "then";
    std::string got;
    std::vector<char> room(1U << 20U);
    bool written = false;
    EXPECT_TRUE(run(where, [&](const std::function<void()>& done) {
        both.first->write(first,
                          [&](const result<void>& outcome) { written = outcome.has_value(); });
        const auto more = std::make_shared<std::function<void()>>();
        const auto left = std::make_shared<std::string_view>(then);
        *more = [&, done, left, weak = std::weak_ptr{more}] {
            const auto again = weak.lock();
            both.second->read_some(room, [&, done, left, again](const result<std::size_t>& count) {
                got.append(room.data(), count.value_or(0));
                left->remove_prefix(both.first->write_now(*left));
                got.size() < first.size() + then.size() && count ? (*again)() : done();
            });
        };
        (*more)();
    }));
    settle(where);
    EXPECT_TRUE(got == first + then);
    EXPECT_TRUE(written);
    drop(where, both.first, both.second);
}

INSTANTIATE_TEST_SUITE_P(each,
                         stream_conformance,
                         testing::ValuesIn(ground_kinds()),
                         [](const auto& kind) { return std::string{kind.param->name}; });

}  // namespace
}  // namespace muster::runtime
