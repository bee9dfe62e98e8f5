#pragma once

/// @file
/// Runs commands below wardens (apps/warden), and reads what they print.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"

#include <cstddef>
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
    bool captured = true;  ///< its output goes to the pool's sink; else it has our own two
};

/// Why a command ended.
enum class end_cause : std::uint8_t {
    itself,  ///< before anybody asked it to
    told,    ///< the warden asked, or killed: a stop, or the lease end
    lost,    ///< the warden was killed, and its command with it; nothing else is known
};

/// How a command ended.
struct run_end {
    end_cause cause = end_cause::itself;
    int status = 0;           ///< as of waitpid
    std::size_t remains = 0;  ///< processes of a killed warden that could not be ended

    [[nodiscard]] bool was_fine() const;     ///< exit 0
    [[nodiscard]] int exit_code() const;     ///< its own, or 128 + n for a signal
    [[nodiscard]] std::string text() const;  ///< "exit code 3", "signal 9"
};

/// Where the output of commands goes. Neither function waits.
struct line_sink {
    std::function<void(std::string_view)> write;  ///< whole lines, prefix and line break included
    /// False: commands are not read from, so that they wait, as behind any full pipe.
    std::function<bool()> has_room;
};

/// Wardens, and one thread that waits for their reports.
///
/// Threads: any; `ended` and the sink are called on the thread of the pool.
/// Lifetime: the destructor kills what still runs and waits for it.
class warden_pool {
public:
    using number = std::uint64_t;

    explicit warden_pool(line_sink output);
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
