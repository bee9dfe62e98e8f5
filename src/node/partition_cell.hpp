#pragma once

/// @file
/// One partition on this node: the user's object while it is owned, and the calls to it, one at a
/// time.

#include "muster/application.hpp"
#include "muster/detail/dispatch.hpp"
#include "muster/pending.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "cluster/right.hpp"
#include "node/envelope.hpp"
#include "node/held_right.hpp"
#include "runtime/loop.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster::detail {

/// Who comes first: a call's turn, or the end of its asker's patience.
/// Threads: any.
class call_claim {
public:
    /// True once, for whoever comes first.
    [[nodiscard]] bool take() noexcept { return !taken_.exchange(true); }

private:
    std::atomic<bool> taken_{false};
};

/// A call to a partition, as the mesh or this node's own code brought it.
struct partition_call {
    std::string type;
    std::string body;
    std::int64_t fence = 0;
    member_id from;
    instant deadline{};
    callback<ask_answer> answer;          ///< called once, on any thread
    std::shared_ptr<call_claim> claim{};  ///< null: the asker cannot take it back
};

/// What all partitions of a resource have in common.
struct cell_setting {
    std::shared_ptr<runtime::platform> platform;
    /// Run code of the user's that may block: what makes a partition or prepares for one, and what
    /// ends it, which must not wait behind what hangs.
    std::function<void(task_fn)> offload;
    std::function<void(task_fn)> offload_end;
    std::function<std::unique_ptr<partition_object>(ownership)> make;
    std::function<result<void>(const partition_hint&)> prepare;  ///< may be empty
    std::function<muster::node&()> home;
    std::function<void(severity, std::string_view event, const std::string& text)> say;
    bool serve_stale = false;
    /// Effects are fenced, or none: an acquire that is late can be given up while it still runs.
    bool may_be_left_running = false;
    duration acquire_deadline = 30s;
    duration release_deadline = 5s;
};

/// Threads:  any; it does its work on its worker.
/// Lifetime: shared; `shut` ends it.
class partition_cell final : public strand, public std::enable_shared_from_this<partition_cell> {
public:
    static constexpr std::size_t queue_max = 65'536;
    static constexpr duration max_stale = 10min;
    static constexpr duration slow = 50ms;  ///< code that holds a worker longer is reported

    partition_cell(std::string title,
                   std::shared_ptr<runtime::loop> worker,
                   std::shared_ptr<const cell_setting> setting)
        : title_{std::move(title)}, worker_{std::move(worker)}, setting_{std::move(setting)} {}

    /// Runs `job` as code of this partition.
    void post(std::move_only_function<void()> job) override;

    void acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done);
    /// Any thread: whether a constructor or destructor of the user's has begun and not ended; a
    /// handler runs inside a guard of the right.
    [[nodiscard]] bool runs_code() const noexcept {
        return running_code_.load(std::memory_order_acquire) > 0;
    }
    /// `by_lease`: the right ended with the lease, not by a plan.
    void stop(std::shared_ptr<cluster::right> mine, bool by_lease, callback<> done);
    void call(partition_call one);
    /// A newer plan gives it to somebody else: what was kept for stale reads goes.
    void drop_stale();
    /// Ends what is left, calls and object, on this thread. Only once its worker has stopped.
    void shut();

private:
    class answering;
    struct holding {
        std::shared_ptr<cluster::right> mine;
        std::shared_ptr<held_right> held;  ///< the same, as the user's code has it
        std::shared_ptr<partition_object> object;
    };
    struct wanted {
        std::shared_ptr<cluster::right> mine;
        std::shared_ptr<held_right> held;
        callback<result<void>> done;  ///< empty: told already
        bool late = false;
    };

    void make_next();
    void made(result<std::shared_ptr<partition_object>> got);
    void acquire_is_late();
    void pump();
    void run(partition_call one, duration age);
    void ended(const std::shared_ptr<cluster::right>& mine,
               duration age,
               callback<ask_answer> answer,
               result<std::string> got);
    void refuse_queued();
    void stop_now(std::shared_ptr<cluster::right> mine,
                  std::optional<instant> lapsed,
                  callback<> done);
    void stop_if_idle();
    void destroy(std::shared_ptr<partition_object> object, callback<> done);
    void in_turn(task_fn job);
    void took(duration how_long);
    void watch(duration patience, void (partition_cell::*late)());
    void release_is_late();
    [[nodiscard]] ask_answer refusal() const;
    [[nodiscard]] bool stale_readable(const partition_call& one) const;

    const std::string title_;
    std::shared_ptr<runtime::loop> worker_;
    std::shared_ptr<const cell_setting> setting_;
    std::atomic<int> running_code_{0};
    // On the worker only:
    std::optional<holding> now_;
    std::deque<wanted> next_;  ///< acquires that wait for the last stop
    std::optional<wanted> making_;
    bool destroying_ = false;
    bool busy_ = false;  ///< a call runs, or its coroutine waits
    bool pumping_ = false;
    bool shut_ = false;
    instant busy_deadline_ = never;
    std::shared_ptr<void> running_;  ///< that coroutine
    bool stop_wanted_ = false;
    bool by_lease_ = false;  ///< so ended the right of `now_`
    callback<> stop_done_;
    std::optional<instant> stale_since_;
    std::deque<partition_call> queue_;
    std::unique_ptr<runtime::timer> late_timer_;
    std::optional<instant> slow_told_;
};

}  // namespace muster::detail
