#pragma once

/// @file
/// What every kind of store must do, as tests over a type `Place` that has `opener()`: each call
/// of it gives a way to connect to the same, at first empty, database.

#include "store.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace party_grid {

template <class Place>
class store_rules : public testing::Test {
protected:
    std::unique_ptr<store> open(store_limits limits = {}) {
        auto made = store::over(place_.opener(), limits);
        EXPECT_TRUE(made.has_value()) << made.error().text;
        return std::move(made).value();
    }

    static std::vector<record> rows(store& in, std::string_view partition = "3") {
        auto found = in.load("parties", partition);
        EXPECT_TRUE(found.has_value()) << found.error().text;
        return found.value_or(std::vector<record>{});
    }

    static muster::errc code_of(const muster::result<void>& outcome) {
        EXPECT_FALSE(outcome.has_value());
        return outcome ? muster::errc::closed : outcome.error().code;
    }

    Place place_;
};
TYPED_TEST_SUITE_P(store_rules);

TYPED_TEST_P(store_rules, reads_back_what_was_written_in_the_order_of_keys) {
    const auto kept = this->open();
    ASSERT_TRUE(kept->write("parties", "3", 7, "bob", "2"));
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    ASSERT_TRUE(kept->write("parties", "4", 7, "cat", "3"));
    ASSERT_TRUE(kept->write("dates", "3", 7, "dan", "4"));
    EXPECT_EQ(this->rows(*kept), (std::vector<record>{{"ann", "1"}, {"bob", "2"}}));
    EXPECT_EQ(kept->count("parties").value(), 3U);
    EXPECT_EQ(kept->count().value(), 4U);
    EXPECT_EQ(kept->count("nothing").value(), 0U);
}

TYPED_TEST_P(store_rules, keeps_the_last_of_several_values) {
    const auto kept = this->open();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "2"));
    EXPECT_EQ(this->rows(*kept), (std::vector<record>{{"ann", "2"}}));
    const store_write twice{"parties", "3", 7, {{"ann", "3"}, {"ann", {}}, {"ann", "4"}}};
    ASSERT_TRUE(kept->write_all(twice));
    EXPECT_EQ(this->rows(*kept), (std::vector<record>{{"ann", "4"}}));
}

TYPED_TEST_P(store_rules, removes_where_there_is_no_value) {
    const auto kept = this->open();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", std::nullopt));
    ASSERT_TRUE(kept->write("parties", "3", 7, "never there", std::nullopt));
    EXPECT_EQ(this->rows(*kept), std::vector<record>{});
    ASSERT_TRUE(kept->write("parties", "3", 7, "empty", ""));
    EXPECT_EQ(this->rows(*kept), (std::vector<record>{{"empty", ""}}));
}

TYPED_TEST_P(store_rules, keeps_every_byte) {
    const auto kept = this->open();
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all += static_cast<char>(byte);
    }
    const std::string key = "a'b\"c\\d{e},\x01\xff\xc3\xa9";
    ASSERT_TRUE(kept->write("par\"ti\\es", "A-{G},'x'", 7, key, all));
    EXPECT_EQ(kept->load("par\"ti\\es", "A-{G},'x'").value(), (std::vector<record>{{key, all}}));
}

TYPED_TEST_P(store_rules, refuses_an_older_fence_and_changes_nothing) {
    const auto kept = this->open();
    ASSERT_TRUE(kept->write("parties", "3", 9, "ann", "new"));
    EXPECT_EQ(this->code_of(kept->write("parties", "3", 8, "ann", "old")), muster::errc::fenced);
    EXPECT_EQ(this->code_of(kept->write("parties", "3", 8, "ann", std::nullopt)),
              muster::errc::fenced);
    EXPECT_EQ(this->rows(*kept), (std::vector<record>{{"ann", "new"}}));
    EXPECT_TRUE(kept->write("parties", "3", 9, "ann", "again"));
    EXPECT_TRUE(kept->write("parties", "4", 8, "bob", "another partition"));
    EXPECT_EQ(kept->figures().fenced, 2U);
}

TYPED_TEST_P(store_rules, refuse_the_former_owner_from_the_claim_on) {
    const auto former = this->open();
    const auto newer = this->open();
    ASSERT_TRUE(former->write("parties", "3", 5, "ann", "1"));
    EXPECT_EQ(newer->acquire("parties", "3", 6).value(), (std::vector<record>{{"ann", "1"}}));
    EXPECT_EQ(this->code_of(former->write("parties", "3", 5, "ann", "2")), muster::errc::fenced);
    EXPECT_EQ(this->code_of(former->claim("parties", "3", 5)), muster::errc::fenced);
    EXPECT_TRUE(newer->claim("parties", "3", 6));
    EXPECT_EQ(this->rows(*newer), (std::vector<record>{{"ann", "1"}}));
}

TYPED_TEST_P(store_rules, compare_fences_of_more_than_32_bits) {
    const auto kept = this->open();
    constexpr std::int64_t incarnation = std::int64_t{1} << 56;
    ASSERT_TRUE(kept->claim("parties", "3", 127 * incarnation + 0xffffffff));
    EXPECT_EQ(this->code_of(kept->claim("parties", "3", 127 * incarnation)), muster::errc::fenced);
    EXPECT_TRUE(kept->claim("parties", "3", 127 * incarnation + 0x100000000));
}

TYPED_TEST_P(store_rules, do_all_changes_of_a_write_or_none) {
    const auto kept = this->open();
    store_write many{"parties", "3", 7, {}};
    for (int i = 0; i < 3000; ++i) {
        many.changes.push_back({"k" + std::to_string(i), std::to_string(i)});
    }
    ASSERT_TRUE(kept->write_all(many));
    EXPECT_EQ(kept->count("parties").value(), 3000U);
    many.fence = 6;
    for (change& one : many.changes) {
        one.value.reset();
    }
    EXPECT_EQ(this->code_of(kept->write_all(many)), muster::errc::fenced);
    EXPECT_EQ(kept->count("parties").value(), 3000U);
}

TYPED_TEST_P(store_rules, judge_each_write_of_a_transaction_by_itself) {
    auto connected = this->place_.opener()();
    ASSERT_TRUE(connected.has_value()) << connected.error().text;
    const std::vector<store_write> group = {
        {"parties", "3", 5, {{"ann", "5"}}},
        {"parties", "3", 6, {}},                // A claim: from here on 5 is too old.
        {"parties", "3", 5, {{"ann", "old"}}},  // Refused,
        {"parties", "4", 1, {{"bob", "1"}}},    // and its neighbours are not.
        {"parties", "3", 6, {{"cat", "6"}}},
    };
    std::vector<bool> done;
    for (const auto& one : (*connected)->commit(group)) {
        done.push_back(one.has_value());
    }
    EXPECT_EQ(done, (std::vector<bool>{true, true, false, true, true}));
    const auto found = (*connected)->load("parties", "3");
    EXPECT_EQ(found.value(), (std::vector<record>{{"ann", "5"}, {"cat", "6"}}));
}

TYPED_TEST_P(store_rules, share_commits_among_writes_that_wait_together) {
    const auto kept = this->open();
    constexpr int writes = 2000;
    std::promise<void> all_done;
    std::atomic<int> left{writes};
    std::atomic<int> refused{0};
    for (int i = 0; i < writes; ++i) {
        const std::string number = std::to_string(i);
        store_write one{"parties", std::to_string(i % 64), 7, {{"k" + number, number}}};
        kept->submit(std::move(one), [&](muster::result<void> outcome) {
            refused += outcome ? 0 : 1;
            if (--left == 0) {
                all_done.set_value();
            }
        });
    }
    all_done.get_future().wait();
    EXPECT_EQ(refused, 0);
    EXPECT_EQ(kept->count("parties").value(), 2000U);
    EXPECT_EQ(kept->figures().writes, 2000U);
    EXPECT_LT(kept->figures().commits, 1000U);
}

TYPED_TEST_P(store_rules, serve_many_threads_at_once) {
    const auto kept = this->open();
    std::vector<std::thread> workers;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
        workers.emplace_back([&, partition = std::to_string(t)] {
            for (int i = 0; i < 50; ++i) {
                const std::string key = "k" + std::to_string(i);
                wrong += kept->write("parties", partition, 7, key, partition) ? 0 : 1;
                const auto seen = kept->load("parties", partition);
                wrong += seen && seen->size() == static_cast<std::size_t>(i + 1) ? 0 : 1;
            }
        });
    }
    for (std::thread& one : workers) {
        one.join();
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(kept->count("parties").value(), 200U);
}

TYPED_TEST_P(store_rules, survive_being_opened_by_several_at_once) {
    std::vector<std::thread> openers;
    std::atomic<int> failed{0};
    for (int t = 0; t < 4; ++t) {
        openers.emplace_back([&, t, connect = this->place_.opener()]() mutable {
            auto made = store::over(std::move(connect));
            const std::string partition = std::to_string(t);
            failed += made && (*made)->write("parties", partition, 1, "k", "v") ? 0 : 1;
        });
    }
    for (std::thread& one : openers) {
        one.join();
    }
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(this->open()->count().value(), 4U);
}

REGISTER_TYPED_TEST_SUITE_P(store_rules,
                            reads_back_what_was_written_in_the_order_of_keys,
                            keeps_the_last_of_several_values,
                            removes_where_there_is_no_value,
                            keeps_every_byte,
                            refuses_an_older_fence_and_changes_nothing,
                            refuse_the_former_owner_from_the_claim_on,
                            compare_fences_of_more_than_32_bits,
                            do_all_changes_of_a_write_or_none,
                            judge_each_write_of_a_transaction_by_itself,
                            share_commits_among_writes_that_wait_together,
                            serve_many_threads_at_once,
                            survive_being_opened_by_several_at_once);

}  // namespace party_grid
