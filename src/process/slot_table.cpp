#include "process/slot_table.hpp"

#include "process/process_core.hpp"

namespace muster::process_detail {

slot_table::~slot_table() {
    for (auto& chunk : chunks_) {
        slot* const slots = chunk.load(std::memory_order_acquire);
        if (slots == nullptr) {
            break;
        }
        for (std::uint32_t i = 0; i < chunk_size; ++i) {
            const detail::parcel* one = slots[i].arrived.load(std::memory_order_acquire);
            while (one != nullptr) {
                const detail::parcel* const next = one->next;
                delete one;
                one = next;
            }
        }
        delete[] slots;
    }
}

slot* slot_table::take(std::uint32_t scale, std::uint32_t offset) {
    std::uint64_t head = free_.load(std::memory_order_acquire);
    while ((head & 0xffff'ffffU) != 0) {
        slot* const one = find(static_cast<std::uint32_t>(head & 0xffff'ffffU) - 1);
        const std::uint64_t next = one->next_free.load(std::memory_order_relaxed);
        const std::uint64_t count = (head >> 32U) + 1;
        if (free_.compare_exchange_weak(head, (count << 32U) | next, std::memory_order_acq_rel)) {
            one->life.fetch_add(1, std::memory_order_acq_rel);
            return one;
        }
    }
    std::uint32_t at = used_.load(std::memory_order_relaxed);
    do {
        if (at == chunk_size * max_chunks) {
            return nullptr;
        }
    } while (!used_.compare_exchange_weak(at, at + 1, std::memory_order_acq_rel));
    auto& chunk = chunks_[at / chunk_size];
    if (chunk.load(std::memory_order_acquire) == nullptr) {
        slot* fresh = new slot[chunk_size];
        slot* expected = nullptr;
        if (!chunk.compare_exchange_strong(expected, fresh, std::memory_order_acq_rel)) {
            delete[] fresh;  // Another thread was first.
        }
    }
    slot* const one = find(at);
    one->index = at * scale + offset;
    one->life.fetch_add(1, std::memory_order_acq_rel);
    return one;
}

void slot_table::give_back(slot& one, std::uint32_t at) {
    if (one.life.load(std::memory_order_relaxed) >= 0xffff'fff0U) {
        return;  // Its generations are used up: a pid is never given again.
    }
    std::uint64_t head = free_.load(std::memory_order_acquire);
    std::uint64_t mine = 0;
    do {
        one.next_free.store(static_cast<std::uint32_t>(head & 0xffff'ffffU),
                            std::memory_order_relaxed);
        mine = ((head >> 32U) + 1) << 32U | (at + 1);
    } while (!free_.compare_exchange_weak(head, mine, std::memory_order_acq_rel));
}

}  // namespace muster::process_detail
