#include "store.hpp"

#include "store_fences.hpp"

#include <gtest/gtest.h>

#include <future>

namespace party_grid {
namespace {

using muster::errc;
using muster::result;

/// A connection whose answers the test decides.
class scripted_connection final : public store_connection {
public:
    using script = std::function<std::vector<result<void>>(std::span<const store_write>)>;
    explicit scripted_connection(script on_commit) : on_commit_{std::move(on_commit)} {}

    result<std::vector<record>> load(std::string_view, std::string_view) override {
        return std::vector<record>{};
    }
    result<std::uint64_t> count(std::string_view) override { return 0U; }
    std::vector<result<void>> commit(std::span<const store_write> writes) override {
        return on_commit_(writes);
    }

private:
    script on_commit_;
};

std::unique_ptr<store> store_over(scripted_connection::script on_commit, store_limits limits = {}) {
    auto made = store::over(
        [on_commit]() -> result<std::unique_ptr<store_connection>> {
            return std::make_unique<scripted_connection>(on_commit);
        },
        limits);
    return std::move(made).value();
}

std::vector<result<void>> all_done(std::span<const store_write> writes) {
    return std::vector<result<void>>(writes.size());
}

store_write write_of(std::string key, std::string value = "v") {
    return {"parties", "3", 7, {{std::move(key), std::move(value)}}};
}

TEST(store, refuses_what_no_database_could_keep) {
    const auto kept = store_over(all_done, {.value_bytes = 10});
    EXPECT_EQ(kept->write("parties", "3", 7, "", "v").error().code, errc::invalid_argument);
    EXPECT_EQ(kept->write("parties", "3", 7, std::string(2000, 'k'), "v").error().code,
              errc::invalid_argument);
    EXPECT_EQ(kept->write("parties", "3", 7, std::string{"a\0b", 3}, "v").error().code,
              errc::invalid_argument);
    EXPECT_EQ(kept->write("parties", "", 7, "k", "v").error().code, errc::invalid_argument);
    EXPECT_EQ(kept->write("parties", "3", 0, "k", "v").error().code, errc::invalid_argument);
    EXPECT_EQ(kept->write("parties", "3", 7, "k", "12345678901").error().code,
              errc::invalid_argument);
    EXPECT_EQ(kept->load("", "3").error().code, errc::invalid_argument);
    EXPECT_TRUE(kept->write("parties", "3", 7, "k", "1234567890"));
}

TEST(store, says_overloaded_when_its_queue_is_full) {
    std::promise<void> go_on;
    std::promise<void> begun;
    bool first = true;
    auto kept = store_over(
        [&, wait = go_on.get_future().share()](std::span<const store_write> writes) {
            if (std::exchange(first, false)) {
                begun.set_value();
            }
            wait.wait();
            return all_done(writes);
        },
        {.queued_writes = 2});
    std::atomic<int> done{0};
    const auto count = [&done](result<void> outcome) { done += outcome ? 1 : 0; };
    kept->submit(write_of("in the transaction"), count);
    begun.get_future().wait();
    kept->submit(write_of("waits"), count);
    kept->submit(write_of("waits too"), count);
    EXPECT_EQ(kept->write_all(write_of("one too many")).error().code, errc::overloaded);
    go_on.set_value();
    kept.reset();
    EXPECT_EQ(done, 3);
}

TEST(store, cuts_groups_by_number_and_by_size) {
    std::promise<void> go_on;
    std::promise<void> begun;
    std::vector<std::size_t> groups;
    {
        const auto kept = store_over(
            [&, wait = go_on.get_future().share()](std::span<const store_write> writes) {
                groups.push_back(writes.size());
                if (groups.size() == 1) {
                    begun.set_value();
                }
                wait.wait();
                return all_done(writes);
            },
            {.group_writes = 3, .group_bytes = 2000});
        const auto ignore = [](result<void>) {};
        kept->submit(write_of("first"), ignore);
        begun.get_future().wait();
        for (const char* key : {"a", "b", "c", "d"}) {
            kept->submit(write_of(key), ignore);
        }
        kept->submit(write_of("large", std::string(5000, 'x')), ignore);
        kept->submit(write_of("last"), ignore);
        go_on.set_value();
    }  // The destructor finishes what was submitted.
    EXPECT_EQ(groups, (std::vector<std::size_t>{1, 3, 1, 1, 1}));
}

TEST(store, isolates_the_write_that_spoils_a_group) {
    std::promise<void> go_on;
    std::promise<void> begun;
    int calls = 0;
    std::vector<errc> failed;
    std::size_t well = 0;
    {
        const auto kept =
            store_over([&, wait = go_on.get_future().share()](std::span<const store_write> writes) {
                if (++calls == 1) {
                    begun.set_value();
                    wait.wait();
                }
                std::vector<result<void>> outcomes(writes.size());
                for (const store_write& one : writes) {
                    if (one.changes.front().key == "bad") {
                        return all_or(std::move(outcomes), {errc::invalid_argument, "bad"});
                    }
                }
                return outcomes;
            });
        const auto note = [&](result<void> outcome) {
            if (outcome) {
                ++well;
            } else {
                failed.push_back(outcome.error().code);
            }
        };
        kept->submit(write_of("first"), note);
        begun.get_future().wait();
        for (const char* key : {"good", "bad", "better"}) {
            kept->submit(write_of(key), note);
        }
        go_on.set_value();
    }
    EXPECT_EQ(well, 3U);
    EXPECT_EQ(failed, std::vector<errc>{errc::invalid_argument});
}

TEST(store, tells_which_urls_it_understands) {
    EXPECT_EQ(store::open("mysql://localhost/x").error().code, errc::invalid_argument);
    EXPECT_EQ(store::open("").error().code, errc::invalid_argument);
    EXPECT_EQ(store::open("sqlite:").error().code, errc::invalid_argument);
    EXPECT_EQ(store::open(":memory:").error().code, errc::invalid_argument);
    EXPECT_EQ(store::open("postgres://[broken").error().code, errc::invalid_argument);
    const auto nobody = store::open("postgres://ann:secret@127.0.0.1:1/parties");
    ASSERT_FALSE(nobody.has_value());
    EXPECT_EQ(nobody.error().code, errc::unavailable);
    EXPECT_EQ(nobody.error().text.find("secret"), std::string::npos) << nobody.error().text;
    EXPECT_NE(nobody.error().text.find("127.0.0.1:1/parties"), std::string::npos)
        << nobody.error().text;
}

TEST(fence_table, raises_only_what_grew) {
    const store_write same{"parties", "3", 7, {}};
    const store_write newer{"parties", "4", 7, {}};
    const store_write older{"parties", "5", 7, {}};
    fence_table fences;
    fences.learn(name_of(same), 7);
    fences.learn(name_of(newer), 6);
    fences.learn(name_of(older), 8);
    EXPECT_TRUE(fences.admit(same));
    EXPECT_TRUE(fences.admit(newer));
    EXPECT_EQ(fences.admit(older).error().code, errc::fenced);
    const auto raised = fences.raised();
    ASSERT_EQ(raised.size(), 1U);
    EXPECT_EQ(raised.front(), (std::pair{name_of(newer), std::int64_t{7}}));
}

}  // namespace
}  // namespace party_grid
