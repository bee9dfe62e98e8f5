#pragma once

/// @file
/// The right that a process acts under, where it is one that the cluster has once.

#include "muster/detail/parcel.hpp"
#include "muster/ownership.hpp"

#include <atomic>
#include <utility>
#include <vector>

namespace muster {

/// Given to a process by `process_host::spawn_under`. Once it is not `allowed` any more, the
/// process is not resumed again, and its sends, asks and answers are refused. Threads: any.
class process_right : public detail::speech {
public:
    [[nodiscard]] virtual ownership held() const = 0;
    /// What others of this node had sent to the process and it never saw, in order. Called where it
    /// ended; must not wait.
    virtual void unread(std::vector<detail::parcel_ptr> messages) = 0;

    /// Whether code of the process, or a blocking job of its, runs at this moment.
    [[nodiscard]] bool runs_code() const noexcept {
        return running_.load(std::memory_order_acquire) > 0;
    }
    void begins() noexcept { running_.fetch_add(1, std::memory_order_acq_rel); }
    void pauses() noexcept { running_.fetch_sub(1, std::memory_order_acq_rel); }

private:
    std::atomic<int> running_{0};
};

namespace process_detail {

/// Counts code of the user's that runs under a right, and says so on its thread.
class running_code {
public:
    explicit running_code(process_right* under) noexcept
        : under_{under}, outer_{std::exchange(here_, under)} {
        if (under_ != nullptr) {
            under_->begins();
        }
    }
    running_code(const running_code&) = delete;
    running_code& operator=(const running_code&) = delete;
    ~running_code() {
        here_ = outer_;
        if (under_ != nullptr) {
            under_->pauses();
        }
    }

    /// Whether the code that runs on this thread may still send: by whatever way it does.
    [[nodiscard]] static bool may_speak() { return here_ == nullptr || here_->allowed(); }
    [[nodiscard]] static error no_right() {
        return {errc::fenced, "the right of this process has ended: it sends nothing any more"};
    }

private:
    static inline thread_local process_right* here_ = nullptr;
    process_right* under_;
    process_right* outer_;
};

}  // namespace process_detail

}  // namespace muster
