#pragma once

/// @file
/// Guards awaited calls against what GCC 12 miscompiles (docs/internals/coroutines.md).

#include <type_traits>

namespace muster::detail {

/// Whether an argument may stand in an awaited call: not a message, nor a closure with something
/// to destroy, made on the spot. GCC 12 destroys such a temporary twice.
template <class Arg>
inline constexpr bool awaitable_argument =
    std::is_lvalue_reference_v<Arg> || std::is_trivially_destructible_v<std::remove_cvref_t<Arg>> ||
    (!std::is_aggregate_v<std::remove_cvref_t<Arg>> &&
     !requires { &std::remove_cvref_t<Arg>::operator(); });

}  // namespace muster::detail
