#include "process/far_wire.hpp"

#include <array>
#include <bit>

namespace muster::process_detail {
namespace {

template <class Number>
void put(char*& at, Number value) {
    if constexpr (std::endian::native == std::endian::big) {
        value = std::byteswap(value);
    }
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
}

template <class Number>
Number take(std::string_view& from) {
    Number value;
    std::memcpy(&value, from.data(), sizeof value);
    from.remove_prefix(sizeof value);
    if constexpr (std::endian::native == std::endian::big) {
        value = std::byteswap(value);
    }
    return value;
}

}  // namespace

void address_line::append_to(std::string& out) const {
    std::array<char, fixed_size> fixed;
    char* at = fixed.data();
    put(at, to_index);
    put(at, to_generation);
    put(at, from_index);
    put(at, from_generation);
    put(at, life.high());
    put(at, life.low());
    put(at, static_cast<std::uint16_t>(type.size()));
    out.append(fixed.data(), fixed.size());
    out.append(type);
}

address_line address_line::read_note(std::string_view note) {
    address_line one;
    one.to_index = take<std::uint32_t>(note);
    one.to_generation = take<std::uint32_t>(note);
    one.from_index = take<std::uint32_t>(note);
    one.from_generation = take<std::uint32_t>(note);
    const auto high = take<std::uint64_t>(note);
    one.life = member_id{high, take<std::uint64_t>(note)};
    return one;
}

std::optional<address_line> address_line::read(std::string_view bytes, std::string_view& rest) {
    if (bytes.size() < fixed_size) {
        return std::nullopt;
    }
    address_line one = read_note(bytes.substr(0, 32));
    bytes.remove_prefix(32);
    const auto length = take<std::uint16_t>(bytes);
    if (bytes.size() < length) {
        return std::nullopt;
    }
    one.type = bytes.substr(0, length);
    rest = bytes.substr(length);
    return one;
}

}  // namespace muster::process_detail
