#include "postgres_store.hpp"

#include "store_fences.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <bit>
#include <chrono>
#include <map>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;
using muster::fail;
using muster::result;

using steady = std::chrono::steady_clock;

constexpr auto answer_patience = std::chrono::seconds{15};  // Above the server's own deadlines.

/// Two members may create the tables together, which `IF NOT EXISTS` alone does not survive.
constexpr const char* tables =
    "BEGIN;"
    "SELECT pg_advisory_xact_lock(5783252);"
    "CREATE TABLE IF NOT EXISTS party_records("
    " resource text COLLATE \"C\" NOT NULL, partition text COLLATE \"C\" NOT NULL,"
    " key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY(resource, partition, key));"
    "CREATE TABLE IF NOT EXISTS party_fences("
    " resource text COLLATE \"C\" NOT NULL, partition text COLLATE \"C\" NOT NULL,"
    " fence bigint NOT NULL, PRIMARY KEY(resource, partition));"
    "COMMIT";

struct prepared {
    const char* name;
    const char* text;
};

constexpr prepared load_rows = {
    "load", "SELECT key, value FROM party_records WHERE resource=$1 AND partition=$2 ORDER BY key"};
constexpr prepared count_rows = {"count",
                                 "SELECT count(*) FROM party_records WHERE resource=$1 OR $1=''"};
/// Locks the fences, which are made where there are none, and tells them.
constexpr prepared lock_fences = {
    "lock",
    "INSERT INTO party_fences(resource, partition, fence)"
    " SELECT r, p, 0 FROM unnest($1::text[], $2::text[]) AS wanted(r, p) ORDER BY r COLLATE \"C\","
    " p COLLATE \"C\""
    " ON CONFLICT (resource, partition) DO UPDATE SET fence=party_fences.fence"
    " RETURNING resource, partition, fence"};
constexpr prepared raise_fences = {
    "raise",
    "UPDATE party_fences SET fence=wanted.f"
    " FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted(r, p, f)"
    " WHERE resource=wanted.r AND partition=wanted.p"};
constexpr prepared put_rows = {
    "put",
    "INSERT INTO party_records(resource, partition, key, value)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])"
    " ON CONFLICT (resource, partition, key) DO UPDATE SET value=excluded.value"};
constexpr prepared remove_rows = {
    "remove",
    "DELETE FROM party_records USING unnest($1::text[], $2::text[], $3::bytea[])"
    " AS wanted(r, p, k) WHERE resource=wanted.r AND partition=wanted.p AND key=wanted.k"};

/// The text form of a PostgreSQL array.
class array_text {
public:
    void add_text(std::string_view value) {
        separate();
        text_ += '"';
        for (const char c : value) {
            if (c == '"' || c == '\\') {
                text_ += '\\';
            }
            text_ += c;
        }
        text_ += '"';
    }
    void add_bytes(std::string_view value) {
        constexpr std::string_view digits = "0123456789abcdef";
        separate();
        text_ += "\"\\\\x";
        for (const char c : value) {
            const auto byte = static_cast<unsigned char>(c);
            text_ += digits[byte >> 4U];
            text_ += digits[byte & 15U];
        }
        text_ += '"';
    }
    void add_number(std::int64_t value) {
        separate();
        text_ += std::to_string(value);
    }
    [[nodiscard]] bool empty() const { return text_.size() == 1; }
    [[nodiscard]] std::string take() {
        text_ += '}';
        return std::move(text_);
    }

private:
    void separate() {
        if (!empty()) {
            text_ += ',';
        }
    }
    std::string text_ = "{";
};

struct clear_answer {
    void operator()(PGresult* raw) const { PQclear(raw); }
};
using answer = std::unique_ptr<PGresult, clear_answer>;

struct finish {
    void operator()(PGconn* raw) const { PQfinish(raw); }
};
using connection = std::unique_ptr<PGconn, finish>;

std::string bytes_at(const PGresult* rows, int row, int column) {
    return {PQgetvalue(rows, row, column),
            static_cast<std::size_t>(PQgetlength(rows, row, column))};
}

std::string trimmed(const char* text) {
    std::string line{text == nullptr ? "" : text};
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) {
        line.pop_back();
    }
    return line;
}

/// A failed exchange. `broken`: the connection is of no more use, and what it was asked last may
/// or may not have been done.
struct trouble {
    bool broken = false;
    muster::error why;
};

template <class T>
using exchange = std::expected<T, trouble>;

/// SQLSTATE classes: 08 connection, 57P server shut down, 53 resources, 40 rolled back by the
/// server, 55P03 and 57014 a lock or the statement took too long, 28 authorization, 42 the tables
/// are others, 22 and 23 the values.
trouble trouble_of(const PGresult* rows, const PGconn* raw) {
    const char* field = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    const std::string_view state = field == nullptr ? "" : field;
    std::string text = trimmed(PQresultErrorMessage(rows));
    if (PQstatus(raw) == CONNECTION_BAD || state.empty() || state.starts_with("08") ||
        state.starts_with("57P")) {
        return {true, {errc::unavailable, std::move(text)}};
    }
    if (state.starts_with("28") || state == "42501") {
        return {false, {errc::not_authorized, std::move(text)}};
    }
    if (state.starts_with("42")) {
        return {false, {errc::incompatible, std::move(text)}};
    }
    if (state.starts_with("22") || state.starts_with("23")) {
        return {false, {errc::invalid_argument, std::move(text)}};
    }
    return {false, {errc::unavailable, std::move(text)}};
}

class postgres_connection final : public store_connection {
public:
    explicit postgres_connection(std::string url) : url_{std::move(url)} {}

    result<void> open() {
        raw_.reset();
        static constexpr const char* options =
            "-c statement_timeout=10000 -c lock_timeout=8000"
            " -c idle_in_transaction_session_timeout=30000";
        // The URL comes last, so that what it says wins.
        static constexpr std::array<const char*, 7> names = {"connect_timeout",
                                                             "tcp_user_timeout",
                                                             "client_encoding",
                                                             "application_name",
                                                             "options",
                                                             "dbname",
                                                             nullptr};
        const std::array<const char*, 7> values = {
            "5", "10000", "UTF8", "party_grid", options, url_.c_str(), nullptr};
        connection fresh{PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/1)};
        if (PQstatus(fresh.get()) != CONNECTION_OK) {
            return fail(errc::unavailable,
                        "cannot connect to " + shown_url() + ": " +
                            trimmed(PQerrorMessage(fresh.get())) +
                            "; check the address, and that the server runs");
        }
        PQsetNoticeProcessor(fresh.get(), [](void*, const char*) {}, nullptr);
        raw_ = std::move(fresh);
        if (auto made = plain(tables); !made) {
            raw_.reset();
            return std::unexpected{explained("create the tables in", made.error())};
        }
        for (const prepared& one :
             {load_rows, count_rows, lock_fences, raise_fences, put_rows, remove_rows}) {
            PQsendPrepare(raw_.get(), one.name, one.text, 0, nullptr);
            if (auto ready = receive(); !ready) {
                raw_.reset();
                return std::unexpected{explained("use the tables in", ready.error())};
            }
        }
        return {};
    }

    result<std::vector<record>> load(std::string_view resource,
                                     std::string_view partition) override {
        auto rows = ask_twice(load_rows, {std::string{resource}, std::string{partition}});
        if (!rows) {
            return std::unexpected{explained("load from", rows.error())};
        }
        std::vector<record> found;
        const int many = PQntuples(rows->get());
        found.reserve(static_cast<std::size_t>(many));
        for (int i = 0; i < many; ++i) {
            found.push_back({bytes_at(rows->get(), i, 0), bytes_at(rows->get(), i, 1)});
        }
        return found;
    }

    result<std::uint64_t> count(std::string_view resource) override {
        auto rows = ask_twice(count_rows, {std::string{resource}});
        if (!rows) {
            return std::unexpected{explained("count in", rows.error())};
        }
        return static_cast<std::uint64_t>(number_at(rows->get(), 0, 0));
    }

    std::vector<result<void>> commit(std::span<const store_write> writes) override {
        std::vector<result<void>> outcomes(writes.size());
        auto written = write_rows(writes, outcomes);
        if (!written && written.error().broken) {
            outcomes.assign(writes.size(), {});
            written = write_rows(writes, outcomes);  // Nothing was committed: once more.
        }
        if (!written) {
            undo(written.error());
            return all_or(std::move(outcomes), explained("write to", written.error()));
        }
        auto committed = plain("COMMIT");
        if (committed && std::string_view{PQcmdStatus(committed->get())} == "COMMIT") {
            return outcomes;
        }
        if (committed) {
            return all_or(
                std::move(outcomes),
                {errc::unavailable,
                 "cannot write to " + shown_url() + ": the server rolled the transaction back"});
        }
        muster::error why = explained("commit to", committed.error());
        if (committed.error().broken) {
            why.code = errc::outcome_unknown;
            why.text +=
                "; the commit was under way, so it may have been done: read before you"
                " write again";
        }
        undo(committed.error());
        return all_or(std::move(outcomes), why);
    }

private:
    using arguments = std::vector<std::string>;

    /// Everything from BEGIN to before COMMIT. Sets refusals only.
    exchange<void> write_rows(std::span<const store_write> writes,
                              std::vector<result<void>>& outcomes) {
        if (!raw_) {
            if (auto opened = open(); !opened) {
                return std::unexpected{trouble{true, opened.error()}};
            }
        }
        if (auto begun = plain("BEGIN"); !begun) {
            return std::unexpected{begun.error()};
        }
        fence_table fences;
        if (auto locked = lock(writes, fences); !locked) {
            return locked;
        }
        // The last change of a key wins: one statement may touch a row only once.
        std::map<std::pair<partition_name, std::string_view>, const change*> last;
        for (std::size_t i = 0; i < writes.size(); ++i) {
            outcomes[i] = fences.admit(writes[i]);
            if (outcomes[i]) {
                for (const change& one : writes[i].changes) {
                    last[{name_of(writes[i]), one.key}] = &one;
                }
            }
        }
        if (auto raised = raise(fences); !raised) {
            return raised;
        }
        return change_rows(last);
    }

    exchange<void> lock(std::span<const store_write> writes, fence_table& fences) {
        std::map<partition_name, const store_write*> wanted;
        for (const store_write& one : writes) {
            wanted.emplace(name_of(one), &one);
        }
        array_text resources;
        array_text partitions;
        for (const auto& [name, one] : wanted) {
            resources.add_text(name.resource);
            partitions.add_text(name.partition);
        }
        auto rows = ask(lock_fences, {resources.take(), partitions.take()});
        if (!rows) {
            return std::unexpected{rows.error()};
        }
        for (int i = 0; i < PQntuples(rows->get()); ++i) {
            const std::string resource = bytes_at(rows->get(), i, 0);
            const std::string partition = bytes_at(rows->get(), i, 1);
            const auto found = wanted.find({resource, partition});
            if (found != wanted.end()) {
                fences.learn(found->first, number_at(rows->get(), i, 2));
            }
        }
        return {};
    }

    exchange<void> raise(const fence_table& fences) {
        array_text resources;
        array_text partitions;
        array_text numbers;
        for (const auto& [name, fence] : fences.raised()) {
            resources.add_text(name.resource);
            partitions.add_text(name.partition);
            numbers.add_number(fence);
        }
        if (numbers.empty()) {
            return {};
        }
        return done(ask(raise_fences, {resources.take(), partitions.take(), numbers.take()}));
    }

    exchange<void> change_rows(
        const std::map<std::pair<partition_name, std::string_view>, const change*>& last) {
        std::array<array_text, 4> put;
        std::array<array_text, 3> removed;
        for (const auto& [place, one] : last) {
            array_text* into = one->value ? put.data() : removed.data();
            into[0].add_text(place.first.resource);
            into[1].add_text(place.first.partition);
            into[2].add_bytes(place.second);
            if (one->value) {
                into[3].add_bytes(*one->value);
            }
        }
        if (!removed[0].empty()) {
            auto gone = ask(remove_rows, {removed[0].take(), removed[1].take(), removed[2].take()});
            if (!gone) {
                return std::unexpected{gone.error()};
            }
        }
        if (put[0].empty()) {
            return {};
        }
        return done(ask(put_rows, {put[0].take(), put[1].take(), put[2].take(), put[3].take()}));
    }

    static exchange<void> done(exchange<answer> outcome) {
        if (!outcome) {
            return std::unexpected{outcome.error()};
        }
        return {};
    }

    void undo(const trouble& why) {
        if (why.broken || !raw_ || !plain("ROLLBACK")) {
            raw_.reset();  // The server rolls back what a lost connection had begun.
        }
    }

    /// For questions, which may be repeated at will: over a fresh connection if the old one broke.
    exchange<answer> ask_twice(const prepared& what, const arguments& values) {
        if (raw_) {
            auto first = ask(what, values);
            if (first || !first.error().broken) {
                return first;
            }
        }
        if (auto opened = open(); !opened) {
            return std::unexpected{trouble{true, opened.error()}};
        }
        return ask(what, values);
    }

    exchange<answer> ask(const prepared& what, const arguments& values) {
        std::array<const char*, 4> data{};
        std::array<int, 4> sizes{};
        for (std::size_t i = 0; i < values.size(); ++i) {
            data[i] = values[i].c_str();
            sizes[i] = static_cast<int>(values[i].size());
        }
        const int sent = PQsendQueryPrepared(raw_.get(),
                                             what.name,
                                             static_cast<int>(values.size()),
                                             data.data(),
                                             sizes.data(),
                                             nullptr,
                                             /*resultFormat=*/1);
        return sent == 1 ? receive() : lost("");
    }

    exchange<answer> plain(const char* text) {
        if (!raw_) {
            return lost("the connection is closed");
        }
        return PQsendQuery(raw_.get(), text) == 1 ? receive() : lost("");
    }

    /// The last result of what was sent, or its first error; by the deadline in any case.
    exchange<answer> receive() {
        const auto deadline = steady::now() + answer_patience;
        answer last;
        std::optional<trouble> wrong;
        for (;;) {
            if (auto waited = wait_until(deadline); !waited) {
                return std::unexpected{waited.error()};
            }
            answer next{PQgetResult(raw_.get())};
            if (!next) {
                break;
            }
            const ExecStatusType status = PQresultStatus(next.get());
            const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
            if (!good && !wrong) {
                wrong = trouble_of(next.get(), raw_.get());
            }
            last = std::move(next);
        }
        if (wrong) {
            if (wrong->broken) {
                raw_.reset();
            }
            return std::unexpected{*wrong};
        }
        return last ? exchange<answer>{std::move(last)} : lost("the server did not answer");
    }

    /// Until `PQgetResult` will not block.
    exchange<void> wait_until(steady::time_point deadline) {
        while (PQflush(raw_.get()) == 1 || PQisBusy(raw_.get()) == 1) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline - steady::now()).count();
            pollfd ready{PQsocket(raw_.get()), POLLIN, 0};
            const int count = left <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left));
            if (count == 0) {
                return std::unexpected{lost("the server did not answer in time").error()};
            }
            if (count > 0 && PQconsumeInput(raw_.get()) == 0) {
                break;  // PQgetResult tells what is wrong.
            }
        }
        return {};
    }

    std::unexpected<trouble> lost(std::string why) {
        if (why.empty()) {
            why = trimmed(PQerrorMessage(raw_.get()));
        }
        raw_.reset();
        return std::unexpected{trouble{true, {errc::unavailable, std::move(why)}}};
    }

    static std::int64_t number_at(const PGresult* rows, int row, int column) {
        std::uint64_t value = 0;  // A bigint in binary is 8 bytes, the highest first.
        for (const char c : bytes_at(rows, row, column)) {
            value = value << 8U | static_cast<unsigned char>(c);
        }
        return std::bit_cast<std::int64_t>(value);
    }

    muster::error explained(const char* tried, const trouble& what) const {
        if (what.why.text.starts_with("cannot ")) {
            return what.why;
        }
        return {what.why.code,
                std::string{"cannot "} + tried + " " + shown_url() + ": " + what.why.text};
    }

    /// The URL without its password.
    std::string shown_url() const {
        const std::size_t user = url_.find("://") + 3;
        const std::size_t at = url_.find('@', user);
        const std::size_t colon = url_.find(':', user);
        const std::size_t options = url_.find('?');
        std::string shown = url_.substr(0, options);
        if (at < shown.size() && colon < at) {
            shown.replace(colon, at - colon, ":***");
        }
        return shown;
    }

    std::string url_;
    connection raw_;
};

}  // namespace

result<std::unique_ptr<store_connection>> open_postgres(const std::string& url) {
    char* why = nullptr;
    PQconninfoOption* parsed = PQconninfoParse(url.c_str(), &why);
    if (parsed == nullptr) {
        std::string text = "not a store's URL: " + trimmed(why);
        PQfreemem(why);
        return fail(errc::invalid_argument, std::move(text));
    }
    PQconninfoFree(parsed);
    auto made = std::make_unique<postgres_connection>(url);
    if (auto opened = made->open(); !opened) {
        return std::unexpected{opened.error()};
    }
    return std::unique_ptr<store_connection>{std::move(made)};
}

}  // namespace party_grid
