#pragma once

/// @file
/// Asking a server a four-letter word ("srvr", "ruok", …): one word out, text back, the end of the
/// connection.

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "muster/error.hpp"
#include "runtime/loop.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster::zookeeper {

/// Asks `server` on a connection of its own. `done` is called once, unless the operation is
/// destroyed before; an answer has at most 1 MiB.
/// Threads: the loop's. Lifetime: end the operation before the loop.
/// Errors: unavailable, timed_out.
[[nodiscard]] std::unique_ptr<runtime::operation> ask_four_letter(
    runtime::loop& loop,
    const runtime::endpoint& server,
    std::string word,
    instant deadline,
    callback<result<std::string>> done);

/// The same as a line. A ZooKeeper server takes four bytes and heeds no more; a stranger, such as a
/// web server, may wait for the end of a line before it says what it is. Only for that: who leaves
/// bytes unread ends the connection with a reset, which a lossy network lets overtake the answer.
[[nodiscard]] std::unique_ptr<runtime::operation> ask_who_is_there(
    runtime::loop& loop,
    const runtime::endpoint& server,
    instant deadline,
    callback<result<std::string>> done);

/// Whether an answer to `srvr` is one that ZooKeeper, or what takes its place, gives.
[[nodiscard]] bool is_answer_to_word(std::string_view answer);
/// The zxid in an answer to `srvr` or `stat`.
[[nodiscard]] std::optional<std::int64_t> zxid_in_srvr(std::string_view answer);
/// "standalone", "leader", "follower", "observer", "read-only", or "" if it does not say.
[[nodiscard]] std::string_view mode_in_srvr(std::string_view answer);

}  // namespace muster::zookeeper
