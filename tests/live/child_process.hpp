#pragma once

/// @file
/// A program as a process of its own, for tests.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace muster::live {

/// CLOCK_BOOTTIME in nanoseconds, the time of the journals.
[[nodiscard]] std::int64_t boot_time();

/// Ends with this object, and with the test whatever happens to that.
/// Threads: one at a time, and the one that started it must outlive the process.
class child_process {
public:
    /// What it prints is appended to `log`; what it prints on stderr to `errors`, if that is given.
    child_process(const std::vector<std::string>& words,
                  std::filesystem::path log,
                  const std::filesystem::path& errors = {});
    ~child_process();
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void kill();       ///< SIGKILL, and waits for its end
    void pause();      ///< SIGSTOP, and waits until it stands
    void resume();     ///< SIGCONT
    void terminate();  ///< SIGTERM
    void interrupt();  ///< SIGINT
    /// The exit code, 128 + n for a signal, once it has ended by itself or otherwise.
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds limit);
    [[nodiscard]] bool is_paused() const noexcept { return paused_; }
    /// When it was known to be dead.
    [[nodiscard]] std::optional<std::int64_t> died() const noexcept { return died_; }
    [[nodiscard]] std::string printed() const;

private:
    void ended(int status);

    std::filesystem::path log_;
    pid_t pid_ = -1;
    bool paused_ = false;
    std::optional<int> code_;
    std::optional<std::int64_t> died_;
};

}  // namespace muster::live
