#pragma once

/// @file
/// Lines to a descriptor that may be blocked for ever, from threads that must not be.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace muster::cli {

/// A queue of bounded size and a thread that writes it out. What finds no place is dropped and
/// counted; the count is told as soon as there is place again.
///
/// Threads: any. Blocks: never, but for the destructor.
/// Lifetime: the destructor waits up to a second for what is queued, then leaves it unwritten.
class line_writer {
public:
    /// `of_dropped` makes the line that tells how many were. `fd` stays open, and is not owned.
    line_writer(int fd, std::function<std::string(std::size_t)> of_dropped);
    ~line_writer();
    line_writer(const line_writer&) = delete;
    line_writer& operator=(const line_writer&) = delete;

    /// Whole lines, line breaks included.
    void write(std::string_view lines);
    /// At most half full: for those who can wait with what they have, so that those who cannot
    /// find a place.
    [[nodiscard]] bool has_room() const;

private:
    struct state;
    static void work(const std::shared_ptr<state>& of);
    std::shared_ptr<state> state_;
    std::thread thread_;
};

}  // namespace muster::cli
