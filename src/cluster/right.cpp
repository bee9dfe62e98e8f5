#include "cluster/right.hpp"

#include "base/check.hpp"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace muster::cluster {
namespace {
constexpr std::size_t page_size = 4096;
}  // namespace

lease_cell::lease_cell() {
    void* const page =
        mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUSTER_ASSERT(page != MAP_FAILED, "no memory for a page");
    // Where the kernel is too old for it (before 4.14) a child is merely not protected.
    static_cast<void>(madvise(page, page_size, MADV_WIPEONFORK));
    acts_until_ = new (page) std::atomic<std::int64_t>{0};
}

lease_cell::~lease_cell() {
    munmap(acts_until_, page_size);
}

void lease_cell::set(instant acts_until) noexcept {
    const std::int64_t last = acts_until_->load(std::memory_order_relaxed);
    if (acts_until == instant{} && last != 0) {
        ended_.store(last, std::memory_order_release);
    }
    acts_until_->store(acts_until.time_since_epoch().count(), std::memory_order_release);
}

bool lease_cell::allows(instant now) const noexcept {
    return now.time_since_epoch().count() < acts_until_->load(std::memory_order_acquire);
}

instant lease_cell::end() const noexcept {
    const std::int64_t now = acts_until_->load(std::memory_order_acquire);
    return instant{duration{now != 0 ? now : ended_.load(std::memory_order_acquire)}};
}

bool right::valid(instant now) const noexcept {
    return (word_.load(std::memory_order_acquire) & closed_bit) == 0 && lease_->allows(now);
}

bool right::enter(instant now) noexcept {
    std::uint64_t seen = word_.load(std::memory_order_acquire);
    do {
        if ((seen & closed_bit) != 0 || !lease_->allows(now)) {
            return false;
        }
    } while (!word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel));
    return true;
}

void right::leave() noexcept {
    if (word_.fetch_sub(1, std::memory_order_acq_rel) == (closed_bit | armed_bit | 1U)) {
        fire();
    }
}

void right::close() noexcept {
    if (word_.fetch_or(closed_bit, std::memory_order_acq_rel) == armed_bit) {
        fire();
    }
}

void right::when_idle(task_fn idle) {
    idle_ = std::move(idle);
    if (word_.fetch_or(armed_bit, std::memory_order_acq_rel) == closed_bit) {
        fire();
    }
}

void right::fire() {
    std::exchange(idle_, {})();
}

}  // namespace muster::cluster
