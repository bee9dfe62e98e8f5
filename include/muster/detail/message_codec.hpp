#pragma once

/// @file
/// How each kind of field is written and read. See muster/message.hpp.

#include "muster/detail/cbor.hpp"
#include "muster/detail/fields.hpp"
#include "muster/error.hpp"
#include "muster/ids.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster {

/// An encoding of one's own for a type: specialise it with
/// `static void write(cbor_writer&, const T&)` and `static bool read(cbor_reader&, T&)`, which
/// write and consume exactly one CBOR item.
template <class T>
struct codec;

namespace detail {

template <class T>
concept has_codec = requires(cbor_writer& out, cbor_reader& in, T& value) {
    codec<T>::write(out, std::as_const(value));
    { codec<T>::read(in, value) } -> std::same_as<bool>;
};

// --- Kinds of types ----------------------------------------------------------------------------

template <class T, template <class...> class Template>
inline constexpr bool is_a = false;
template <template <class...> class Template, class... Args>
inline constexpr bool is_a<Template<Args...>, Template> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, std::byte> || std::is_same_v<T, unsigned char>;

template <class T>
concept container = requires(T& value, typename T::value_type element) {
    value.begin();
    value.end();
    value.size();
    value.clear();
    value.insert(value.end(), std::move(element));
};

template <class T>
concept map_like = container<T> && requires { typename T::mapped_type; };

template <class T>
concept byte_container = (container<T> || is_std_array<T>) &&
                         requires(T& value) { value.data(); } && is_byte<typename T::value_type>;

/// Whether null is already a value of `T`, so that an optional of it needs an array around it.
template <class T>
inline constexpr bool is_nullable =
    is_a<T, std::optional> || std::is_same_v<T, std::monostate> || has_codec<T>;

/// The name of the type that could not travel shows in the compiler's message.
template <class Field>
struct cannot_travel {
    static_assert(!std::is_pointer_v<Field> && !std::is_member_pointer_v<Field>,
                  "a pointer cannot travel between nodes");
    static_assert(!std::is_array_v<Field>, "a C array cannot travel; use std::array");
    static_assert(!std::is_union_v<Field>, "a union cannot travel; use std::variant");
    static_assert(std::is_pointer_v<Field> || std::is_member_pointer_v<Field> ||
                      std::is_array_v<Field> || std::is_union_v<Field>,
                  "this type cannot travel: it is no aggregate; specialise muster::codec for it");
};

template <class T>
void write_value(cbor_writer& out, const T& value);
template <class T>
[[nodiscard]] bool read_value(cbor_reader& in, T& value);

// --- Numbers -----------------------------------------------------------------------------------

template <std::integral T>
void write_number(cbor_writer& out, T value) {
    if constexpr (std::is_signed_v<T>) {
        out.write_int(value);
    } else {
        out.write_uint(value);
    }
}

template <std::integral T>
[[nodiscard]] bool read_number(cbor_reader& in, T& value) {
    static_assert(sizeof(T) <= 8);
    using wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    wide read = 0;
    if constexpr (std::is_signed_v<T>) {
        if (!in.read_int(read)) {
            return false;
        }
    } else if (!in.read_uint(read)) {
        return false;
    }
    if (read < wide{std::numeric_limits<T>::min()} || read > wide{std::numeric_limits<T>::max()}) {
        return in.fail("a number out of range");
    }
    value = static_cast<T>(read);
    return true;
}

template <std::floating_point T>
[[nodiscard]] bool read_real(cbor_reader& in, T& value) {
    double read = 0;
    if (!in.read_double(read)) {
        return false;
    }
    value = static_cast<T>(read);
    return true;
}

// --- Strings -----------------------------------------------------------------------------------

inline void assign(std::string& to, std::string_view text) {
    if (text.size() > to.capacity()) {
        to = std::string{text};  // Nothing of the old one is to be kept, as `assign` would.
    } else {
        to.assign(text);
    }
}

// --- Things made of others ---------------------------------------------------------------------

template <class Tuple>
void write_tuple(cbor_writer& out, const Tuple& fields) {
    out.begin_array(std::tuple_size_v<Tuple>);
    std::apply([&](const auto&... field) { (write_value(out, field), ...); }, fields);
}

template <class Tuple>
[[nodiscard]] bool read_tuple(cbor_reader& in, Tuple& fields) {
    std::size_t items = 0;
    if (!in.begin_array(items)) {
        return false;
    }
    if (items == std::tuple_size_v<Tuple>) {
        if (!std::apply([&](auto&... field) { return (read_value(in, field) && ...); }, fields)) {
            return false;
        }
        in.end_array();
        return true;
    }
    const auto read_one = [&](auto& field) {
        if (items == 0) {
            return true;  // An older sender: the field keeps its default.
        }
        --items;
        return read_value(in, field);
    };
    if (!std::apply([&](auto&... field) { return (read_one(field) && ...); }, fields)) {
        return false;
    }
    for (; items > 0; --items) {  // A newer sender.
        if (!in.skip()) {
            return false;
        }
    }
    in.end_array();
    return true;
}

template <class T>
void write_container(cbor_writer& out, const T& value) {
    if constexpr (map_like<T>) {
        out.begin_map(value.size());
        for (const auto& [key, mapped] : value) {
            write_value(out, key);
            write_value(out, mapped);
        }
    } else {
        out.begin_array(value.size());
        for (const typename T::value_type& element : value) {
            write_value(out, element);
        }
    }
}

template <class T>
[[nodiscard]] bool read_list(cbor_reader& in, T& value) {
    std::size_t items = 0;
    if (!in.begin_array(items)) {
        return false;
    }
    value.clear();
    if constexpr (requires { value.reserve(items); }) {
        // No more at once than a small message could have caused: the rest grows as it is read.
        value.reserve(std::min<std::size_t>(items, 1024));
    }
    for (; items > 0; --items) {
        typename T::value_type element{};
        if (!in.charge(sizeof element) || !read_value(in, element)) {
            return false;
        }
        value.insert(value.end(), std::move(element));
    }
    in.end_array();
    return true;
}

template <class T>
[[nodiscard]] bool read_map(cbor_reader& in, T& value) {
    std::size_t pairs = 0;
    if (!in.begin_map(pairs)) {
        return false;
    }
    value.clear();
    for (; pairs > 0; --pairs) {
        typename T::key_type key{};
        typename T::mapped_type mapped{};
        if (!in.charge(sizeof key + sizeof mapped) || !read_value(in, key) ||
            !read_value(in, mapped)) {
            return false;
        }
        value.insert({std::move(key), std::move(mapped)});
    }
    in.end_map();
    return true;
}

template <class T>
[[nodiscard]] bool read_byte_container(cbor_reader& in, T& value) {
    std::string_view bytes;
    if (!in.read_bytes(bytes)) {
        return false;
    }
    if constexpr (is_std_array<T>) {
        if (bytes.size() != value.size()) {
            return in.fail("a byte string of another length");
        }
    } else {
        value.resize(bytes.size());
    }
    if (!bytes.empty()) {
        std::memcpy(value.data(), bytes.data(), bytes.size());
    }
    return true;
}

template <class T>
void write_optional(cbor_writer& out, const std::optional<T>& value) {
    if (!value) {
        out.write_null();
        return;
    }
    if constexpr (is_nullable<T>) {
        out.begin_array(1);
    }
    write_value(out, *value);
}

template <class T>
[[nodiscard]] bool read_optional(cbor_reader& in, std::optional<T>& value) {
    if (in.take_null()) {
        value.reset();
        return true;
    }
    if constexpr (is_nullable<T>) {
        auto inside = std::tie(value.emplace());
        return read_tuple(in, inside);
    } else {
        return read_value(in, value.emplace());
    }
}

template <class... Options>
void write_variant(cbor_writer& out, const std::variant<Options...>& value) {
    out.begin_array(2);
    out.write_uint(value.index());
    std::visit([&](const auto& chosen) { write_value(out, chosen); }, value);
}

template <std::size_t Index = 0, class... Options>
[[nodiscard]] bool read_option(cbor_reader& in,
                               std::uint64_t index,
                               std::variant<Options...>& value) {
    if constexpr (Index == sizeof...(Options)) {
        return in.fail("an alternative that this variant does not have");
    } else if (index == Index) {
        return read_value(in, value.template emplace<Index>());
    } else {
        return read_option<Index + 1>(in, index, value);
    }
}

template <class... Options>
[[nodiscard]] bool read_variant(cbor_reader& in, std::variant<Options...>& value) {
    std::size_t items = 0;
    std::uint64_t index = 0;
    if (!in.begin_array(items)) {
        return false;
    }
    if (items != 2) {
        return in.fail("expected an alternative's number and its value");
    }
    if (!in.read_uint(index) || !read_option(in, index, value)) {
        return false;
    }
    in.end_array();
    return true;
}

void write_id(cbor_writer& out, const member_id& id);
[[nodiscard]] bool read_id(cbor_reader& in, member_id& id);

template <class Struct>
void write_struct(cbor_writer& out, const Struct& value) {
    // Not const, so that a bit-field is refused: a reference to a const one would be to a copy.
    write_tuple(out, tie_fields(const_cast<Struct&>(value)));
}

template <class Struct>
[[nodiscard]] bool read_struct(cbor_reader& in, Struct& value) {
    auto fields = tie_fields(value);
    return read_tuple(in, fields);
}

// --- Any value ---------------------------------------------------------------------------------

template <class T>
void write_value(cbor_writer& out, const T& value) {
    if constexpr (has_codec<T>) {
        codec<T>::write(out, value);
    } else if constexpr (std::is_same_v<T, bool>) {
        out.write_bool(value);
    } else if constexpr (std::is_integral_v<T>) {
        write_number(out, value);
    } else if constexpr (std::is_enum_v<T>) {
        write_value(out, static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, float>) {
        out.write_float(value);
    } else if constexpr (std::is_same_v<T, double>) {
        out.write_double(value);
    } else if constexpr (std::is_same_v<T, std::string>) {
        out.write_string(value);
    } else if constexpr (std::is_same_v<T, member_id>) {
        write_id(out, value);
    } else if constexpr (std::is_same_v<T, std::monostate>) {
        out.write_null();
    } else if constexpr (is_a<T, strong>) {
        write_value(out, value.value());
    } else if constexpr (is_a<T, std::chrono::duration>) {
        write_value(out, value.count());
    } else if constexpr (is_a<T, std::chrono::time_point>) {
        write_value(out, value.time_since_epoch());
    } else if constexpr (is_a<T, std::optional>) {
        write_optional(out, value);
    } else if constexpr (is_a<T, std::variant>) {
        write_variant(out, value);
    } else if constexpr (byte_container<T>) {
        out.write_bytes({reinterpret_cast<const char*>(value.data()), value.size()});
    } else if constexpr (is_a<T, std::pair> || is_a<T, std::tuple> || is_std_array<T>) {
        write_tuple(out, value);
    } else if constexpr (container<T>) {
        write_container(out, value);
    } else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>) {
        write_struct(out, value);
    } else {
        static_cast<void>(sizeof(cannot_travel<T>));
    }
}

template <class Rep>
[[nodiscard]] bool read_as(cbor_reader& in, auto& value, auto make) {
    Rep read{};
    if (!read_value(in, read)) {
        return false;
    }
    value = make(std::move(read));
    return true;
}

template <class T>
bool read_value(cbor_reader& in, T& value) {
    if constexpr (has_codec<T>) {
        return codec<T>::read(in, value) || in.fail("refused by its codec");
    } else if constexpr (std::is_same_v<T, bool>) {
        return in.read_bool(value);
    } else if constexpr (std::is_integral_v<T>) {
        return read_number(in, value);
    } else if constexpr (std::is_enum_v<T>) {
        return read_as<std::underlying_type_t<T>>(
            in, value, [](auto read) { return static_cast<T>(read); });
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
        return read_real(in, value);
    } else if constexpr (std::is_same_v<T, std::string>) {
        std::string_view text;
        return in.read_string(text) && (assign(value, text), true);
    } else if constexpr (std::is_same_v<T, member_id>) {
        return read_id(in, value);
    } else if constexpr (std::is_same_v<T, std::monostate>) {
        return in.take_null() || in.fail("expected null");
    } else if constexpr (is_a<T, strong>) {
        return read_as<std::remove_cvref_t<decltype(value.value())>>(
            in, value, [](auto read) { return T{std::move(read)}; });
    } else if constexpr (is_a<T, std::chrono::duration>) {
        return read_as<typename T::rep>(in, value, [](auto read) { return T{read}; });
    } else if constexpr (is_a<T, std::chrono::time_point>) {
        return read_as<typename T::duration>(in, value, [](auto read) { return T{read}; });
    } else if constexpr (is_a<T, std::optional>) {
        return read_optional(in, value);
    } else if constexpr (is_a<T, std::variant>) {
        return read_variant(in, value);
    } else if constexpr (byte_container<T>) {
        return read_byte_container(in, value);
    } else if constexpr (is_a<T, std::pair> || is_a<T, std::tuple> || is_std_array<T>) {
        return read_tuple(in, value);
    } else if constexpr (map_like<T>) {
        return read_map(in, value);
    } else if constexpr (container<T>) {
        return read_list(in, value);
    } else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>) {
        return read_struct(in, value);
    } else {
        return sizeof(cannot_travel<T>) == 0;
    }
}

/// "cannot read a `what`: expected a string at byte 17".
[[nodiscard]] error decode_error(std::string_view what, const cbor_reader& in);

}  // namespace detail
}  // namespace muster
