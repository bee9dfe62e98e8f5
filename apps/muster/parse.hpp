#pragma once

/// @file
/// From the words of the command line to a verb and what it was given.

#include "command.hpp"

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

struct parsed {
    const command* verb = nullptr;  ///< null: only `--help` or nothing at all was said
    bool help = false;
    given words;
};

/// Flags stand before or after the verb. Errors: MUS0605, MUS0607, with the nearest known word.
[[nodiscard]] std::expected<parsed, failure> parse_words(const std::vector<std::string>& words);

/// The one of `known` that `word` most likely means, or "".
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> known);

}  // namespace muster::cli
