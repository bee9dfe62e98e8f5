#include "cluster/plan/range_index.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace muster::cluster {
namespace {

/// Compared as numbers they are ordered as the first bytes are, or equal.
std::uint64_t head_of(std::string_view text) noexcept {
    std::uint64_t head = 0;
    if (text.size() >= sizeof head) {
        std::memcpy(&head, text.data(), sizeof head);
        return std::endian::native == std::endian::little ? std::byteswap(head) : head;
    }
    for (std::size_t i = 0; i < sizeof head; ++i) {
        head = head << 8U | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
    }
    return head;
}

/// How many of `left` heads, ascending, are below `head`. Without a branch that depends on the key:
/// a wrong guess costs more than the comparisons.
std::size_t count_below(const std::uint64_t* heads, std::size_t left, std::uint64_t head) noexcept {
    constexpr std::size_t few = 16;
    std::size_t count = 0;
    while (left > few) {
        const std::size_t half = left / 2;
        count += heads[count + half - 1] < head ? half : 0;
        left -= half;
    }
    const std::uint64_t* const rest = heads + count;
    for (std::size_t i = 0; i < left; ++i) {
        count += rest[i] < head ? 1 : 0;
    }
    return count;
}

std::string_view shared_beginning(std::string_view one, std::string_view other) noexcept {
    const auto differ = std::ranges::mismatch(one, other);
    return one.substr(0, static_cast<std::size_t>(differ.in1 - one.begin()));
}

}  // namespace

range_index::range_index(const std::vector<std::string>& from) : from_{&from} {
    if (from.size() < 2) {
        return;
    }
    shared_ = shared_beginning(from[1], from.back());  // They ascend: so do all between begin.
    for (std::size_t i = 1; i < from.size(); ++i) {
        heads_.push_back(head_of(std::string_view{from[i]}.substr(shared_.size())));
    }
    const std::uint64_t width = heads_.back() - heads_.front();
    const auto most = static_cast<unsigned>(std::bit_width(std::bit_ceil(heads_.size()) - 1));
    const auto bits = static_cast<unsigned>(std::bit_width(width));
    shift_ = bits > most ? bits - most : 0;
    begins_.assign(bucket_of(heads_.back()) + 2, 0);
    for (const std::uint64_t head : heads_) {
        ++begins_[bucket_of(head) + 1];
    }
    for (std::size_t i = 1; i < begins_.size(); ++i) {
        begins_[i] += begins_[i - 1];
    }
}

std::size_t range_index::place_of(std::string_view key) const noexcept {
    if (heads_.empty()) {
        return 0;
    }
    if (!key.starts_with(shared_)) {
        return key < shared_ ? 0 : heads_.size();
    }
    const std::uint64_t head = head_of(key.substr(shared_.size()));
    if (head < heads_.front()) {
        return 0;
    }
    if (head > heads_.back()) {
        return heads_.size();
    }
    const std::size_t bucket = bucket_of(head);
    const std::size_t begin = begins_[bucket];
    const std::size_t first =
        begin + count_below(heads_.data() + begin, begins_[bucket + 1] - begin, head);
    if (heads_[first] != head) {
        return first;
    }
    // The bounds begin at the second of the first keys.
    const auto last = std::ranges::upper_bound(
                          heads_.begin() + static_cast<std::ptrdiff_t>(first), heads_.end(), head) -
                      heads_.begin();
    const auto bounds = from_->begin() + 1;
    const auto above =
        std::upper_bound(bounds + static_cast<std::ptrdiff_t>(first),
                         bounds + last,
                         key,
                         [](std::string_view one, std::string_view other) { return one < other; });
    return static_cast<std::size_t>(above - bounds);
}

}  // namespace muster::cluster
