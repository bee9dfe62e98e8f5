#include "zookeeper/handshake.hpp"

#include "base/text.hpp"
#include "zookeeper/protocol.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace muster::zookeeper {
namespace {

constexpr std::chrono::milliseconds longest_timeout = std::chrono::hours{1};
/// A session shorter than this cannot be kept: its pings would come later than its end.
constexpr std::chrono::milliseconds shortest_timeout{50};

char lowered(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string session_text(std::int64_t id) {
    return "0x" + base::hex16(static_cast<std::uint64_t>(id));
}

}  // namespace

result<handshake_answer> judge_handshake(std::string_view body,
                                         std::int64_t asked,
                                         bool reject_read_only) {
    protocol::connect_response raw;
    jute_reader in{body};
    if (!decode(in, raw)) {
        return fail(errc::incompatible,
                    "its answer to the handshake is no connect response (" +
                        std::to_string(body.size()) + " bytes)");
    }
    if (asked != 0 && raw.timeout_ms == 0 && raw.session == 0) {
        return handshake_answer{true, raw.read_only, {}};
    }
    if (raw.timeout_ms < shortest_timeout.count() || raw.timeout_ms > longest_timeout.count()) {
        return fail(errc::incompatible,
                    "it offers a session timeout of " + std::to_string(raw.timeout_ms) +
                        " ms; sessions have from 50 ms to 1 h (see the server's tickTime and " +
                        "minSessionTimeout)");
    }
    if (raw.session == 0 || (asked != 0 && raw.session != asked)) {
        return fail(errc::incompatible,
                    "it answers for session " + session_text(raw.session) + ", asked for " +
                        (asked == 0 ? "a new one" : session_text(asked)));
    }
    if (raw.password.size() != protocol::password_size) {
        return fail(errc::incompatible,
                    "its session password has " + std::to_string(raw.password.size()) +
                        " bytes instead of 16");
    }
    if (raw.read_only && reject_read_only) {
        return fail(errc::incompatible, "it is cut off from its ensemble and only reads");
    }
    return handshake_answer{
        false,
        raw.read_only,
        session_ticket{
            raw.session, std::move(raw.password), std::chrono::milliseconds{raw.timeout_ms}}};
}

bool is_web_server(std::string_view first_bytes) {
    // Whoever is asked in no version of HTTP gets the page alone from some, without a status line.
    return std::ranges::any_of(
        std::array<std::string_view, 3>{"HTTP/", "<!doctype", "<html"},
        [&](std::string_view start) {
            return first_bytes.size() >= start.size() &&
                   std::ranges::equal(
                       first_bytes.substr(0, start.size()), start, {}, lowered, lowered);
        });
}

std::string describe_stranger(std::string_view first_bytes) {
    const std::string_view seen = first_bytes.substr(0, 32);
    const std::string_view line = seen.substr(0, seen.find_first_of("\r\n"));
    const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
    if (!line.empty() && std::all_of(line.begin(), line.end(), printable)) {
        return std::string{is_web_server(first_bytes) ? "a web server, " : ""} +
               "not a ZooKeeper server: it answers '" + std::string{line} + "'";
    }
    if (seen.size() >= 2 && (seen[0] == '\x15' || seen[0] == '\x16') && seen[1] == '\x03') {
        return "not a ZooKeeper server without TLS: it answers with a TLS record";
    }
    std::string digits;
    for (const char c : seen.substr(0, 8)) {
        digits += base::hex16(static_cast<unsigned char>(c)).substr(14) + " ";
    }
    return "not a ZooKeeper server: its answer begins with the bytes " + digits;
}

}  // namespace muster::zookeeper
