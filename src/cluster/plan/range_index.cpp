#include "cluster/plan/range_index.hpp"

#include <algorithm>
#include <bit>

namespace muster::cluster {
namespace {

/// Compared as numbers they are ordered as the first bytes are, or equal.
std::uint64_t head_of(std::string_view text) noexcept {
    constexpr std::size_t size = sizeof(std::uint64_t);
    std::uint64_t head = 0;
    if (text.size() >= size) {
        for (std::size_t i = 0; i < size; ++i) {
            head = head << 8U | static_cast<unsigned char>(text[i]);
        }
        return head;
    }
    for (const char one : text) {
        head = head << 8U | static_cast<unsigned char>(one);
    }
    return text.empty() ? 0 : head << (8U * (size - text.size()));
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

std::size_t range_index::below(std::uint64_t head) const noexcept {
    // Without a branch that depends on the key: a wrong guess costs more than the comparisons.
    constexpr std::size_t few = 16;
    const std::size_t bucket = bucket_of(head);
    std::size_t at = begins_[bucket];
    std::size_t left = begins_[bucket + 1] - at;
    while (left > few) {
        const std::size_t half = left / 2;
        at += heads_[at + half - 1] < head ? half : 0;
        left -= half;
    }
    std::size_t count = 0;
    for (std::size_t i = at; i < at + left; ++i) {
        count += heads_[i] < head ? 1 : 0;
    }
    return at + count;
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
    const std::size_t first = below(head);
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
