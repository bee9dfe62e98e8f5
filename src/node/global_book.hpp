#pragma once

/// @file
/// The globals that this node knows, each with one proxy.

#include "muster/global.hpp"

#include "cluster/host.hpp"
#include "node/global_proxy.hpp"
#include "node/resource_host.hpp"
#include "runtime/published.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::detail {

/// Threads:  any, but `plan_read` and `leader_read`, which the control loop calls.
/// Lifetime: shared.
class global_book final : public global_service, public std::enable_shared_from_this<global_book> {
public:
    /// `seats`: the resource whose owners are asked for the processes. `first_use` is called, on
    /// whichever thread, each time a name is met that is not in the book.
    global_book(std::shared_ptr<resource_host> seats, std::function<void()> first_use)
        : seats_{std::move(seats)}, first_use_{std::move(first_use)} {}

    [[nodiscard]] const std::shared_ptr<resource_host>& seats() const noexcept { return seats_; }

    /// The proxy of that name, whether anybody stands for it or not.
    [[nodiscard]] std::shared_ptr<global_proxy> at(std::string_view name);
    /// The proxy of one that is known under another name than its partition's.
    [[nodiscard]] std::shared_ptr<global_proxy> at(std::string_view name,
                                                   std::string_view partition);
    /// The name of what that process is, or was a moment ago; empty: of none in the book.
    [[nodiscard]] std::string name_of(const pid& who) const;
    /// Of that name, if it is in the book.
    [[nodiscard]] std::shared_ptr<global_proxy> known(std::string_view name) const;

    /// Errors: not_found (nobody stands for it, by the newest plan), unavailable, stranded,
    /// invalid_argument, closed.
    void find(std::string_view name, completer<global> told) override;

    /// A newer plan has been read, and `seats` has it.
    void plan_read();
    /// For the book whose only global is the process of the cluster's leader: who leads, as the
    /// newest view says, is to whoever asks what the owner of a partition is.
    void leader_read(const cluster::view_snapshot& now);
    /// Answers all that waits. Only once the workers have stopped.
    void shut();

private:
    using proxy_map = std::map<std::string, std::shared_ptr<global_proxy>, std::less<>>;

    void forget_idle(proxy_map& all) const;

    std::shared_ptr<resource_host> seats_;
    std::function<void()> first_use_;
    runtime::published<proxy_map> proxies_{std::make_shared<const proxy_map>()};
};

/// What is wrong with a global's name, if anything is.
[[nodiscard]] std::optional<error> check_global_name(std::string_view name);

/// What `process_host::name_globals_by` asks: the first of these that knows the process says.
[[nodiscard]] std::function<std::string(const pid&)> names_of(
    std::vector<std::weak_ptr<const global_book>> books);

}  // namespace muster::detail
