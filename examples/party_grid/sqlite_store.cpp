#include "sqlite_store.hpp"

#include "store_fences.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;
using muster::fail;
using muster::result;

using steady = std::chrono::steady_clock;

constexpr auto lock_patience = std::chrono::seconds{5};
constexpr auto longest_turn =
    std::chrono::milliseconds{100};         ///< From one look at a lock to the next.
constexpr int application_id = 0x50475244;  // "PGRD"
constexpr int format_version = 1;

constexpr const char* session_settings =
    "PRAGMA synchronous=NORMAL;"        // In WAL mode: safe from SIGKILL, no fsync for each commit.
    "PRAGMA wal_autocheckpoint=32000;"  // 128 MB: its fsyncs cost half of the rate at 16 MB.
    "PRAGMA journal_size_limit=67108864;"
    "PRAGMA cache_size=-65536;";

constexpr const char* tables =
    "CREATE TABLE IF NOT EXISTS records("
    " resource TEXT NOT NULL, partition TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY(resource, partition, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS fences("
    " resource TEXT NOT NULL, partition TEXT NOT NULL, fence INTEGER NOT NULL,"
    " PRIMARY KEY(resource, partition)) WITHOUT ROWID;";

/// A prepared statement. A plain wrapper: binding cannot fail for the sizes that the store admits.
class statement {
public:
    statement() = default;
    statement(sqlite3* db, const char* text) {
        sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &raw_, nullptr);
    }
    ~statement() { sqlite3_finalize(raw_); }
    statement(statement&& other) noexcept : raw_{std::exchange(other.raw_, nullptr)} {}
    statement& operator=(statement&& other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }

    [[nodiscard]] bool ready() const { return raw_ != nullptr; }

    statement& text(int index, std::string_view value) {
        sqlite3_bind_text64(raw_,
                            index,
                            value.data() == nullptr ? "" : value.data(),
                            value.size(),
                            SQLITE_STATIC,
                            SQLITE_UTF8);
        return *this;
    }
    statement& blob(int index, std::string_view value) {
        sqlite3_bind_blob64(
            raw_, index, value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC);
        return *this;
    }
    statement& number(int index, std::int64_t value) {
        sqlite3_bind_int64(raw_, index, value);
        return *this;
    }

    int step() { return sqlite3_step(raw_); }

    /// For statements without rows: runs and resets; SQLITE_DONE when well.
    int run() {
        const int code = sqlite3_step(raw_);
        sqlite3_reset(raw_);
        return code;
    }
    void reset() { sqlite3_reset(raw_); }

    [[nodiscard]] std::int64_t number_at(int column) { return sqlite3_column_int64(raw_, column); }
    [[nodiscard]] std::string bytes_at(int column) {
        const void* data = sqlite3_column_blob(raw_, column);
        const int size = sqlite3_column_bytes(raw_, column);
        return size == 0
                   ? std::string{}
                   : std::string{static_cast<const char*>(data), static_cast<std::size_t>(size)};
    }

private:
    sqlite3_stmt* raw_ = nullptr;
};

struct closer {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using database = std::unique_ptr<sqlite3, closer>;

/// The code of an error that happened before the commit: nothing was done in any case.
errc code_of(int code) {
    switch (code & 0xff) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_SCHEMA:
            return errc::incompatible;
        case SQLITE_TOOBIG:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
            return errc::invalid_argument;
        default:
            return errc::unavailable;
    }
}

/// How long a connection has waited for the lock that it wants now.
struct lock_wait {
    steady::time_point last;
    steady::duration waited{0};
};

/// Called by SQLite while another process or connection holds the lock; 0 gives up.
/// A process that was stopped meanwhile has not waited: that time does not count.
int wait_for_lock(void* so_far, int attempt) {
    auto& wait = *static_cast<lock_wait*>(so_far);
    const auto now = steady::now();
    wait.waited = attempt == 0
                      ? steady::duration{0}
                      : wait.waited + std::min<steady::duration>(now - wait.last, longest_turn);
    wait.last = now;
    if (wait.waited > lock_patience) {
        return 0;
    }
    std::this_thread::sleep_for(std::chrono::microseconds{attempt < 20 ? 100 : 500});
    return 1;
}

class sqlite_connection final : public store_connection {
public:
    sqlite_connection(std::string path, database db, std::unique_ptr<lock_wait> waiting)
        : path_{std::move(path)}, waiting_{std::move(waiting)}, db_{std::move(db)} {}

    result<void> prepare() {
        begin_ = {db_.get(), "BEGIN IMMEDIATE"};
        commit_ = {db_.get(), "COMMIT"};
        rollback_ = {db_.get(), "ROLLBACK"};
        load_ = {db_.get(),
                 "SELECT key, value FROM records WHERE resource=?1 AND partition=?2"
                 " ORDER BY key"};
        count_ = {db_.get(), "SELECT count(*) FROM records WHERE resource=?1"};
        count_all_ = {db_.get(), "SELECT count(*) FROM records"};
        seen_ = {db_.get(), "SELECT fence FROM fences WHERE resource=?1 AND partition=?2"};
        raise_ = {db_.get(),
                  "INSERT INTO fences(resource, partition, fence) VALUES(?1, ?2, ?3)"
                  " ON CONFLICT DO UPDATE SET fence=excluded.fence"};
        put_ = {db_.get(),
                "INSERT INTO records(resource, partition, key, value)"
                " VALUES(?1, ?2, ?3, ?4)"
                " ON CONFLICT DO UPDATE SET value=excluded.value"};
        remove_ = {db_.get(), "DELETE FROM records WHERE resource=?1 AND partition=?2 AND key=?3"};
        for (const statement* one : {&begin_,
                                     &commit_,
                                     &rollback_,
                                     &load_,
                                     &count_,
                                     &count_all_,
                                     &seen_,
                                     &raise_,
                                     &put_,
                                     &remove_}) {
            if (!one->ready()) {
                return std::unexpected{muster::error{
                    errc::incompatible, "cannot use " + path_ + ": " + sqlite3_errmsg(db_.get())}};
            }
        }
        return {};
    }

    result<std::vector<record>> load(std::string_view resource,
                                     std::string_view partition) override {
        std::vector<record> found;
        load_.text(1, resource).text(2, partition);
        int code = load_.step();
        while (code == SQLITE_ROW) {
            found.push_back({load_.bytes_at(0), load_.bytes_at(1)});
            code = load_.step();
        }
        load_.reset();
        if (code != SQLITE_DONE) {
            return std::unexpected{failure("load from", code)};
        }
        return found;
    }

    result<std::uint64_t> count(std::string_view resource) override {
        statement& wanted = resource.empty() ? count_all_ : count_;
        if (!resource.empty()) {
            wanted.text(1, resource);
        }
        const int code = wanted.step();
        const std::int64_t number = code == SQLITE_ROW ? wanted.number_at(0) : 0;
        wanted.reset();
        if (code != SQLITE_ROW) {
            return std::unexpected{failure("count in", code)};
        }
        return static_cast<std::uint64_t>(number);
    }

    std::vector<result<void>> commit(std::span<const store_write> writes) override {
        std::vector<result<void>> outcomes(writes.size());
        if (const int code = begin_.run(); code != SQLITE_DONE) {
            return all_or(std::move(outcomes), failure("write to", code));
        }
        if (const int code = write_rows(writes, outcomes); code != SQLITE_DONE) {
            muster::error why = failure("write to", code);
            undo();
            return all_or(std::move(outcomes), why);
        }
        if (const int code = commit_.run(); code != SQLITE_DONE) {
            muster::error why = failure("commit to", code);
            if (sqlite3_get_autocommit(db_.get()) != 0 && (code & 0xff) == SQLITE_IOERR) {
                why.code = errc::outcome_unknown;  // Some of the commit may be in the file.
            }
            undo();
            return all_or(std::move(outcomes), why);
        }
        return outcomes;
    }

private:
    /// Everything between BEGIN and COMMIT; SQLITE_DONE when well. Sets refusals only.
    int write_rows(std::span<const store_write> writes, std::vector<result<void>>& outcomes) {
        fence_table fences;
        for (std::size_t i = 0; i < writes.size(); ++i) {
            if (const int code = learn(fences, writes[i]); code != SQLITE_DONE) {
                return code;
            }
            outcomes[i] = fences.admit(writes[i]);
            if (!outcomes[i]) {
                continue;
            }
            for (const change& one : writes[i].changes) {
                if (const int code = write_row(writes[i], one); code != SQLITE_DONE) {
                    return code;
                }
            }
        }
        for (const auto& [name, fence] : fences.raised()) {
            const int code =
                raise_.text(1, name.resource).text(2, name.partition).number(3, fence).run();
            if (code != SQLITE_DONE) {
                return code;
            }
        }
        return SQLITE_DONE;
    }

    int learn(fence_table& fences, const store_write& wanted) {
        if (fences.knows(name_of(wanted))) {
            return SQLITE_DONE;
        }
        const int code = seen_.text(1, wanted.resource).text(2, wanted.partition).step();
        const std::int64_t seen = code == SQLITE_ROW ? seen_.number_at(0) : 0;
        seen_.reset();
        if (code != SQLITE_ROW && code != SQLITE_DONE) {
            return code;
        }
        fences.learn(name_of(wanted), seen);
        return SQLITE_DONE;
    }

    int write_row(const store_write& where, const change& one) {
        statement& wanted = one.value ? put_ : remove_;
        wanted.text(1, where.resource).text(2, where.partition).text(3, one.key);
        if (one.value) {
            wanted.blob(4, *one.value);
        }
        return wanted.run();
    }

    void undo() {
        if (sqlite3_get_autocommit(db_.get()) == 0) {
            rollback_.run();
        }
    }

    muster::error failure(const char* tried, int code) {
        std::string text = std::string{"cannot "} + tried + " " + path_ + ": ";
        if ((code & 0xff) == SQLITE_BUSY) {
            return {errc::unavailable, text + "another process has held its lock for 5 s"};
        }
        return {code_of(code), text + sqlite3_errmsg(db_.get())};
    }

    std::string path_;
    std::unique_ptr<lock_wait> waiting_;  // `wait_for_lock` knows its address.
    database db_;                         // Before the statements, which are finalised first.
    statement begin_, commit_, rollback_, load_, count_, count_all_, seen_, raise_, put_, remove_;
};

int pragma_number(sqlite3* db, const char* text) {
    statement ask{db, text};
    return ask.ready() && ask.step() == SQLITE_ROW ? static_cast<int>(ask.number_at(0)) : -1;
}

int execute(sqlite3* db, const std::string& text) {
    return sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr);
}

bool is_ours(sqlite3* db) {
    return pragma_number(db, "PRAGMA application_id") == application_id &&
           pragma_number(db, "PRAGMA user_version") == format_version;
}

/// Whether the file has tables that are not ours. The count comes first: another member that
/// makes a new file right now commits its tables and its mark together.
bool is_foreign(sqlite3* db) {
    return pragma_number(db, "SELECT count(*) FROM sqlite_schema") > 0 && !is_ours(db);
}

/// Makes a new file ours; SQLITE_OK when it is.
int set_up(sqlite3* db) {
    int code = execute(db, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK) {
        return code;
    }
    code = execute(db, tables);
    if (code == SQLITE_OK) {
        code = execute(db,
                       "PRAGMA application_id=" + std::to_string(application_id) +
                           ";PRAGMA user_version=" + std::to_string(format_version));
    }
    const int ended = execute(db, code == SQLITE_OK ? "COMMIT" : "ROLLBACK");
    return code == SQLITE_OK ? ended : code;
}

/// The switch to WAL answers "busy" at once, without the busy handler, while several processes
/// open a new file together: repeat it for as long as any other lock is waited for.
int switch_to_wal(sqlite3* db) {
    const auto started = steady::now();
    int code = SQLITE_BUSY;
    while ((code & 0xff) == SQLITE_BUSY && steady::now() - started < lock_patience) {
        code = execute(db, "PRAGMA journal_mode=WAL");
        if ((code & 0xff) == SQLITE_BUSY) {
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
    }
    return code;
}

}  // namespace

result<std::unique_ptr<store_connection>> open_sqlite(const std::string& path) {
    sqlite3* raw = nullptr;
    constexpr int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    database db{raw};
    const auto refuse = [&](const std::string& hint) {
        std::string why = raw != nullptr ? sqlite3_errmsg(raw) : sqlite3_errstr(code);
        return fail(code_of(code), "cannot open the store " + path + ": " + why + hint);
    };
    if (code != SQLITE_OK) {
        return refuse("; check that its directory exists and may be written");
    }
    auto waiting = std::make_unique<lock_wait>();
    sqlite3_busy_handler(db.get(), wait_for_lock, waiting.get());
    if (is_foreign(db.get())) {
        return fail(errc::incompatible,
                    path +
                        " is another program's SQLite file, or another"
                        " version's: give another path");
    }
    code = switch_to_wal(db.get());
    if (code == SQLITE_OK) {
        code = execute(db.get(), session_settings);
    }
    if (code == SQLITE_OK && !is_ours(db.get())) {
        code = set_up(db.get());
    }
    if (code != SQLITE_OK) {
        return refuse((code & 0xff) == SQLITE_NOTADB ? "; give another path" : "");
    }
    auto made = std::make_unique<sqlite_connection>(path, std::move(db), std::move(waiting));
    if (auto prepared = made->prepare(); !prepared) {
        return std::unexpected{prepared.error()};
    }
    return std::unique_ptr<store_connection>{std::move(made)};
}

}  // namespace party_grid
