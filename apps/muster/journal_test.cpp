#include "journal.hpp"
#include "restart_policy.hpp"

#include "runtime/real.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace muster::cli {
namespace {

const journal_author somebody{"a1", member_id{1, 2}};

cluster::right::identity right_to(const std::string& partition, std::uint16_t slot = 0) {
    return {.resource = "jobs",
            .partition = partition,
            .slot = slot,
            .fence = fence_token{(std::int64_t{1} << 56) + 9},
            .member = member_id{1, 2}};
}

TEST(journal_lines, are_the_documented_ones) {
    EXPECT_EQ(journal_line(instant{duration{42}}, "acquire", somebody,
                           journal_fields(right_to("3"), true)),
              R"({"t":42,"event":"acquire","member":"a1","id":"00000000000000010000000000000002",)"
              R"("resource":"jobs","partition":3,"fence":"72057594037927945"})");
}

TEST(journal_lines, name_partitions_of_lists_as_text_and_copies_by_their_slot) {
    EXPECT_EQ(boost::json::serialize(journal_fields(right_to("3", 2), false)),
              R"({"resource":"jobs","partition":"3","fence":"72057594037927945","replica":2})");
}

TEST(journal_files, are_appended_to_in_the_order_asked_for) {
    const auto ground = runtime::make_real_platform();
    const auto file = std::filesystem::temp_directory_path() /
                      ("muster-journal-" + std::to_string(::getpid()) + ".jsonl");
    std::ofstream{file} << "before\n";
    {
        auto book = journal::open(file.string(), ground);
        ASSERT_TRUE(book);
        for (const char* text : {"one", "two", "three"}) {
            (*book)->append([text](instant) { return std::optional<std::string>{text}; });
        }
        (*book)->append([](instant) { return std::nullopt; });
    }
    std::stringstream whole;
    whole << std::ifstream{file}.rdbuf();
    std::filesystem::remove(file);
    EXPECT_EQ(whole.str(), "before\none\ntwo\nthree\n");
}

TEST(journal_files, stand_in_the_file_before_the_word_that_they_do) {
    const auto ground = runtime::make_real_platform();
    const auto file = std::filesystem::temp_directory_path() /
                      ("muster-journal-order-" + std::to_string(::getpid()) + ".jsonl");
    std::string seen;
    {
        auto book = journal::open(file.string(), ground);
        ASSERT_TRUE(book);
        (*book)->append([](instant) { return std::optional<std::string>{"line"}; },
                        [&](const result<void>& how) {
                            EXPECT_TRUE(how);
                            std::getline(std::ifstream{file}, seen);
                        });
    }
    std::filesystem::remove(file);
    EXPECT_EQ(seen, "line");
}

TEST(journal_files, that_cannot_be_written_are_refused_with_the_reason) {
    const auto book = journal::open("/no/such/folder/j", runtime::make_real_platform());
    ASSERT_FALSE(book);
    EXPECT_EQ(book.error().code, "MUS0611");
}

instant at(duration since) { return instant{} + since; }

TEST(restarts, wait_a_tenth_of_a_second_and_then_twice_as_long_each_time) {
    restart_policy policy;
    EXPECT_EQ(policy.failed_at(at(0s)), at(100ms));
    EXPECT_EQ(policy.failed_at(at(1s)), at(1200ms));
    EXPECT_EQ(policy.failed_at(at(2s)), at(2400ms));
    EXPECT_EQ(policy.failed_at(at(3s)), at(3800ms));
}

TEST(restarts, are_given_up_at_the_fifth_failure_within_a_minute) {
    restart_policy policy;
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(policy.failed_at(at(10s * i)));
    }
    EXPECT_EQ(policy.failed_at(at(59s)), std::nullopt);
}

TEST(restarts, go_on_for_ever_where_failures_are_rare) {
    restart_policy policy;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(policy.failed_at(at(61s * i)), at(61s * i + 100ms));
    }
}

TEST(restarts, never_wait_longer_than_ten_seconds) {
    restart_policy policy;
    for (int i = 0; i < 100; ++i) {
        const auto next = policy.failed_at(at(20s * i));
        ASSERT_TRUE(next);
        EXPECT_LE(*next, at(20s * i + 10s));
    }
}

}  // namespace
}  // namespace muster::cli
