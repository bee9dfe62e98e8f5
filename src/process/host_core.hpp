#pragma once

/// @file
/// All processes of one node: which workers they run on, and the way to each.

#include "muster/process.hpp"

#include "base/callback.hpp"
#include "process/far_side.hpp"
#include "process/limits.hpp"
#include "process/process_core.hpp"
#include "process/process_right.hpp"
#include "process/worker.hpp"
#include "runtime/loop.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::process_detail {

/// Threads: any.
class host_core final : public detail::router, public std::enable_shared_from_this<host_core> {
public:
    host_core(std::shared_ptr<runtime::platform> on,
              member_id life,
              std::string name,
              process_limits limits);

    void add_workers(const std::vector<std::shared_ptr<runtime::loop>>& loops);

    result<void> deliver(const pid& to, detail::parcel_ptr one) override;
    [[nodiscard]] bool sends_far(const pid& to) const noexcept override {
        return is_far(to) && !afar_;
    }
    result<void> send_far(const pid& to,
                          detail::local_ref from,
                          const detail::message_type& type,
                          const void* body) override;
    result<void> deliver_to(detail::global_core& to, detail::parcel_ptr one) override;
    result<void> offer(const pid& to, detail::parcel_ptr& one, detail::unsent_fn back) override;
    void lose(const detail::parcel& one, const std::string& global) override;
    void lose(detail::local_ref from, const pid& to) override { count_lost(from, to, 1); }
    /// To a process of this node.
    result<void> deliver_here(const detail::local_ref& to, detail::parcel_ptr one);
    void set_sender(detail::parcel& one, const pid& from) const override;
    /// The same, but where it is refused `one` stays with the caller, who answers for it.
    result<void> offer_here(const detail::local_ref& to, detail::parcel_ptr& one);
    pid spawn(std::move_only_function<process(self)> body) override;
    /// Linked to a process of here.
    pid spawn_linked(std::move_only_function<process(self)> body, const pid& to);
    /// A process that acts under a right; null: under none.
    pid spawn_under(std::move_only_function<process(self)> body,
                    std::shared_ptr<process_right> under);
    /// The address of a process that has ended: whoever monitors it hears so.
    [[nodiscard]] pid ended_pid() const { return {member_.life, short_name_, 0xffff'ffffU, 1}; }
    detail::alarm arm(std::chrono::nanoseconds after,
                      std::move_only_function<void()> fire) override;
    void disarm(const detail::alarm& one) override;
    [[nodiscard]] std::chrono::nanoseconds within_call(
        std::chrono::nanoseconds limit) const override;
    [[nodiscard]] detail::name_service* names() const noexcept override { return services_.get(); }
    /// Before any process runs.
    void go_afar_by(std::function<result<void>(const pid&, detail::parcel_ptr)> how) {
        afar_ = std::move(how);
    }
    /// `how` hears how many messages of plain threads were lost since it heard last. Before any is.
    void say_lost_by(std::function<void(std::uint64_t)> how) { say_lost_ = std::move(how); }
    void look_up_by(std::shared_ptr<detail::name_service> how) { services_ = std::move(how); }
    [[nodiscard]] std::shared_ptr<detail::global_service> globals() const noexcept override {
        return globals_.lock();
    }
    void find_globals_by(std::weak_ptr<detail::global_service> how) { globals_ = std::move(how); }
    void name_globals_by(std::function<std::string(const pid&)> how) {
        name_of_global_ = std::move(how);
    }

    /// Has `act` run where `to` lives; with null if that life is known to have ended.
    void signal_to(const pid& to, signal::action act);
    void signal_to(const detail::local_ref& to, signal::action act);
    /// Accepted, and lost since.
    void count_lost(const detail::local_ref& sender, const pid& to, std::uint64_t count) {
        count_lost(sender, undelivered{.to = to, .count = count});
    }
    void count_lost(const detail::local_ref& sender, undelivered what);

    /// What starts processes for other nodes, by name: with its arguments as bytes.
    using factory = std::function<result<std::move_only_function<process(self)>>(std::string_view)>;
    void add_factory(const std::string& name, factory make);
    [[nodiscard]] result<pid> make(const std::string& name, std::string_view arguments);

    [[nodiscard]] far_side& far() noexcept { return far_; }
    [[nodiscard]] const member_id& life() const noexcept { return member_.life; }
    [[nodiscard]] const home_member& member() const noexcept { return member_; }
    /// The name of the member of that life, as far as it is known here.
    [[nodiscard]] std::string name_of(const member_id& life) const;
    void know_names(std::function<std::string(const member_id&)> how) { names_ = std::move(how); }
    [[nodiscard]] bool is_local(const pid& one) const noexcept {
        return one.life() == member_.life;
    }
    [[nodiscard]] bool is_far(const pid& one) const noexcept {
        return one.life() != member_.life && !one.empty();
    }
    [[nodiscard]] pid pid_of(const detail::local_ref& one) const;
    [[nodiscard]] const process_limits& limits() const noexcept { return limits_; }
    [[nodiscard]] runtime::platform& platform() const noexcept { return *platform_; }
    [[nodiscard]] std::vector<std::unique_ptr<worker>>& workers() noexcept { return workers_; }
    [[nodiscard]] worker& worker_of(std::uint32_t index) noexcept {
        return *workers_[index % workers_.size()];
    }
    /// Null if nobody ever lived there.
    [[nodiscard]] slot* find(std::uint32_t index) noexcept { return find_place(index).second; }
    /// The same, with whose it is.
    [[nodiscard]] std::pair<worker*, slot*> find_place(std::uint32_t index) noexcept;
    [[nodiscard]] std::uint64_t next_number() noexcept {
        return numbers_.fetch_add(1, std::memory_order_relaxed) + 1;
    }

    /// On its worker: the slot is free again.
    void vacate(worker& at, slot& one);

    void begin_stop(duration grace, task_fn stopped);

    std::atomic<bool> stopping{false};
    std::atomic<std::uint32_t> living{0};
    std::atomic<std::uint64_t> lost{0};
    std::atomic<std::uint32_t> jobs{1};  ///< Blocking ones, and 1 for the host itself.
    std::unique_ptr<runtime::gate> jobs_done;

    void job_done() {
        if (jobs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            jobs_done->open();
        }
    }

private:
    pid start(std::move_only_function<process(self)> body,
              std::shared_ptr<process_right> under,
              const pid& linked_to);
    void tell_if_stopped();
    void count_lost_of_threads(std::uint64_t count);

    const std::shared_ptr<runtime::platform> platform_;
    const home_member member_;
    const detail::short_text short_name_{member_.name};
    const process_limits limits_;
    far_side far_{*this};
    std::function<std::string(const member_id&)> names_;
    std::function<result<void>(const pid&, detail::parcel_ptr)> afar_;  ///< instead of `far_`
    std::shared_ptr<detail::name_service> services_;
    std::weak_ptr<detail::global_service> globals_;
    std::function<std::string(const pid&)> name_of_global_;
    runtime::published<std::map<std::string, factory>> factories_{
        std::make_shared<const std::map<std::string, factory>>()};
    std::vector<std::unique_ptr<worker>> workers_;
    std::atomic<std::uint32_t> next_worker_{0};
    std::atomic<std::uint64_t> numbers_{0};
    task_fn stopped_;  ///< The first worker's.
    std::function<void(std::uint64_t)> say_lost_;
    std::atomic<bool> lost_is_said_{false};  ///< A line about it is due.
    std::atomic<std::uint64_t> lost_said_{0};
};

}  // namespace muster::process_detail
