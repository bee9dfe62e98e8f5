#pragma once

/// @file
/// Answers that are not there yet: `co_await` one in a coroutine, or `.get()` it on a thread of
/// your own.

#include "muster/error.hpp"

#include <atomic>
#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace muster {

namespace detail {

/// Where code of the user runs in turn: one partition, one process. Resuming goes through it.
/// Threads: any.
class strand {
public:
    virtual ~strand() = default;
    virtual void post(std::move_only_function<void()> job) = 0;
    /// Until when what its code answers is waited for, by the clock of its node; far away where it
    /// answers nothing, or says so when it is entered.
    [[nodiscard]] virtual std::chrono::nanoseconds answers_until() const noexcept {
        return std::chrono::nanoseconds::max();
    }
    /// The strand whose code runs on this thread now, or null.
    [[nodiscard]] static std::shared_ptr<strand> current() noexcept;
};

/// The part of a pending answer that does not depend on its type. One waiter, one answer.
/// Threads: any.
class pending_core {
public:
    pending_core() = default;
    pending_core(const pending_core&) = delete;
    pending_core& operator=(const pending_core&) = delete;
    virtual ~pending_core() = default;

    [[nodiscard]] bool is_ready() const noexcept {
        return state_.load(std::memory_order_acquire) == ready;
    }
    /// Calls `then` once the answer is there, which may be now, on this thread. Once.
    void when_ready(std::move_only_function<void()> then);
    /// The same, of which it is known that it does no more than have a strand go on.
    void when_ready_go_on(std::move_only_function<void()> then) {
        is_awaited_.store(true, std::memory_order_relaxed);
        when_ready(std::move(then));
    }
    [[nodiscard]] bool is_awaited() const noexcept {
        return is_awaited_.load(std::memory_order_relaxed);
    }
    /// Blocks this thread until the answer is there. A bug on one of Muster's own threads.
    void wait();
    /// What `wait` says of that bug, where there is nothing to wait for.
    static void may_block();

protected:
    /// The answer has been stored: tells the waiter.
    void announce();

private:
    enum : int { empty, waited_for, ready };
    std::atomic<int> state_{empty};
    std::atomic<bool> is_awaited_{false};
    std::move_only_function<void()> then_;
};

/// An answer and the place it is put into.
template <class T>
class pending_state final : public pending_core {
public:
    /// Stores the answer and resumes whoever waits. Once.
    void complete(result<T> answer) {
        answer_.emplace(std::move(answer));
        announce();
    }
    [[nodiscard]] result<T> take() { return std::move(*answer_); }

private:
    std::optional<result<T>> answer_;
};

}  // namespace detail

/// An answer on its way. Always ends: with a value, or with an error by its deadline.
///
/// Threads:  whoever awaits or gets it, once.
/// Lifetime: dropping it discards the answer, not the request.
template <class T>
class [[nodiscard]] pending {
public:
    explicit pending(std::shared_ptr<detail::pending_state<T>> state) : state_{std::move(state)} {}
    /// One that is answered already: it allocates nothing, and nobody is resumed.
    explicit pending(result<T> answer) : answer_{std::move(answer)} {}

    /// Blocks the calling thread until the answer is there, by the deadline of the request at the
    /// latest. On one of Muster's own threads that is a bug, and an assertion says so, also where
    /// the answer is there.
    [[nodiscard]] result<T> get() {
        if (state_) {
            state_->wait();
        } else {
            detail::pending_core::may_block();
        }
        return await_resume();
    }

    /// Whether `get` would return at once.
    [[nodiscard]] bool is_ready() const noexcept { return !state_ || state_->is_ready(); }

    bool await_ready() const noexcept { return is_ready(); }
    void await_suspend(std::coroutine_handle<> waiting) {
        // Resumed where it was suspended: on the strand of its partition or process.
        auto home = detail::strand::current();
        if (home) {
            state_->when_ready_go_on(
                [home = std::move(home), waiting] { home->post([waiting] { waiting.resume(); }); });
        } else {
            state_->when_ready([waiting] { waiting.resume(); });
        }
    }
    result<T> await_resume() { return state_ ? state_->take() : std::move(*answer_); }

    /// Instead of awaiting: calls `told` with the answer once it is there, which may be now, on
    /// this thread, and else is on one of Muster's, which it must not block. It must not throw.
    void then(std::move_only_function<void(result<T>)> told) {
        if (!state_) {
            told(std::move(*answer_));
            return;
        }
        state_->when_ready(
            [state = state_, told = std::move(told)]() mutable { told(state->take()); });
    }

private:
    std::shared_ptr<detail::pending_state<T>> state_;
    std::optional<result<T>> answer_;  ///< instead of a state
};

/// The duty to give a pending its answer: `completer(value)`, or `completer(fail(…))`. Dropped
/// without one it answers `closed`, so that nobody waits for ever.
///
/// Threads:  any, one at a time; moves between threads.
template <class T>
class completer {
public:
    explicit completer(std::shared_ptr<detail::pending_state<T>> state)
        : state_{std::move(state)} {}
    completer(completer&& other) noexcept : state_{std::move(other.state_)} {
        other.state_.reset();
    }
    completer& operator=(completer&& other) noexcept {
        state_.swap(other.state_);
        return *this;
    }
    ~completer() {
        if (state_) {
            (*this)(fail(errc::closed, "what was to answer this was dropped without an answer"));
        }
    }

    /// Answers; a second time does nothing. A coroutine that waits goes on where it ran before.
    void operator()(result<T> answer) {
        if (const auto state = std::exchange(state_, nullptr)) {
            state->complete(std::move(answer));
        }
    }

private:
    std::shared_ptr<detail::pending_state<T>> state_;
};

/// A pending of your own, and what completes it: how a handler awaits a driver with callbacks.
template <class T>
[[nodiscard]] std::pair<pending<T>, completer<T>> make_pending() {
    auto state = std::make_shared<detail::pending_state<T>>();
    return {pending<T>{state}, completer<T>{state}};
}

}  // namespace muster
