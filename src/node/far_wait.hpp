#pragma once

/// @file
/// What a client sees of its cluster, and what waits until it sees more.

#include "muster/detail/names.hpp"
#include "muster/detail/parcel.hpp"

#include "base/instant.hpp"
#include "discovery/directory.hpp"
#include "node/seen_members.hpp"
#include "process/host.hpp"
#include "runtime/loop.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>

namespace muster::detail {

/// What a client sees of its cluster. Threads: any.
struct sighting {
    std::atomic<bool> begun{false};  ///< a view has been read
    runtime::published<error> blind;

    /// Why nothing is seen, or nothing new.
    [[nodiscard]] std::optional<error> why_not() const {
        const auto why = blind.read();
        return why ? std::optional{*why} : std::nullopt;
    }
    /// The same, where waiting does not help.
    [[nodiscard]] std::optional<error> hopeless() const {
        auto why = why_not();
        return why && why->next() != next_step::wait ? why : std::nullopt;
    }
};

/// The names of a cluster as `from` knows them; what no waiting will change is answered at once.
[[nodiscard]] std::shared_ptr<name_service> names_as_seen(
    std::shared_ptr<discovery::directory> from, std::shared_ptr<const sighting> seen);

/// A client is used before it has seen its cluster, and hears of a process before it has read the
/// view that its member stands in: what goes to a life that is not known yet waits here until it
/// is, in the order in which it came, an ask within its deadline.
///
/// Threads:  any, but where it says the control loop.
/// Lifetime: shared with whoever sends; `end` before the control loop stops.
class far_wait final : public std::enable_shared_from_this<far_wait> {
public:
    struct parts {
        std::shared_ptr<runtime::loop> control;
        std::shared_ptr<life_book> members;
        std::shared_ptr<sighting> seen;
        duration patience{};  ///< of what is not asked
        /// Sends it over the mesh; and tells its sender that it was lost.
        std::function<result<void>(const pid& to, parcel_ptr one)> send;
        std::function<void(const local_ref& from, const pid& to)> lost;
    };
    explicit far_wait(parts made_of) : has_{std::move(made_of)} {}

    /// To a process of a member. Errors: as `router::deliver`.
    result<void> deliver(const pid& to, parcel_ptr one);

    // --- On the control loop -------------------------------------------------------------------

    /// More may be known now.
    void look();
    /// What waits ends with `closed`, and what comes later too.
    void end();

private:
    struct waiting {
        pid to;
        parcel_ptr one;
        instant since{};
        instant until{};
    };

    void wait(pid to, parcel_ptr one);
    [[nodiscard]] bool settle(waiting& what, instant now);
    void let_go(waiting& what, error why);

    const parts has_;
    std::atomic<std::size_t> count_{0};
    std::atomic<std::size_t> bytes_{0};
    std::atomic<bool> ended_{false};
    // On the control loop:
    std::list<waiting> all_;
    std::unique_ptr<runtime::timer> timer_;
};

}  // namespace muster::detail
