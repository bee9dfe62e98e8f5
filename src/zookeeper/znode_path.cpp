#include "zookeeper/znode_path.hpp"

#include <cstddef>
#include <cstdint>

namespace muster::zookeeper {
namespace {

/// The code point at the head of `text`, which is taken off; -1 for what is not UTF-8.
std::int32_t take_code_point(std::string_view& text) noexcept {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte(0);
    std::size_t more = 0;
    std::int32_t point = first;
    if (first >= 0xf0) {
        more = 3;
        point = first & 0x07;
    } else if (first >= 0xe0) {
        more = 2;
        point = first & 0x0f;
    } else if (first >= 0xc0) {
        more = 1;
        point = first & 0x1f;
    } else if (first >= 0x80) {
        return -1;
    }
    if (text.size() <= more) {
        return -1;
    }
    for (std::size_t i = 1; i <= more; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return -1;
        }
        point = point << 6 | (byte(i) & 0x3f);
    }
    text.remove_prefix(more + 1);
    return point;
}

bool is_allowed(std::int32_t point) noexcept {
    // Beyond U+FFFF the server sees surrogates, which are in the forbidden range.
    return point > 0x1f && !(point >= 0x7f && point <= 0x9f) &&
           !(point >= 0xd800 && point <= 0xf8ff) && point < 0xfff0;
}

}  // namespace

bool is_valid_path(std::string_view path) noexcept {
    if (path.empty() || path.front() != '/') {
        return false;
    }
    std::string_view rest = path.substr(1);
    if (rest.empty()) {
        return true;
    }
    for (std::string_view names = rest;;) {
        const std::size_t end = names.find('/');
        const std::string_view name = names.substr(0, end);
        if (name.empty() || name == "." || name == "..") {
            return false;
        }
        if (end == std::string_view::npos) {
            break;
        }
        names.remove_prefix(end + 1);
    }
    while (!rest.empty()) {
        if (!is_allowed(take_code_point(rest))) {
            return false;
        }
    }
    return true;
}

std::string_view parent_of(std::string_view path) noexcept {
    return path.substr(0, path.rfind('/'));
}

std::string_view last_name_of(std::string_view path) noexcept {
    return path.substr(path.rfind('/') + 1);
}

}  // namespace muster::zookeeper
