#pragma once

/// @file
/// The machine's real records: its package index, and its package log as dated records.

#include "muster/error.hpp"

#include "front_lines.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace party_grid {

struct import_source {
    std::string packages;  ///< A file of stanzas; "": `apt-cache dumpavail`.
    std::string log = "/var/log/dpkg.log";
    std::size_t limit = 0;  ///< Of packages; 0: all.
};

struct import_records {
    std::vector<batch_line> lines;  ///< Each key once.
    std::size_t packages = 0;
    std::size_t dated = 0;
    std::vector<std::string> dates;  ///< Partitions of `dates`, the oldest first.
    std::string source;              ///< For people: where they came from.
    std::string note;                ///< What is not as usual, or "".
};

/// A machine without a package log has no dated records; the note says so.
/// Blocks: for some seconds. Errors: not_found (no packages).
[[nodiscard]] muster::result<import_records> gather_records(const import_source& from);

}  // namespace party_grid
