#pragma once

/// @file
/// The inside of a simulated world: its queue of events, its clock, its hosts and their processes.

#include "runtime/due_heap.hpp"
#include "runtime/sim/random.hpp"
#include "runtime/sim/world.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster::runtime::sim {

class connection;
class listener_core;
class loop_core;
class process_core;

/// Something that happens in the world at an instant.
class event : public due_node {
public:
    event() = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    virtual void happen() = 0;

protected:
    ~event() = default;
};

/// The way from one host to another.
struct link {
    duration least{};
    duration most{};
    bool is_cut = false;
};

/// A clock that may run fast or slow against the world's.
class drifting_clock {
public:
    explicit drifting_clock(instant start) : world_base_{start}, local_base_{start} {}

    [[nodiscard]] instant local(instant world) const noexcept;
    /// The first instant of the world at which this clock shows `local` or later.
    [[nodiscard]] instant world(instant local) const noexcept;
    void set_drift(instant world_now, std::int64_t ppm);

private:
    instant world_base_;
    instant local_base_;
    std::int64_t ppm_ = 0;
};

/// A machine: what is left when its process dies.
struct machine {
    machine(std::string its_name, std::string its_address, instant start)
        : name{std::move(its_name)}, address{std::move(its_address)}, clock{start} {}

    std::string name;
    std::string address;
    drifting_clock clock;
    std::shared_ptr<process_core> process;
    std::int64_t incarnations = 0;
    std::map<std::uint16_t, listener_core*> listeners;
    std::uint16_t next_port = 32768;
    duration resolver_delay = 1ms;
    bool refuses = false;
};

/// Threads: one.
class fabric : public std::enable_shared_from_this<fabric> {
public:
    fabric(std::uint64_t seed, options chosen);
    ~fabric();
    fabric(const fabric&) = delete;
    fabric& operator=(const fabric&) = delete;

    // --- Events ---
    void schedule(event& what, instant when);
    void unschedule(event& what);
    bool run_one();
    /// Lets one event happen if it is due by `deadline`; else the clock goes there, and false.
    bool run_one_by(instant deadline);
    [[nodiscard]] instant now() const noexcept { return now_; }
    /// Keeps `what` until the running event has ended: destroying it may lead anywhere.
    template <class T>
    void bury(T what) {
        if constexpr (std::is_same_v<T, task_fn>) {
            graves_.push_back(std::move(what));
        } else {
            graves_.emplace_back([what = std::move(what)] {});
        }
        clear_graves();
    }
    /// While one stands, the buried stay as if an event were running.
    class wake_keeping {
    public:
        explicit wake_keeping(fabric& home) : home_{home} { ++home_.depth_; }
        ~wake_keeping() {
            --home_.depth_;
            home_.clear_graves();
        }
        wake_keeping(const wake_keeping&) = delete;
        wake_keeping& operator=(const wake_keeping&) = delete;

    private:
        fabric& home_;
    };

    // --- Machines and the network ---
    std::size_t add_machine(std::string name);
    [[nodiscard]] machine& at(std::size_t index) { return *machines_[index]; }
    [[nodiscard]] const machine& at(std::size_t index) const { return *machines_[index]; }
    [[nodiscard]] std::size_t machine_count() const noexcept { return machines_.size(); }
    /// Which machine an address or a name means, seen from machine `from`; npos: none.
    [[nodiscard]] std::size_t find_address(std::string_view address, std::size_t from) const;
    [[nodiscard]] std::size_t find_name(std::string_view name) const;
    static constexpr std::size_t npos = static_cast<std::size_t>(-1);

    [[nodiscard]] link& way(std::size_t from, std::size_t to) { return links_[from][to]; }
    [[nodiscard]] duration draw_delay(std::size_t from, std::size_t to);
    [[nodiscard]] duration draw_below(duration bound);
    void cut(std::size_t from, std::size_t to);
    void heal(std::size_t from, std::size_t to);
    void break_connections(std::size_t a, std::size_t b);

    void enlist(connection& what);
    void delist(connection& what);

    void kill(std::size_t index, std::string_view how);
    void restart(std::size_t index);
    void shut_down();

    [[nodiscard]] verdict judge(std::size_t from, std::size_t to, const packet_info& what);
    [[nodiscard]] bool judges() const noexcept { return filter_ || !lose_next_.empty(); }

    // --- The trace ---
    [[nodiscard]] bool is_tracing() const noexcept { return options_.trace; }
    void note(std::size_t machine_index, std::string_view what, std::string_view more = {});
    [[nodiscard]] const std::string& trace() const noexcept { return trace_; }

    [[nodiscard]] const options& chosen() const noexcept { return options_; }
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    [[nodiscard]] generator& dice() noexcept { return dice_; }
    [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

    const loop_core* current = nullptr;  ///< The loop whose task is running.
    std::function<verdict(const packet_info&)> filter_;
    std::vector<std::pair<std::size_t, std::size_t>> lose_next_;

private:
    void clear_graves();

    const std::uint64_t seed_;
    const options options_;
    instant now_;
    generator dice_;
    due_heap queue_;
    std::uint64_t events_ = 0;
    int depth_ = 0;  ///< Of events inside events: a blocking job may wait, and so run the world.
    std::vector<task_fn> graves_;
    std::vector<std::unique_ptr<machine>> machines_;
    std::vector<std::vector<link>> links_;
    std::vector<connection*> connections_;  ///< By order of birth.
    std::string trace_;
};

/// One life of a machine's program. What a dead one asks for is ignored.
class process_core final : public platform, public std::enable_shared_from_this<process_core> {
public:
    process_core(std::shared_ptr<fabric> home, std::size_t index, std::int64_t number);
    ~process_core() override;

    [[nodiscard]] instant now() const noexcept override;
    [[nodiscard]] std::int64_t unix_ms() const noexcept override;
    [[nodiscard]] std::shared_ptr<loop> make_loop(std::string name) override;
    void run_blocking(task_fn job) override;
    [[nodiscard]] std::unique_ptr<gate> make_gate() override;
    [[nodiscard]] std::string host_name() const override;
    [[nodiscard]] std::string boot_id() const override;
    [[nodiscard]] std::int64_t process_number() const override { return number_; }
    [[nodiscard]] unsigned cores() const override { return 2; }
    void abort_process(std::string_view why) override;

    [[nodiscard]] fabric& home() const { return *home_; }
    [[nodiscard]] machine& host() const { return home_->at(index_); }
    [[nodiscard]] std::size_t index() const { return index_; }
    [[nodiscard]] bool is_alive() const { return alive_; }
    [[nodiscard]] bool is_paused() const { return paused_; }
    [[nodiscard]] bool may_run() const { return alive_ && !paused_; }
    [[nodiscard]] generator& dice() { return dice_; }

    void die();
    void pause();
    void resume();
    /// After the clock's rate has changed.
    void reset_timers();

    void enlist(loop_core& what) { loops_.push_back(&what); }
    void delist(loop_core& what) { std::erase(loops_, &what); }

private:
    class job;

    const std::shared_ptr<fabric> home_;
    const std::size_t index_;
    const std::int64_t number_;
    generator dice_;
    bool alive_ = true;
    bool paused_ = false;
    std::vector<loop_core*> loops_;  ///< By order of birth.
    std::vector<std::unique_ptr<job>> jobs_;
};

}  // namespace muster::runtime::sim
