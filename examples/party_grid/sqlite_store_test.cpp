#include "sqlite_store.hpp"

#include "store_rules_test.hpp"
#include "test_folder.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fstream>

namespace party_grid {
namespace {

using muster::errc;

/// One SQLite file.
class sqlite_place {
public:
    store::opener opener() {
        return [path = folder_.file("parties.db")] { return open_sqlite(path); };
    }

private:
    test_folder folder_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(sqlite, store_rules, sqlite_place);

void execute(const std::string& path, const char* text) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, text, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
}

TEST(sqlite_store, is_opened_by_url_and_by_path) {
    const test_folder folder;
    {
        const auto made = store::open("sqlite:" + folder.file("parties.db"));
        ASSERT_TRUE(made.has_value()) << made.error().text;
        ASSERT_TRUE((*made)->write("parties", "3", 7, "ann", "1"));
    }
    const auto again = store::open(folder.file("parties.db"));
    ASSERT_TRUE(again.has_value()) << again.error().text;
    EXPECT_EQ((*again)->load("parties", "3").value(), (std::vector<record>{{"ann", "1"}}));
    EXPECT_EQ((*again)->claim("parties", "3", 6).error().code, errc::fenced);
}

TEST(sqlite_store, names_the_path_that_cannot_be_opened) {
    const auto made = store::open("/nonexistent/folder/parties.db");
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, errc::unavailable);
    EXPECT_NE(made.error().text.find("/nonexistent/folder/parties.db"), std::string::npos);
}

TEST(sqlite_store, refuses_a_file_that_is_no_database) {
    const test_folder folder;
    std::ofstream{folder.file("notes.txt")} << std::string(5000, 'n');
    EXPECT_EQ(store::open(folder.file("notes.txt")).error().code, errc::incompatible);
}

TEST(sqlite_store, leaves_another_programs_file_alone) {
    const test_folder folder;
    const std::string path = folder.file("other.db");
    execute(path, "CREATE TABLE records(x); INSERT INTO records VALUES(1)");
    std::ifstream file{path, std::ios::binary};
    const std::string before{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_EQ(store::open(path).error().code, errc::incompatible);
    std::ifstream again{path, std::ios::binary};
    EXPECT_EQ((std::string{std::istreambuf_iterator<char>{again}, {}}), before);
}

TEST(sqlite_store, undoes_a_transaction_that_fails_in_the_middle) {
    const test_folder folder;
    const std::string path = folder.file("parties.db");
    const auto kept = store::open(path).value();
    ASSERT_TRUE(kept->write("parties", "3", 7, "ann", "1"));
    execute(path,
            "CREATE TRIGGER no_bob BEFORE INSERT ON records WHEN NEW.key = 'bob'"
            " BEGIN SELECT RAISE(ABORT, 'no bob'); END");

    const store_write spoiled{"parties", "3", 9, {{"ann", "2"}, {"bob", "2"}, {"cat", "2"}}};
    EXPECT_EQ(kept->write_all(spoiled).error().code, errc::invalid_argument);
    EXPECT_EQ(kept->load("parties", "3").value(), (std::vector<record>{{"ann", "1"}}));
    // The fence went back with the rest: an owner under 8 is not refused for a write that failed.
    EXPECT_TRUE(kept->write("parties", "3", 8, "ann", "3"));
}

}  // namespace
}  // namespace party_grid
