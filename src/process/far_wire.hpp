#pragma once

/// @file
/// What processes of different lives say to each other. Part of the wire format: docs/format.

#include "muster/pid.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace muster::process_detail {

/// Before each message, asked or sent: to whom, from whom, and the name of its type.
///
///     | to: index, generation | from: index, generation | life addressed | name's length | name |
///       4      4                4      4                  16               2
///
/// Little-endian. The first 32 bytes are the note by which a sender knows what is not confirmed.
struct address_line {
    static constexpr std::size_t fixed_size = 34;

    std::uint32_t to_index = 0;
    std::uint32_t to_generation = 0;
    std::uint32_t from_index = 0;
    std::uint32_t from_generation = 0;
    member_id life;
    std::string_view type;

    friend bool operator==(const address_line&, const address_line&) = default;

    void append_to(std::string& out) const;
    /// Nothing: it is none. `rest` is what follows it.
    [[nodiscard]] static std::optional<address_line> read(std::string_view bytes,
                                                          std::string_view& rest);
    /// As far as a note goes: without the type.
    [[nodiscard]] static address_line read_note(std::string_view note);
};

/// The first byte of a request of the mesh that is for processes; an ask of a partition begins with
/// that of a CBOR array.
inline constexpr char ask_mark = '\x01';
inline constexpr char call_mark = '\x02';

enum class call_kind : std::uint8_t {
    monitor,
    link,
    spawn,
    writable,    ///< answered when its mailbox is at most half full
    check_link,  ///< whether a link that was made is still there
    shapes       ///< what it takes
};

/// A request about a process: answered with a `far_state`, but for `shapes`, which is answered with
/// JSON.
struct far_call {
    static constexpr std::string_view wire_name = "muster.call/1";
    call_kind kind{};
    member_id life{};  ///< addressed
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    std::uint32_t from_index = 0;
    std::uint32_t from_generation = 0;
    std::uint64_t number = 0;  ///< monitor: the watcher's
    std::string text{};        ///< spawn: the factory
    std::string arguments{};   ///< spawn
};

struct far_state {
    static constexpr std::string_view wire_name = "muster.state/1";
    bool alive = false;
    std::uint64_t number = 0;  ///< monitor: as `demonitor` names it; check_link: 1 if it is there
    std::uint32_t index = 0;   ///< spawn: the new process
    std::uint32_t generation = 0;
};

enum class signal_kind : std::uint8_t {
    down,
    demonitor,
    unlink,
    exit,
    link_exit,
    kill,
    undelivered
};

/// One way, in the order of the messages between the two nodes.
struct far_signal {
    static constexpr std::string_view wire_name = "muster.signal/1";
    signal_kind kind{};
    member_id life{};  ///< addressed
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    std::uint32_t from_index = 0;
    std::uint32_t from_generation = 0;
    std::uint64_t number = 0;  ///< down, demonitor: of the monitor; undelivered: how many
    ending how = ending::exited;
    std::string text{};
};

}  // namespace muster::process_detail
