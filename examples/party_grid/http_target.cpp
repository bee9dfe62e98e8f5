#include "http.hpp"

#include <algorithm>

namespace party_grid {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string_view take_until(std::string_view& text, char end) {
    const std::size_t at = std::min(text.find(end), text.size());
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return part;
}

bool decode_query(std::string_view query, http_request& into) {
    while (!query.empty()) {
        std::string_view value = take_until(query, '&');
        const auto name = percent_decode(take_until(value, '='));
        const auto decoded = percent_decode(value);
        if (!name || !decoded) {
            return false;
        }
        if (!name->empty()) {
            into.query.emplace_back(*name, *decoded);
        }
    }
    return true;
}

}  // namespace

std::optional<std::string> http_request::asked(std::string_view name) const {
    const auto found = std::ranges::find(query, name, &http_fields::value_type::first);
    return found == query.end() ? std::nullopt : std::optional{found->second};
}

std::string_view http_request::header(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &http_fields::value_type::first);
    return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += digits[byte >> 4U];
        encoded += digits[byte & 15U];
    }
    return encoded;
}

bool decode_target(std::string_view target, http_request& into) {
    std::string_view rest = target;
    std::string_view path = take_until(rest, '?');
    if (!path.starts_with('/')) {
        return false;
    }
    path.remove_prefix(1);
    into.path.clear();
    into.query.clear();
    bool more = !path.empty();
    while (more) {
        more = path.find('/') != std::string_view::npos;
        const auto part = percent_decode(take_until(path, '/'));
        if (!part) {
            return false;
        }
        into.path.push_back(*part);
    }
    return decode_query(rest, into);
}

}  // namespace party_grid
