#pragma once

/// @file
/// Global processes on the member that owns their partitions: started with the right, ended with
/// it, and the right given up when one of them ends.
///
///     acquire   the staged body is started as a process that acts under the right
///     release   its `receive` answers `closed`; what has not ended by the deadline is killed
///     revoke    it is killed, and whatever it still does says nothing any more
///
/// A right counts as released once the process has ended, so two of a name never run at a time.

#include "muster/node.hpp"

#include "cluster/host.hpp"
#include "node/resource_host.hpp"
#include "process/host.hpp"
#include "runtime/published.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::detail {

/// A body, and what its candidate said of it.
struct staged_body {
    body_maker make;
    muster::on_stuck on_stuck = muster::on_stuck::abort;
};
using staged_map = std::map<std::string, std::shared_ptr<const staged_body>, std::less<>>;

/// Threads:  control loop, but `stage`, `staged` and `call`, which are for any.
/// Lifetime: shared; `close` on the control loop ends its activity.
class global_seats final : public cluster::owner_host,
                           public call_taker,
                           public std::enable_shared_from_this<global_seats> {
public:
    struct settings {
        std::shared_ptr<runtime::platform> platform;
        std::shared_ptr<runtime::loop> control;
        process_host* processes = nullptr;
        std::function<muster::node&()> home;
        std::function<void(severity, std::string_view event, const std::string& text)> say;
        /// A process has ended by itself, and its right holds: what is to become of the right.
        std::function<void(const std::shared_ptr<cluster::right>&)> left;
        /// That process of that partition has ended. Any thread.
        std::function<void(const std::string& partition, const pid&)> ended;
        /// What it had not seen. Any thread.
        std::function<void(const std::string& partition, std::vector<parcel_ptr>)> unread;
        /// What had been stuck has stopped.
        std::function<void(const cluster::right::identity&)> no_longer_stuck;
        /// The right does not end with the process, which is started again under it. Until it has
        /// ended it counts as an effect under that right.
        bool outlived = false;
        duration release_deadline = 5s;
    };

    global_seats();
    ~global_seats() override;

    /// Any thread: from here on `body` is what is started for that partition.
    void stage(const std::string& partition, std::shared_ptr<const staged_body> body);
    [[nodiscard]] std::shared_ptr<const staged_map> staged() const { return staged_.read(); }

    /// Before the node is a member.
    void open(settings how) { how_ = std::move(how); }
    void close();

    void acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) override;
    void release(std::shared_ptr<cluster::right> mine, callback<> done) override;
    void revoke(std::shared_ptr<cluster::right> mine, callback<> done) override;
    [[nodiscard]] bool still_runs(const cluster::right& mine) const override;
    void call(std::string_view partition, partition_call one) override;

    /// Whether a process is there under that right.
    [[nodiscard]] bool runs(const cluster::right& mine) const { return all_.contains(&mine); }
    /// The rights under which bodies run that are staged no more.
    [[nodiscard]] std::vector<std::shared_ptr<cluster::right>> outdated() const;
    /// What is to be done about the process under that right, which does not stop.
    [[nodiscard]] muster::on_stuck on_stuck_of(const cluster::right::identity& what) const;

private:
    class seat;
    using seat_map = std::map<std::string, std::shared_ptr<seat>, std::less<>>;

    void ended(const std::shared_ptr<seat>& one, const exit_reason& why);
    void finish(const std::shared_ptr<seat>& one, callback<> done);
    void stop_late(const std::weak_ptr<seat>& which);

    settings how_;
    runtime::published<staged_map> staged_{std::make_shared<const staged_map>()};
    runtime::published<seat_map> seats_{std::make_shared<const seat_map>()};
    std::map<const cluster::right*, std::shared_ptr<seat>> all_;
    bool closed_ = false;
};

}  // namespace muster::detail
