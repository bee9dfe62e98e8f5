#pragma once

/// @file
/// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, as in RFC 3720 appendix B.4).

#include <cstdint>
#include <string_view>

namespace muster::mesh {

/// Continues `crc` (0 at the start) over `bytes`, with the processor's instruction where it has
/// one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0) noexcept;

/// The same from a table: what processors without the instruction use.
[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t crc = 0) noexcept;

}  // namespace muster::mesh
