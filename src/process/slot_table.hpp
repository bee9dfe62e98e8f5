#pragma once

/// @file
/// The places where processes live: found by index, told apart by generation.

#include "muster/detail/parcel.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace muster::process_detail {

class process_core;

/// One place, with the mailbox of whoever lives there.
///
/// A place is never given back to the memory, so that a sender may look at it at any time. A parcel
/// says which life it is for; one that comes too late is found by the reader, not by the sender.
///
/// The list is only ever taken whole, and only after the slot came out of its worker's list of
/// ready ones: whoever puts a parcel into an empty list is thus the one that has to list the slot,
/// and it is listed once.
struct slot {
    /// Odd while somebody lives here.
    std::atomic<std::uint32_t> life{0};
    std::uint32_t index = 0;
    std::atomic<std::uint32_t> next_free{0};
    std::atomic<detail::parcel*> arrived{nullptr};  ///< Newest first.
    /// Messages in the mailbox * 2^32 + their bytes.
    std::atomic<std::uint64_t> load{0};
    slot* next_ready = nullptr;
    std::shared_ptr<process_core> tenant;  ///< The worker's alone.

    [[nodiscard]] static constexpr std::uint32_t generation_of(std::uint32_t life) noexcept {
        return (life + 1) / 2;
    }
    /// Whether that generation lives here now.
    [[nodiscard]] bool houses(std::uint32_t generation) const noexcept {
        const std::uint32_t now = life.load(std::memory_order_acquire);
        return (now & 1U) != 0 && generation_of(now) == generation;
    }
};

/// The slots of one worker.
/// Threads: any.
class slot_table {
public:
    static constexpr std::uint32_t chunk_size = 1024;
    static constexpr std::uint32_t max_chunks = 1024;

    slot_table() = default;
    slot_table(const slot_table&) = delete;
    slot_table& operator=(const slot_table&) = delete;
    ~slot_table();

    /// A free place, now lived in; null if all are taken. `scale` and `offset` make its index.
    [[nodiscard]] slot* take(std::uint32_t scale, std::uint32_t offset);
    /// Its life has ended already (`life` is even).
    void give_back(slot& one, std::uint32_t at);
    /// Null if nobody ever lived there.
    [[nodiscard]] slot* find(std::uint32_t at) const noexcept {
        const std::uint32_t chunk = at / chunk_size;
        if (chunk >= max_chunks) {
            return nullptr;
        }
        slot* const slots = chunks_[chunk].load(std::memory_order_acquire);
        return slots == nullptr ? nullptr : slots + at % chunk_size;
    }
    /// How many places were ever used.
    [[nodiscard]] std::uint32_t used() const noexcept {
        return used_.load(std::memory_order_acquire);
    }

private:
    // The head of the list of free places: a count against ABA * 2^32 + place + 1.
    std::atomic<std::uint64_t> free_{0};
    std::atomic<std::uint32_t> used_{0};
    std::array<std::atomic<slot*>, max_chunks> chunks_{};
};

}  // namespace muster::process_detail
