// Dated records in a grid of real processes: found by their key alone, at any member, whatever came
// first and whatever plan of the dates that member has read.

#include "grid_fleet_test.hpp"

#include <set>

namespace party_grid {
namespace {

namespace json = boost::json;

std::string path_of(const std::string& key) {
    return "/parties/" + percent_encode(key);
}

std::string day(int number) {
    return "2024-05-" + std::to_string(number + 10);
}

std::size_t some_follower(const grid_fleet& three) {
    grid_event newest;
    for (std::size_t i = 0; i < 3; ++i) {
        for (const grid_event& one : three.journal(i)) {
            if (one.event == "leader" && one.gained && one.t > newest.t) {
                newest = one;
            }
        }
    }
    return newest.member == grid_fleet::name(2) ? 1 : 2;
}

TEST(a_dated_record, is_found_at_once_by_a_member_that_has_not_heard_of_its_date) {
    grid_fleet three{{.store = {}, .session_timeout = "8s"}};
    const std::size_t late = some_follower(three);
    int checked = 0;
    for (int i = 0; i < 20; ++i) {
        const std::string path = path_of(day(i) + "T08:00:00.1");
        // Stopped while the date is made, so that its plan is one behind when it is asked. Where it
        // is one of those who must act, nothing is acknowledged meanwhile.
        three.process(late).pause();
        const auto put = three.client(0, 400ms).put(path, day(i));
        three.process(late).resume();
        if (put && put->status == 204) {
            ++checked;
            const auto got = three.client(late).get(path);
            ASSERT_TRUE(got) << got.error().text;
            EXPECT_EQ(got->status, 200U) << got->body;
            EXPECT_EQ(got->body, day(i));
        }
    }
    EXPECT_GE(checked, 3);
}

TEST(a_dated_record, stays_where_it_was_whatever_an_import_wishes_later) {
    grid_fleet three{{}};
    const std::string early = "2026-11-24T14:59:00";
    ASSERT_EQ(three.client(0).put(path_of(early), "by hand").value().status, 204U);
    const std::vector<batch_line> imported{
        {"2026-11-24T14:59:01.0001", "imported", "2026-11-24T14:59"},
        {"2026-11-25T08:00:00.0001", "imported", "2026-11-25T08"}};
    ASSERT_TRUE(send_all(three.addresses(), imported, 1));
    auto all = imported;
    all.push_back({early, "by hand", ""});
    all.push_back({early, "by hand", "2026-11-24T14"});
    for (const std::string& member : three.addresses()) {
        std::vector<char> right(all.size(), 1);
        ASSERT_TRUE(check_all(member, all, right));
        EXPECT_EQ(std::ranges::count(right, 1), std::ssize(all)) << member;
    }
    EXPECT_EQ(three.client(1).get(path_of(early)).value().body, "by hand");
    // What nothing had decided yet is cut as the import wished.
    const auto newest = three.client(2).get("/parties/latest");
    ASSERT_TRUE(newest && newest->status == 200);
    EXPECT_EQ(json::parse(newest->body).at("partition").as_string(), "2026-11-25T08");
}

TEST(a_dated_record, is_never_denied_or_doubled_by_a_member_that_starts_again) {
    grid_fleet three{{}};
    const std::string path = path_of("2026-11-24T14:59:01.0001");
    const std::vector<batch_line> imported{
        {"2026-11-24T14:59:01.0001", "old", "2026-11-24T14:59"},
        {"2026-11-24T15:00:02.0001", "other", "2026-11-24T15:00"}};
    ASSERT_TRUE(send_all(three.addresses(), imported, 1));
    three.process(2).kill();
    three.start(2);
    // From its first answer on: a write that is acknowledged, and reads of every kind.
    std::set<unsigned> reads;
    std::set<unsigned> newest;
    std::set<unsigned> writes;
    auto c = three.client(2);
    three.until("it takes writes", 30s, [&] {
        if (const auto got = c.get(path)) {
            reads.insert(got->status);
        }
        if (const auto got = c.get("/parties/latest")) {
            newest.insert(got->status);
        }
        if (const auto got = c.ask({.method = "POST",
                                    .target = "/parties/read",
                                    .body = "{\"key\":\"2026-11-24T14:59:01.0001\"}\n"})) {
            reads.insert(got->status);
            EXPECT_TRUE(got->status != 200 || got->body.contains("old")) << got->body;
        }
        const auto put = c.put(path, "new");
        if (put) {
            writes.insert(put->status);
        }
        return put && put->status == 204;
    });
    const auto retryable = [](const std::set<unsigned>& seen) {
        return std::ranges::all_of(
            seen, [](unsigned status) { return status == 200 || status == 204 || status == 503; });
    };
    EXPECT_TRUE(retryable(reads)) << testing::PrintToString(reads);
    EXPECT_TRUE(retryable(newest)) << testing::PrintToString(newest);
    EXPECT_TRUE(retryable(writes)) << testing::PrintToString(writes);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(three.client(i).get(path).value().body, "new") << grid_fleet::name(i);
    }
}

TEST(a_dated_record, is_not_made_a_date_of_by_its_removal) {
    grid_fleet three{{}};
    auto a = three.client(0);
    ASSERT_EQ(a.put(path_of("2024-05-03T08:00:00.1"), "early").value().status, 204U);
    EXPECT_EQ(a.remove(path_of("2030-01-01")).value().status, 204U);
    EXPECT_EQ(a.remove(path_of("2024-05-04T08:00:00.1")).value().status, 204U);
    const auto many = a.ask({.method = "POST",
                             .target = "/parties",
                             .body = "{\"key\":\"2031-01-01\",\"value\":null}\n"});
    ASSERT_TRUE(many);
    EXPECT_EQ(many->status, 200U);
    EXPECT_EQ(json::parse(many->body).at("done").to_number<int>(), 1);
    // A date that were added after all would be here by now.
    ASSERT_EQ(a.put(path_of("2024-05-02T08:00:00.1"), "older").value().status, 204U);
    EXPECT_EQ(a.get(path_of("2024-05-02T08:00:00.1")).value().body, "older");
    const auto newest = a.get("/parties/latest");
    ASSERT_TRUE(newest && newest->status == 200);
    EXPECT_EQ(json::parse(newest->body).at("partition").as_string(), "2024-05-03");
    EXPECT_EQ(a.get(path_of("2030-01-01")).value().status, 404U);
}

TEST(a_dated_record, is_found_again_where_the_ensemble_is_a_new_one) {
    const test_folder folder;
    const std::string store = folder.file("records.db");
    {
        grid_fleet first{{.store = store}};
        EXPECT_EQ(first.client(0).get("/parties/latest").value().status, 404U);
        const std::vector<batch_line> imported{{"2026-11-24T14:59:01.0001", "a", "2026-11-24T14"},
                                               {"2026-11-25T14:59:01.0001", "b", "2026-11-25"}};
        ASSERT_TRUE(send_all(first.addresses(), imported, 1));
    }
    grid_fleet again{{.store = store}};
    grid_client grid{again.addresses(), 20s};
    const auto newest = grid.call({.method = "GET", .target = "/parties/latest", .body = {}});
    ASSERT_TRUE(newest);
    EXPECT_EQ(newest->status, 200U) << newest->body;
    EXPECT_EQ(json::parse(newest->body).at("partition").as_string(), "2026-11-25");
    // Until all dates are in a plan again, a list says which it lacks.
    again.until("the list is whole", 20s, [&] {
        const auto list = again.client(1).get("/parties?prefix=2026");
        if (!list) {
            return false;
        }
        const auto body = json::parse(list->body);
        const bool whole = list->status == 200;
        EXPECT_EQ(body.at("records").as_array().size() + body.at("missing").as_array().size(), 2U);
        return whole;
    });
    const auto got =
        grid.call({.method = "GET", .target = path_of("2026-11-24T14:59:01.0001"), .body = {}}, 2);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->body, "a");
}

}  // namespace
}  // namespace party_grid
