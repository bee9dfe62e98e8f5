#pragma once

/// @file
/// The production side of `runtime`: Boost.Asio, CLOCK_BOOTTIME, threads.

#include "runtime/loop.hpp"

#include <memory>

namespace muster::runtime {

/// This machine and this process.
///
/// Loops outlive the platform that made them. Its destructor waits for the jobs of `run_blocking`.
/// Threads: any.
[[nodiscard]] std::shared_ptr<platform> make_real_platform();

}  // namespace muster::runtime
