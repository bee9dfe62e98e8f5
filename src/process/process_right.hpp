#pragma once

/// @file
/// The right that a process acts under, where it is one that the cluster has once.

#include "muster/detail/parcel.hpp"
#include "muster/ownership.hpp"

#include <atomic>
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

/// Counts code of the user's that runs under a right.
class running_code {
public:
    explicit running_code(process_right* under) noexcept : under_{under} {
        if (under_ != nullptr) {
            under_->begins();
        }
    }
    running_code(const running_code&) = delete;
    running_code& operator=(const running_code&) = delete;
    ~running_code() {
        if (under_ != nullptr) {
            under_->pauses();
        }
    }

private:
    process_right* under_;
};

}  // namespace process_detail

}  // namespace muster
