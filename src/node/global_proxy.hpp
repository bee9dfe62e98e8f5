#pragma once

/// @file
/// What a `global` is on this node: the way to the elected process while it is known, and a place
/// where messages wait while it is not.
///
/// Messages go straight to the process as long as nothing waits; from the first that has to wait on
/// all go through one loop, in their order, until none is left. Who has been elected is asked of
/// the owner of the partition, and is known until a newer plan says otherwise, or until that
/// process turns out to have ended: a pid names one life of one process, so a stale one reaches
/// nobody.

#include "muster/global.hpp"

#include "node/resource_host.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster::detail {

/// Threads:  any; it does its waiting on its worker.
/// Lifetime: shared.
class global_proxy final : public global_core, public std::enable_shared_from_this<global_proxy> {
public:
    static constexpr std::size_t most_held = 10'000;
    static constexpr duration hold_limit = 5s;  ///< of what is sent; an ask has its deadline

    /// `trouble`: every use of it is answered so.
    global_proxy(std::string name,
                 std::string partition,
                 std::shared_ptr<resource_host> seats,
                 std::size_t worker,
                 std::optional<error> trouble = std::nullopt);

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] std::shared_ptr<router> home() const noexcept override;
    [[nodiscard]] std::chrono::nanoseconds ask_deadline() const noexcept override;
    result<void> deliver(parcel_ptr one) override;
    void locate(std::chrono::nanoseconds within, completer<pid> told) override;

    /// There is somebody who stands for it: that no plan names it is a matter of time.
    void expect() { expected_.store(true); }
    [[nodiscard]] bool is_expected() const noexcept { return expected_.load(); }
    /// A newer plan has been read: what it makes false is forgotten.
    void plan_moved();
    /// That process has ended.
    void ended(const pid& who);
    /// What a process that ended has not seen: goes to the next, before all that waits.
    void take_back(std::vector<parcel_ptr> unread);
    /// Answers all that waits. Only once its worker has stopped.
    void shut();
    /// Whether that process is, or was a moment ago, what this stands for.
    [[nodiscard]] bool was_at(const pid& who) const;
    /// Nothing waits here.
    [[nodiscard]] bool is_idle() const noexcept { return count_.load() == 0; }

private:
    struct target {
        pid who;
        std::int64_t fence = 0;
    };
    struct waiting {
        parcel_ptr what;                      ///< or
        std::optional<completer<pid>> where;  ///< somebody who asks
        instant due{};
    };
    using queue = std::map<std::int64_t, waiting>;

    void enter(std::int64_t number, waiting one);
    void leave(queue::iterator one);
    void go_on();
    void flush();
    void find();
    void found(result<answered> got);
    void located_at(pid who, std::int64_t fence);
    void not_found_yet(error why);
    void look_again();
    void expire();
    void end_all(const error& why);
    void give_up(waiting& one, const error& why);
    void set_timer();
    void forget(const pid& who);
    void came_back(const pid& from, parcel_ptr one);
    void report_lost(std::uint64_t count) const;
    [[nodiscard]] unsent_fn returner(const pid& to);
    [[nodiscard]] bool is_current(std::int64_t fence) const;
    [[nodiscard]] instant due_of(const parcel& one) const;
    [[nodiscard]] runtime::loop& loop() const;
    template <class Job>
    void on_loop(Job job);

    const std::string name_;
    const std::string partition_;
    const std::shared_ptr<resource_host> seats_;
    const std::size_t worker_;
    const std::optional<error> trouble_;
    runtime::published<target> target_;
    runtime::published<std::vector<pid>> targets_{std::make_shared<const std::vector<pid>>()};
    std::atomic<bool> expected_{false};
    std::atomic<bool> was_found_{false};
    std::atomic<std::size_t> count_{0};  ///< what waits, or is on its way to wait
    // On the loop:
    queue queue_;
    std::set<std::pair<instant, std::int64_t>> dues_;
    std::int64_t last_ = 0;                                             ///< of those that came
    std::int64_t returned_ = std::numeric_limits<std::int64_t>::min();  ///< they go first
    bool asking_ = false;
    pid dead_;  ///< an answer may still name it
    error why_{errc::moving, ""};
    std::optional<instant> again_;
    std::unique_ptr<runtime::timer> timer_;
};

}  // namespace muster::detail
