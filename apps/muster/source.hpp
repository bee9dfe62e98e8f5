#pragma once

/// @file
/// Where the reading verbs get their picture from: ZooKeeper in the program, a literal in tests.

#include "command.hpp"
#include "picture.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace muster::cli {

/// Threads: one at a time. Blocks: until answered, or the deadline of the settings.
class source {
public:
    virtual ~source() = default;
    virtual outcome<picture> read() = 0;
    /// As `read`, with which of the servers are up.
    virtual outcome<picture> read_with_servers() = 0;
    /// Waits until something in the cluster may have changed, or `limit` is over; false once
    /// `interrupt` was called.
    virtual bool wait_for_change(duration limit) = 0;
    /// Any thread.
    virtual void interrupt() = 0;
};

/// The session to ask for, so that every server listed has its try within `timeout` (--timeout):
/// each gets its share of the session timeout to answer, and one round over them all has to leave
/// time to tell of it.
[[nodiscard]] std::chrono::milliseconds session_timeout_within(std::chrono::milliseconds timeout);

/// Connects to what the settings say. Errors: MUS0605, MUS0606 (the connect string).
[[nodiscard]] outcome<std::unique_ptr<source>> open_source(const context& at);

}  // namespace muster::cli
