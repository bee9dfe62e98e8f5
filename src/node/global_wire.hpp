#pragma once

/// @file
/// How members find the process that a global stands for: they ask whoever owns its partition. Part
/// of the wire format: docs/format.

#include "muster/message.hpp"
#include "muster/pid.hpp"

#include <cstdint>
#include <string_view>

namespace muster::detail {

/// The built-in resource whose partitions are the global processes.
inline constexpr std::string_view globals_resource = "globals";
/// "Who runs under it here?", asked of the owner of a partition.
struct where_now {
    static constexpr std::string_view wire_name = "muster.where/1";
};

/// The process, and the right that it runs under.
struct located {
    static constexpr std::string_view wire_name = "muster.located/1";
    pid who;
    std::int64_t fence = 0;
};

}  // namespace muster::detail
