#pragma once

/// @file
/// Messages of types that this program does not have: from JSON to their bytes and back, by what
/// their receiver says of them (docs/format/shapes.md). Pure.

#include "muster/error.hpp"

#include "message_shape.hpp"

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace muster::cli {

/// The bytes of a message. A struct is an object by names of fields, or an array of all in order;
/// fields at the end may be left out, and have their default then.
/// Errors: invalid_argument, with the place and what is expected there.
[[nodiscard]] result<std::string> message_bytes(const boost::json::value& shape,
                                                const boost::json::value& given);

/// Errors: incompatible (the bytes are none of that shape).
[[nodiscard]] result<boost::json::value> message_value(const boost::json::value& shape,
                                                       std::string_view bytes);

}  // namespace muster::cli
