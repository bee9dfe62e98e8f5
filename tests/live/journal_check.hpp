#pragma once

/// @file
/// Judges the journals of agents: no two owners at once, and fences that only grow
/// (docs/format/journal.md). Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::live {

/// What one process wrote, and what is known of its end.
struct journal_text {
    std::string process;  ///< for people
    std::string text;     ///< a last line without its end is not looked at: it is being written
    /// CLOCK_BOOTTIME nanoseconds by which the process was dead, where it was.
    std::optional<std::int64_t> died{};
};

/// From an acquire to its end.
struct tenure {
    std::string process;
    std::string member;
    std::string id;
    std::int64_t fence = 0;  ///< of leadership: the epoch
    std::int64_t from = 0;
    std::optional<std::int64_t> until{};  ///< nothing: goes on
    std::string ended_by{};               ///< release, revoke, death, loss
};

/// A step of a process's lifecycle.
struct step {
    std::int64_t t = 0;
    std::string id;
    std::string to;
};

struct journal_verdict {
    /// The promises that were not kept, and lines that say nothing; empty is good.
    std::vector<std::string> broken;
    /// By "resource/partition" ("#slot" behind it for a copy), in order of their beginning.
    std::map<std::string, std::vector<tenure>> held;
    std::vector<tenure> led;
    std::map<std::string, std::vector<step>> steps;  ///< by process

    /// What goes on now; of two that overlap, both.
    [[nodiscard]] std::multimap<std::string, tenure> owned() const;
    /// "", or how the process is called that leads now.
    [[nodiscard]] std::string leader() const;
    /// The last state of a process, "" before the first.
    [[nodiscard]] std::string state(const std::string& process) const;
    [[nodiscard]] std::string text() const;  ///< the broken promises, a line each
};

struct journal_rules {
    /// Somebody deleted the leader's place in the succession: until its next heartbeat it cannot
    /// know, and what it writes meanwhile fails whole. Its claim to lead may overlap the next.
    bool leaders_may_overlap = false;
    /// Processes whose session a stranger ended: until they hear of it only fences protect, so
    /// what they hold may overlap with what comes after it.
    std::set<std::string> robbed{};
};

/// Every text is of one process. Errors: none; what cannot be read is a broken promise.
[[nodiscard]] journal_verdict check_journals(const std::vector<journal_text>& texts,
                                             const journal_rules& rules = {});

}  // namespace muster::live
