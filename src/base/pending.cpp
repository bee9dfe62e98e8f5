#include "muster/pending.hpp"

#include "base/check.hpp"
#include "base/strand_scope.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {

void pending_core::when_ready(std::move_only_function<void()> then) {
    then_ = std::move(then);
    int seen = empty;
    if (!state_.compare_exchange_strong(seen, waited_for, std::memory_order_acq_rel)) {
        // Out of here first: it may hold this.
        auto mine = std::move(then_);
        mine();
    }
}

void pending_core::may_block() {
    MUSTER_ASSERT(strand::current() == nullptr,
                  "get() blocks, and this is a thread of Muster's: co_await it here");
}

void pending_core::wait() {
    may_block();
    for (int seen = state_.load(std::memory_order_acquire); seen != ready;
         seen = state_.load(std::memory_order_acquire)) {
        state_.wait(seen, std::memory_order_acquire);
    }
}

void pending_core::announce() {
    // After the exchange a waiting thread may destroy this; a suspended one cannot, until `then_`.
    const int before = state_.exchange(ready, std::memory_order_acq_rel);
    if (before == waited_for) {
        auto mine = std::move(then_);
        mine();
    } else {
        state_.notify_all();
    }
}

namespace {
thread_local strand_scope* innermost = nullptr;
}  // namespace

std::shared_ptr<strand> strand::current() noexcept {
    return innermost == nullptr ? nullptr : innermost->home();
}

strand_scope::strand_scope(const std::shared_ptr<strand>& home, instant deadline)
    : home_{home}, deadline_{deadline}, outer_{std::exchange(innermost, this)} {}

strand_scope::~strand_scope() {
    innermost = outer_;
}

instant strand_scope::current_deadline() noexcept {
    if (innermost == nullptr) {
        return never;
    }
    const auto& home = innermost->home_;
    return home ? std::min(innermost->deadline_, instant{home->answers_until()})
                : innermost->deadline_;
}

}  // namespace muster::detail
