#pragma once

/// @file
/// How much a mailbox holds.

#include <cstdint>

namespace muster {

/// Threads: a plain value.
struct process_limits {
    std::uint32_t mailbox_messages = 65'536;
    std::uint32_t mailbox_bytes = 64U << 20U;  ///< About: what messages hold, not what they cost.
    std::uint32_t queue_bytes = 16U << 20U;    ///< That wait for one other node, as its mesh says.
};

}  // namespace muster
