#include "muster/detail/parcel.hpp"

#include "muster/detail/received.hpp"
#include "muster/pid.hpp"
#include "muster/process.hpp"

#include "process/frame_end.hpp"

#include <cstdlib>
#include <new>
#include <utility>

namespace muster {

std::string pid::text() const {
    return name_ + '/' + std::to_string(index_) + '.' + std::to_string(generation_) + '@' +
           life_.brief();
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
    one->alarm_ = one->home_->arm(limit, [weak = std::weak_ptr<ask_ticket>{one}] {
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

/// Free blocks of one size, as many as this thread likes to keep. A worker that sends to itself, or
/// as much as it receives, then allocates nothing.
class block_store {
public:
    static constexpr std::size_t block_size = 128;
    static constexpr unsigned max_blocks = 1024;

    block_store() = default;
    block_store(const block_store&) = delete;
    block_store& operator=(const block_store&) = delete;
    ~block_store() {
        closed_ = true;
        while (first_ != nullptr) {
            std::free(std::exchange(first_, first_->next));
        }
    }

    void* take() {
        if (first_ == nullptr) {
            return nullptr;
        }
        --count_;
        return std::exchange(first_, first_->next);
    }
    bool keep(void* memory) noexcept {
        if (closed_ || count_ == max_blocks) {
            return false;
        }
        ++count_;
        first_ = new (memory) block{first_};
        return true;
    }

private:
    struct block {
        block* next;
    };
    block* first_ = nullptr;
    unsigned count_ = 0;
    bool closed_ = false;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keeps_blocks = false;  // The sanitizers are to see each end of life.
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool keeps_blocks = false;
#else
constexpr bool keeps_blocks = true;
#endif
#else
constexpr bool keeps_blocks = true;
#endif

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
