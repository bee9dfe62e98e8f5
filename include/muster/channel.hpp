#pragma once

/// @file
/// Typed, bounded channels from anywhere to one receiver.
///
/// A mailbox takes whatever is sent, in one line. A channel is for a stream of one kind, whose
/// sender is to go no faster than its receiver:
///
///     muster::process reader(muster::self me, muster::pid source) {
///         muster::channel<row> rows{me, 64};              // at most 64 wait
///         me.send(source, start{rows.in()});              // its sending end travels
///         while (const auto one = co_await rows.receive()) {
///             use(*one);
///         }
///     }
///     muster::process source(muster::self me) {
///         const auto begin = co_await me.receive<start>();
///         const auto out = begin->body.to;                // a muster::sender<row>
///         for (row& each : all) {
///             const auto sent = co_await out.send(me, each);
///             if (!sent) { co_return; }                   // gone: nobody reads any more
///         }
///         out.close(me);
///     }

#include "muster/detail/channel_room.hpp"
#include "muster/process.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace muster {

namespace detail {

/// How much longer an ask waits than the one asked was told, which answers by then if it can.
inline constexpr std::chrono::nanoseconds channel_grace = std::chrono::seconds{1};

template <class T, class... Fields>
pending<void> put(const site& from,
                  const pid& to,
                  std::chrono::nanoseconds limit,
                  Fields&&... fields) {
    static_assert((awaitable_argument<Fields> && ...),
                  "GCC 12 destroys such a temporary twice: name it first, then send(me, name), "
                  "or pass its fields: send(me, a, b)");
    const auto patience = limit < no_limit - channel_grace ? limit : no_limit;
    const auto whole = patience == no_limit ? no_limit : limit + channel_grace;
    if constexpr (sizeof...(Fields) == 1 &&
                  (std::is_same_v<std::remove_cvref_t<Fields>, T> && ...)) {
        return ask<channel_put<T>>(
            from.by, from.from, to, whole, std::forward<Fields>(fields)..., patience);
    } else {
        return ask<channel_put<T>>(
            from.by, from.from, to, whole, T{std::forward<Fields>(fields)...}, patience);
    }
}

}  // namespace detail

/// The sending end of a channel: a value, to be copied, kept, and sent inside messages.
///
/// Threads:  any.
/// Lifetime: whenever; once the receiving end is no more, each send ends with `gone`.
template <class T>
class sender {
public:
    /// Of no channel.
    sender() = default;
    explicit sender(pid at) : at_{std::move(at)} {}

    /// Whether it is of no channel.
    [[nodiscard]] bool empty() const noexcept { return at_.empty(); }
    /// The channel's address.
    [[nodiscard]] const pid& at() const noexcept { return at_; }

    /// Sends `T{fields…}`, or a `T` that has a name, from a process (its `self`) or a node. Waits
    /// while the channel is full; done once the item is in the channel, in the order of the sends
    /// of this process, at most once. What nobody takes from there is lost with the receiving end.
    /// Errors: overloaded (full for 5 s: nothing was sent), gone (the receiving end is no more),
    /// closed, unavailable (nothing was sent), outcome_unknown (its member does not answer),
    /// incompatible, invalid_argument (of no channel).
    template <class From, class... Fields>
    [[nodiscard]] pending<void> send(From&& from, Fields&&... fields) const {
        return detail::put<T>(from.site(), at_, default_ask_limit, std::forward<Fields>(fields)...);
    }
    /// The same with another limit than 5 s; without any where it is `nanoseconds::max()`. Where it
    /// is 0 nothing is waited for: `overloaded` if the channel is full.
    template <class From, class... Fields>
    [[nodiscard]] pending<void> send_within(std::chrono::nanoseconds limit,
                                            From&& from,
                                            Fields&&... fields) const {
        return detail::put<T>(from.site(), at_, limit, std::forward<Fields>(fields)...);
    }
    /// No more is coming, of any sending end: what is in the channel can still be taken, then
    /// `receive` ends with `closed`.
    /// Errors: as `self::send`.
    template <class From>
    result<void> close(From&& from) const {
        return post(from.site(), detail::channel_close{});
    }
    /// The same, when that process ends: then `receive` ends with `gone`, and says why. Of several
    /// the last counts.
    template <class From>
    result<void> close_with(From&& from, const pid& whom) const {
        return post(from.site(), detail::channel_follow{whom});
    }

    friend bool operator==(const sender&, const sender&) = default;

private:
    template <class Note>
    result<void> post(const detail::site& from, Note note) const {
        return detail::send(*from.by, from.from, at_, std::move(note));
    }

    pid at_;
};

/// The receiving end, which makes the channel and ends it.
///
/// Threads:  its process; of a node, one thread at a time.
/// Lifetime: ends before its node, or with its process; not copied, not moved.
template <class T>
class channel {
public:
    /// A channel in which at most `size` items wait, of a process (its `self`) or a node.
    template <class Home>
    channel(Home&& home, std::size_t size)
        : home_{home.site()},
          in_{home_.by->spawn(detail::process_body(&detail::run_channel<T>, home_.own, size))} {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
        auto last =
            std::make_unique<detail::parcel_of<detail::channel_drop>>(detail::channel_drop{});
        static_cast<void>(home_.by->deliver(in_.at(), std::move(last)));
    }

    /// The sending end.
    [[nodiscard]] const sender<T>& in() const noexcept { return in_; }

    /// The next item. An answer that is dropped, or awaited by nobody, takes its item with it.
    /// Errors: closed (by a sending end, or the node stops), gone (`close_with`).
    [[nodiscard]] pending<T> receive() const { return take(detail::no_limit); }
    /// The same; `timed_out` if nothing has come within `limit`.
    [[nodiscard]] pending<T> receive(std::chrono::nanoseconds limit) const { return take(limit); }

private:
    [[nodiscard]] pending<T> take(std::chrono::nanoseconds limit) const {
        return detail::ask<detail::channel_take<T>>(
            home_.by, home_.from, in_.at(), detail::no_limit, limit);
    }

    const detail::site home_;
    const sender<T> in_;
};

/// In a message: its pid.
template <class T>
struct codec<sender<T>> {
    static void write(cbor_writer& out, const sender<T>& value) {
        codec<pid>::write(out, value.at());
    }
    static bool read(cbor_reader& in, sender<T>& value) {
        pid at;
        if (!codec<pid>::read(in, at)) {
            return false;
        }
        value = sender<T>{std::move(at)};
        return true;
    }
};

}  // namespace muster
