#pragma once

/// @file
/// The machine's package log, /var/log/dpkg.log and what was rotated away, as dated records.
///
/// Each line begins with a local time stamp. Its record's key is that stamp and the line's number
/// within the second, `2024-05-02T14:03:59.0007`, so the key begins with the name of the partition
/// it belongs to and keys sort as the log does. The partitions are days; where the log has fewer
/// than three days, hours; where it has fewer than three hours, minutes.

#include "muster/error.hpp"

#include "records.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// One line of the log. Views into the line it was read from.
struct log_line {
    std::string_view day;     ///< `2024-05-02`
    std::string_view time;    ///< `14:03:59`
    std::string_view action;  ///< `install`, `upgrade`, `configure`, `status`, `startup`, …
    std::string_view rest;    ///< What the action is about.
};

/// Nothing where `line` is not a line of a package log.
[[nodiscard]] std::optional<log_line> parse_log_line(std::string_view line);

/// The value of a line's record, for example
/// `{"at":"2024-05-02T14:03:59","action":"install","package":"bash","architecture":"amd64",
/// "old":"<none>","new":"5.2.15-2+b7"}`.
[[nodiscard]] std::string log_json(const log_line& one);

/// Numbers the lines within their seconds, and cuts the whole into partitions.
/// Threads: one thread at a time.
class log_collector {
public:
    void add(std::string_view line);

    [[nodiscard]] std::size_t size() const { return records_.size(); }
    [[nodiscard]] std::size_t ignored() const { return ignored_; }

    /// The coarsest step that gives three partitions, or minutes.
    [[nodiscard]] date_step step() const;

    /// The records, in the order of their keys, cut by `step()`.
    [[nodiscard]] std::vector<dated_record> take();

private:
    std::vector<record> records_;
    std::map<std::string, std::size_t> lines_in_;  ///< By second: clocks are set back at times.
    std::size_t ignored_ = 0;
};

/// The dated records, and where they came from.
struct log_import {
    std::vector<dated_record> records;  ///< In the order of their keys, each key once.
    std::vector<std::string> files;     ///< Those that were read, the oldest first.
    date_step step = date_step::day;
    std::vector<std::string> partitions;  ///< Their names, the oldest first.
};

/// `path` and what logrotate made of it (`path.1`, `path.2.gz`, …), the oldest first.
[[nodiscard]] std::vector<std::string> log_files(const std::string& path);

/// Reads the log and its older parts, the compressed ones through zcat.
/// Blocks: until they are read. Errors: not_found (no log, or nothing in it; the text says why).
[[nodiscard]] muster::result<log_import> read_package_log(
    const std::string& path = "/var/log/dpkg.log");

}  // namespace party_grid
