#pragma once

/// @file
/// Takes plain structs apart into their fields, without macros: how many initialisers the braces of
/// a type accept says how many fields it has, and structured bindings of that number reach them.

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace muster::detail {

inline constexpr std::size_t max_fields = 32;

/// Converts to the type of any field, in expressions that are never evaluated.
template <class Struct>
struct any_field {
    // Not to the struct itself: `Struct{any}` would then be a copy.
    template <class Field>
        requires(!std::is_same_v<std::remove_cvref_t<Field>, Struct>)
    operator Field() const {  // NOLINT(google-explicit-constructor)
        __builtin_unreachable();
    }
};

/// Converts to base classes of `Struct` alone, which can only be the first thing in its braces.
template <class Struct>
struct any_base {
    template <class Base>
        requires(std::is_base_of_v<Base, Struct> && !std::is_same_v<Base, Struct>)
    operator Base() const {  // NOLINT(google-explicit-constructor)
        __builtin_unreachable();
    }
};

template <class Struct, std::size_t>
using any_at = any_field<Struct>;

// Whether `Struct{before..., {}, after...}` is well-formed.
template <class Struct, std::size_t... Before, std::size_t... After>
constexpr bool takes_gap(std::index_sequence<Before...>, std::index_sequence<After...>) {
    return requires { Struct{any_at<Struct, Before>{}..., {}, any_at<Struct, After>{}...}; };
}

template <class Struct, std::size_t... Some>
constexpr bool takes(std::index_sequence<Some...>) {
    return requires { Struct{any_at<Struct, Some>{}...}; };
}

// One more than `max_fields` means: more than that. Counted from above, since a field without a
// default value makes the short forms ill-formed.
template <class Struct, std::size_t N>
constexpr std::size_t count_initialisers() {
    if constexpr (N == 0 || takes<Struct>(std::make_index_sequence<N>{})) {
        return N;
    } else {
        return count_initialisers<Struct, N - 1>();
    }
}

// How many initialisers the field that the one at `Index` starts takes up, out of `Total`: more
// than one for a C array, whose inner braces may be left out.
template <class Struct, std::size_t Index, std::size_t Total, std::size_t Width = 1>
constexpr std::size_t width_of_field() {
    if constexpr (Index + Width >= Total ||
                  takes_gap<Struct>(std::make_index_sequence<Index>{},
                                    std::make_index_sequence<Total - Index - Width>{})) {
        return Width;
    } else {
        return width_of_field<Struct, Index, Total, Width + 1>();
    }
}

template <class Struct, std::size_t Total, std::size_t Index = 0>
constexpr std::size_t count_fields() {
    if constexpr (Index >= Total) {
        return 0;
    } else {
        return 1 + count_fields<Struct, Total, Index + width_of_field<Struct, Index, Total>()>();
    }
}

/// The number of fields of an aggregate. C arrays count as one.
template <class Struct>
constexpr std::size_t field_count() {
    static_assert(std::is_aggregate_v<Struct>,
                  "a message is a plain struct: no constructors, private or virtual parts");
    static_assert(std::is_default_constructible_v<Struct>,
                  "a message must be default constructible: it holds no references, and every "
                  "field can be made without arguments");
    static_assert(!takes<Struct>(std::make_index_sequence<max_fields + 1>{}),
                  "a message has at most 32 fields; group some in a struct of their own");
    static_assert(!requires { Struct{any_base<Struct>{}}; },
                  "a message has no base classes; make the base its first field");
    return count_fields<Struct, count_initialisers<Struct, max_fields>()>();
}

/// References to the `N` fields of `of`, in order.
template <std::size_t N, class Struct>
constexpr auto tie_fields(Struct& of) {  // tidy: allow(function) because a case a count is a table
    static_assert(N <= max_fields);
    if constexpr (N == 0) {
        return std::tuple<>{};
    } else if constexpr (N == 1) {
        auto& [f0] = of;
        return std::tie(f0);
    } else if constexpr (N == 2) {
        auto& [f0, f1] = of;
        return std::tie(f0, f1);
    } else if constexpr (N == 3) {
        auto& [f0, f1, f2] = of;
        return std::tie(f0, f1, f2);
    } else if constexpr (N == 4) {
        auto& [f0, f1, f2, f3] = of;
        return std::tie(f0, f1, f2, f3);
    } else if constexpr (N == 5) {
        auto& [f0, f1, f2, f3, f4] = of;
        return std::tie(f0, f1, f2, f3, f4);
    } else if constexpr (N == 6) {
        auto& [f0, f1, f2, f3, f4, f5] = of;
        return std::tie(f0, f1, f2, f3, f4, f5);
    } else if constexpr (N == 7) {
        auto& [f0, f1, f2, f3, f4, f5, f6] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6);
    } else if constexpr (N == 8) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7);
    } else if constexpr (N == 9) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8);
    } else if constexpr (N == 10) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9);
    } else if constexpr (N == 11) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10);
    } else if constexpr (N == 12) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11);
    } else if constexpr (N == 13) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12);
    } else if constexpr (N == 14) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13);
    } else if constexpr (N == 15) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14);
    } else if constexpr (N == 16) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15);
    } else if constexpr (N == 17) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16);
    } else if constexpr (N == 18) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17);
    } else if constexpr (N == 19) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18);
    } else if constexpr (N == 20) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19);
    } else if constexpr (N == 21) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20);
    } else if constexpr (N == 22) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21);
    } else if constexpr (N == 23) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22);
    } else if constexpr (N == 24) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23);
    } else if constexpr (N == 25) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24);
    } else if constexpr (N == 26) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25);
    } else if constexpr (N == 27) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25, f26] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26);
    } else if constexpr (N == 28) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25, f26, f27] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27);
    } else if constexpr (N == 29) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28);
    } else if constexpr (N == 30) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29);
    } else if constexpr (N == 31) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                        f30);
    } else if constexpr (N == 32) {
        auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
               f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31] = of;
        return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                        f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                        f30, f31);
    }
}

template <class Struct>
constexpr auto tie_fields(Struct& of) {  // tidy: allow(function) because a case a count is a table
    return tie_fields<field_count<std::remove_const_t<Struct>>()>(of);
}

}  // namespace muster::detail
