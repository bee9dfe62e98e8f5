#include "cluster/leader/history.hpp"

#include "cluster/member_fixture_test.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace muster::cluster {
namespace {

namespace json = boost::json;

const member_id a{1, 0xa};
const member_id b{1, 0xb};

std::string text_of(const json::object& from, std::string_view field) {
    const json::value* const found = from.if_contains(field);
    return found != nullptr ? std::string{found->as_string()} : "";
}

bool has_reason(const json::object& entry, std::string_view code) {
    return std::ranges::any_of(entry.at("reasons").as_array(),
                               [&](const json::value& one) { return one.as_string() == code; });
}

// --- What an entry says --------------------------------------------------------------------------

/// All of a resource with so many partitions goes from a to b.
leader_decision all_moved(std::uint32_t partitions, leader_book& book) {
    const specification spec = hash_of(partitions);
    leader_decision what;
    plan_change& change = what.plans["work"];
    change.next = first_plan(spec, 20);
    book.resources["work"].spec = spec;
    for (std::size_t c = 0; c < change.next.chunks.size(); ++c) {
        change.chunks.insert(c);
        for (std::size_t i = 0; i < change.next.chunks[c].entries.size(); ++i) {
            change.next.chunks[c].entries[i].owner = b;
            change.moved.push_back({c, i, a, "drain"});
        }
    }
    return what;
}

std::vector<json::object> told(const leader_decision& what, const leader_book& book) {
    decide_settings by;
    by.self = a;
    by.epoch = 77;
    std::vector<json::object> entries;
    for (const std::string& entry : history_of(what, book, by, 1000)) {
        EXPECT_LE(entry.size(), bytes_per_history_entry);
        entries.push_back(json::parse(entry).as_object());
    }
    return entries;
}

TEST(history_of, names_each_move_of_a_plan_and_why) {
    leader_book book;
    leader_decision what = all_moved(2, book);
    what.plans["work"].moved.pop_back();
    what.plans["work"].also = {"added"};
    const auto entries = told(what, book);
    ASSERT_EQ(entries.size(), 1U);
    const json::value expected =
        json::parse(R"({"format":1,"unix_ms":"1000","leader":")" + a.text() +
                    R"(","epoch":"77","kind":"plan","resource":"work","number":"20",)" +
                    R"("reasons":["added","drain"],"ids":[")" + a.text() + R"(",")" + b.text() +
                    R"("],"moved":[{"entry":"0","from":0,"to":1,"why":"drain"}]})");
    EXPECT_EQ(entries[0], expected.as_object()) << json::serialize(entries[0]);
}

TEST(history_of, counts_what_it_has_no_room_to_name) {
    leader_book book;
    const auto entries = told(all_moved(5000, book), book);
    const std::size_t named = entries.at(0).at("moved").as_array().size();
    EXPECT_GT(named, 30U);
    EXPECT_EQ(named + entries.at(0).at("more").to_number<std::size_t>(), 5000U);
    const leader_decision all = all_moved(5000, book);
    EXPECT_LE(json::serialize(entries.at(0)).size(), history_bytes(all.plans.at("work")));
}

TEST(history_of, stays_small_whatever_names_there_are) {
    leader_book book;
    leader_decision what = all_moved(1, book);
    what.plans["work"].next.chunks[0].entries[0].partition = std::string(6000, '/');
    what.results["0000000001:x"] = {.kind = command_kind::add_partition,
                                    .resource = std::string(6000, 'r'),
                                    .partition = std::string(6000, 'p'),
                                    .member = "m",
                                    .outcome = result<void>{},
                                    .done_unix_ms = 0};
    const auto entries = told(what, book);
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(text_of(entries[0], "command"), "x");
    EXPECT_EQ(text_of(entries[0], "member"), "m");
    EXPECT_EQ(text_of(entries[0], "partition"), "");
    EXPECT_EQ(entries[1].at("more"), 1);
}

TEST(history_of, says_who_came_into_a_view_who_went_and_who_leads) {
    leader_book book;
    book.view.members = {{.id = a, .state = lifecycle::online}};
    book.members[b].described.emplace().name = "berta";
    leader_decision what;
    what.view.emplace().next.members = {{.id = b, .state = lifecycle::online, .drain = true}};
    what.view->next.number = 9;
    what.view->next.leader = b;
    const auto entries = told(what, book);
    ASSERT_EQ(entries.size(), 1U);
    for (const char* const code : {"gone", "joined", "new_leader"}) {
        EXPECT_TRUE(has_reason(entries[0], code)) << code;
    }
    const json::value expected =
        json::parse(R"([{"id":")" + a.text() + R"(","from":"online","to":""},{"id":")" + b.text() +
                    R"(","name":"berta","from":"","to":"online, to drain"}])");
    EXPECT_EQ(entries[0].at("members"), expected);
}

// --- As it is stored -----------------------------------------------------------------------------

class a_history : public member_test {
protected:
    struct stored_entry {
        std::string child;
        json::object what;
        std::int64_t zxid = 0;
    };

    std::vector<std::string> children() {
        std::optional<std::vector<std::string>> names;
        operator_loop->post([&] {
            zk->children(where.history(), {}, operator_loop->now() + 5s, [&](auto got) {
                names = std::move(got.value.names);
            });
        });
        wait([&] { return names.has_value(); }, 6s);
        std::ranges::sort(*names);
        return *names;
    }

    std::vector<stored_entry> entries() {
        std::vector<stored_entry> all;
        for (std::string& child : children()) {
            const auto got = read(where.history() + "/" + child);
            all.push_back(
                {std::move(child), json::parse(got.value.data).as_object(), got.value.meta.czxid});
        }
        return all;
    }

    node& start_keeping(std::size_t most) {
        start_keeper();
        node& one = start("a", {{"days", list_of_names()}}, [most](member_settings& settings) {
            settings.history_kept = most;
        });
        EXPECT_TRUE(wait([&] { return one.app->leads && one.self->state() == lifecycle::online; }));
        return one;
    }

    void add_days(node& through, int from, int to) {
        for (int i = from; i < to; ++i) {
            ASSERT_TRUE(change(through, "days", "day-" + std::to_string(i), true)) << i;
        }
    }
};

TEST_F(a_history, has_what_a_command_did_and_its_result_in_one_transaction_with_both) {
    node& one = start_keeping(1000);
    ASSERT_TRUE(change(one, "days", "monday", true));
    ASSERT_TRUE(wait_owned(one, "days", 1));
    const auto all = entries();
    const auto command = std::ranges::find_if(
        all, [](const stored_entry& entry) { return text_of(entry.what, "kind") == "command"; });
    ASSERT_NE(command, all.end());
    EXPECT_EQ(text_of(command->what, "op"), "add_partition");
    EXPECT_EQ(text_of(command->what, "partition"), "monday");
    EXPECT_EQ(text_of(command->what, "result"), "done");
    EXPECT_EQ(text_of(command->what, "leader"), one.self->id().text());
    const auto told = read(where.commands() + "/" + text_of(command->what, "command"));
    EXPECT_EQ(told.value.meta.mzxid, command->zxid);
    const auto is_plan = [](const stored_entry& entry) {
        return text_of(entry.what, "kind") == "plan";
    };
    EXPECT_TRUE(std::ranges::any_of(all, [&](const stored_entry& entry) {
        return is_plan(entry) && entry.zxid == command->zxid && has_reason(entry.what, "added");
    })) << "what it did";
    const auto last = std::find_if(all.rbegin(), all.rend(), is_plan);
    ASSERT_NE(last, all.rend());
    EXPECT_EQ(text_of(last->what, "resource"), "days");
    EXPECT_EQ(read(where.plan("days")).value.meta.mzxid, last->zxid);
    EXPECT_EQ(text_of(last->what, "number"), std::to_string(one.app->plans.at("days")->number()));
}

TEST_F(a_history, keeps_the_newest_and_no_more_than_it_is_told) {
    node& one = start_keeping(6);
    add_days(one, 0, 12);
    const auto all = entries();
    ASSERT_EQ(all.size(), 6U);
    EXPECT_TRUE(std::ranges::any_of(all, [](const stored_entry& entry) {
        return text_of(entry.what, "partition") == "day-11";
    }));
    EXPECT_GT(std::stoi(all.front().child), 10);
}

TEST_F(a_history, that_is_too_long_for_a_new_leader_is_shortened_step_by_step) {
    node& one = start_keeping(1000);
    add_days(one, 0, 20);
    one.machine->kill();
    node& next = start("b", {{"days", list_of_names()}}, [](member_settings& settings) {
        settings.history_kept = 4;
    });
    ASSERT_TRUE(wait_owned(next, "days", 20));
    add_days(next, 20, 28);
    EXPECT_EQ(children().size(), 4U);
}

TEST_F(a_history, has_nothing_of_a_leader_that_was_deposed) {
    node& one = start_keeping(1000);
    node& other = start("b", {{"days", list_of_names()}});
    ASSERT_TRUE(wait([&] { return other.self->state() == lifecycle::online; }));
    net.run_for(1s);
    const std::string epoch = text_of(entries().back().what, "epoch");
    const auto by_it = [&] {
        return std::ranges::count_if(entries(), [&](const stored_entry& entry) {
            return text_of(entry.what, "epoch") == epoch;
        });
    };
    const auto before = by_it();
    EXPECT_GT(before, 0);
    std::optional<std::vector<std::string>> queue;
    operator_loop->post([&] {
        zk->children(where.succession(), {}, operator_loop->now() + 5s, [&](auto got) {
            queue = std::move(got.value.names);
        });
    });
    ASSERT_TRUE(wait([&] { return queue.has_value(); }));
    const auto own = std::ranges::find_if(
        *queue, [&](const std::string& child) { return child.starts_with(one.self->id().text()); });
    ASSERT_NE(own, queue->end());
    // It hears of the command, and not that it leads no more.
    write({zookeeper::remove_op{where.succession() + "/" + *own},
           zookeeper::create_op{.path = where.commands() + "/by-hand-",
                                .data = encode_command({.kind = command_kind::add_partition,
                                                        .resource = "days",
                                                        .partition = "monday",
                                                        .member = {},
                                                        .outcome = std::nullopt}),
                                .mode = zookeeper::create_mode::persistent_sequential}});
    ASSERT_TRUE(wait([&] { return one.app->count("days") + other.app->count("days") == 1; }));
    EXPECT_EQ(by_it(), before);
    EXPECT_TRUE(std::ranges::any_of(entries(), [](const stored_entry& entry) {
        return text_of(entry.what, "partition") == "monday";
    })) << "by the one that followed";
}

TEST_F(a_history, that_an_operator_damages_keeps_no_leader_from_its_work) {
    node& one = start_keeping(6);
    add_days(one, 0, 6);
    const std::string oldest = where.history() + "/" + children().front();
    write({zookeeper::create_op{.path = oldest + "/by-hand", .data = {}}});
    add_days(one, 6, 12);
    EXPECT_LE(children().size(), 8U) << "what can be taken away is";
    write({zookeeper::remove_op{oldest + "/by-hand"}});
    std::vector<zookeeper::op> all;
    for (const std::string& child : children()) {
        all.emplace_back(zookeeper::remove_op{where.history() + "/" + child});
    }
    all.emplace_back(zookeeper::remove_op{where.history()});
    write(std::move(all));
    add_days(one, 12, 24);
    EXPECT_EQ(children().size(), 6U);
}

}  // namespace
}  // namespace muster::cluster
