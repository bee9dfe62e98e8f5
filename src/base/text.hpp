#pragma once

/// @file
/// Text forms shared by every room: numbers, percent-encoding, hexadecimal digits.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::base {

/// The whole of `text` as a decimal number, or nothing (empty, signs other than '-', overflow).
[[nodiscard]] std::optional<std::int64_t> parse_int64(std::string_view text);
[[nodiscard]] std::optional<std::uint64_t> parse_uint64(std::string_view text);

/// 16 lower-case hexadecimal digits.
[[nodiscard]] std::string hex16(std::uint64_t value);
/// The whole of `text` (1 to 16 hexadecimal digits) as a number, or nothing.
[[nodiscard]] std::optional<std::uint64_t> parse_hex(std::string_view text);

/// `name` as a znode name: bytes outside [A-Za-z0-9._~:@+=,-] become %XX, and so do a name that is
/// only dots and a leading '.'; the empty name becomes "%". Reversible by `percent_decode`.
[[nodiscard]] std::string percent_encode(std::string_view name);
/// Nothing if `text` holds a '%' without two hexadecimal digits (but "%" alone is the empty name).
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// The pieces of `text` between `separator`s; an empty text has no piece.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
/// Without blanks at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace muster::base
