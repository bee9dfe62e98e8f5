#pragma once

/// @file
/// The rules for the paths of znodes, as Apache ZooKeeper 3.8 checks them (PathUtils.validatePath).

#include <string_view>

namespace muster::zookeeper {

/// Whether `path` may name a znode: begins with '/', no empty, "." or ".." component, no '/' at the
/// end, valid UTF-8 without control characters, surrogates (so nothing beyond U+FFFF), the private
/// use area and U+FFF0 to U+FFFF.
[[nodiscard]] bool is_valid_path(std::string_view path) noexcept;

/// What stands before the last '/': "" for a child of the root. Wants a path that holds a '/'.
[[nodiscard]] std::string_view parent_of(std::string_view path) noexcept;
/// What stands behind the last '/'.
[[nodiscard]] std::string_view last_name_of(std::string_view path) noexcept;

}  // namespace muster::zookeeper
