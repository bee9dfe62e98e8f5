#pragma once

/// @file
/// What a message is made of, in words that programs without its type understand: names of fields
/// and kinds of values, as JSON (docs/format/shapes.md). Nobody writes the names down: the compiler
/// tells them in the signature of a function whose argument is the address of the field.

#include "muster/detail/message_codec.hpp"
#include "muster/detail/type_name.hpp"
#include "muster/message.hpp"
#include "muster/pid.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace muster::detail {

/// Has an address and no value: nothing is ever made of it.
template <class T>
union placeless {
    char none;
    T value;
    constexpr placeless() : none{} {}
    constexpr ~placeless() {}
};
template <class T>
inline placeless<T> nowhere;  // tidy: allow(global) because nobody can reach the value

template <class T>
struct pointed_at {
    T where;
};

/// "… Where = …{(& nowhere<…>.placeless<…>::value.shop::put::key)}]" (GCC),
/// "… [Where = …{&nowhere.value.key}]" (clang).
template <auto Where>
constexpr const char* field_signature() {
    return __PRETTY_FUNCTION__;
}

constexpr bool is_name_character(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// The name of the field `Index` of an aggregate, as the program spells it.
template <class Struct, std::size_t Index>
constexpr std::string_view field_name() {
    using field = std::remove_reference_t<
        std::tuple_element_t<Index, decltype(tie_fields(nowhere<Struct>.value))>>;
    std::string_view text =
        field_signature<pointed_at<field*>{&std::get<Index>(tie_fields(nowhere<Struct>.value))}>();
    while (!text.empty() && !is_name_character(text.back())) {
        text.remove_suffix(1);
    }
    std::size_t begin = text.size();
    while (begin > 0 && is_name_character(text[begin - 1])) {
        --begin;
    }
    return text.substr(begin);
}

/// Types whose fields are being described: one that holds itself refers to its name.
using open_shapes = std::vector<std::string_view>;

template <class T>
void append_shape(std::string& out, open_shapes& open);

template <class... Parts>
void append_shapes(std::string& out, open_shapes& open, std::type_identity<std::tuple<Parts...>>) {
    out += '[';
    [[maybe_unused]] std::size_t number = 0;
    ((out += number++ == 0 ? "" : ",", append_shape<std::remove_cvref_t<Parts>>(out, open)), ...);
    out += ']';
}

template <class Struct, std::size_t... Index>
void append_fields(std::string& out, open_shapes& open, std::index_sequence<Index...>) {
    using fields = decltype(tie_fields(std::declval<Struct&>()));
    ((out += Index == 0 ? "[\"" : ",[\"",
      out += field_name<Struct, Index>(),
      out += "\",",
      append_shape<std::remove_reference_t<std::tuple_element_t<Index, fields>>>(out, open),
      out += ']'),
     ...);
}

template <class Struct>
void append_struct(std::string& out, open_shapes& open) {
    const std::string_view name = compiler_name<Struct>();
    for (std::size_t i = 0; i < open.size(); ++i) {
        if (open[i] == name) {
            // So many structs further out.
            out += "{\"outer\":" + std::to_string(open.size() - 1 - i) + '}';
            return;
        }
    }
    open.push_back(name);
    out += "{\"fields\":[";
    append_fields<Struct>(out, open, std::make_index_sequence<field_count<Struct>()>{});
    out += "]}";
    open.pop_back();
}

template <class T, class = void>
struct parts_of;
template <class... Parts>
struct parts_of<std::variant<Parts...>> : std::type_identity<std::tuple<Parts...>> {};
template <class... Parts>
struct parts_of<std::tuple<Parts...>> : std::type_identity<std::tuple<Parts...>> {};
template <class First, class Second>
struct parts_of<std::pair<First, Second>> : std::type_identity<std::tuple<First, Second>> {};
template <class T, std::size_t N>
struct parts_of<std::array<T, N>> {
    template <std::size_t... Index>
    static std::tuple<std::conditional_t<Index == N, void, T>...> repeat(
        std::index_sequence<Index...>);
    using type = decltype(repeat(std::make_index_sequence<N>{}));
};

/// In the order in which `write_value` tells them apart.
template <class T>
void append_shape(std::string& out, open_shapes& open) {
    if constexpr (std::is_same_v<T, pid>) {
        out += "\"pid\"";
    } else if constexpr (has_codec<T>) {
        out += "\"cbor\"";
    } else if constexpr (std::is_same_v<T, bool>) {
        out += "\"bool\"";
    } else if constexpr (std::is_integral_v<T>) {
        out += std::is_signed_v<T> ? "\"int\"" : "\"uint\"";
    } else if constexpr (std::is_enum_v<T>) {
        append_shape<std::underlying_type_t<T>>(out, open);
    } else if constexpr (std::is_floating_point_v<T>) {
        out += "\"real\"";
    } else if constexpr (std::is_same_v<T, std::string>) {
        out += "\"text\"";
    } else if constexpr (std::is_same_v<T, member_id>) {
        out += "\"id\"";
    } else if constexpr (std::is_same_v<T, std::monostate>) {
        out += "\"null\"";
    } else if constexpr (is_a<T, strong>) {
        append_shape<std::remove_cvref_t<decltype(std::declval<T>().value())>>(out, open);
    } else if constexpr (is_a<T, std::chrono::duration>) {
        append_shape<typename T::rep>(out, open);
    } else if constexpr (is_a<T, std::chrono::time_point>) {
        append_shape<typename T::rep>(out, open);
    } else if constexpr (is_a<T, std::optional>) {
        out += is_nullable<typename T::value_type> ? "{\"boxed\":" : "{\"optional\":";
        append_shape<typename T::value_type>(out, open);
        out += '}';
    } else if constexpr (is_a<T, std::variant>) {
        out += "{\"variant\":";
        append_shapes(out, open, std::type_identity<typename parts_of<T>::type>{});
        out += '}';
    } else if constexpr (byte_container<T>) {
        out += "\"bytes\"";
    } else if constexpr (is_a<T, std::pair> || is_a<T, std::tuple> || is_std_array<T>) {
        out += "{\"tuple\":";
        append_shapes(out, open, std::type_identity<typename parts_of<T>::type>{});
        out += '}';
    } else if constexpr (map_like<T>) {
        out += "{\"map\":";
        append_shapes(
            out,
            open,
            std::type_identity<std::tuple<typename T::key_type, typename T::mapped_type>>{});
        out += '}';
    } else if constexpr (container<T>) {
        out += "{\"list\":";
        append_shape<typename T::value_type>(out, open);
        out += '}';
    } else {
        append_struct<T>(out, open);
    }
}

/// {"type":"shop::put","body":…,"reply":…}; without "reply" where it has none, null where that is
/// void.
template <class T>
void describe_message(std::string& out) {
    open_shapes open;
    out += "{\"type\":\"";
    out += wire_name_of<T>();
    out += "\",\"body\":";
    append_shape<T>(out, open);
    if constexpr (requires { typename T::reply; }) {
        out += ",\"reply\":";
        if constexpr (std::is_void_v<typename T::reply>) {
            out += "null";
        } else {
            append_shape<typename T::reply>(out, open);
        }
    }
    out += '}';
}

/// The JSON array of what these say.
inline std::string describe_all(std::initializer_list<void (*)(std::string&)> messages) {
    std::string out{'['};
    for (const auto describe : messages) {
        out += out.size() == 1 ? "" : ",";
        describe(out);
    }
    return out += ']';
}

/// Asked of a partition instead of a request: answered with what it takes.
inline constexpr std::string_view shapes_type = "muster.shapes/1";

}  // namespace muster::detail
