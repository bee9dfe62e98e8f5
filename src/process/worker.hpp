#pragma once

/// @file
/// One worker: a loop, the slots whose processes run on it, those that are ready, and timers.

#include "muster/detail/parcel.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "process/slot_table.hpp"
#include "runtime/loop.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace muster::process_detail {

class host_core;

/// Threads: `put`, `slots` and `loop` from any; all else on its loop.
/// Lifetime: its host_core's, which its tasks hold.
class worker {
public:
    worker(host_core& home, std::uint32_t number, std::shared_ptr<runtime::loop> on);

    [[nodiscard]] slot_table& slots() noexcept { return slots_; }
    [[nodiscard]] runtime::loop& loop() const noexcept { return *loop_; }
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }

    /// Puts a parcel into a mailbox here, and wakes this worker if it has nothing to do yet.
    void put(slot& to, detail::parcel_ptr one);
    /// Ends all that live here, but those whose blocking job still runs.
    void end_all();
    /// Tells all that live here that the node stops.
    void stop_all();

    void set_alarm(instant when, std::uint64_t number, task_fn fire);
    void unset_alarm(instant when, std::uint64_t number);
    /// Drops all timers, and the wish to be woken. After it none is set.
    void close();

private:
    void run_ready();
    void drain(slot& one);
    void set_timer();
    void fire_due();

    host_core& home_;
    const std::uint32_t number_;
    const std::shared_ptr<runtime::loop> loop_;
    slot_table slots_;
    std::atomic<slot*> ready_{nullptr};  ///< Newest first.
    std::map<std::pair<instant, std::uint64_t>, task_fn> alarms_;
    std::unique_ptr<runtime::timer> timer_;
    bool closed_ = false;
};

}  // namespace muster::process_detail
