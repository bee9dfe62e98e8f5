#pragma once

/// @file
/// What may be called text.

#include <string_view>

namespace muster::base {

/// Whether `bytes` is well-formed UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates).
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

}  // namespace muster::base
