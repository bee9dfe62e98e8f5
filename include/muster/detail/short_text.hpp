#pragma once

/// @file
/// A text that is copied often and is seldom long.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace muster::detail {

/// Up to 31 bytes lie in the object itself, so that to copy or move it is to copy 32: a pid is in
/// every message, and a `std::string` has half of that room and is copied by a call.
/// Threads: a plain value.
class short_text {
public:
    static constexpr std::size_t most_inside = 31;

    short_text() noexcept = default;
    template <class Text>
        requires(std::is_convertible_v<const Text&, std::string_view> &&
                 !std::is_same_v<Text, short_text>)
    short_text(const Text& text)  // NOLINT(google-explicit-constructor): it is a text
        : short_text{std::in_place, std::string_view{text}} {}
    short_text(const short_text& other) : bytes_{other.bytes_}, size_{other.size_} {
        if (is_long()) {
            hold(new std::string(*other.held()));
        }
    }
    short_text(short_text&& other) noexcept
        : bytes_{other.bytes_}, size_{std::exchange(other.size_, std::uint8_t{0})} {}
    short_text& operator=(const short_text& other) {
        if (this != &other) {
            *this = short_text{other};
        }
        return *this;
    }
    short_text& operator=(short_text&& other) noexcept {
        if (this != &other) {
            let_go();
            bytes_ = other.bytes_;
            size_ = std::exchange(other.size_, std::uint8_t{0});
        }
        return *this;
    }
    ~short_text() { let_go(); }

    [[nodiscard]] std::string_view view() const noexcept {
        return is_long() ? std::string_view{*held()} : std::string_view{bytes_.data(), size_};
    }

private:
    short_text(std::in_place_t /*from*/, std::string_view text) {
        if (text.size() > most_inside) {
            hold(new std::string(text));
            size_ = long_mark;
        } else if (!text.empty()) {
            std::memcpy(bytes_.data(), text.data(), text.size());
            size_ = static_cast<std::uint8_t>(text.size());
        }
    }
    [[nodiscard]] bool is_long() const noexcept { return size_ == long_mark; }
    [[nodiscard]] std::string* held() const noexcept {
        std::string* at = nullptr;
        std::memcpy(&at, bytes_.data(), sizeof at);
        return at;
    }
    void let_go() noexcept {
        if (is_long()) {
            delete held();
        }
    }
    void hold(std::string* at) noexcept { std::memcpy(bytes_.data(), &at, sizeof at); }

    static constexpr std::uint8_t long_mark = 0xff;

    alignas(std::string*) std::array<char, most_inside> bytes_{};
    std::uint8_t size_ = 0;
};

}  // namespace muster::detail
