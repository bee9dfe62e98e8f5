#include "mesh/frame.hpp"

#include "mesh/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace muster::mesh {
namespace {

template <class Number>
Number little_endian(Number value) {
    return std::endian::native == std::endian::little ? value : std::byteswap(value);
}

template <class Number>
void put(char* at, Number value) {
    value = little_endian(value);
    std::memcpy(at, &value, sizeof value);
}

template <class Number>
Number get(const char* at) {
    Number value;
    std::memcpy(&value, at, sizeof value);
    return little_endian(value);
}

constexpr std::size_t checksum_at = 16;

}  // namespace

void append_frame(std::string& out,
                  frame_type type,
                  std::uint64_t id,
                  std::string_view body,
                  std::string_view lead,
                  std::uint8_t flags) {
    const std::size_t start = out.size();
    const std::size_t length = lead.size() + body.size();
    const std::size_t size = start + header_size + length;
    // The size that the operation is told is the capacity in GCC 12's library.
    out.resize_and_overwrite(size, [&](char* data, std::size_t) {
        char* at = data + start;
        // By whole words, and the body's checksum from where it comes from: bytes read back right
        // after narrower writes wait for them.
        put(at,
            std::uint64_t{length} | std::uint64_t{static_cast<std::uint8_t>(type)} << 32U |
                std::uint64_t{flags} << 40U);
        put(at + 8, id);
        char* content = at + header_size;
        if (!lead.empty()) {
            std::memcpy(content, lead.data(), lead.size());
        }
        if (!body.empty()) {
            std::memcpy(content + lead.size(), body.data(), body.size());
        }
        put(at + checksum_at, crc32c(body, crc32c(lead, crc32c({at, checksum_at}))));
        return size;
    });
}

posted note_of(std::uint8_t type, std::string_view body) noexcept {
    posted one{.type = type, .note = {}};
    if (body.size() >= one.note.size()) {
        std::memcpy(one.note.data(), body.data(), one.note.size());
    } else if (!body.empty()) {
        std::memcpy(one.note.data(), body.data(), body.size());
    }
    return one;
}

parse_outcome parse_frame(std::string_view input, std::size_t max_body, frame& into) {
    if (input.size() < header_size) {
        // What is wrong already need not wait for the rest.
        if (input.size() >= 4 && get<std::uint32_t>(input.data()) > max_body) {
            return {parsed::broken, 0, "a frame longer than allowed"};
        }
        return {parsed::partial, header_size, nullptr};
    }
    const char* at = input.data();
    const std::size_t length = get<std::uint32_t>(at);
    const auto flags = static_cast<std::uint8_t>(at[5]);
    if (length > max_body) {
        return {parsed::broken, 0, "a frame longer than allowed"};
    }
    if ((flags & ~flag_optional) != 0 || get<std::uint16_t>(at + 6) != 0) {
        return {parsed::broken, 0, "reserved bits are set"};
    }
    const std::size_t size = header_size + length;
    if (input.size() < size) {
        return {parsed::partial, size, nullptr};
    }
    const std::string_view body = input.substr(header_size, length);
    if (get<std::uint32_t>(at + checksum_at) != crc32c(body, crc32c({at, checksum_at}))) {
        return {parsed::broken, 0, "a wrong checksum"};
    }
    into = {static_cast<frame_type>(at[4]), flags, get<std::uint64_t>(at + 8), body};
    return {parsed::whole, size, nullptr};
}

errc code_named(std::string_view name) noexcept {
    for (int i = 0; i <= static_cast<int>(errc::closed); ++i) {
        if (name_of(static_cast<errc>(i)) == name) {
            return static_cast<errc>(i);
        }
    }
    return errc::incompatible;
}

}  // namespace muster::mesh
