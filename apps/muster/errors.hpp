#pragma once

/// @file
/// Everything that `muster` can complain of, in one table: the code, what it means, what to do.
///
/// The first two digits of a code are its group, after what the caller does next:
/// 01 the answer is no, 02 wait, 03 look first, 04 start over, 05 give way, 06 fix the call,
/// 07 stop.

#include "muster/error.hpp"

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::cli {

/// How `muster` ends. A contract: scripts compare these numbers.
enum class exit_code : int {
    done = 0,         ///< or healthy
    no = 1,           ///< the condition does not hold, or the cluster says no
    usage = 2,        ///< the command line, or the configuration, is wrong
    unreachable = 3,  ///< ZooKeeper, or the node, could not be reached
    timed_out = 4,
    refused = 5,        ///< read-only, or the credentials
    conflict = 6,       ///< the plan, or a specification, is another
    own_failure = 125,  ///< `elect`: a failure of muster's own after the command was started
    interrupted = 130,
};

/// One row of the table.
struct known_error {
    std::string_view code;  ///< "MUS0203"
    exit_code exit;
    std::string_view title;    ///< what it means, in a sentence
    std::string_view explain;  ///< why it happens and what to do, in a paragraph or two
};

/// The table, ordered by code.
[[nodiscard]] std::span<const known_error> known_errors() noexcept;
/// Null where there is no such code; "mus0203" and "0203" find it too.
[[nodiscard]] const known_error* find_error(std::string_view code);

/// A complaint: what failed, where, the likely reason, the next step.
struct failure {
    std::string_view code;                                   ///< of the table
    std::string message;                                     ///< what failed
    std::vector<std::pair<std::string, std::string>> facts;  ///< "tried", "from", "likely"
    std::string hint;                                        ///< what to do next
};

[[nodiscard]] exit_code exit_of(const failure& what);

/// For an error of a room: its group decides the code.
[[nodiscard]] failure failure_of(const error& what);

/// `error[MUS0203]: …` with its facts, or the JSON form of it in one line.
void print_failure(std::ostream& err, const failure& what, bool as_json, bool colours);

}  // namespace muster::cli
