#pragma once

/// @file
/// Whole nodes that ask each other by key while members come, go and fail, drawn from one seed;
/// each call is followed from the question to its end, and to each time that it ran.
///
/// What is checked:
///   S2  no call on a partition runs under a smaller fence than one before it
///   S4  the plan by which calls are routed never goes back
///   S5  every call ends by its deadline; one that was answered ran once; one whose error says
///       `wait` or `stop` never ran; one whose outcome is unknown ran once at most; where members
///       only come and leave in order, no call fails
///   X2  who reads sees what was written last, by whichever owner

#include "base/instant.hpp"

#include <cstdint>
#include <string>

namespace muster::simulation {

/// Whether members only come and go in order, or fail as well.
enum class weather : std::uint8_t { fair, foul };

/// Owners that do wrong, to show that it would be noticed.
enum class bad_owner : std::uint8_t {
    none,
    runs_twice,     ///< a call is done, and done again
    forgets,        ///< an owner begins with what its forerunner began with
    answers_early,  ///< says that it is done, and does nothing
};

struct call_storm_options {
    std::uint64_t seed = 1;
    weather how = weather::foul;
    duration lasts{};
    bad_owner wrong = bad_owner::none;
};

struct call_storm_result {
    std::string violation;  ///< the first broken promise, or ""
    std::string report;     ///< with what led to it
    std::uint64_t calls = 0;
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;  ///< ended by an error that says `wait` or `stop`
    std::uint64_t unknown = 0;
    std::uint64_t moves = 0;  ///< acquires after the first of each partition
};

[[nodiscard]] call_storm_result run_call_storm(const call_storm_options& options);

}  // namespace muster::simulation
