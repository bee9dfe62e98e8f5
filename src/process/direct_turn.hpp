#pragma once

/// @file
/// Whether a process may go on inside the call that brings what it waits for.

#include <utility>

namespace muster::process_detail {

/// Marks this thread as one on whose stack no code of the user's stands, nor anything that such
/// code could disturb: what is answered here may resume its process at once, without a turn of the
/// loop.
class direct_turn {
public:
    direct_turn() noexcept : outer_{std::exchange(open_, true)} {}
    direct_turn(const direct_turn&) = delete;
    direct_turn& operator=(const direct_turn&) = delete;
    ~direct_turn() { open_ = outer_; }

    [[nodiscard]] static bool is_open() noexcept { return open_; }

    /// Code of the user's runs meanwhile.
    class pause {
    public:
        pause() noexcept : outer_{std::exchange(open_, false)} {}
        pause(const pause&) = delete;
        pause& operator=(const pause&) = delete;
        ~pause() { open_ = outer_; }

    private:
        bool outer_;
    };

private:
    static inline thread_local bool open_ = false;
    bool outer_;
};

}  // namespace muster::process_detail
