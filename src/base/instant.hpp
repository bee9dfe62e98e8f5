#pragma once

/// @file
/// Points in time as Muster counts them. Who reads the clock is `runtime`; everyone else is handed
/// the instant.

#include <chrono>

namespace muster {

using namespace std::chrono_literals;

/// CLOCK_BOOTTIME: goes on while the machine is suspended, never jumps, comparable within one boot.
/// It has no `now()`: ask a `runtime::loop`.
struct boot_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<boot_clock>;
    static constexpr bool is_steady = true;
};

using instant = boot_clock::time_point;
using duration = boot_clock::duration;

/// Later than everything that happens.
inline constexpr instant never = instant::max();

}  // namespace muster
