#pragma once

/// @file
/// The machine a node runs on, hidden behind the public header.

#include "runtime/loop.hpp"

#include <memory>

namespace muster::detail {

struct machine {
    std::shared_ptr<runtime::platform> platform;
};

}  // namespace muster::detail
