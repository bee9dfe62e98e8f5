#include "runtime/loop.hpp"

#include "base/check.hpp"

namespace muster::runtime {

std::uint64_t loop::random_u64() {
    std::uint64_t value = 0;
    random_bytes(std::as_writable_bytes(std::span{&value, 1}));
    return value;
}

std::uint64_t loop::random_below(std::uint64_t bound) {
    MUSTER_ASSERT(bound > 0, "there is no number below zero");
    // The lowest 2^64 mod bound values would make some answers likelier than others.
    const std::uint64_t uneven = (0 - bound) % bound;
    for (;;) {
        const std::uint64_t value = random_u64();
        if (value >= uneven) {
            return value % bound;
        }
    }
}

}  // namespace muster::runtime
