#pragma once

/// @file
/// The steady load of the demo: callers that read and write records over HTTP at every member, and
/// check what they are told.

#include "party_grid/front_lines.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace muster::cli {

/// What the callers have seen. A call is one read or write until its deadline, however often it
/// had to be repeated on the way.
struct load_figures {
    std::uint64_t calls = 0;
    std::uint64_t failed = 0;  ///< ended in an error
    std::uint64_t wrong = 0;   ///< reads that were answered by another value than the last written
    std::uint64_t repeated = 0;  ///< attempts beyond the first
    double longest_ms = 0;
    std::string example;  ///< of what failed, or ""
};

/// Each caller has records of its own, so it knows what each must be: the value it wrote last.
///
/// Threads:  one; the callers run on threads of their own.
/// Lifetime: `lines` belong to the callers until `stop` has returned; they hold the newest
///           acknowledged values then.
/// Blocks:   `stop`, until the running calls have ended.
class demo_load {
public:
    demo_load(std::vector<std::string> members, std::vector<party_grid::batch_line>& lines);
    ~demo_load();
    demo_load(const demo_load&) = delete;
    demo_load& operator=(const demo_load&) = delete;

    void start();
    void stop();
    [[nodiscard]] load_figures figures() const;

private:
    struct caller;
    void run(caller& mine);

    std::vector<std::string> members_;
    std::vector<party_grid::batch_line>& lines_;
    std::vector<std::unique_ptr<caller>> callers_;
    std::atomic<bool> stopping_{false};
};

inline constexpr std::size_t demo_callers = 12;

}  // namespace muster::cli
