#pragma once

/// @file
/// A client: talks to a cluster without being in it.

#include "muster/config.hpp"
#include "muster/detail/broadcast.hpp"
#include "muster/error.hpp"
#include "muster/global.hpp"
#include "muster/instances.hpp"
#include "muster/pending.hpp"
#include "muster/pid.hpp"
#include "muster/process.hpp"
#include "muster/resource.hpp"
#include "muster/view.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

namespace detail {
class client_core;
struct machine;
}  // namespace detail

/// Finds, asks, sends and routes as a node does, and is no member: it stands in no view, nothing is
/// given to it, and nobody waits for it. It reads the view and the plans from ZooKeeper, and
/// connects to the members it talks to, who prove the cluster's key to each other as members do.
///
/// It starts on first use, which opens no port, and needs no ZooKeeper to do so: until that is
/// there, what is asked waits within its deadline.
///
/// Threads:  any.
/// Lifetime: neither copied nor moved; ends last. The destructor ends what is under way, within 6
/// s;
///           handles made by `use` may outlive it, and answer `closed` from then on.
/// Blocks:   the destructor alone.
class client {
public:
    /// Settings from `muster.toml` and the environment; `cluster` is the default of that setting.
    /// Touches nothing and cannot fail; what is wrong with the settings each call answers
    /// (invalid_argument).
    explicit client(std::string cluster);
    /// Takes exactly these. What concerns members alone is not looked at.
    explicit client(config settings);
    /// On another machine than this one (tests).
    client(config settings, std::shared_ptr<detail::machine> on);
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client();

    /// A resource of the cluster: to ask, not to own.
    template <class P>
    resource<P> use(std::string name) {
        return resource<P>{use_core(std::move(name))};
    }

    /// The newest picture of all members, without waiting; number 0 until one has been read.
    [[nodiscard]] muster::view view();

    /// All processes of that name, as `self::find`.
    /// Errors: unavailable (never found, and ZooKeeper cannot be asked), not_authorized,
    /// invalid_argument (an empty name, or a setting), closed.
    [[nodiscard]] pending<instances> find(std::string_view name) {
        return detail::find(*processes(), name);
    }
    /// Sends, and never waits. The order of what one thread sends to one process is kept. What is
    /// lost later nobody hears of: ask where that matters.
    /// Errors: gone, overloaded, unavailable, not_authorized, invalid_argument (nobody's pid, or a
    /// setting).
    template <class T>
    result<void> send(const pid& to, T message) {
        return detail::send(*processes(), {}, to, std::move(message));
    }
    /// Asks processes with another deadline than `config::ask_deadline`.
    [[nodiscard]] asking_within within(std::chrono::nanoseconds limit) {
        return {processes(), {}, limit};
    }
    /// Sends `T{fields…}`; its reply, or an error by the deadline.
    /// Errors: as `asking_within::ask`, unavailable (the cluster could not be seen by the deadline;
    /// nothing was sent), not_authorized.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const pid& to, Fields&&... fields) {
        return within(ask_deadline()).template ask<T>(to, std::forward<Fields>(fields)...);
    }
    /// Sends a copy to every process of that name. Errors: as `send`, where they are known at once.
    template <class T>
    result<void> send_to_all(std::string_view name, T message) {
        return detail::send_to_each(
            processes(), {}, name, detail::audience::all, std::move(message));
    }
    /// As `asking_within::ask_all`, with the deadline of `config::ask_deadline`.
    template <class T, class... Fields>
    [[nodiscard]] pending<std::vector<answer_of<typename T::reply>>> ask_all(std::string_view name,
                                                                             Fields&&... fields) {
        return within(ask_deadline()).template ask_all<T>(name, std::forward<Fields>(fields)...);
    }

    /// The address of the global process of that name, whether anybody stands for it or not: what
    /// is sent or asked waits, within its bounds, until somebody has been elected.
    [[nodiscard]] muster::global global(std::string name) { return global_of(std::move(name)); }
    /// The same once it is known that somebody stands for it. Errors: as `node::find_global`.
    [[nodiscard]] pending<muster::global> find_global(std::string_view name) {
        return detail::find_global(*processes(), name);
    }

    /// The address of the process of the cluster's leader, as `node::leader`.
    [[nodiscard]] muster::global leader();

    /// Starts `make(self, args…)` as a process of this client: with a mailbox that members can send
    /// to for as long as a connection stands that this client has made. It ends with the client.
    template <class Make, class... Args>
    pid spawn(Make&& make, Args&&... args) {
        return processes()->spawn(
            detail::process_body(std::forward<Make>(make), std::forward<Args>(args)...));
    }

private:
    [[nodiscard]] std::shared_ptr<detail::resource_core> use_core(std::string name);
    [[nodiscard]] muster::global global_of(std::string name);
    [[nodiscard]] const std::shared_ptr<detail::router>& processes();
    [[nodiscard]] std::chrono::nanoseconds ask_deadline() const;

    std::shared_ptr<detail::client_core> core_;
};

}  // namespace muster
