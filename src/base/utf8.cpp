#include "base/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace muster::base {
namespace {

bool is_tail(unsigned char byte) {
    return (byte & 0xc0U) == 0x80U;
}

/// The length of the sequence at the start of `left` bytes at `at`, 0 if there is none. `at` is not
/// ASCII.
std::size_t sequence(const unsigned char* at, std::size_t left) {
    const unsigned char first = at[0];
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (left < length) {
        return 0;
    }
    const unsigned char lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < lowest || at[1] > highest) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if (!is_tail(at[i])) {
            return 0;
        }
    }
    return length;
}

bool is_ascii_word(const unsigned char* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return (word & 0x8080808080808080U) == 0;
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t left = bytes.size();
    while (left > 0) {
        if (left >= sizeof(std::uint64_t)) {
            if (is_ascii_word(at)) {
                at += sizeof(std::uint64_t);
                left -= sizeof(std::uint64_t);
                continue;
            }
        } else if (bytes.size() >= sizeof(std::uint64_t) &&
                   is_ascii_word(at + left - sizeof(std::uint64_t))) {
            return true;  // The last word has some bytes in common with the one before.
        }
        const std::size_t length = *at < 0x80 ? 1 : sequence(at, left);
        if (length == 0) {
            return false;
        }
        at += length;
        left -= length;
    }
    return true;
}

}  // namespace muster::base
