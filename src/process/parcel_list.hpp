#pragma once

/// @file
/// What waits in a mailbox, in the order it came.

#include "muster/detail/parcel.hpp"

#include <utility>

namespace muster::process_detail {

/// A list through the parcels themselves: it allocates nothing.
/// Threads: one at a time.
class parcel_list {
public:
    parcel_list() = default;
    parcel_list(const parcel_list&) = delete;
    parcel_list& operator=(const parcel_list&) = delete;
    ~parcel_list() {
        while (first_ != nullptr) {
            take_first();
        }
    }

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

    void push_back(detail::parcel_ptr one) noexcept {
        one->next = nullptr;
        *end_ = one.release();
        end_ = &(*end_)->next;
    }

    /// Null if it is empty.
    detail::parcel_ptr take_first() noexcept { return take_at(&first_); }

    /// The first for which `chosen` holds; null if there is none.
    template <class Chosen>
    detail::parcel_ptr take_first_if(Chosen chosen) {
        for (detail::parcel** at = &first_; *at != nullptr; at = &(*at)->next) {
            if (chosen(std::as_const(**at))) {
                return take_at(at);
            }
        }
        return nullptr;
    }

private:
    detail::parcel_ptr take_at(detail::parcel** at) noexcept {
        detail::parcel_ptr one{*at};
        if (one) {
            *at = one->next;
            if (end_ == &one->next) {
                end_ = at;
            }
        }
        return one;
    }

    detail::parcel* first_ = nullptr;
    detail::parcel** end_ = &first_;
};

}  // namespace muster::process_detail
