#pragma once

/// @file
/// The hash that maps keys to partitions: part of the stored format ("hash":"xxh64/1").

#include <cstdint>
#include <string_view>

namespace muster::base {

/// XXH64 with seed 0.
[[nodiscard]] std::uint64_t xxh64(std::string_view bytes) noexcept;

/// floor(hash * partitions / 2^64): doubling the number splits each partition in two.
[[nodiscard]] constexpr std::uint32_t hash_slot(std::uint64_t hash,
                                                std::uint32_t partitions) noexcept {
    const std::uint64_t low = (hash & 0xffffffffU) * partitions;
    const std::uint64_t high = (hash >> 32U) * partitions;
    return static_cast<std::uint32_t>((high + (low >> 32U)) >> 32U);
}

}  // namespace muster::base
