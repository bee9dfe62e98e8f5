#include "runtime/per_thread.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace muster::runtime {
namespace {

using number = std::shared_ptr<const int>;

number made(int value) {
    return std::make_shared<const int>(value);
}

/// A thread that does something, waits until it may end, and is waited for.
class other_thread {
public:
    template <class Job>
    explicit other_thread(Job job)
        : thread_{[this, job = std::move(job)] {
              job();
              done_.arrive_and_wait();
              end_.arrive_and_wait();
          }} {
        done_.arrive_and_wait();
    }
    other_thread(const other_thread&) = delete;
    other_thread& operator=(const other_thread&) = delete;
    ~other_thread() {
        end_.arrive_and_wait();
        thread_.join();
    }

private:
    std::barrier<> done_{2};
    std::barrier<> end_{2};
    std::thread thread_;
};

TEST(a_per_thread, reads_what_replaced_its_value_last) {
    per_thread<int> value{made(1)};
    EXPECT_EQ(*value.get(), 1);
    EXPECT_EQ(*value.get(), 1);
    value.replace(made(2));
    EXPECT_EQ(*value.get(), 2);
    EXPECT_EQ(*value.lend(), 2);
    EXPECT_EQ(*value.read(), 2);
}

TEST(a_per_thread, reads_nothing_where_there_is_no_value) {
    per_thread<int> value;
    EXPECT_EQ(value.get(), nullptr);
    value.replace(made(1));
    EXPECT_EQ(*value.get(), 1);
    value.replace(nullptr);
    EXPECT_EQ(value.get(), nullptr);
    EXPECT_EQ(value.lend(), nullptr);
}

TEST(a_per_thread, shows_every_thread_what_was_replaced_before_it_looked) {
    per_thread<int> value{made(0)};
    std::atomic<int> replaced{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            for (int least = 0; least < 2000;) {
                least = replaced.load(std::memory_order_acquire);
                ASSERT_GE(*value.get(), least);
            }
        });
    }
    for (int i = 1; i <= 2000; ++i) {
        value.replace(made(i));
        replaced.store(i, std::memory_order_release);
    }
    for (std::thread& reader : readers) {
        reader.join();
    }
}

TEST(a_per_thread, lets_go_of_an_old_value_though_a_thread_that_read_it_sleeps) {
    std::weak_ptr<const int> old;
    per_thread<int> value;
    {
        auto first = made(1);
        old = first;
        value.replace(std::move(first));
    }
    const other_thread sleeper{[&] { EXPECT_EQ(*value.get(), 1); }};
    EXPECT_EQ(*value.get(), 1);
    EXPECT_FALSE(old.expired());
    value.replace(made(2));
    EXPECT_TRUE(old.expired());
}

TEST(a_per_thread, lets_go_of_its_value_when_it_ends) {
    std::weak_ptr<const int> old;
    {
        auto first = made(1);
        old = first;
        const per_thread<int> value{std::move(first)};
        EXPECT_EQ(*value.get(), 1);
    }
    EXPECT_TRUE(old.expired());
}

TEST(a_per_thread, leaves_what_was_read_with_its_reader) {
    std::optional<per_thread<int>> value{std::in_place, made(1)};
    const number mine = value->get();
    value->replace(made(2));
    const number next = value->get();
    value.reset();
    EXPECT_EQ(*mine, 1);
    EXPECT_EQ(*next, 2);
}

TEST(a_per_thread, leaves_what_was_read_with_its_reader_when_the_thread_has_ended) {
    per_thread<int> value{made(1)};
    number theirs;
    std::thread{[&] { theirs = value.get(); }}.join();
    value.replace(nullptr);
    EXPECT_EQ(*theirs, 1);
}

TEST(a_per_thread, is_counted_by_each_thread_alone) {
    per_thread<int> value{made(1)};
    const number mine = value.get();
    number theirs;
    const other_thread reader{[&] { theirs = value.get(); }};
    EXPECT_EQ(mine.get(), theirs.get());
    EXPECT_TRUE(mine.owner_before(theirs) || theirs.owner_before(mine));
    EXPECT_EQ(mine.use_count(), 2) << "the loan, and what was read";
    const number again = value.get();
    EXPECT_EQ(mine.use_count(), 3) << "the same loan";
}

TEST(a_per_thread, is_not_taken_for_another_one_that_stood_at_its_address) {
    std::optional<per_thread<int>> value;
    for (int i = 0; i < static_cast<int>(3 * per_thread<int>::places); ++i) {
        value.emplace(made(i));
        ASSERT_EQ(*value->get(), i);
        ASSERT_EQ(*value->get(), i);
    }
}

TEST(a_per_thread, is_right_also_where_a_thread_reads_more_of_them_than_it_has_places) {
    std::vector<std::unique_ptr<per_thread<int>>> all;
    for (int i = 0; i < static_cast<int>(2 * per_thread<int>::places); ++i) {
        all.push_back(std::make_unique<per_thread<int>>(made(i)));
    }
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            ASSERT_EQ(*all[i]->get(), static_cast<int>(i));
        }
    }
}

TEST(a_per_thread, does_not_pile_up_loans_of_threads_that_have_ended) {
    per_thread<int> value{made(1)};
    for (int i = 0; i < 500; ++i) {
        std::thread{[&] { EXPECT_EQ(*value.get(), 1); }}.join();
    }
    EXPECT_LT(value.read().use_count(), 100);
}

TEST(a_per_thread, does_not_make_a_second_loan_for_a_thread) {
    per_thread<int> value{made(1)};
    for (int i = 0; i < 500; ++i) {
        EXPECT_EQ(*value.lend(), 1);
    }
    EXPECT_EQ(value.read().use_count(), 3) << "the value, the loan, and what was read here";
}

/// Reads when its thread ends, after what that thread remembers is gone.
struct late_reader {
    ~late_reader() {
        if (from != nullptr) {
            *seen = from->get();
        }
    }
    const per_thread<int>* from = nullptr;
    number* seen = nullptr;
};

TEST(a_per_thread, is_read_also_while_a_thread_ends) {
    const per_thread<int> value{made(1)};
    number seen;
    std::thread{[&] {
        static thread_local late_reader last;
        last.from = &value;
        last.seen = &seen;
        EXPECT_EQ(*value.get(), 1);
    }}.join();
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(*seen, 1);
}

TEST(an_edition, never_has_a_number_that_another_one_had) {
    std::vector<std::vector<std::uint64_t>> seen(3);
    std::vector<std::thread> threads;
    for (auto& mine : seen) {
        threads.emplace_back([&mine] {
            edition one;
            for (int i = 0; i < 1000; ++i) {
                mine.push_back(one.number());
                one.changed();
            }
        });
    }
    for (std::thread& one : threads) {
        one.join();
    }
    std::set<std::uint64_t> all{0};
    for (const auto& mine : seen) {
        all.insert(mine.begin(), mine.end());
    }
    EXPECT_EQ(all.size(), 3001U);
}

}  // namespace
}  // namespace muster::runtime
