// A grid of real processes: every key from every member, scatter, latest, leaving, and a former
// owner whom the store refuses.

#include "grid_fleet_test.hpp"
#include "importing.hpp"
#include "store.hpp"

#include <sqlite3.h>

#include <future>
#include <iomanip>
#include <sstream>

namespace party_grid {
namespace {

namespace json = boost::json;

json::object body_of(const muster::result<http_response>& answer) {
    boost::system::error_code trouble;
    auto parsed = json::parse(answer ? answer->body : "{}", trouble);
    return trouble || !parsed.is_object() ? json::object{} : parsed.as_object();
}

std::vector<batch_line> guests(std::size_t number) {
    std::vector<batch_line> lines;
    for (std::size_t i = 0; i < number; ++i) {
        lines.push_back({"guest-" + std::to_string(i), "table " + std::to_string(i % 9), ""});
    }
    return lines;
}

TEST(a_grid, answers_for_every_key_from_every_member) {
    grid_fleet three{{}};
    auto lines = guests(2'000);
    lines.push_back({"2024-05-01T23:59:59.0001", "older", "2024-05-01"});
    lines.push_back({"2024-05-02T14:03:59.0007", "newer", "2024-05-02"});
    ASSERT_TRUE(send_all(three.addresses(), lines, 2));
    for (const std::string& member : three.addresses()) {
        std::vector<char> right(lines.size(), 1);
        ASSERT_TRUE(check_all(member, lines, right));
        EXPECT_EQ(std::ranges::count(right, 1), std::ssize(lines)) << member;
    }

    // One by one, with names that need care on the way.
    auto a = three.client(0);
    auto c = three.client(2);
    const std::string odd = "/parties/" + percent_encode("ann & bob / \"ü\"?#%");
    EXPECT_EQ(a.put(odd, "together").value().status, 204U);
    EXPECT_EQ(c.get(odd).value().body, "together");
    EXPECT_EQ(c.remove(odd).value().status, 204U);
    EXPECT_EQ(a.get(odd).value().status, 404U);
    EXPECT_EQ(a.put("/parties/2024-05-03T08:00:00.1", "early").value().status, 204U);
    EXPECT_EQ(c.get("/parties/2024-05-03T08:00:00.1").value().body, "early");

    // From all partitions, in order, and no more than asked for.
    const auto some = body_of(c.get("/parties?prefix=guest-19&limit=3"));
    EXPECT_EQ(some.at("missing").as_array().size(), 0U);
    EXPECT_TRUE(some.at("more").as_bool());
    const auto& listed = some.at("records").as_array();
    ASSERT_EQ(listed.size(), 3U);
    EXPECT_EQ(listed[0].at("key").as_string(), "guest-19");
    EXPECT_EQ(listed[1].at("key").as_string(), "guest-190");
    EXPECT_EQ(listed[2].at("key").as_string(), "guest-1900");
    const auto all = body_of(a.get("/parties?limit=100000"));
    EXPECT_EQ(all.at("records").as_array().size(), lines.size() + 1);

    const auto newest = body_of(c.get("/parties/latest"));
    EXPECT_EQ(newest.at("partition").as_string(), "2024-05-03");
    EXPECT_EQ(newest.at("records").as_array().size(), 1U);

    // What is wrong with a call is said with a status that fits.
    EXPECT_EQ(a.put("/parties/latest", "x").value().status, 400U);
    EXPECT_EQ(a.put("/parties/x", "\xff").value().status, 400U);
    EXPECT_EQ(a.ask({.method = "POST", .target = "/parties", .body = "{"}).value().status, 400U);
    EXPECT_EQ(a.ask({.method = "PATCH", .target = "/parties/x", .body = ""}).value().status, 405U);
    EXPECT_EQ(a.get("/elsewhere").value().status, 404U);
}

TEST(a_grid, keeps_every_record_when_a_member_leaves_in_order) {
    grid_fleet three{{}};
    const auto lines = guests(2'000);
    ASSERT_TRUE(send_all({three.addresses()[1]}, lines, 2));
    three.process(1).terminate();
    EXPECT_EQ(three.process(1).wait(30s), 0);
    for (const std::size_t other : {0U, 2U}) {
        std::vector<char> right(lines.size(), 1);
        ASSERT_TRUE(check_all(three.addresses()[other], lines, right));
        EXPECT_EQ(std::ranges::count(right, 1), std::ssize(lines));
    }
    EXPECT_EQ(three.journal(1).back().event, "exit");
}

TEST(a_grid, names_the_partitions_that_are_missing_in_a_list) {
    // A session long enough that nobody takes over while the list waits for its deadline.
    grid_fleet three{{.store = {}, .session_timeout = "10s"}};
    const auto lines = guests(500);
    ASSERT_TRUE(send_all(three.addresses(), lines, 1));
    const std::size_t held = three.owned_by(2);
    ASSERT_GT(held, 0U);
    three.process(2).pause();
    const auto answer = three.client(0).get("/parties?prefix=guest&limit=1000");
    three.process(2).resume();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 207U);
    const auto body = body_of(answer);
    EXPECT_EQ(body.at("missing").as_array().size(), held);
    EXPECT_GT(body.at("records").as_array().size(), 0U);
    EXPECT_LT(body.at("records").as_array().size(), lines.size());
}

/// The store's write lock, so that a writer waits with its write in hand.
class held_store {
public:
    explicit held_store(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
        sqlite3_busy_timeout(database_, 5'000);
        EXPECT_EQ(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    }
    ~held_store() {
        sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
        sqlite3_close(database_);
    }
    held_store(const held_store&) = delete;
    held_store& operator=(const held_store&) = delete;

private:
    sqlite3* database_ = nullptr;
};

TEST(a_former_owner, is_refused_by_the_store_when_it_writes_late) {
    grid_fleet three{{}};
    const std::string target = "/parties/ann";
    ASSERT_EQ(three.client(0).put(target, "before").value().status, 204U);
    // Found by what each member's store has written.
    std::size_t owner = 0;
    while (three.stat(owner, "writes") <= static_cast<std::int64_t>(three.owned_by(owner))) {
        ASSERT_LT(++owner, 3U);
    }
    const std::size_t other = (owner + 1) % 3;
    ASSERT_EQ(three.stat(owner, "fenced"), 0);

    // A write waits inside the owner's store when the owner is stopped, for longer than its lease.
    std::future<muster::result<http_response>> late;
    {
        const held_store lock{three.store_path()};
        late = std::async(std::launch::async, [&three, owner, &target] {
            return three.client(owner).put(target, "late");
        });
        std::this_thread::sleep_for(500ms);
        ASSERT_EQ(late.wait_for(0ms), std::future_status::timeout);
        three.process(owner).pause();
    }
    const std::string was = grid_fleet::name(owner);
    three.until("others own everything", 20s, [&three, &was] {
        return std::ranges::none_of(three.owners(),
                                    [&was](const auto& one) { return one.second.member == was; });
    });
    grid_client through_others{{three.addresses()[other]}, 20s};
    const auto newer = through_others.call({.method = "PUT", .target = target, .body = "newer"});
    ASSERT_TRUE(newer && newer->status == 204U);

    // However long that took: a stopped process does not lose its patience with the store's lock.
    three.process(owner).resume();
    const auto answer = late.get();
    EXPECT_TRUE(!answer || answer->status != 204U) << "a late write was acknowledged";
    three.until("the store refused the late write", 20s, [&three, owner] {
        return three.stat(owner, "fenced") > 0;
    });
    for (std::size_t i = 0; i < 3; ++i) {
        grid_client any{{three.addresses()[i]}, 20s};
        const auto got = any.call({.method = "GET", .target = target, .body = {}});
        ASSERT_TRUE(got);
        EXPECT_EQ(got->body, "newer") << "from " << grid_fleet::name(i);
    }
}

TEST(the_demo, loses_nothing_and_says_so_in_one_line) {
    const test_folder folder;
    muster::live::child_process demo{{program("muster"), "demo", "--headless"}, folder.file("log")};
    EXPECT_EQ(demo.wait(150s), 0) << demo.printed();
    const std::string said = demo.printed();
    const auto end = said.find_last_of('\n');
    const auto begin = said.find_last_of('\n', end - 1) + 1;
    boost::system::error_code trouble;
    const auto line = json::parse(said.substr(begin, end - begin), trouble);
    ASSERT_FALSE(trouble) << said;
    EXPECT_EQ(line.at("schema").as_string(), "muster.demo/1");
    EXPECT_EQ(line.at("lost").to_number<int>(), 0);
    EXPECT_EQ(line.at("failed_calls").to_number<int>(), 0);
    EXPECT_GT(line.at("records").to_number<int>(), 0);
    EXPECT_EQ(line.at("answered").to_number<int>(), line.at("records").to_number<int>());
    EXPECT_GT(line.at("takeover_ms").to_number<int>(), 0);
    EXPECT_GE(line.at("unowned_ms_max").to_number<int>(), line.at("takeover_ms").to_number<int>());
    EXPECT_EQ(
        line.at("verdict").as_string(),
        "all " + std::to_string(line.at("records").to_number<int>()) + " records answered, 0 lost");
    EXPECT_LE(line.at("elapsed_ms").to_number<int>(), programs_are_sanitized() ? 120'000 : 30'000);
}

/// A curl line that a program showed, as a question of the test's own client.
struct shown_line {
    std::string host;
    std::uint16_t port = 0;
    http_question question;
};

/// curl, with `-X METHOD`, `-d BODY` and a URL, quoted as for a shell.
shown_line parse_curl(const std::string& line) {
    std::istringstream words{line};
    std::string word;
    shown_line out;
    while (words >> std::quoted(word, '\'')) {
        if (word == "-X") {
            words >> out.question.method;
        } else if (word == "-d") {
            words >> std::quoted(out.question.body, '\'');
        } else if (word.starts_with("http://")) {
            const auto colon = word.find(':', 7);
            const auto slash = word.find('/', 7);
            out.host = word.substr(7, colon - 7);
            out.port = static_cast<std::uint16_t>(std::atoi(word.c_str() + colon + 1));
            out.question.target = word.substr(slash);
        }
    }
    return out;
}

/// The lines that `muster demo --hold` shows, by how they begin.
std::vector<std::string> shown(const std::string& said, const std::string& begin) {
    std::vector<std::string> all;
    for (const std::string_view line : muster::base::split(said, '\n')) {
        if (line.starts_with("  " + begin)) {
            all.emplace_back(line.substr(2));
        }
    }
    return all;
}

TEST(the_demo, holds_a_grid_that_answers_every_line_it_shows_until_control_c) {
    const test_folder folder;
    muster::live::child_process demo{{program("muster"), "demo", "--hold"}, folder.file("log")};
    const auto end = std::chrono::steady_clock::now() + 150s;
    while (!demo.printed().contains("Ctrl-C ends it.") && !demo.wait(50ms)) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << demo.printed();
    }
    const std::string said = demo.printed();

    const auto curls = shown(said, "curl ");
    ASSERT_EQ(curls.size(), 6U) << said;
    std::vector<http_response> answers;
    for (const std::string& line : curls) {
        const shown_line one = parse_curl(line);
        http_client member{one.host, one.port};
        const auto answer = member.ask(one.question);
        ASSERT_TRUE(answer) << line << ": " << answer.error().text;
        answers.push_back(*answer);
    }
    EXPECT_EQ(answers[0].status, 200U);
    EXPECT_NE(answers[0].body, "") << curls[0];
    const auto listed = body_of(answers[1]);
    EXPECT_EQ(answers[1].status, 200U);
    EXPECT_LE(listed.at("records").as_array().size(), 3U);
    for (const auto& record : listed.at("records").as_array()) {
        EXPECT_TRUE(record.at("key").as_string().starts_with("python3-num"));
    }
    EXPECT_LE(body_of(answers[2]).at("records").as_array().size(), 3U);
    EXPECT_EQ(answers[3].status, 204U) << curls[3];
    EXPECT_EQ(answers[4].body, "Ann, table 7") << curls[4];
    EXPECT_GE(body_of(answers[5]).at("members").as_array().size(), 2U);

    const auto verbs = shown(said, std::filesystem::canonical(program("muster")).string() + " ");
    EXPECT_EQ(verbs.size(), 2U) << said;
    for (const std::string& line : verbs) {
        muster::live::child_process verb{{"/bin/sh", "-c", "exec " + line}, folder.file("verb")};
        EXPECT_EQ(verb.wait(20s), 0) << line << "\n" << verb.printed();
    }
    demo.interrupt();
    EXPECT_EQ(demo.wait(30s), 0) << demo.printed();
    // Its members and its keeper have ended with it.
    const shown_line first = parse_curl(curls[0]);
    http_client gone{first.host, first.port};
    EXPECT_FALSE(gone.get("/livez"));
}

}  // namespace
}  // namespace party_grid
