#pragma once

/// @file
/// What an ask is between nodes: a request of the mesh, and its reply. Part of the wire format.

#include "muster/message.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace muster::detail {

struct ask_envelope {
    static constexpr std::string_view wire_name = "muster.ask/1";
    std::string resource;
    std::string partition;
    std::int64_t fence = 0;  ///< under which the asker believes it to be owned
    std::string type;
    std::string body;
};

enum class ask_end : std::uint8_t {
    answered,
    failed,     ///< by the handler, or before it ran: `code` and `text`
    not_owner,  ///< not executed: this member does not own the partition
    moving,     ///< not executed: between owners
    stranded,   ///< not executed: the owner's lease has ended
};

struct ask_answer {
    static constexpr std::string_view wire_name = "muster.answer/1";
    ask_end how = ask_end::answered;
    std::string body;
    std::uint8_t code = 0;
    std::string text;
    /// Above 0: the lease under which it was owned has ended so long ago, and it was a read.
    std::chrono::nanoseconds age{0};
};

}  // namespace muster::detail
