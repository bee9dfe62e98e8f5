#pragma once

/// @file
/// The keeper: a ZooKeeper server of our own, in memory, for one machine or a simulation.

#include "muster/error.hpp"

#include "runtime/endpoint.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/types.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster::zookeeper {

/// A transaction that has changed something.
struct keeper_commit {
    struct change {
        event_type what = event_type::none;  ///< created, deleted, data_changed, children_changed
        std::string path;
    };
    std::int64_t zxid = 0;
    std::int64_t session = 0;  ///< whose; also one that ends by it; 0: the server's own
    std::vector<change> changes;
};

struct keeper_options {
    runtime::endpoint listen{"127.0.0.1", 2181};  ///< port 0 picks one
    std::chrono::milliseconds tick_time{2'000};
    std::chrono::milliseconds min_session_timeout{0};  ///< 0: two ticks
    std::chrono::milliseconds max_session_timeout{0};  ///< 0: twenty ticks
    std::size_t max_connections = 10'000;
    std::size_t max_connections_per_ip = 60;  ///< 0: no limit
    /// Longest request taken, as jute.maxbuffer.
    std::int32_t max_request = 0xfffff;
    /// Past this many bytes a connection that does not read is closed.
    std::size_t max_unread = 32U << 20;
    std::chrono::milliseconds handshake_timeout{10'000};
    /// How often emptied containers and outdated TTL znodes are looked for.
    std::chrono::milliseconds reap_interval{60'000};
    std::uint8_t server_id = 0;                       ///< at most 254
    std::vector<std::string> four_letter_words{"*"};  ///< those answered; "*": all
    /// Hears of each change in the order of the transactions, before any client does. On the loop.
    std::function<void(const keeper_commit&)> on_commit;
};

/// A server that clients of Apache ZooKeeper 3.8 cannot tell from a standalone one, but for what it
/// leaves out: disk, quotas on znodes, SASL, a super user, and ACLs of more than 256 entries or
/// 16 KiB.
///
/// Sessions do not survive it; its transaction numbers grow from one start to the next with the
/// wall clock, so that clients that remember the largest they saw are served.
/// Threads: the loop's only.
/// Lifetime: the destructor closes every connection and the port; afterwards nothing runs.
class keeper {
public:
    /// Listens; connections are served from the loop's next turn on.
    /// Errors: invalid_argument (an option out of its range), unavailable (address in use, …).
    [[nodiscard]] static result<std::unique_ptr<keeper>> start(std::shared_ptr<runtime::loop> loop,
                                                               keeper_options options);
    virtual ~keeper() = default;

    /// Where it listens, with the port that was picked.
    [[nodiscard]] virtual runtime::endpoint local() const = 0;
    [[nodiscard]] virtual std::size_t connections() const = 0;
    /// The last transaction.
    [[nodiscard]] virtual std::int64_t zxid() const = 0;
};

}  // namespace muster::zookeeper
