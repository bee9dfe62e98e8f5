#pragma once

/// @file
/// What stands behind look-ups of names.

#include "muster/pending.hpp"
#include "muster/pid.hpp"

#include <chrono>
#include <string_view>

namespace muster {

class instances;

namespace detail {

class service_picture;

/// Finds processes by name.
/// Threads: any.
class name_service {
public:
    virtual ~name_service() = default;
    /// Errors: unavailable (it was never found, and ZooKeeper cannot be asked), invalid_argument
    /// (an empty name), closed.
    [[nodiscard]] virtual pending<instances> find(std::string_view name) = 0;
    /// Whose processes are this node's.
    [[nodiscard]] virtual const member_id& life() const noexcept = 0;
    [[nodiscard]] virtual std::chrono::nanoseconds now() const noexcept = 0;
};

}  // namespace detail
}  // namespace muster
