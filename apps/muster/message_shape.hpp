#pragma once

/// @file
/// What receivers say of the messages they take (docs/format/shapes.md).

#include "muster/error.hpp"

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::cli {

/// Structs and lists within each other, at most.
inline constexpr int deepest_shape = 64;

/// One type of message, as its receiver describes it.
struct message_shape {
    std::string type;  ///< the name by which it travels
    boost::json::value body;
    std::optional<boost::json::value> reply;  ///< nothing: none; null: one without content
};

/// Errors: incompatible (it is no such description).
[[nodiscard]] result<std::vector<message_shape>> read_shapes(std::string_view json);

/// The type of that name, whole or without what stands before its last "::".
/// Errors: not_found, with the names that there are.
[[nodiscard]] result<message_shape> find_shape(const std::vector<message_shape>& all,
                                               std::string_view name);

/// The kind of value that a shape stands for, and what it says of what is inside, if anything; both
/// empty where it is no shape.
[[nodiscard]] std::pair<std::string_view, const boost::json::value*> kind_of(
    const boost::json::value& shape);

}  // namespace muster::cli
