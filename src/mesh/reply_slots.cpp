#include "mesh/reply_slots.hpp"

#include <algorithm>
#include <utility>

namespace muster::mesh {
namespace {

// 8.4 ms; the wheel of 1024 goes round in 8.6 s, longer than the usual deadline. What is due in a
// later round stays in its bucket until then.
constexpr int tick_bits = 23;

std::int64_t tick_of(instant when) {
    return when.time_since_epoch().count() >> tick_bits;
}

}  // namespace

reply_slots::reply_slots() {
    buckets_.fill(none);
}

std::uint64_t reply_slots::add(instant deadline, reply_fn done) {
    if (free_ == none) {
        free_ = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    }
    const std::uint32_t index = free_;
    slot& one = slots_[index];
    free_ = one.next;
    const std::int64_t tick = std::max(tick_of(deadline), passed_tick_);
    const auto bucket = static_cast<std::uint32_t>(tick % std::int64_t{bucket_count});
    one.done = std::move(done);
    one.deadline = deadline;
    one.bucket = bucket;
    one.previous = none;
    one.next = std::exchange(buckets_[bucket], index);
    if (one.next != none) {
        slots_[one.next].previous = index;
    }
    ++size_;
    next_due_ = std::min(next_due_, deadline);
    return std::uint64_t{one.generation} << 32U | index;
}

reply_fn reply_slots::release(std::uint32_t index) {
    slot& one = slots_[index];
    (one.previous != none ? slots_[one.previous].next : buckets_[one.bucket]) = one.next;
    if (one.next != none) {
        slots_[one.next].previous = one.previous;
    }
    one.bucket = none;
    ++one.generation;
    one.next = std::exchange(free_, index);
    --size_;
    return std::exchange(one.done, nullptr);
}

reply_fn reply_slots::take(std::uint64_t id) {
    const auto index = static_cast<std::uint32_t>(id);
    if (index >= slots_.size() || slots_[index].bucket == none ||
        slots_[index].generation != id >> 32U) {
        return nullptr;
    }
    return release(index);
}

std::vector<reply_fn> reply_slots::take_due(instant now) {
    std::vector<reply_fn> due;
    const std::int64_t last = tick_of(now);
    const std::int64_t first = std::max(passed_tick_, last - std::int64_t{bucket_count} + 1);
    for (std::int64_t tick = first; tick <= last; ++tick) {
        std::uint32_t index = buckets_[static_cast<std::size_t>(tick % std::int64_t{bucket_count})];
        while (index != none) {
            const std::uint32_t next = slots_[index].next;
            if (slots_[index].deadline <= now) {
                due.push_back(release(index));
            }
            index = next;
        }
    }
    passed_tick_ = std::max(passed_tick_, last);
    find_next_due();
    return due;
}

void reply_slots::find_next_due() {
    next_due_ = never;
    if (size_ == 0) {
        return;
    }
    for (std::int64_t tick = passed_tick_; tick < passed_tick_ + std::int64_t{bucket_count};
         ++tick) {
        bool in_this_round = false;
        for (std::uint32_t index =
                 buckets_[static_cast<std::size_t>(tick % std::int64_t{bucket_count})];
             index != none;
             index = slots_[index].next) {
            next_due_ = std::min(next_due_, slots_[index].deadline);
            in_this_round = in_this_round || tick_of(slots_[index].deadline) <= tick;
        }
        if (in_this_round) {
            return;  // Whatever lies in the buckets behind is due later.
        }
    }
}

std::vector<reply_fn> reply_slots::take_all() {
    std::vector<reply_fn> all;
    all.reserve(size_);
    for (std::uint32_t index = 0; index < slots_.size(); ++index) {
        if (slots_[index].bucket != none) {
            all.push_back(release(index));
        }
    }
    next_due_ = never;
    return all;
}

}  // namespace muster::mesh
