#pragma once

/// @file
/// What a program brings to its node: version, hooks, log.

#include "muster/error.hpp"
#include "muster/ids.hpp"
#include "muster/ownership.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// What a member is given first, before it is Online.
struct initial {
    std::vector<partition_name> partitions;
};

/// Whether this member leads.
struct leadership {
    bool leading = false;
    leader_epoch epoch;  ///< of the leadership gained, or lost; each gained one is larger

    friend bool operator==(const leadership&, const leadership&) = default;
};

enum class health : std::uint8_t { good, suspect };
enum class severity : std::uint8_t { debug, info, warning, error };

/// A line for the log. `event` is a stable name such as "session.lost"; `text` is for people.
struct log_line {
    severity level = severity::info;
    std::string_view event;
    std::string_view text;
    std::string_view member;  ///< this node's name
};

/// Hooks run one at a time and in order, on a thread that may block, never on the one that keeps
/// the lease; none runs after the node's destructor has returned.
struct application {
    /// The application's version, as other members see it.
    std::string version;
    /// Called once per incarnation before the member is Online, its first partitions known. It may
    /// block, up to the init deadline. An error, or an exception, makes the member leave.
    std::function<std::expected<void, error>(const initial&)> init;
    /// Hears gained, lost, gained, …, strictly in turn.
    std::function<void(const leadership&)> leadership_changed;
    /// Asked every second; `suspect`, or no answer for 10 s, makes others avoid this member.
    std::function<health()> check_health;
    /// Receives every log line, one at a time and in order, on a thread that may block. Up to
    /// 10,000 lines wait for it; how many were lost beyond that a line `log.lost` says. Nothing:
    /// warnings and errors go to stderr.
    std::function<void(const log_line&)> log;
};

}  // namespace muster
