#pragma once

/// @file
/// The instances of a service at one moment, and what picking among them has to remember.

#include "muster/instances.hpp"

#include "base/instant.hpp"
#include "runtime/loop.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster::detail {

/// Threads: any; what changes are counts, and since when it is old.
class service_picture {
public:
    using count = std::shared_ptr<std::atomic<std::uint64_t>>;

    /// `all` in the order of their pids. What `before` counted goes on.
    service_picture(std::shared_ptr<runtime::loop> by,
                    std::vector<instance> all,
                    const std::string& zone,
                    const service_picture* before);
    service_picture(const service_picture&) = delete;
    service_picture& operator=(const service_picture&) = delete;

    [[nodiscard]] const std::vector<instance>& all() const noexcept { return all_; }
    [[nodiscard]] std::optional<pid> pick(picking how) const;
    [[nodiscard]] std::chrono::nanoseconds age() const noexcept;

    /// It is so now, and stays so until told otherwise.
    void is_current() const noexcept { old_since_.store(never); }
    /// It was so until now. The first time counts.
    void may_be_old() const noexcept;
    /// ZooKeeper has not been asked.
    void is_unasked() const noexcept { old_since_.store(instant::min()); }
    /// As old as that one.
    void as_old_as(const service_picture& other) const noexcept {
        old_since_.store(other.old_since_.load());
    }

private:
    [[nodiscard]] std::size_t next_of(std::size_t many) const noexcept {
        return static_cast<std::size_t>(turn_->fetch_add(1, std::memory_order_relaxed) % many);
    }

    const std::shared_ptr<runtime::loop> by_;  ///< clock and random numbers
    const std::vector<instance> all_;
    std::vector<count> picked_;
    std::vector<std::size_t> near_;  ///< places in `all_`
    count turn_;
    mutable std::atomic<instant> old_since_{never};
};

}  // namespace muster::detail
