#pragma once

/// @file
/// What stands between the two ends of a channel: a process of its own, on the node of the
/// receiving end.
///
/// So a sending end is a pid, whatever member it has travelled to, and all that is known of asks
/// holds for it: at most once, in order, with a definite end. What waits for room is a request that
/// has not been answered; it is answered by the time that its sender gave it.

#include "muster/process.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace muster::detail {

/// Without a limit.
inline constexpr std::chrono::nanoseconds no_limit = std::chrono::nanoseconds::max();

template <class T>
struct channel_put {
    using reply = void;
    static constexpr std::string_view wire_name = "muster.channel.put/1";
    T item;
    std::chrono::nanoseconds patience{};
};
template <class T>
struct channel_take {
    using reply = T;
    static constexpr std::string_view wire_name = "muster.channel.take/1";
    std::chrono::nanoseconds patience{};
};
/// No more is coming.
struct channel_close {
    static constexpr std::string_view wire_name = "muster.channel.close/1";
};
/// No more is coming when that process has ended.
struct channel_follow {
    static constexpr std::string_view wire_name = "muster.channel.follow/1";
    pid whom;
};
/// The receiving end is no more.
struct channel_drop {
    static constexpr std::string_view wire_name = "muster.channel.drop/1";
};
/// The patience of a put or a take has ended.
struct channel_late {
    static constexpr std::string_view wire_name = "muster.channel.late/1";
    std::uint64_t number = 0;
};

/// Items, and those who wait for room or for an item.
/// Threads: its process.
template <class T>
class channel_room {
public:
    static constexpr std::size_t most_waiting = 1024;  ///< Asks of each kind.

    channel_room(self me, std::size_t size) : me_{me}, size_{std::max<std::size_t>(size, 1)} {}

    void put(received<channel_put<T>>&& one) {
        if (ended_) {
            one.reply(std::unexpected{*ended_});
        } else if (!takers_.empty()) {
            one.reply();
            hand(std::move(one.body.item));
        } else if (items_.size() < size_) {
            one.reply();
            items_.push_back(std::move(one.body.item));
        } else if (one.body.patience.count() <= 0 || putters_.size() >= most_waiting) {
            one.reply(std::unexpected{full()});
        } else {
            wait(putters_, std::move(one));
        }
    }

    void take(received<channel_take<T>>&& one) {
        if (!items_.empty()) {
            one.reply(std::move(items_.front()));
            items_.pop_front();
            refill();
        } else if (ended_) {
            one.reply(std::unexpected{*ended_});
        } else if (one.body.patience.count() <= 0) {
            one.reply(std::unexpected{nothing()});
        } else if (takers_.size() >= most_waiting) {
            one.reply(fail(errc::overloaded, "too many wait at the receiving end of a channel"));
        } else {
            wait(takers_, std::move(one));
        }
    }

    /// What is here may still be taken; then each take ends with `why`.
    void end(error why) {
        if (ended_) {
            return;
        }
        ended_ = why;
        // Of whoever was faster: it waits since before the end.
        for (auto& one : putters_) {
            me_.cancel(one.alarm);
            one.what.reply();
            items_.push_back(std::move(one.what.body.item));
        }
        putters_.clear();
        refuse(takers_, why);
    }
    /// Nobody takes anything any more.
    void close(const error& why) {
        ended_ = why;
        refuse(putters_, why);
        refuse(takers_, why);
        items_.clear();
    }
    void late(std::uint64_t number) {
        if (!late_of(putters_, number, full())) {
            static_cast<void>(late_of(takers_, number, nothing()));
        }
    }

private:
    template <class What>
    struct waiting {
        received<What> what;
        std::uint64_t number = 0;
        timer_ref alarm{};
    };
    template <class What>
    using line = std::deque<waiting<What>>;

    static error full() {
        return {errc::overloaded, "the channel is full: its receiving end is slower"};
    }
    static error nothing() { return {errc::timed_out, "nothing came through the channel in time"}; }

    template <class What>
    void wait(line<What>& among, received<What>&& one) {
        const auto patience = one.body.patience;
        const std::uint64_t number = ++numbers_;
        timer_ref alarm;
        if (patience != no_limit) {
            alarm = me_.send_after(patience, me_.pid(), channel_late{number});
        }
        among.push_back({std::move(one), number, alarm});
    }
    template <class What>
    bool late_of(line<What>& among, std::uint64_t number, error why) {
        const auto found = std::ranges::find(among, number, &waiting<What>::number);
        if (found == among.end()) {
            return false;
        }
        found->what.reply(std::unexpected{std::move(why)});
        among.erase(found);
        return true;
    }
    template <class What>
    void refuse(line<What>& among, const error& why) {
        for (auto& one : among) {
            me_.cancel(one.alarm);
            one.what.reply(std::unexpected{why});
        }
        among.clear();
    }
    void hand(T&& item) {
        auto first = std::move(takers_.front());
        takers_.pop_front();
        me_.cancel(first.alarm);
        first.what.reply(std::move(item));
    }
    void refill() {
        if (putters_.empty() || items_.size() >= size_) {
            return;
        }
        auto first = std::move(putters_.front());
        putters_.pop_front();
        me_.cancel(first.alarm);
        first.what.reply();
        items_.push_back(std::move(first.what.body.item));
    }

    self me_;
    const std::size_t size_;
    std::deque<T> items_;
    line<channel_put<T>> putters_;
    line<channel_take<T>> takers_;
    std::optional<error> ended_;
    std::uint64_t numbers_ = 0;
};

/// The process between the ends. It ends with the receiving one.
template <class T>
process run_channel(self me, pid owner, std::size_t size) {
    channel_room<T> room{me, size};
    if (!owner.empty()) {
        me.monitor(owner);
    }
    const error dropped{errc::gone, "the receiving end of the channel is no more"};
    std::optional<std::uint64_t> followed;
    while (auto in = co_await me.receive<channel_put<T>,
                                         channel_take<T>,
                                         channel_close,
                                         channel_follow,
                                         channel_drop,
                                         channel_late,
                                         down>()) {
        if (auto* one = in->template get_if<channel_put<T>>()) {
            room.put(std::move(*one));
        } else if (auto* wanted = in->template get_if<channel_take<T>>()) {
            room.take(std::move(*wanted));
        } else if (const auto* late = in->template get_if<channel_late>()) {
            room.late(late->body.number);
        } else if (in->template get_if<channel_close>() != nullptr) {
            room.end({errc::closed, "the channel was closed by a sending end"});
        } else if (const auto* follow = in->template get_if<channel_follow>()) {
            if (followed) {
                me.demonitor(*followed);
            }
            followed = me.monitor(follow->body.whom);
        } else if (const auto* ended = in->template get_if<down>();
                   ended != nullptr && ended->body.monitor == followed) {
            room.end({errc::gone,
                      ended->body.who.text() + ", which the channel comes from, has ended" +
                          (ended->body.why.text.empty() ? "" : ": ") + ended->body.why.text});
        } else {
            room.close(dropped);
            co_return;
        }
    }
    room.close({errc::closed, "the node of the channel's receiving end stops"});
}

}  // namespace muster::detail
