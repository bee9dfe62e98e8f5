#pragma once

/// @file
/// Whether a process is being destroyed on this thread: what its locals say differs then.

namespace muster::process_detail {

/// Marks this thread as destroying the coroutine of a process that has not returned.
class frame_end {
public:
    frame_end() noexcept : outer_{under_way_} { under_way_ = true; }
    frame_end(const frame_end&) = delete;
    frame_end& operator=(const frame_end&) = delete;
    ~frame_end() { under_way_ = outer_; }

    [[nodiscard]] static bool is_under_way() noexcept { return under_way_; }

private:
    static inline thread_local bool under_way_ = false;
    bool outer_;
};

}  // namespace muster::process_detail
