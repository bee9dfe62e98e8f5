#pragma once

/// @file
/// The lines of a batch, as they go over HTTP: one JSON object each.

#include "muster/error.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// A line of a batch.
struct batch_line {
    std::string key;
    std::optional<std::string> value;
    std::string partition;  ///< of `dates`, or ""
};

/// The lines of a body, each `{"key":K,"value":V,"partition":D}`; V may be null or missing.
/// Errors: invalid_argument, with the number of the line.
[[nodiscard]] muster::result<std::vector<batch_line>> parse_batch(std::string_view body);

/// Appends `{"key":K,"value":V,"partition":D}` and a newline; without `partition` where it is "".
void append_batch_line(std::string& body,
                       std::string_view key,
                       const std::optional<std::string>& value,
                       std::string_view partition = {});

}  // namespace party_grid
