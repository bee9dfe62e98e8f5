#include "options.hpp"

#include "base/text.hpp"

#include <limits>
#include <optional>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;

struct address {
    std::string host;
    std::uint16_t port = 0;
};

std::optional<address> parse_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) {
        return std::nullopt;
    }
    const auto port = muster::base::parse_uint64(text.substr(colon + 1));
    if (!port || *port > std::numeric_limits<std::uint16_t>::max()) {
        return std::nullopt;
    }
    return address{std::string{text.substr(0, colon)}, static_cast<std::uint16_t>(*port)};
}

std::unexpected<muster::error> expected(const std::string& flag, const std::string& what) {
    return muster::fail(errc::invalid_argument, flag + ": expected " + what);
}

/// A flag and its value, taken out of `words`; the last one counts.
/// Errors: invalid_argument (no value).
muster::result<std::optional<std::string>> take(std::vector<std::string>& words,
                                                const std::string& flag) {
    std::optional<std::string> value;
    for (std::size_t i = 0; i < words.size();) {
        const auto at = words.begin() + static_cast<std::ptrdiff_t>(i);
        if (words[i] == flag) {
            if (i + 1 == words.size()) {
                return expected(flag, "a value");
            }
            value = words[i + 1];
            words.erase(at, at + 2);
        } else if (words[i].starts_with(flag + "=")) {
            value = words[i].substr(flag.size() + 1);
            words.erase(at);
        } else {
            ++i;
        }
    }
    return value;
}

}  // namespace

muster::result<member_options> parse_member(std::vector<std::string> words) {
    member_options out;
    const auto http = take(words, "--http");
    const auto store = take(words, "--store");
    const auto journal = take(words, "--journal");
    const auto partitions = take(words, "--partitions");
    for (const auto* const one : {&http, &store, &journal, &partitions}) {
        if (!*one) {
            return std::unexpected(one->error());
        }
    }
    if (*http) {
        const auto parsed = parse_address(**http);
        if (!parsed) {
            return expected("--http", "host:port; port 0 picks a free one");
        }
        out.http_host = parsed->host;
        out.http_port = parsed->port;
        out.http_given = true;
    }
    out.store = store->value_or(out.store);
    out.journal = journal->value_or("");
    if (*partitions) {
        const auto number = muster::base::parse_uint64(**partitions);
        if (!number || *number == 0 || *number > 65'536) {
            return expected("--partitions", "a number from 1 to 65536");
        }
        out.partitions = static_cast<std::uint32_t>(*number);
    }
    std::string program = "party_grid";
    std::vector<char*> pointers{program.data()};
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    auto common = muster::config::load("party", static_cast<int>(pointers.size()), pointers.data());
    if (!common) {
        return std::unexpected(common.error());
    }
    if (!common->arguments.empty()) {
        return muster::fail(
            errc::invalid_argument,
            "what is '" + common->arguments.front() + "'? `party_grid --help` has the words");
    }
    out.common = std::move(*common);
    return out;
}

muster::result<import_options> parse_import(const std::vector<std::string>& given) {
    auto words = given;
    import_options out;
    const auto to = take(words, "--to");
    const auto packages = take(words, "--from");
    const auto log = take(words, "--log");
    const auto limit = take(words, "--limit");
    for (const auto* const one : {&to, &packages, &log, &limit}) {
        if (!*one) {
            return std::unexpected(one->error());
        }
    }
    if (!words.empty()) {
        return muster::fail(errc::invalid_argument,
                            "what is '" + words.front() + "'? `party_grid --help` has the words");
    }
    if (*to) {
        out.to.clear();
        for (const std::string_view one : muster::base::split(**to, ',')) {
            if (!parse_address(one)) {
                return expected("--to", "host:port of a member, or several with commas");
            }
            out.to.emplace_back(one);
        }
    }
    out.packages = packages->value_or("");
    out.log = log->value_or(out.log);
    if (*limit) {
        const auto number = muster::base::parse_uint64(**limit);
        if (!number) {
            return expected("--limit", "a number");
        }
        out.limit = *number;
    }
    return out;
}

const char* help_text() {
    return R"(party_grid: an in-memory data grid over a database, spread over its members by Muster

usage
  party_grid [--name N] [--store URL] [--http HOST:PORT] [FLAGS OF MUSTER]   a member
  party_grid import [--to HOST:PORT,…] [--from FILE] [--log FILE] [--limit N] records into the grid

a member
  --store URL          where the records are kept: a path (SQLite), or postgres://[user@]host/db
                       (party_grid.db); all members of a cluster use the same
  --http HOST:PORT     where it answers (127.0.0.1:7450, or a free port where that is taken);
                       port 0 picks one; the address is printed, and any member tells those of
                       all at /members
  --partitions N       into how many partitions the records are divided (64)
  --journal FILE       append what happens, a JSON object a line; - is standard output
  --name, --zookeeper, --cluster, --session-timeout, … are Muster's own; so is muster.toml

import
  --to HOST:PORT       members to send to (127.0.0.1:7450)
  --from FILE          package stanzas (the machine's index: apt-cache dumpavail)
  --log FILE           a package log, as dated records (/var/log/dpkg.log)
  --limit N            not more than N packages

examples
  muster dev &
  party_grid --name a & party_grid --name b & party_grid --name c &
  party_grid import
  curl -X PUT -d 'Ann, table 7' http://127.0.0.1:7450/parties/ann
  curl http://127.0.0.1:7450/parties/ann
  curl 'http://127.0.0.1:7450/parties?prefix=python3-&limit=5'
  curl http://127.0.0.1:7450/parties/latest
)";
}

}  // namespace party_grid
