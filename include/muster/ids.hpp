#pragma once

/// @file
/// Values that cannot be mixed up: who a member is, and the tokens that fence it.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

/// A `Rep` that stands for one kind of thing.
/// Threads: a plain value, like `Rep`.
template <class Tag, class Rep>
class strong {
public:
    constexpr strong() = default;
    constexpr explicit strong(Rep value) : value_{std::move(value)} {}

    [[nodiscard]] constexpr const Rep& value() const noexcept { return value_; }

    friend constexpr auto operator<=>(const strong&, const strong&) = default;

private:
    Rep value_{};
};

/// Fencing token of an ownership. Every acquire of a partition carries a larger one than all
/// before it, also when the same member gets the partition back; compare with `<` in any store.
/// Made as cluster incarnation * 2^56 + plan number. 0 is never given.
using fence_token = strong<struct fence_token_tag, std::int64_t>;

/// Fences a leader, as `fence_token` fences an owner. Each new leader holds a larger one.
using leader_epoch = strong<struct leader_epoch_tag, std::int64_t>;

/// One incarnation of a member: 128 random bits drawn for each session, never reused.
///
/// What survives a restart is the member's name, a plain string.
/// Threads: a plain value.
class member_id {
public:
    constexpr member_id() = default;
    constexpr member_id(std::uint64_t high, std::uint64_t low) : high_{high}, low_{low} {}

    /// 32 hexadecimal digits, as znodes and journals write it.
    [[nodiscard]] std::string text() const;
    /// The first 8 of them, as people read it.
    [[nodiscard]] std::string brief() const;
    /// Nothing unless `text` is exactly 32 lower-case hexadecimal digits.
    [[nodiscard]] static std::optional<member_id> parse(std::string_view text);

    [[nodiscard]] constexpr std::uint64_t high() const noexcept { return high_; }
    [[nodiscard]] constexpr std::uint64_t low() const noexcept { return low_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return high_ == 0 && low_ == 0; }

    friend constexpr auto operator<=>(const member_id&, const member_id&) = default;

private:
    std::uint64_t high_ = 0;
    std::uint64_t low_ = 0;
};

}  // namespace muster

template <>
struct std::hash<muster::member_id> {
    std::size_t operator()(const muster::member_id& id) const noexcept {
        return static_cast<std::size_t>(id.high() ^ id.low());
    }
};
