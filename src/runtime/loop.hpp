#pragma once

/// @file
/// The one door to time, network, randomness and threads. Two implementations stand behind it:
/// `real.hpp` (Boost.Asio, CLOCK_BOOTTIME) and `sim/world.hpp` (virtual time, in-memory network).

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "runtime/endpoint.hpp"
#include "runtime/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::runtime {

/// Reads CLOCK_BOOTTIME, or virtual time.
/// Threads: any.
class clock {
public:
    virtual ~clock() = default;
    [[nodiscard]] virtual instant now() const noexcept = 0;
    /// Wall time in milliseconds since 1970, for display only: never decide by it.
    [[nodiscard]] virtual std::int64_t unix_ms() const noexcept = 0;
};

/// An event loop: tasks posted to it run one after another, in the order posted.
///
/// Threads: `post`, `is_current`, `now` and `random_*` from any thread; all else on the loop only.
/// Lifetime: held by `shared_ptr`; `stop()` ends it.
class loop : public clock {
public:
    /// Runs `task` later, never inside this call. After `stop()` it is dropped, unrun.
    virtual void post(task_fn task) = 0;

    /// Runs `task` once what is ready now has been handled: the place to flush what several
    /// handlers gathered. Loop only.
    virtual void defer(task_fn task) = 0;

    /// Whether the caller runs on this loop.
    [[nodiscard]] virtual bool is_current() const noexcept = 0;

    [[nodiscard]] virtual std::unique_ptr<timer> make_timer() = 0;

    /// Connects, or fails by `deadline`.
    /// Errors: unavailable ("connection refused", …), timed_out.
    [[nodiscard]] virtual std::unique_ptr<operation> connect(
        const endpoint& to, instant deadline, callback<result<std::unique_ptr<stream>>> done) = 0;

    /// Listens at `at` (port 0 picks one) and calls `accepted` for each connection.
    ///
    /// With `place`, each accepted stream belongs to the loop that `place` returns, and `accepted`
    /// runs there; else both belong to this loop.
    /// Errors: unavailable (address in use, not an address of this host, …).
    [[nodiscard]] virtual result<std::unique_ptr<listener>> listen(
        const endpoint& at,
        std::function<void(std::unique_ptr<stream>)> accepted,
        std::function<std::shared_ptr<loop>()> place = {}) = 0;

    /// Looks a host name up without holding up the loop; numeric addresses answer at once (still
    /// through the loop). At least one endpoint, in the resolver's order.
    /// Errors: unavailable (no such host, resolver down), timed_out.
    [[nodiscard]] virtual std::unique_ptr<operation> resolve(
        const host_port& name, instant deadline, callback<result<std::vector<endpoint>>> done) = 0;

    /// Fills `into` from the system's cryptographic source (simulated: from the seed).
    virtual void random_bytes(std::span<std::byte> into) = 0;
    [[nodiscard]] std::uint64_t random_u64();
    /// Uniform in [0, bound); bound > 0.
    [[nodiscard]] std::uint64_t random_below(std::uint64_t bound);

    /// No task runs after it returns. On another thread it waits for the running one to end; on
    /// the loop itself the running task is the last one.
    virtual void stop() = 0;
};

/// Lets one thread wait for an event of another.
class gate {
public:
    virtual ~gate() = default;
    /// Opens for good. Any thread.
    virtual void open() = 0;
    /// Whether it was open by `deadline`. Not on a loop. In the simulator this runs the world.
    virtual bool wait(instant deadline) = 0;
};

/// A machine, or a simulated one: where loops, threads and facts about the host come from.
/// Threads: any.
class platform : public clock {
public:
    /// A new loop with a thread of its own; `name` shows in debuggers (at most 15 bytes).
    [[nodiscard]] virtual std::shared_ptr<loop> make_loop(std::string name) = 0;

    /// Runs `job` on a thread that may block. Jobs left at the end are waited for.
    virtual void run_blocking(task_fn job) = 0;
    /// The same, but never behind jobs of `run_blocking`, however many of those hang: for what must
    /// go on all the same, such as the end of a partition.
    virtual void run_aside(task_fn job) { run_blocking(std::move(job)); }

    [[nodiscard]] virtual std::unique_ptr<gate> make_gate() = 0;

    [[nodiscard]] virtual std::string host_name() const = 0;
    [[nodiscard]] virtual std::string boot_id() const = 0;
    [[nodiscard]] virtual std::int64_t process_number() const = 0;
    [[nodiscard]] virtual unsigned cores() const = 0;

    /// Ends this process at once, saying why (`on_stuck` = abort). In the simulator the host dies.
    virtual void abort_process(std::string_view why) = 0;
};

}  // namespace muster::runtime
