#pragma once

/// @file
/// Requests that wait for their replies: found by index and generation, never by hashing, and
/// their deadlines kept in a timing wheel, since nearly every deadline is taken back unreached.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace muster::mesh {

using reply_fn = callback<result<std::string>>;

/// Threads: one.
class reply_slots {
public:
    reply_slots();

    /// An id for a request; it is never given again while a late reply to it could come.
    [[nodiscard]] std::uint64_t add(instant deadline, reply_fn done);

    /// Takes the request out; empty if it has ended already, or never was.
    [[nodiscard]] reply_fn take(std::uint64_t id);

    /// Takes out what is due at `now`.
    [[nodiscard]] std::vector<reply_fn> take_due(instant now);
    [[nodiscard]] std::vector<reply_fn> take_all();

    /// Nothing is due before it; `never` when nothing waits.
    [[nodiscard]] instant next_due() const noexcept { return next_due_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::size_t bucket_count = 1024;
    static constexpr std::uint32_t none = 0xffffffff;

    struct slot {
        reply_fn done;
        instant deadline;
        std::uint32_t generation = 0;
        std::uint32_t previous = none;
        std::uint32_t next = none;  ///< In its bucket, or among the free ones.
        std::uint32_t bucket = none;
    };

    [[nodiscard]] reply_fn release(std::uint32_t index);
    void find_next_due();

    std::vector<slot> slots_;
    std::array<std::uint32_t, bucket_count> buckets_;
    std::uint32_t free_ = none;
    std::size_t size_ = 0;
    std::int64_t passed_tick_ = 0;
    instant next_due_ = never;
};

}  // namespace muster::mesh
