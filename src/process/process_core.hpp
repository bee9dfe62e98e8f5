#pragma once

/// @file
/// One life of one process: its coroutine, what it waits for, its mailbox, who watches it.

#include "muster/process.hpp"

#include "base/instant.hpp"
#include "process/far_parcel.hpp"
#include "process/parcel_list.hpp"
#include "process/process_right.hpp"
#include "process/slot_table.hpp"
#include "process/worker.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::process_detail {

class host_core;

/// A message of another life as it was read: its bytes, and what says where it came from, live
/// during the call only.
struct far_message {
    const std::shared_ptr<const detail::far_node>& node;
    detail::local_ref from;
    std::string_view type;
    std::string_view body;
    far_asker asker;
    const detail::message_type* known = nullptr;  ///< that of a process's with this name
};

/// A signal of Muster's own, handled where the process lives. `act` gets null if that life has
/// ended.
class signal final : public detail::parcel {
public:
    using action = std::move_only_function<void(process_core*)>;
    explicit signal(action what) : parcel{nullptr}, act{std::move(what)} {}
    action act;
};

/// Threads: its worker's loop; `post`, `pid` from any.
class process_core final : public detail::strand,
                           public detail::process_room,
                           public std::enable_shared_from_this<process_core> {
public:
    process_core(std::shared_ptr<host_core> home,
                 worker& here,
                 slot& place,
                 pid own,
                 std::move_only_function<process(self)> body,
                 std::shared_ptr<process_right> under = nullptr);
    ~process_core() override;

    void post(std::move_only_function<void()> job) override;

    [[nodiscard]] const pid& own() const noexcept override { return own_; }
    [[nodiscard]] const std::shared_ptr<detail::router>& home() const noexcept override {
        return router_;
    }
    [[nodiscard]] const home_member& member() const noexcept override;
    [[nodiscard]] muster::ownership ownership() const override;
    [[nodiscard]] pid sender_of(const detail::parcel& one) const override;
    [[nodiscard]] std::chrono::nanoseconds now() const override;

    /// On its worker: what its last `receive` was for, as JSON.
    [[nodiscard]] std::string shapes() const;
    bool begin_wait(std::span<const detail::message_type* const> types,
                    std::optional<std::chrono::nanoseconds> limit) override;
    void suspend(std::coroutine_handle<> waiting, detail::open_at_fn open_at, void* at) override;
    detail::parcel_ptr end_wait(error& why) override;
    [[nodiscard]] std::chrono::nanoseconds answers_until() const noexcept override;

    std::uint64_t monitor(const pid& who) override;
    void demonitor(std::uint64_t which) override;
    void link(const pid& who) override;
    pid spawn_linked(std::move_only_function<process(self)> body) override;
    void unlink(const pid& who) override;
    void trap_exits(bool wanted) override { traps_exits_ = wanted; }
    void exit(const pid& who, std::string text) override;
    void kill(const pid& who) override;
    void run_blocking(std::move_only_function<void()> job) override;
    void when_writable(const pid& who, completer<void> told) override;

    // --- What signals do -----------------------------------------------------------------------

    void start();
    /// A message for the mailbox.
    void arrive(detail::parcel_ptr one);
    /// A message that has just been read from the network: if it is what this waits for, goes on
    /// with it now. Else nothing has happened.
    [[nodiscard]] bool take_at_once(far_message& one);
    /// Goes on if what it waits for has come. After a batch of `arrive`.
    void go_on();
    void run_job(std::move_only_function<void()>& job);
    void on_stop();
    void on_exit_signal(const pid& from, exit_reason why, bool by_link);
    void on_down(std::uint64_t which, const pid& who, exit_reason why);
    void on_lost(undelivered what);
    void on_writer(completer<void> told);
    void unwatch(std::uint64_t which);
    void on_job_done();
    /// Ends this life. While a blocking job runs, the end waits for it.
    void end(exit_reason why);
    [[nodiscard]] const std::shared_ptr<process_right>& under() const noexcept { return under_; }

    /// Told instead of a process: each gets the reason once. Runs on this loop.
    using watcher = std::move_only_function<void(const pid&, const exit_reason&)>;
    std::vector<std::pair<std::uint64_t, watcher>> watchers;
    std::set<pid> links;

private:
    void resume(std::coroutine_handle<> at);
    void go_on_at(std::coroutine_handle<> at);
    void finish_if_done();
    [[nodiscard]] bool wants(const detail::message_type* type) const noexcept;
    [[nodiscard]] const detail::message_type* wanted_type(const detail::parcel& one) const noexcept;
    [[nodiscard]] detail::parcel_ptr accept(detail::parcel_ptr one);
    [[nodiscard]] detail::parcel_ptr take();
    void count_taken(const detail::parcel& one);
    void settle_load();
    void end_waiting(errc why);
    [[nodiscard]] exit_reason reason_of_end();
    void withdraw(std::uint64_t which, const pid& who);
    void drop_mailbox();
    [[nodiscard]] bool lost_its_right();

    const std::shared_ptr<host_core> home_;
    const std::shared_ptr<process_right> under_;  ///< Null: it acts under no right.
    const std::shared_ptr<detail::router> router_;
    worker& worker_;
    slot& slot_;
    const pid own_;
    std::move_only_function<process(self)>
        body_;  ///< Outlives the coroutine, which may refer to it.
    process running_;

    parcel_list inbox_;
    std::vector<undelivered> lost_;
    std::uint64_t taken_count_ = 0;
    std::uint64_t taken_bytes_ = 0;

    // What it waits for.
    std::span<const detail::message_type* const> wanted_;
    std::span<const detail::message_type* const> takes_;  ///< The same of the last `receive`.
    std::optional<std::chrono::nanoseconds> limit_;
    std::coroutine_handle<> waiting_;
    detail::open_at_fn open_at_ = nullptr;  ///< While it waits; null: it takes parcels alone.
    void* waiter_ = nullptr;
    detail::parcel_ptr taken_;
    std::shared_ptr<detail::ask_ticket> answering_;  ///< The request it took last, if it was one.
    std::optional<errc> ended_wait_;
    std::pair<instant, std::uint64_t> wait_alarm_{instant{}, 0};

    std::map<std::uint64_t, pid> monitors_;
    std::vector<completer<void>> writers_;
    bool traps_exits_ = false;
    bool stopping_ = false;
    int closed_answers_ = 0;
    int jobs_ = 0;
    std::optional<exit_reason> doom_;
    bool ended_ = false;
};

}  // namespace muster::process_detail
