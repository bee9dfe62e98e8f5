#pragma once

/// @file
/// An operation on its way: what was asked, who waits for it, and how its reply is read. Pure.

#include "zookeeper/client.hpp"
#include "zookeeper/client_watches.hpp"
#include "zookeeper/protocol.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace muster::zookeeper {

/// Who waits for a reply, by what it carries.
using completion = std::variant<client::done<nothing>,
                                client::done<stat>,
                                client::done<created>,
                                client::done<node_data>,
                                client::done<node_children>,
                                client::done<std::vector<op_result>>,
                                client::done<std::pair<acl, stat>>>;

/// What few requests need to remember until their reply.
struct request_notes {
    std::string path;  ///< with the chroot
    shared_watch watch;
    bool children = false;                     ///< the watch is one on children
    std::vector<protocol::op_code> multi_ops;  ///< of a multi: what each result has to be
    watcher_type removes{};                    ///< remove_watches
    watch_mode mode{};                         ///< add_watch
};

struct request {
    protocol::op_code code{};
    bool changes = false;  ///< a lost reply leaves the outcome unknown
    completion done;
    instant deadline = never;
    std::unique_ptr<request_notes> notes;
    std::int32_t xid = 0;
    bool was_sent = false;
    bool ended = false;  ///< its deadline has passed; the reply is waited for all the same
    instant sent{};
};

/// Everything of a `reply` but its value.
struct reply_facts {
    outcome how = outcome::not_sent;
    zk_error error = zk_error::ok;
    std::string text;
    std::int64_t zxid = 0;
    instant sent{};
    instant acked{};
    std::int64_t session = 0;
};

/// Tells who waits; no value.
void finish(completion done, reply_facts facts);

/// Whether a server says with `error` that it does not serve our session (any more): such a reply
/// is no sign that the session lives. Whether it has ended, only a new handshake tells.
[[nodiscard]] bool disowns_session(zk_error error) noexcept;

/// How a lost reply ends `what`.
[[nodiscard]] outcome outcome_when_lost(const request& what) noexcept;

/// Reads the body of a reply whose header has no error, then tells who waits. What it says is
/// handed back as a task, so that the caller can bring its own tables up to date first; an empty
/// task means that the body was not what this request is answered with.
[[nodiscard]] task_fn read_reply(jute_reader& body,
                                 request& what,
                                 reply_facts facts,
                                 std::string_view chroot);

/// `path` as the application sees it: without `chroot`. A path outside it stays whole.
[[nodiscard]] std::string without_chroot(std::string_view path, std::string_view chroot);

}  // namespace muster::zookeeper
