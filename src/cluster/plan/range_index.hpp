#pragma once

/// @file
/// Which range a key lies in.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster {

/// A search among strings waits for memory at each step. So each bound has a head, the 8 bytes that
/// follow what all bounds begin with, as a number; buckets of equal width say between which heads
/// to look, and strings are compared only where heads are equal.
/// Threads: immutable.
class range_index {
public:
    /// `from`: the first keys, strictly ascending by bytes. They must outlive this.
    explicit range_index(const std::vector<std::string>& from);

    /// The last of them that is not above `key`; the first where all are.
    [[nodiscard]] std::size_t place_of(std::string_view key) const noexcept;

private:
    [[nodiscard]] std::size_t bucket_of(std::uint64_t head) const noexcept {
        return static_cast<std::size_t>((head - heads_.front()) >> shift_);
    }

    const std::vector<std::string>* from_;
    std::string_view shared_;  ///< what all bounds, the first keys but the first, begin with
    std::vector<std::uint64_t> heads_;   ///< of the bounds, ascending
    std::vector<std::uint32_t> begins_;  ///< for each bucket, how many heads are below it
    unsigned shift_ = 0;
};

}  // namespace muster::cluster
