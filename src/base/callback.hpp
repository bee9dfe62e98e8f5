#pragma once

/// @file
/// The one type of completion and event handlers below the node.

#include <functional>

namespace muster {

/// Called at most once or many times, as its taker says; moved, never copied.
template <class... Args>
using callback = std::move_only_function<void(Args...)>;

using task_fn = callback<>;

}  // namespace muster
