#pragma once

/// @file
/// The address of a process: a value to print, compare, keep, and send inside messages.

#include "muster/detail/short_text.hpp"
#include "muster/ids.hpp"
#include "muster/message.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

/// Names one life of one process of one life of a member; never given again.
/// Threads: a plain value.
class pid {
public:
    /// Nobody.
    pid() = default;
    pid(member_id life, detail::short_text name, std::uint32_t index, std::uint32_t generation)
        : life_{life}, name_{std::move(name)}, index_{index}, generation_{generation} {}

    /// The life of the member it runs on; the member's name.
    [[nodiscard]] const member_id& life() const noexcept { return life_; }
    [[nodiscard]] std::string member() const { return std::string{name_.view()}; }
    /// The place in its member's table, and which user of that place it is, from 1 on.
    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
    [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
    /// Whether this is nobody's.
    [[nodiscard]] bool empty() const noexcept { return generation_ == 0; }

    /// `<member name>/<index>.<generation>@<first 8 digits of the life>`.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const pid& a, const pid& b) noexcept {
        return a.index_ == b.index_ && a.generation_ == b.generation_ && a.life_ == b.life_;
    }
    friend std::strong_ordering operator<=>(const pid& a, const pid& b) noexcept {
        if (const auto lives = a.life_ <=> b.life_; lives != 0) {
            return lives;
        }
        if (const auto places = a.index_ <=> b.index_; places != 0) {
            return places;
        }
        return a.generation_ <=> b.generation_;
    }

private:
    member_id life_;
    detail::short_text name_;
    std::uint32_t index_ = 0;
    std::uint32_t generation_ = 0;
};

/// A pid in a message: [name, life, index, generation].
template <>
struct codec<pid> {
    static void write(cbor_writer& out, const pid& value) {
        out.begin_array(4);
        out.write_string(value.member());
        detail::write_value(out, value.life());
        out.write_uint(value.index());
        out.write_uint(value.generation());
    }
    static bool read(cbor_reader& in, pid& value) {
        std::size_t items = 0;
        std::string_view name;
        member_id life;
        std::uint32_t index = 0;
        std::uint32_t generation = 0;
        if (!in.begin_array(items) || (items != 4 && !in.fail("expected the 4 parts of a pid")) ||
            !in.read_string(name) || !detail::read_value(in, life) ||
            !detail::read_value(in, index) || !detail::read_value(in, generation)) {
            return false;
        }
        in.end_array();
        value = pid{life, name, index, generation};
        return true;
    }
};

/// How a process ended, as its monitors hear it.
enum class ending : std::uint8_t {
    exited,      ///< It returned (no text), or an exit signal ended it (its text).
    crashed,     ///< An exception left it.
    killed,      ///< `kill`.
    no_process,  ///< There was none when it was asked about: ended before, or never there.
    node_lost,   ///< Its member's life has ended.
    unreachable  ///< Its member cannot be reached; it may still run.
};

/// Why a process ended.
struct exit_reason {
    ending how = ending::exited;
    std::string text;

    /// It returned: no accident.
    [[nodiscard]] bool normal() const noexcept { return how == ending::exited && text.empty(); }
    friend bool operator==(const exit_reason&, const exit_reason&) = default;
};

/// The one notice in which a monitor ends.
struct down {
    pid who;
    exit_reason why;
    std::uint64_t monitor = 0;  ///< What `self::monitor` returned.
};

/// A linked process has ended, or another one sent an exit signal: comes as a message to those that
/// `trap_exits`.
struct exit_signal {
    pid who;
    exit_reason why;
};

/// Messages that were accepted and then lost, because the process ended before it took them. One
/// notice for each destination until it is taken. An empty `to` stands for further destinations,
/// for a name that could not be looked up, or for the global that is named.
struct undelivered {
    pid to;
    std::uint64_t count = 0;
    /// The name of the `global` that was sent to: nobody came for it (`to` is empty), or the
    /// process that it was then ended (`to`).
    std::string global{};
};

}  // namespace muster

template <>
struct std::hash<muster::pid> {
    std::size_t operator()(const muster::pid& of) const noexcept {
        const std::uint64_t place = (std::uint64_t{of.generation()} << 32U) | of.index();
        return std::hash<muster::member_id>{}(of.life()) ^
               static_cast<std::size_t>(place * 0x9e37'79b9'7f4a'7c15U);
    }
};
