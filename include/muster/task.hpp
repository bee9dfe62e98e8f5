#pragma once

/// @file
/// What a handler returns when it has to wait before it can answer.

#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace muster {

template <class T>
class task;

namespace detail {

/// What the promises of all tasks share: who waits, and what escaped.
class task_promise_base {
public:
    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
            auto& promise = ended.promise();
            if (promise.finished_) {
                // The last act of the frame's life: whoever is told may destroy it.
                auto finished = std::move(promise.finished_);
                finished();
                return std::noop_coroutine();
            }
            return promise.waiting_ ? promise.waiting_ : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { escaped_ = std::current_exception(); }

    std::coroutine_handle<> waiting_;
    std::move_only_function<void()> finished_;
    std::exception_ptr escaped_;
};

template <class T>
class task_promise : public task_promise_base {
public:
    task<T> get_return_object();
    template <class U>
        requires std::is_convertible_v<U, T>
    void return_value(U&& value) {
        value_.emplace(std::forward<U>(value));
    }
    T take() {
        if (escaped_) {
            std::rethrow_exception(escaped_);
        }
        return std::move(*value_);
    }

private:
    std::optional<T> value_;
};

template <>
class task_promise<void> : public task_promise_base {
public:
    task<void> get_return_object();
    void return_void() const noexcept {}
    void take() const {
        if (escaped_) {
            std::rethrow_exception(escaped_);
        }
    }
};

}  // namespace detail

/// A coroutine that yields one `T`. It starts when awaited, or when Muster runs it.
///
/// Threads:  wherever its partition or process runs; one thread at a time.
/// Lifetime: owns the coroutine; destroying it destroys the coroutine where it stands.
template <class T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::task_promise<T>;

    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}
    task(task&& other) noexcept : frame_{std::exchange(other.frame_, {})} {}
    task& operator=(task&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~task() {
        if (frame_) {
            frame_.destroy();
        }
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
        frame_.promise().waiting_ = waiting;
        return frame_;
    }
    T await_resume() { return frame_.promise().take(); }

    /// Runs it from outside a coroutine: calls `finished` once it has ended, on the thread where
    /// that happens. Then `result()` has its value, or throws what escaped it.
    void start(std::move_only_function<void()> finished) {
        frame_.promise().finished_ = std::move(finished);
        frame_.resume();
    }
    T result() { return frame_.promise().take(); }

private:
    std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() {
    return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

inline task<void> task_promise<void>::get_return_object() {
    return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

}  // namespace detail

}  // namespace muster
