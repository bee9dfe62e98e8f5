#include "mesh/crc32c.hpp"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace muster::mesh {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = value >> 1U ^ ((value & 1U) != 0 ? 0x82f63b78U : 0U);  // reflected polynomial
        }
        table[i] = value;
    }
    return table;
}

constexpr auto table = make_table();

template <class Word>
[[maybe_unused]] Word word_at(const char* at) noexcept {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] std::uint32_t by_instruction(std::string_view bytes,
                                                       std::uint32_t crc) noexcept {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t value = ~crc;
    for (; left >= 8; at += 8, left -= 8) {
        value = _mm_crc32_u64(value, word_at<std::uint64_t>(at));
    }
    auto narrow = static_cast<std::uint32_t>(value);
    if ((left & 4U) != 0) {
        narrow = _mm_crc32_u32(narrow, word_at<std::uint32_t>(at));
        at += 4;
    }
    if ((left & 2U) != 0) {
        narrow = _mm_crc32_u16(narrow, word_at<std::uint16_t>(at));
        at += 2;
    }
    if ((left & 1U) != 0) {
        narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
    }
    return ~narrow;
}

const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
std::uint32_t by_instruction(std::string_view bytes, std::uint32_t crc) noexcept {
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint32_t value = ~crc;
    for (; left >= 8; at += 8, left -= 8) {
        value = __crc32cd(value, word_at<std::uint64_t>(at));
    }
    for (; left > 0; ++at, --left) {
        value = __crc32cb(value, static_cast<unsigned char>(*at));
    }
    return ~value;
}

constexpr bool has_instruction = true;
#else
std::uint32_t by_instruction(std::string_view bytes, std::uint32_t crc) noexcept {
    return crc32c_by_table(bytes, crc);
}

constexpr bool has_instruction = false;
#endif

}  // namespace

std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t crc) noexcept {
    crc = ~crc;
    for (const char c : bytes) {
        crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xffU] ^ crc >> 8U;
    }
    return ~crc;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) noexcept {
    return has_instruction ? by_instruction(bytes, crc) : crc32c_by_table(bytes, crc);
}

}  // namespace muster::mesh
