#pragma once

/// @file
/// The processes of the demo: started beside this program, and never left behind.

#include "muster/error.hpp"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace muster::cli {

/// A program and the lines it prints. It dies with the thread that started it, whatever happens to
/// this process, and is killed by the destructor.
///
/// Threads:  one; the lines are told on a thread of their own.
/// Lifetime: after the destructor, or `wait` with a result, nothing is told any more.
class demo_child {
public:
    struct order {
        std::string program;                              ///< a path
        std::vector<std::string> words;                   ///< without the program's name
        std::string folder;                               ///< where it runs
        std::string log;                                  ///< a file its stderr is appended to
        std::function<void(std::string_view line)> told;  ///< each line of its stdout
    };
    /// Errors: unavailable (it could not be started).
    [[nodiscard]] static result<std::unique_ptr<demo_child>> start(order what);
    ~demo_child();
    demo_child(const demo_child&) = delete;
    demo_child& operator=(const demo_child&) = delete;

    void signal(int number) const;
    /// Its exit code, or 128 + the signal's number; nothing: it still runs.
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds patience);

private:
    demo_child(pid_t pid, int lines, std::function<void(std::string_view)> told);
    void read_lines(const std::function<void(std::string_view)>& told) const;

    pid_t pid_;
    int lines_;
    std::optional<int> ended_;
    std::thread reader_;
};

}  // namespace muster::cli
