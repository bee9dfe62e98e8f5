#pragma once

/// @file
/// One event loop of production: an io_context, its thread, its timers and its task queue.
///
/// Tasks do not go through Asio one by one: they gather in a queue behind one mutex, and the first
/// into an empty queue wakes the loop. A batch is run in one go; what it posts makes the next
/// batch, behind the input that became ready meanwhile.

#include "runtime/due_heap.hpp"
#include "runtime/loop.hpp"
#include "runtime/real_resolver.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::runtime::real {

[[nodiscard]] instant read_boot_clock() noexcept;
[[nodiscard]] std::int64_t read_unix_ms() noexcept;

class loop_core;

/// What a loop calls at an instant.
struct timer_node : due_node {
    task_fn fire;
};

/// Something on a loop that holds a handler. The end of the loop makes it drop the handler, so
/// that no circle of owners survives `stop()`.
/// Threads: its loop; any one thread once the loop has ended.
class attached {
public:
    explicit attached(loop_core& home);
    attached(const attached&) = delete;
    attached& operator=(const attached&) = delete;
    virtual ~attached();

    /// Drops what it holds, calling nothing.
    virtual void abandon() = 0;

protected:
    loop_core& home_;

private:
    friend class loop_core;
    void detach();
    attached* previous_ = nullptr;
    attached* next_ = nullptr;
    bool listed_ = false;
};

/// The part of a loop that lives until its thread has ended.
class loop_core {
public:
    loop_core(std::string name, std::shared_ptr<resolver> names);

    void post(task_fn task);
    void defer(task_fn task);
    [[nodiscard]] bool is_current() const noexcept;
    [[nodiscard]] bool has_stopped() const noexcept { return stopped_; }
    void request_stop();

    /// The body of the thread.
    void run();

    void set_timer(timer_node& node, instant when);
    void cancel_timer(timer_node& node);

    [[nodiscard]] resolver& names() { return *names_; }
    [[nodiscard]] boost::asio::io_context& context() { return context_; }

private:
    friend class attached;

    void arm_drain();
    void drain();
    void flush();
    void arm_timer();
    void await_timer();
    void fire_timers();
    void drop_everything();

    const std::string name_;
    const std::shared_ptr<resolver> names_;

    std::mutex mutex_;
    std::vector<task_fn> incoming_;  // guarded by mutex_
    std::atomic<bool> stopped_{false};

    std::vector<task_fn> running_;
    std::vector<task_fn> deferred_;
    std::vector<task_fn> flushing_;

    due_heap timers_;
    instant armed_ = never;
    attached* first_ = nullptr;

    // Last, so that it goes first: its pending operations reach into what stands above.
    boost::asio::io_context context_{1};
    boost::asio::posix::stream_descriptor alarm_;
};

/// A deadline inside this room; it does not keep the loop alive.
class timer_slot final : public attached {
public:
    using attached::attached;
    ~timer_slot() override { cancel(); }
    void set(instant when, task_fn fire);
    void cancel();
    [[nodiscard]] bool is_set() const noexcept { return node_.is_set(); }
    void abandon() override { cancel(); }

private:
    timer_node node_;
};

class real_timer final : public timer {
public:
    explicit real_timer(std::shared_ptr<loop_core> home) : home_{std::move(home)}, slot_{*home_} {}
    void set(instant when, task_fn fire) override { slot_.set(when, std::move(fire)); }
    void cancel() override { slot_.cancel(); }
    [[nodiscard]] bool is_set() const override { return slot_.is_set(); }

private:
    const std::shared_ptr<loop_core> home_;
    timer_slot slot_;
};

/// A `loop` as its users hold it.
class real_loop final : public loop {
public:
    real_loop(std::string name, std::shared_ptr<resolver> names);
    ~real_loop() override;

    [[nodiscard]] instant now() const noexcept override { return read_boot_clock(); }
    [[nodiscard]] std::int64_t unix_ms() const noexcept override { return read_unix_ms(); }
    void post(task_fn task) override { core_->post(std::move(task)); }
    void defer(task_fn task) override { core_->defer(std::move(task)); }
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
    void stop() override;

    [[nodiscard]] const std::shared_ptr<loop_core>& core() const { return core_; }

private:
    /// The core, where the caller may use it: on the loop, or once it has stopped.
    [[nodiscard]] const std::shared_ptr<loop_core>& here() const;

    const std::shared_ptr<loop_core> core_;
    std::mutex joining_;
    std::thread thread_;  // guarded by joining_
};

/// `real_loop::connect`, `listen` and `resolve` without the facade (real_stream.cpp).
[[nodiscard]] std::unique_ptr<operation> start_connect(
    const std::shared_ptr<loop_core>& home,
    const endpoint& to,
    instant deadline,
    callback<result<std::unique_ptr<stream>>> done);
[[nodiscard]] result<std::unique_ptr<listener>> start_listen(
    const std::shared_ptr<loop_core>& home,
    const endpoint& at,
    std::function<void(std::unique_ptr<stream>)> accepted,
    std::function<std::shared_ptr<loop>()> place);
[[nodiscard]] std::unique_ptr<operation> start_resolve(
    const std::shared_ptr<loop_core>& home,
    const host_port& name,
    instant deadline,
    callback<result<std::vector<endpoint>>> done);

}  // namespace muster::runtime::real
