#pragma once

/// @file
/// `--exec`: a command for each right held, below a warden, started again when it fails.

#include "base/life_guard.hpp"
#include "restart_policy.hpp"
#include "runtime/loop.hpp"
#include "warden_pool.hpp"
#include "work.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace muster::cli {

/// Threads: control loop only.
class exec_work final : public work {
public:
    struct hooks {
        /// What to run for a right.
        std::function<launch(const cluster::right::identity&)> command;
        /// It failed too often.
        std::function<void(const cluster::right::identity&)> failed;
        /// It ended; true: that is handled, do not start it again.
        std::function<bool(const cluster::right::identity&, const run_end&)> ended;
        /// Its warden could not be started. Null: that is a failure like any other.
        std::function<void(const error&)> cannot_start;
        std::function<void(std::string_view event, std::string text)> log;
    };

    exec_work(std::shared_ptr<runtime::loop> control, warden_pool& pool, hooks told)
        : loop_{std::move(control)}, pool_{pool}, told_{std::move(told)} {}

    result<void> begin(const std::shared_ptr<cluster::right>& mine, instant lease_end) override;
    void extend(const cluster::right& mine, instant lease_end) override;
    void end(const cluster::right& mine, instant kill_at, callback<> done) override;

private:
    struct job {
        std::shared_ptr<cluster::right> mine;
        instant lease_end{};
        std::optional<warden_pool::number> running;
        restart_policy policy;
        std::unique_ptr<runtime::timer> restart;
        callback<> stopped;
        bool stopping = false;
    };
    using place = const cluster::right*;

    result<void> start(job& one);
    void ended(place which, const run_end& how);

    std::shared_ptr<runtime::loop> loop_;
    warden_pool& pool_;
    hooks told_;
    std::map<place, job> jobs_;
    life_guard life_;
};

}  // namespace muster::cli
