#pragma once

/// @file
/// The name of a type as the program spells it, the same from every compiler.

#include <array>
#include <cstddef>
#include <string_view>

namespace muster::detail {

/// "[with T = shop::put]" (GCC) or "[T = shop::put]" (clang), with what stands before it.
template <class T>
constexpr const char* signature() {
    return __PRETTY_FUNCTION__;
}

template <class T>
constexpr std::string_view compiler_name() {
    std::string_view text = signature<T>();
    text.remove_prefix(text.find("T = ") + 4);
    text.remove_suffix(text.size() - text.rfind(']'));
    return text;
}

/// Whether the compilers agree on how to write the name of `T`: not for templates.
template <class T>
constexpr bool has_plain_name() {
    return compiler_name<T>().find('<') == std::string_view::npos;
}

struct name_buffer {
    std::array<char, 256> text{};
    std::size_t size = 0;
};

// GCC and clang write unnamed namespaces differently, and only GCC says in which function a local
// type stands: the former, and what leads to the latter, are left out.
template <class T>
constexpr name_buffer make_plain_name() {
    name_buffer name;
    std::string_view rest = compiler_name<T>();
    while (!rest.empty()) {
        std::size_t end = 0;
        for (int depth = 0; end < rest.size(); ++end) {
            const char c = rest[end];
            depth += c == '(' || c == '{' ? 1 : c == ')' || c == '}' ? -1 : 0;
            if (depth == 0 && rest.substr(end, 2) == "::") {
                break;
            }
        }
        const std::string_view step = rest.substr(0, end);
        rest.remove_prefix(end == rest.size() ? end : end + 2);
        if (step.find_first_of("({") != std::string_view::npos) {
            const bool is_namespace = step.find_first_of("({") == 0;
            name.size = is_namespace ? name.size : 0;
            continue;
        }
        if (name.size > 0) {
            name.text[name.size++] = ':';
            name.text[name.size++] = ':';
        }
        for (const char c : step) {
            name.text[name.size++] = c;  // Too long a name does not compile.
        }
    }
    return name;
}

template <class T>
inline constexpr name_buffer plain_name = make_plain_name<T>();

}  // namespace muster::detail
