#pragma once

/// @file
/// The records of the party grid, and the two resources they live in.

#include <cstddef>
#include <string>
#include <string_view>

namespace party_grid {

/// What the grid holds: a value under a key.
struct record {
    std::string key;
    std::string value;

    friend bool operator==(const record&, const record&) = default;
};

/// A record of one date. `partition` is a prefix of the key, such as `2024-05-02`, and names the
/// partition of the list resource it belongs to.
struct dated_record {
    std::string partition;
    std::string key;
    std::string value;

    friend bool operator==(const dated_record&, const dated_record&) = default;
};

inline constexpr std::size_t longest_key = 1024;  ///< In bytes.

/// Whether `key` can name a record: 1 to 1024 bytes, no NUL.
[[nodiscard]] inline bool is_key(std::string_view key) {
    return !key.empty() && key.size() <= longest_key && key.find('\0') == std::string_view::npos;
}

/// How finely dated records are cut into partitions.
enum class date_step : unsigned char { day, hour, minute };

/// `2024-05-02`, `2024-05-02T14` or `2024-05-02T14:03`: the start of a time stamp of the form
/// `2024-05-02T14:03:59`. Of a shorter text, what there is of it.
[[nodiscard]] std::string_view date_partition(std::string_view stamp, date_step step);

/// The partition of a dated key where its day is cut by `step`. All partitions of a day have names
/// of one length: a key without a time of day lies at its start, `2024-05-02T00:00`.
[[nodiscard]] std::string home_of(std::string_view key, date_step step);

/// Whether `text` begins like `2024-05-02`, optionally followed by `T14`, `T14:03`, `T14:03:59`
/// and more: the keys of dated records do, and the names of their partitions.
[[nodiscard]] bool is_dated(std::string_view text);

/// Whether `name` is exactly a date partition of some step.
[[nodiscard]] bool is_date_partition(std::string_view name);

/// The step that a date partition's name shows.
[[nodiscard]] date_step step_of(std::string_view partition);

[[nodiscard]] std::string_view name_of(date_step step);  ///< "day", "hour" or "minute"

}  // namespace party_grid
