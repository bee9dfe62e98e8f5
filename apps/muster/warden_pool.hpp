#pragma once

/// @file
/// Runs commands below wardens (apps/warden), and reads what they print.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

/// One command to run.
struct launch {
    std::vector<std::string> command;      ///< argument vector
    std::vector<std::string> environment;  ///< "NAME=value", besides our own
    std::string prefix;                    ///< of each line it prints; read only where `captured`
    bool captured = true;  ///< its output goes to `lines`; else it has our stdout and stderr
};

/// How a command ended.
struct run_end {
    bool by_itself = true;  ///< false: its warden was killed; nothing else is known
    int status = 0;         ///< as of waitpid

    [[nodiscard]] bool was_fine() const;     ///< exit 0
    [[nodiscard]] int exit_code() const;     ///< its own, or 128 + n for a signal
    [[nodiscard]] std::string text() const;  ///< "exit code 3", "signal 9"
};

/// Wardens, and one thread that waits for their reports.
///
/// Threads: any; `ended` and `lines` are called on the thread of the pool.
/// Lifetime: the destructor kills what still runs and waits for it.
class warden_pool {
public:
    using number = std::uint64_t;

    /// `lines` takes each whole line of output, prefix and line break included.
    explicit warden_pool(std::function<void(std::string_view)> lines);
    ~warden_pool();
    warden_pool(const warden_pool&) = delete;
    warden_pool& operator=(const warden_pool&) = delete;

    /// Starts `what`, to be killed at `lease_end` unless that is extended. `ended` is called once,
    /// after the last process of its group has been reaped.
    /// Errors: unavailable (no warden beside this program, no process to be had).
    result<number> start(const launch& what, instant lease_end, callback<run_end> ended);
    void extend(number which, instant lease_end);
    /// SIGTERM now, SIGKILL at `kill_at`.
    void stop(number which, instant kill_at);

private:
    class state;
    std::unique_ptr<state> state_;
};

}  // namespace muster::cli
