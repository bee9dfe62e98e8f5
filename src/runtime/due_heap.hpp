#pragma once

/// @file
/// Things ordered by when they are due: a binary heap whose entries know their place, so that
/// setting and cancelling cost O(log n) and, once it has grown, no allocation.

#include "base/instant.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster::runtime {

/// Base of something that is due at an instant, in at most one heap.
class due_node {
public:
    [[nodiscard]] bool is_set() const noexcept { return place_ != nowhere; }

private:
    friend class due_heap;
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
    std::size_t place_ = nowhere;
};

/// Of two nodes due at one instant, the one inserted first comes first.
///
/// Threads: one.
/// Lifetime: holds plain pointers; remove a node before it dies.
class due_heap {
public:
    void insert(due_node& node, instant when);
    void remove(due_node& node);

    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    /// When the earliest is due. Not on an empty heap.
    [[nodiscard]] instant when() const { return heap_.front().when; }
    [[nodiscard]] due_node& earliest() const { return *heap_.front().node; }

private:
    struct entry {
        instant when;
        std::uint64_t sequence = 0;
        due_node* node = nullptr;

        [[nodiscard]] bool before(const entry& other) const {
            return when != other.when ? when < other.when : sequence < other.sequence;
        }
    };

    void put(std::size_t place, const entry& what);
    void rise(std::size_t place);
    void sink(std::size_t place);

    std::vector<entry> heap_;
    std::uint64_t sequence_ = 0;
};

}  // namespace muster::runtime
