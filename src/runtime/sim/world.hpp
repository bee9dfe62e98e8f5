#pragma once

/// @file
/// A deterministic world: hosts, clocks, a network and its faults, all on one thread.
///
/// The code under test is the real code; only what stands behind `runtime::platform` differs. A
/// world holds one queue of events, ordered by virtual time and then by the order in which they
/// were scheduled. Running the world takes the earliest, sets the clock to it and lets it happen:
///
///     handler --post, set, write, connect--> queue --earliest first--> handler --> ...
///
/// Nothing else moves time, so an idle hour costs nothing, and every choice that a real machine
/// leaves open (how long a packet travels, which of two loops runs first) is drawn from one seeded
/// generator. The same seed gives the same run, byte for byte, on every machine: replay a failure
/// by its seed.
///
/// What is modelled. A host has one process at a time, with loops, and a kernel that outlives it:
/// the kernel of a paused or killed host still answers the network. A connection is two ordered
/// pipes. A cut is one-way and silent: bytes sent into it are held back, as TCP would send them
/// again, and arrive after `heal` if the connection still stands; connecting through it ends at
/// the deadline. Acknowledgements travel the other way and are held back likewise, so a user
/// timeout breaks a connection whose bytes arrived but whose acknowledgements did not. A reset
/// into a cut is lost, so the other end stays half open until it sends something.
///
/// Two things go wrong when a simulator is written, and both are handled in one place each. Order
/// must never come from addresses in memory or from a standard library's distributions: hosts,
/// connections and timers are kept in lists by order of birth, and the generator is our own. And a
/// killed host must fall silent at once while the objects of its program still stand: everything
/// it asks of the world afterwards is ignored, and what its handlers held is released after the
/// running event, not under its feet.
///
/// Not modelled: bandwidth, a bounded accept queue, several processes on one host (add a host).

#include "runtime/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::runtime::sim {

class fabric;
class world;

struct options {
    duration min_delay = 100us;  ///< One way between two hosts.
    duration max_delay = 500us;
    duration loopback_delay = 15us;     ///< One way within a host.
    duration max_jitter = 20us;         ///< Between a loop's having work and its starting on it.
    duration task_cost = 1us;           ///< What each task takes of its loop's time.
    duration max_retransmit = 200ms;    ///< Until held-back bytes set out again after a heal.
    std::size_t send_buffer = 262'144;  ///< Bytes written and not yet read, for each direction.
    instant start = instant{10'000s};   ///< What every host's clock shows first.
    std::int64_t unix_ms = 1'767'225'600'000;  ///< The wall time at the start: 2026-01-01.
    bool trace = false;
};

/// Bytes about to be handed to the receiving host.
struct packet_info {
    std::string_view from;  ///< Names of hosts.
    std::string_view to;
    endpoint source;
    endpoint destination;
    std::string_view bytes;
};

/// What a filter decides about a packet.
enum class verdict : std::uint8_t {
    deliver,
    break_before,  ///< The bytes are lost, and both ends learn that the connection broke.
    break_after,   ///< The bytes arrive, then the same.
};

/// A simulated machine, and the process that runs on it now.
///
/// As a `platform` it stands for its present process. Objects that may outlive a `kill()` should
/// hold `process()` instead: of a dead process nothing is ever heard.
/// Threads: the one that drives the world.
/// Lifetime: the world's.
class host final : public platform {
public:
    host(std::shared_ptr<fabric> home, std::size_t index);
    ~host() override;

    [[nodiscard]] const std::string& name() const;
    /// "10.0.0.N", for the Nth host added; `name()` resolves to it, from every host.
    [[nodiscard]] const std::string& address() const;
    /// The running process; after `kill()` and before `restart()`, the dead one.
    [[nodiscard]] std::shared_ptr<platform> process() const;

    /// SIGKILL: loops, timers and handlers vanish, and each peer gets a reset after the delay.
    void kill();
    /// Starts a new process, after killing the old one if it still runs.
    void restart();
    [[nodiscard]] bool is_alive() const;

    /// SIGSTOP: nothing runs, events queue up, clock and kernel go on.
    void pause();
    /// SIGCONT.
    void resume();
    [[nodiscard]] bool is_paused() const;

    /// From here on incoming connections are refused, as by a firewall that answers.
    void refuse_connects();
    void accept_connects();

    /// How long a look-up of a name takes from here on (1 ms at first).
    void set_resolver_delay(duration delay);

    /// From here on this host's clock gains `ppm` microseconds each second (may be negative).
    void set_clock_drift(std::int64_t ppm);

    [[nodiscard]] instant now() const noexcept override;
    [[nodiscard]] std::int64_t unix_ms() const noexcept override;
    [[nodiscard]] std::shared_ptr<loop> make_loop(std::string loop_name) override;
    /// The job is an event of its own, on no loop.
    void run_blocking(task_fn job) override;
    /// Its `wait` runs the world: on the driving thread, or inside a `run_blocking` job.
    [[nodiscard]] std::unique_ptr<gate> make_gate() override;
    [[nodiscard]] std::string host_name() const override;
    [[nodiscard]] std::string boot_id() const override;
    [[nodiscard]] std::int64_t process_number() const override;
    [[nodiscard]] unsigned cores() const override;
    void abort_process(std::string_view why) override;

private:
    friend class world;
    const std::shared_ptr<fabric> fabric_;
    const std::size_t index_;
};

/// Threads: one.
/// Lifetime: its end kills all hosts; objects of their programs may be destroyed later.
class world {
public:
    explicit world(std::uint64_t seed, options chosen = {});
    ~world();
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// A new host with a running process. Names are unique.
    host& add_host(std::string name);

    /// The world's own clock; a host's differs only after `set_clock_drift`.
    [[nodiscard]] instant now() const noexcept;

    /// Lets the next event happen; false if there is none.
    bool run_one();
    /// Lets everything until `until`, included, happen; then `now()` is `until`.
    void run_until(instant until);
    void run_for(duration how_long) { run_until(now() + how_long); }
    /// Runs until `reached()`, asked after each event, or until `deadline`: whether it was reached.
    bool run_until(const std::function<bool()>& reached, instant deadline);
    /// How many events have happened.
    [[nodiscard]] std::uint64_t events() const noexcept;

    /// Drops everything on the way from one host to another, silently, from here on.
    void cut(const host& from, const host& to);
    void heal(const host& from, const host& to);
    /// Both ways between `one` and every other host.
    void isolate(const host& one);
    /// Heals every cut.
    void heal();
    /// Resets the connections between two hosts, now, at both ends.
    void break_connections(const host& a, const host& b);

    /// One-way delay between two hosts from here on.
    void set_delay(const host& from, const host& to, duration least, duration most);

    /// Asked before each delivery of bytes; an empty function delivers all.
    void set_filter(std::function<verdict(const packet_info&)> filter);
    /// The next bytes from one host to another are lost, and their connection breaks.
    void lose_next_reply(const host& from, const host& to);

    /// A line of the caller's in the trace.
    void note(const host& at, std::string_view text);
    /// One line per event: nanoseconds since the start, host, what. Empty unless asked for.
    [[nodiscard]] const std::string& trace() const noexcept;

    /// A number in [0, bound) from the world's generator, for tests that make their own choices.
    [[nodiscard]] std::uint64_t random_below(std::uint64_t bound);

private:
    const std::shared_ptr<fabric> fabric_;
    std::vector<std::unique_ptr<host>> hosts_;
};

}  // namespace muster::runtime::sim
