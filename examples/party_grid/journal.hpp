#pragma once

/// @file
/// What a member of the grid did and when, one JSON object a line: who watches several members can
/// tell from it how long a partition had no owner.
///
/// `{"t":"NS","event":"acquire","member":"a","resource":"parties","partition":"7","fence":"123"}`,
/// where `t` is CLOCK_BOOTTIME in nanoseconds, comparable between processes of one machine.
/// `acquire` is the instant from which the partition can answer, `let_go` the one at which its
/// records were dropped. `start` carries `pid` and `http`; `leader` carries `gained` and `epoch`;
/// `exit` is the last line of an end in order.

#include "muster/application.hpp"
#include "muster/error.hpp"
#include "muster/ownership.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace party_grid {

/// CLOCK_BOOTTIME in nanoseconds.
[[nodiscard]] std::int64_t boot_nanoseconds();

/// Threads: any; each line is one write.
class journal {
public:
    /// `path`: a file to append to, `-` for standard output, "" for none.
    [[nodiscard]] static muster::result<journal> open(const std::string& path, std::string member);
    journal() = default;
    journal(journal&& other) noexcept;
    journal& operator=(journal&& other) noexcept;
    ~journal();

    void start(std::string_view http) const;
    void acquire(const muster::ownership& what) const;
    void let_go(const muster::ownership& what) const;
    void leader(const muster::leadership& now) const;
    void exit() const;

private:
    void line(std::string_view event, const std::string& fields) const;

    int file_ = -1;
    std::string member_;
};

}  // namespace party_grid
