#include "muster/detail/parcel.hpp"

#include "muster/detail/received.hpp"
#include "muster/pid.hpp"
#include "muster/process.hpp"

#include "base/sanitized.hpp"
#include "process/frame_end.hpp"
#include "process/process_right.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace muster {

std::string pid::text() const {
    return std::string{name_.view()} + '/' + std::to_string(index_) + '.' +
           std::to_string(generation_) + '@' + life_.brief();
}

namespace detail {

// --- The duty to answer ------------------------------------------------------------------------

bool ask_ticket::claim() {
    if (state_.exchange(done, std::memory_order_acq_rel) == done) {
        return false;
    }
    home_->disarm(alarm_);
    return true;
}

void ask_ticket::refuse(error why) {
    if (claim()) {
        // Whoever hears of it now is not the process that held the request, and has a right of its
        // own to go on.
        const process_detail::running_code outside{nullptr};
        answer_error(std::move(why));
    }
}

void ask_ticket::refuse_by_holder(error why) {
    if (may_answer()) {
        refuse(std::move(why));
    }
}

bool ask_ticket::may_answer() {
    if (!holder_ || holder_->allowed()) {
        return true;
    }
    refuse({errc::outcome_unknown,
            "the process had taken the request, and may no longer answer: its right has ended"});
    return false;
}

void ask_ticket::expire() {
    const int before = state_.exchange(done, std::memory_order_acq_rel);
    if (before == waiting) {
        answer_error({errc::timed_out, "the request was still in the mailbox at its deadline"});
    } else if (before == taken) {
        answer_error({errc::outcome_unknown,
                      "the process had taken the request, and had not answered by the deadline"});
    }
}

void ask_ticket::hand_over() {
    home_->disarm(alarm_);
}

void ask_ticket::arm(const std::shared_ptr<ask_ticket>& one, std::chrono::nanoseconds limit) {
    one->alarm_ =
        one->home_->arm(one->home_->within_call(limit), [weak = std::weak_ptr<ask_ticket>{one}] {
            if (const auto still = weak.lock()) {
                still->expire();
            }
        });
    one->due_ = one->alarm_.when;
}

error dropped_error() {
    if (process_detail::frame_end::is_under_way()) {
        return {errc::outcome_unknown, "the process ended while it held the request"};
    }
    return {errc::handler_failed, "the process dropped the request without an answer"};
}

// --- Parcels -----------------------------------------------------------------------------------

parcel::~parcel() {
    if (ticket) {
        ticket->refuse({errc::gone, "the process ended before it saw the request"});
    }
}

namespace {

/// A free block, in a list of such.
struct block {
    block* next;
};

/// Lists of free blocks that threads leave for each other: whoever receives from other threads has
/// ever more of them, whoever sends to other threads ever fewer.
/// Threads: any.
class block_depot {
public:
    static constexpr std::size_t max_lists = 64;  ///< 4 MiB

    /// False: there is room for no more.
    bool leave(block* list) noexcept {
        for (auto& place : lists_) {
            block* free = nullptr;
            if (place.load(std::memory_order_relaxed) == nullptr &&
                place.compare_exchange_strong(free, list, std::memory_order_release)) {
                return true;
            }
        }
        return false;
    }
    /// Null: there is none.
    block* fetch() noexcept {
        for (auto& place : lists_) {
            if (place.load(std::memory_order_relaxed) == nullptr) {
                continue;
            }
            if (block* const list = place.exchange(nullptr, std::memory_order_acquire)) {
                return list;
            }
        }
        return nullptr;
    }

    /// Outlives every thread.
    static block_depot& shared() {
        static auto* const only = new block_depot;
        return *only;
    }

private:
    std::array<std::atomic<block*>, max_lists> lists_{};
};

/// Free blocks of one size that this thread keeps: a worker that sends to itself, or as much as it
/// receives, allocates nothing.
class block_store {
public:
    static constexpr std::size_t block_size = 128;
    static constexpr unsigned list_length = 512;

    block_store() = default;
    block_store(const block_store&) = delete;
    block_store& operator=(const block_store&) = delete;
    ~block_store() {
        closed_ = true;
        free_all(first_);
        free_all(full_);
    }

    void* take() {
        if (first_ == nullptr && !refill()) {
            return nullptr;
        }
        --count_;
        return std::exchange(first_, first_->next);
    }
    bool keep(void* memory) noexcept {
        if (closed_) {
            return false;
        }
        if (count_ == list_length) {
            // One full list is kept back: so taking and keeping in turn never goes to the depot.
            if (full_ != nullptr && !block_depot::shared().leave(full_)) {
                free_all(full_);
            }
            full_ = std::exchange(first_, nullptr);
            count_ = 0;
        }
        ++count_;
        first_ = new (memory) block{first_};
        return true;
    }

private:
    bool refill() {
        if (closed_) {
            return false;
        }
        first_ = full_ != nullptr ? std::exchange(full_, nullptr) : block_depot::shared().fetch();
        count_ = first_ != nullptr ? list_length : 0;
        return first_ != nullptr;
    }
    static void free_all(block* one) noexcept {
        while (one != nullptr) {
            std::free(std::exchange(one, one->next));
        }
    }

    block* first_ = nullptr;
    unsigned count_ = 0;     ///< Of those in `first_`.
    block* full_ = nullptr;  ///< `list_length` of them, or none.
    bool closed_ = false;
};

/// The sanitizers are to see each end of life.
constexpr bool keeps_blocks = !base::is_sanitized;

thread_local block_store blocks;

}  // namespace

void* parcel::operator new(std::size_t size) {
    const bool small = keeps_blocks && size <= block_store::block_size;
    void* memory = small ? blocks.take() : nullptr;
    if (memory == nullptr) {
        memory = std::malloc(small ? block_store::block_size : size);
    }
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    return memory;
}

void parcel::operator delete(void* memory, std::size_t size) noexcept {
    if (!(keeps_blocks && size <= block_store::block_size && blocks.keep(memory))) {
        std::free(memory);
    }
}

}  // namespace detail
}  // namespace muster
