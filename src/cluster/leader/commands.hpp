#pragma once

/// @file
/// Requests of operators and members to the leader, and their results: the children of `commands`.

#include "muster/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::cluster {

enum class command_kind : std::uint8_t { add_partition, remove_partition, drain, resume };

/// One child of `commands`: what is asked, and once it was done, how it ended.
struct command_record {
    command_kind kind = command_kind::add_partition;
    std::string resource;                 ///< add_partition, remove_partition
    std::string partition;                ///< the same
    std::string member;                   ///< drain, resume: a member's name, or 32 digits of an id
    std::optional<result<void>> outcome;  ///< written by the leader only
    std::int64_t done_unix_ms = 0;
    friend bool operator==(const command_record&, const command_record&) = default;
};

/// "drain" and so on, as stored.
[[nodiscard]] std::string_view name_of(command_kind kind) noexcept;
[[nodiscard]] std::string encode_command(const command_record& what);
/// Errors: incompatible, invalid_argument; the text names `path`.
[[nodiscard]] result<command_record> decode_command(std::string_view json, std::string_view path);

}  // namespace muster::cluster
