#pragma once

/// @file
/// Lines out of files and out of other programs' output, one at a time.

#include "muster/error.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// Gets each line without its end of line; the view is valid during the call.
using on_line = std::function<void(std::string_view line)>;

inline constexpr std::size_t longest_line = 1U << 20U;  ///< What exceeds it is cut off.

/// Cuts bytes into lines.
/// Threads: one thread at a time.
class line_cutter {
public:
    explicit line_cutter(on_line sink) : sink_{std::move(sink)} {}

    /// Takes the next bytes, wherever they were cut.
    void feed(std::string_view bytes);

    /// The input has ended: a last line without an end of line is a line too.
    void finish();

private:
    void keep(std::string_view part);

    on_line sink_;
    std::string begun_;
};

/// Reads a file.
/// Blocks: until its end. Errors: not_found (or unreadable), unavailable (broke off).
[[nodiscard]] muster::result<void> read_file_lines(const std::string& path, const on_line& sink);

/// Runs a program, found along PATH and without a shell, and reads what it prints to the end. Its
/// standard input is empty, its complaints go where ours go.
///
/// Blocks: until it has ended.
/// Errors: not_found (no such program), unavailable (it ended with an error, which the text says).
[[nodiscard]] muster::result<void> read_program_lines(const std::vector<std::string>& command,
                                                      const on_line& sink);

}  // namespace party_grid
