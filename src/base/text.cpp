#include "base/text.hpp"

#include <charconv>

namespace muster::base {
namespace {

template <class T>
std::optional<T> parse_number(std::string_view text, int radix) {
    T value{};
    const char* const end = text.data() + text.size();
    const auto [stop, trouble] = std::from_chars(text.data(), end, value, radix);
    if (text.empty() || trouble != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

constexpr std::string_view digits = "0123456789abcdef";

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"._~:@+=,-"}.find(c) != std::string_view::npos;
}

std::optional<int> digit_value(char c) {
    const auto at = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    return at == std::string_view::npos ? std::nullopt : std::optional{static_cast<int>(at)};
}

}  // namespace

std::optional<std::int64_t> parse_int64(std::string_view text) {
    return parse_number<std::int64_t>(text, 10);
}

std::optional<std::uint64_t> parse_uint64(std::string_view text) {
    return parse_number<std::uint64_t>(text, 10);
}

std::string hex16(std::uint64_t value) {
    std::string text(16, '0');
    for (std::size_t i = 16; i-- > 0; value >>= 4U) {
        text[i] = digits[value & 15U];
    }
    return text;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
    return parse_number<std::uint64_t>(text, 16);
}

std::string percent_encode(std::string_view name) {
    if (name.empty()) {
        return "%";
    }
    std::string encoded;
    encoded.reserve(name.size());
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        if (is_plain(c) && !(c == '.' && i == 0)) {
            encoded += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            encoded += '%';
            encoded += digits[byte >> 4U];
            encoded += digits[byte & 15U];
        }
    }
    return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
    if (text == "%") {
        return std::string{};
    }
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (i + 2 >= text.size()) {
            return std::nullopt;
        }
        const auto high = digit_value(text[i + 1]);
        const auto low = digit_value(text[i + 2]);
        if (!high || !low) {
            return std::nullopt;
        }
        decoded += static_cast<char>(*high * 16 + *low);
        i += 2;
    }
    return decoded;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    while (!text.empty()) {
        const auto at = text.find(separator);
        pieces.push_back(text.substr(0, at));
        if (at == std::string_view::npos) {
            return pieces;
        }
        text.remove_prefix(at + 1);
        if (text.empty()) {
            pieces.emplace_back();
        }
    }
    return pieces;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace muster::base
