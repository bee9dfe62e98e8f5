#pragma once

/// @file
/// A simulated loop: a list of work, and the event that lets its first piece happen.

#include "runtime/sim/fabric.hpp"

#include <memory>
#include <string>
#include <utility>

namespace muster::runtime::sim {

/// A piece of work that can stand in line on one loop. Embedded in what it works for, so that
/// lining up allocates nothing.
class work {
public:
    work() = default;
    work(const work&) = delete;
    work& operator=(const work&) = delete;

    virtual void run() = 0;
    /// The loop ended before its turn came.
    virtual void discard() {}
    [[nodiscard]] bool is_queued() const noexcept { return queued_; }

protected:
    ~work() = default;

private:
    friend class loop_core;
    work* previous_ = nullptr;
    work* next_ = nullptr;
    bool queued_ = false;
};

/// Something on a loop that holds a handler; the loop's end makes it drop the handler.
class tenant {
public:
    explicit tenant(loop_core& home);
    tenant(const tenant&) = delete;
    tenant& operator=(const tenant&) = delete;

    virtual void abandon() = 0;
    /// The host's clock changed its rate.
    virtual void clock_changed() {}

protected:
    ~tenant();
    loop_core& home_;

private:
    friend class loop_core;
    void leave();
    tenant* previous_ = nullptr;
    tenant* next_ = nullptr;
    bool listed_ = false;
};

class loop_core final : public event, public std::enable_shared_from_this<loop_core> {
public:
    loop_core(std::shared_ptr<process_core> owner, std::string name);
    ~loop_core();

    void post(task_fn task);
    void enqueue(work& what);
    void withdraw(work& what);
    void stop();
    [[nodiscard]] bool has_stopped() const { return stopped_; }
    [[nodiscard]] bool is_current() const noexcept { return world().current == this; }

    /// One piece of work.
    void happen() override;
    /// Gets a turn if there is work and the process may run.
    void wake();
    void sleep();
    void clock_changed();

    [[nodiscard]] process_core& owner() const { return *owner_; }
    [[nodiscard]] fabric& world() const { return owner_->home(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] instant now() const noexcept { return owner_->now(); }

private:
    friend class tenant;

    const std::shared_ptr<process_core> owner_;
    const std::string name_;
    work* first_ = nullptr;
    work* last_ = nullptr;
    tenant* tenants_ = nullptr;
    bool stopped_ = false;
};

/// The timer of a room, or a deadline inside this one.
class timer_core final : public event, public work, public tenant {
public:
    using tenant::tenant;
    ~timer_core() { cancel(); }

    void set(instant when, task_fn fire);
    void cancel();
    [[nodiscard]] bool is_pending() const { return event::is_set() || is_queued(); }

    void happen() override;
    void run() override;
    void abandon() override { cancel(); }
    void clock_changed() override;

private:
    instant when_ = never;
    task_fn fire_;
};

/// A `loop` as its users hold it.
class sim_loop final : public loop {
public:
    explicit sim_loop(std::shared_ptr<loop_core> core) : core_{std::move(core)} {}
    ~sim_loop() override { core_->stop(); }

    [[nodiscard]] instant now() const noexcept override { return core_->now(); }
    [[nodiscard]] std::int64_t unix_ms() const noexcept override {
        return core_->owner().unix_ms();
    }
    void post(task_fn task) override { core_->post(std::move(task)); }
    void defer(task_fn task) override;
    [[nodiscard]] bool is_current() const noexcept override { return core_->is_current(); }
    [[nodiscard]] std::unique_ptr<timer> make_timer() override;
    [[nodiscard]] std::unique_ptr<operation> connect(
        const endpoint& to,
        instant deadline,
        callback<result<std::unique_ptr<stream>>> done) override;
    [[nodiscard]] result<std::unique_ptr<listener>> listen(
        const endpoint& at,
        std::function<void(std::unique_ptr<stream>)> accepted,
        std::function<std::shared_ptr<loop>()> place) override;
    [[nodiscard]] std::unique_ptr<operation> resolve(
        const host_port& name,
        instant deadline,
        callback<result<std::vector<endpoint>>> done) override;
    void random_bytes(std::span<std::byte> into) override;
    void stop() override { core_->stop(); }

    [[nodiscard]] const std::shared_ptr<loop_core>& core() const { return core_; }

private:
    const std::shared_ptr<loop_core>& here() const;
    const std::shared_ptr<loop_core> core_;
};

}  // namespace muster::runtime::sim
