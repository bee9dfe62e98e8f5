#pragma once

/// @file
/// The embedded keeper as a process: what `keeper` and `dev` share.

#include "command.hpp"
#include "runtime/endpoint.hpp"

#include <functional>

namespace muster::cli {

/// Serves until SIGTERM or SIGINT; calls `ready` once with where it listens.
/// Errors: MUS0206 (the address), MUS0605 (a flag).
exit_code serve_keeper(const given& words,
                       context& at,
                       const std::function<void(const runtime::endpoint&)>& ready);

}  // namespace muster::cli
