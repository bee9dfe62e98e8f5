#pragma once

/// @file
/// Messages: plain structs, and the bytes they are between nodes.
///
/// A struct is a CBOR array of its fields in order. Elements beyond the fields a receiver knows are
/// ignored, missing ones keep their default, so a field added at the end breaks nobody. Fields are
/// numbers, bool, strings, enums, std::chrono durations and time points, optional, variant, pair,
/// tuple, array, the standard containers, ids, aggregates of these, and whatever specialises
/// `muster::codec`.

#include "muster/detail/message_codec.hpp"
#include "muster/detail/type_name.hpp"
#include "muster/error.hpp"

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace muster {

/// The name by which a type travels: `T::wire_name` where there is one, else its qualified name
/// (without unnamed namespaces and functions around it).
template <class T>
[[nodiscard]] constexpr std::string_view wire_name_of() {
    if constexpr (requires { std::string_view{T::wire_name}; }) {
        return T::wire_name;
    } else {
        static_assert(std::is_class_v<T> || std::is_enum_v<T>,
                      "compilers spell the names of other types differently");
        static_assert(detail::has_plain_name<T>(),
                      "a template needs `static constexpr std::string_view wire_name`: compilers "
                      "spell its name differently");
        const auto& name = detail::plain_name<T>;
        return {name.text.data(), name.size};
    }
}

/// Appends `value` as CBOR.
template <class T>
void encode_to(std::string& out, const T& value) {
    cbor_writer writer{out};
    detail::write_value(writer, value);
}

/// `value` as CBOR.
template <class T>
[[nodiscard]] std::string encode(const T& value) {
    std::string out;
    encode_to(out, value);
    return out;
}

namespace detail {

/// Reads `value` from all that is left; false where it cannot be, and then the reader says why.
template <class T>
[[nodiscard]] bool read_whole(cbor_reader& reader, T& value) {
    try {
        return read_value(reader, value) &&
               (reader.left() == 0 || reader.fail("bytes after the end"));
    } catch (...) {  // Of a codec of the user's, or memory that is not to be had.
        return reader.fail("what reads it threw");
    }
}

}  // namespace detail

/// Reads one `T` from the whole of `bytes`, which may come from anybody.
/// Errors: incompatible, with the offset and what was expected there.
template <class T>
[[nodiscard]] result<T> decode(std::string_view bytes) {
    cbor_reader reader{bytes};
    result<T> value{std::in_place};
    if (detail::read_whole(reader, *value)) {
        return value;
    }
    return std::unexpected{detail::decode_error(detail::compiler_name<T>(), reader)};
}

}  // namespace muster
