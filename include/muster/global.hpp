#pragma once

/// @file
/// The address of a process of which the cluster has one: it follows that process wherever it is
/// elected.

#include "muster/detail/await_guard.hpp"
#include "muster/detail/parcel.hpp"
#include "muster/error.hpp"
#include "muster/pending.hpp"
#include "muster/pid.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

class global;

namespace detail {

/// What a `global` refers to: knows who has been elected, or holds messages until it does.
/// Threads:  any.
/// Lifetime: shared; outlives its node, and answers `closed` then.
class global_core {
public:
    virtual ~global_core() = default;
    [[nodiscard]] virtual const std::string& name() const noexcept = 0;
    /// Where duties to answer are kept; null once its node is gone.
    [[nodiscard]] virtual std::shared_ptr<router> home() const noexcept = 0;
    [[nodiscard]] virtual std::chrono::nanoseconds ask_deadline() const noexcept = 0;
    /// Sends it to the elected process, or holds it until there is one. An ask that could not be
    /// sent has its answer then. Errors: as `global::send`.
    virtual result<void> deliver(parcel_ptr one) = 0;
    /// Errors: as `global::where`.
    virtual void locate(std::chrono::nanoseconds within, completer<pid> told) = 0;
};

/// Where processes find globals by name: their node.
/// Threads: any.
class global_service {
public:
    virtual ~global_service() = default;
    /// Errors: as `node::find_global`.
    virtual void find(std::string_view name, completer<global> told) = 0;
};

pending<global> find_global(const router& by, std::string_view name);

inline error no_global() {
    return {errc::invalid_argument, "a message needs an address: this global is nobody's"};
}

/// Sends `T{fields…}` and answers its reply. A plain function, so that the message is no temporary
/// of an awaiting expression (docs/internals/coroutines.md).
template <class T, class... Fields>
pending<typename T::reply> ask_global(const std::shared_ptr<router>& by,
                                      local_ref from,
                                      const std::shared_ptr<global_core>& to,
                                      std::chrono::nanoseconds limit,
                                      Fields&&... fields) {
    using reply = typename T::reply;
    if (!by || !to) {
        auto [answer, told] = make_pending<reply>();
        told(std::unexpected{to ? error{errc::closed, "the node of this global has ended"}
                                : no_global()});
        return std::move(answer);
    }
    auto ticket = std::make_shared<ask_of<reply>>(by);
    auto answer = ticket->answer();
    auto one = std::make_unique<parcel_of<T>>(std::in_place, std::forward<Fields>(fields)...);
    one->from = from;
    ask_ticket::arm(ticket, limit);
    one->ticket = std::move(ticket);
    static_cast<void>(by->deliver_to(*to, std::move(one)));
    return answer;
}

}  // namespace detail

/// Asks a global with a deadline: `boss.within(10s).ask<job>(text)`.
/// Threads: any.
class [[nodiscard]] asking_global {
public:
    asking_global(std::shared_ptr<detail::global_core> to, std::chrono::nanoseconds limit) noexcept
        : to_{std::move(to)}, limit_{limit} {}

    /// Sends `T{fields…}`; its reply, or an error by the deadline.
    /// Errors: as `global::ask`.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields> && ...),
                      "GCC 12 destroys such a temporary twice: name it first, then "
                      "ask<T>(std::move(name)), or pass its fields: ask<T>(a, b)");
        return detail::ask_global<T>(
            to_ ? to_->home() : nullptr, {}, to_, limit_, std::forward<Fields>(fields)...);
    }

private:
    std::shared_ptr<detail::global_core> to_;
    std::chrono::nanoseconds limit_;
};

/// The address of a process that runs on one member of the cluster at a time. While there is none,
/// because it moves or was never elected, messages wait here: 10,000 at most, sends for 5 s, asks
/// until their deadline.
///
/// Threads:  any; a value, cheap to copy.
/// Lifetime: whenever; once its node is gone it answers `closed`.
class global {
public:
    /// Nobody's.
    global() = default;
    explicit global(std::shared_ptr<detail::global_core> core) noexcept : core_{std::move(core)} {}

    /// What candidates stand for.
    [[nodiscard]] std::string name() const { return core_ ? core_->name() : std::string{}; }

    /// The process of the moment. Waits while there is none, as long as an ask may. What is sent to
    /// that pid does not follow: use it to compare, monitor or print.
    /// Errors: moving (nobody was elected by the deadline), not_found (nobody stands for that
    /// name), stranded, unavailable (not started, or no plan has been read yet), closed.
    [[nodiscard]] pending<pid> where() const {
        auto [answer, told] = make_pending<pid>();
        if (core_) {
            core_->locate(core_->ask_deadline(), std::move(told));
        } else {
            told(std::unexpected{detail::no_global()});
        }
        return std::move(answer);
    }

    /// Sends, from a thread of your own, and never waits; a process uses `self::send`, and hears
    /// what is lost later as `undelivered`. Here that is logged and counted, as of `node::send`.
    /// Errors: overloaded (as much as can be held is waiting, or its mailbox is full), closed,
    /// invalid_argument (nobody's).
    template <class T>
    result<void> send(T message) const {
        if (!core_) {
            return std::unexpected{detail::no_global()};
        }
        return core_->deliver(std::make_unique<detail::parcel_of<T>>(std::move(message)));
    }

    /// Sends `T{fields…}`; its reply, or an error by the deadline of `config::ask_deadline`. At
    /// most once: it is sent again, to whoever is elected next, only where it was certainly not
    /// seen. Errors: moving, not_found, stranded, unavailable, timed_out (it was not seen),
    /// overloaded, outcome_unknown, handler_failed, closed.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(Fields&&... fields) const {
        return within(core_ ? core_->ask_deadline() : std::chrono::nanoseconds{0})
            .template ask<T>(std::forward<Fields>(fields)...);
    }
    [[nodiscard]] asking_global within(std::chrono::nanoseconds limit) const {
        return {core_, limit};
    }

    /// For Muster itself.
    [[nodiscard]] const std::shared_ptr<detail::global_core>& core() const noexcept {
        return core_;
    }

    friend bool operator==(const global&, const global&) = default;

private:
    std::shared_ptr<detail::global_core> core_;
};

namespace detail {

inline pending<global> find_global(const router& by, std::string_view name) {
    auto [answer, told] = make_pending<global>();
    if (const auto known = by.globals()) {
        known->find(name, std::move(told));
    } else {
        told(fail(errc::unavailable, "these processes belong to no node, where globals are found"));
    }
    return std::move(answer);
}

}  // namespace detail

}  // namespace muster
