#pragma once

/// @file
/// A process that is a member: what `agent` and `elect` share. Signals, leaving, the exit code.
/// Once it runs, all that it says on stderr goes through its log, which never blocks.

#include "agent_host.hpp"
#include "cluster/member.hpp"
#include "command.hpp"
#include "journal.hpp"
#include "log_lines.hpp"
#include "runtime/real_signals.hpp"
#include "warden_pool.hpp"
#include "work.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace muster::cli {

struct member_plan {
    cluster::member_settings member;
    std::string resource;
    cluster::specification spec;
    std::set<std::string> stands_for;  ///< names of `globals`
    std::string journal;               ///< "" for none
};

/// Threads: made, run and destroyed by the program's main thread, before which no other thread was
/// started (signals are blocked here); `leave` on the control loop.
class member_process {
public:
    explicit member_process(context& at);
    ~member_process();
    member_process(const member_process&) = delete;
    member_process& operator=(const member_process&) = delete;

    [[nodiscard]] const std::shared_ptr<runtime::loop>& control() const { return control_; }
    [[nodiscard]] warden_pool& wardens();
    [[nodiscard]] log_lines& log() { return log_; }
    /// Control loop.
    [[nodiscard]] cluster::member* member() { return member_.get(); }

    /// Runs until a signal or `leave`; a second signal ends the process at once, with 130.
    ///
    /// `make_work` is called on the control loop. `told` hears of rights taken up and ended.
    /// `on_signal` says with which code a signal ends the process.
    exit_code run(member_plan plan,
                  std::function<std::unique_ptr<work>()> make_work,
                  std::function<void(const cluster::right::identity&, bool, bool)> told,
                  std::function<exit_code(int)> on_signal);

    /// Hands over, leaves, and ends `run` with `code`. The first call counts.
    void leave(exit_code code);
    /// The same because of `what`, which is told at the end, with its code. Not at once: it may be
    /// called from inside of the member's own calls.
    void give_up(failure what);

private:
    void begin(member_plan plan,
               const std::function<std::unique_ptr<work>()>& make_work,
               std::function<void(const cluster::right::identity&, bool, bool)> told);
    void left(const result<void>& how);
    void clear_up();

    context& at_;
    runtime::signal_watch signals_;
    log_lines log_;
    std::shared_ptr<runtime::loop> control_;
    std::unique_ptr<warden_pool> wardens_;
    std::unique_ptr<journal> book_;
    std::shared_ptr<agent_host> host_;
    std::unique_ptr<work> body_;
    std::unique_ptr<cluster::member> member_;
    std::unique_ptr<runtime::timer> start_timer_;
    std::optional<exit_code> leaving_;
    std::optional<failure> why_;
    std::atomic<bool> finished_{false};
};

}  // namespace muster::cli
