#include "runtime/real_loop.hpp"

#include "base/check.hpp"
#include "runtime/quiet_thread.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace muster::runtime::real {
namespace {

thread_local const loop_core* current = nullptr;

constexpr std::int64_t ns_per_s = 1'000'000'000;

int make_alarm() {
    // CLOCK_BOOTTIME counts while the machine sleeps: what came due meanwhile fires on waking.
    // Asio's own timers count CLOCK_MONOTONIC and would be late by the length of the sleep.
    const int fd = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    MUSTER_ASSERT(fd >= 0, "no timer file descriptor to be had");
    return fd;
}

}  // namespace

instant read_boot_clock() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return instant{std::chrono::nanoseconds{now.tv_sec * ns_per_s + now.tv_nsec}};
}

std::int64_t read_unix_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// --- What hangs on a loop ----------------------------------------------------------------------

attached::attached(loop_core& home) : home_{home}, next_{home.first_}, listed_{true} {
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    home.first_ = this;
}

attached::~attached() {
    detach();
}

void attached::detach() {
    if (!std::exchange(listed_, false)) {
        return;
    }
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    (previous_ != nullptr ? previous_->next_ : home_.first_) = next_;
}

// --- The loop's inside -------------------------------------------------------------------------

loop_core::loop_core(std::string name, std::shared_ptr<resolver> names)
    : name_{std::move(name)}, names_{std::move(names)}, alarm_{context_, make_alarm()} {}

bool loop_core::is_current() const noexcept {
    return current == this;
}

void loop_core::post(task_fn task) {
    bool wake = false;
    {
        const std::lock_guard lock{mutex_};
        if (stopped_) {
            return;  // `task` dies with this call, outside the lock.
        }
        wake = incoming_.empty();
        incoming_.push_back(std::move(task));
    }
    if (wake) {
        arm_drain();
    }
}

void loop_core::arm_drain() {
    boost::asio::post(context_, [this] { drain(); });
}

void loop_core::drain() {
    {
        const std::lock_guard lock{mutex_};
        running_.swap(incoming_);
    }
    for (task_fn& task : running_) {
        if (stopped_) {
            break;
        }
        // Moved out, so that what it captured dies before the next one runs.
        auto now = std::exchange(task, nullptr);
        now();
    }
    running_.clear();
}

void loop_core::defer(task_fn task) {
    MUSTER_ASSERT(is_current(), "defer() is for the loop's own thread");
    deferred_.push_back(std::move(task));
    if (deferred_.size() == 1) {
        // Behind the handlers that are ready now: Asio's queue is first in, first out.
        boost::asio::post(context_, [this] { flush(); });
    }
}

void loop_core::flush() {
    flushing_.swap(deferred_);
    for (task_fn& task : flushing_) {
        if (stopped_) {
            break;
        }
        auto now = std::exchange(task, nullptr);
        now();
    }
    flushing_.clear();
}

void loop_core::request_stop() {
    {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
    }
    context_.stop();
}

void loop_core::run() {
    current = this;
    ::pthread_setname_np(::pthread_self(), name_.substr(0, 15).c_str());
    const auto stay = boost::asio::make_work_guard(context_);
    await_timer();
    context_.run();
    drop_everything();
    current = nullptr;
}

void loop_core::drop_everything() {
    std::vector<task_fn> left;
    {
        const std::lock_guard lock{mutex_};
        left.swap(incoming_);
    }
    left.clear();
    deferred_.clear();
    while (first_ != nullptr) {
        attached& one = *first_;
        one.detach();
        one.abandon();
    }
}

// --- Timers ------------------------------------------------------------------------------------

void loop_core::set_timer(timer_node& node, instant when) {
    timers_.insert(node, when);
    arm_timer();
}

void loop_core::cancel_timer(timer_node& node) {
    // The alarm stays as it is: one early wake is cheaper than a system call for each cancel.
    timers_.remove(node);
}

void loop_core::arm_timer() {
    if (timers_.empty()) {
        return;
    }
    const instant due = timers_.when();
    if (due >= armed_ || due == never) {
        return;
    }
    armed_ = due;
    const std::int64_t ns = std::max<std::int64_t>(due.time_since_epoch().count(), 1);
    itimerspec at{};
    at.it_value.tv_sec = ns / ns_per_s;
    at.it_value.tv_nsec = ns % ns_per_s;
    const int failed = ::timerfd_settime(alarm_.native_handle(), TFD_TIMER_ABSTIME, &at, nullptr);
    MUSTER_ASSERT(failed == 0, "timerfd_settime takes every instant");
}

void loop_core::await_timer() {
    alarm_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& failed) {
                          if (!failed) {
                              fire_timers();
                              await_timer();
                          }
                      });
}

void loop_core::fire_timers() {
    std::uint64_t expirations = 0;
    if (::read(alarm_.native_handle(), &expirations, sizeof expirations) < 0 && errno == EAGAIN) {
        return;  // Set to a later time between the wake and now.
    }
    armed_ = never;
    // Read once: a timer that sets itself to the past must not keep the loop to itself.
    const instant now = read_boot_clock();
    while (!stopped_ && !timers_.empty() && timers_.when() <= now) {
        auto& due = static_cast<timer_node&>(timers_.earliest());
        timers_.remove(due);
        auto fire = std::exchange(due.fire, nullptr);
        fire();  // May destroy `due`.
    }
    arm_timer();
}

void timer_slot::set(instant when, task_fn fire) {
    cancel();
    if (!home_.has_stopped()) {
        node_.fire = std::move(fire);
        home_.set_timer(node_, when);
    }
}

void timer_slot::cancel() {
    if (node_.is_set()) {
        home_.cancel_timer(node_);
        const auto dropped = std::exchange(node_.fire, nullptr);
    }
}

// --- The loop as held --------------------------------------------------------------------------

real_loop::real_loop(std::string name, std::shared_ptr<resolver> names)
    : core_{std::make_shared<loop_core>(std::move(name), std::move(names))},
      thread_{quiet_thread([core = core_] { core->run(); })} {}

real_loop::~real_loop() {
    real_loop::stop();
    if (thread_.joinable()) {
        thread_.detach();  // The last owner let go on the loop itself; its thread is about to end.
    }
}

void real_loop::stop() {
    core_->request_stop();
    if (core_->is_current()) {
        return;
    }
    const std::lock_guard lock{joining_};
    if (thread_.joinable()) {
        thread_.join();
    }
}

const std::shared_ptr<loop_core>& real_loop::here() const {
    MUSTER_ASSERT(core_->is_current() || core_->has_stopped(), "use a loop from its own thread");
    return core_;
}

std::unique_ptr<timer> real_loop::make_timer() {
    return std::make_unique<real_timer>(here());
}

std::unique_ptr<operation> real_loop::connect(const endpoint& to,
                                              instant deadline,
                                              callback<result<std::unique_ptr<stream>>> done) {
    return start_connect(here(), to, deadline, std::move(done));
}

result<std::unique_ptr<listener>> real_loop::listen(
    const endpoint& at,
    std::function<void(std::unique_ptr<stream>)> accepted,
    std::function<std::shared_ptr<loop>()> place) {
    return start_listen(here(), at, std::move(accepted), std::move(place));
}

std::unique_ptr<operation> real_loop::resolve(const host_port& name,
                                              instant deadline,
                                              callback<result<std::vector<endpoint>>> done) {
    return start_resolve(here(), name, deadline, std::move(done));
}

void real_loop::random_bytes(std::span<std::byte> into) {
    while (!into.empty()) {
        const ssize_t got = ::getrandom(into.data(), into.size(), 0);
        if (got > 0) {
            into = into.subspan(static_cast<std::size_t>(got));
        } else {
            MUSTER_ASSERT(errno == EINTR, "the kernel has no randomness");
        }
    }
}

}  // namespace muster::runtime::real
