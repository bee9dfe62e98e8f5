#pragma once

/// @file
/// Assertions for bugs of our own, on in release too. Input from outside is never asserted on.

namespace muster::base {

/// Prints `file:line: text` to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* text) noexcept;

}  // namespace muster::base

#define MUSTER_ASSERT(condition, why)                                                    \
    (static_cast<bool>(condition)                                                        \
         ? void(0)                                                                       \
         : ::muster::base::check_failed(__FILE__, __LINE__, why " (" #condition ")"))
