#pragma once

/// @file
/// JSON that is put together by hand, where a tree of values would cost too much.

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace party_grid {

/// `text` as a JSON string, with its quotes.
[[nodiscard]] inline std::string json_quoted(std::string_view text) {
    return boost::json::serialize(boost::json::string(text));
}

}  // namespace party_grid
