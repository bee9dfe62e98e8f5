#pragma once

/// @file
/// Sends to, and asks, every process of a name.

#include "muster/detail/parcel.hpp"
#include "muster/instances.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster::detail {

inline pending<instances> find(const router& by, std::string_view name) {
    if (auto* const names = by.names()) {
        return names->find(name);
    }
    return pending<instances>{
        fail(errc::unavailable, "these processes belong to no node, where names are looked up")};
}

/// Whom a broadcast is for.
enum class audience : std::uint8_t { all, peers };

/// Sends at once where the name is known, else as soon as it has been found.
/// Errors: those of `find`, where they are known at once.
template <class T>
result<void> send_to_each(const std::shared_ptr<router>& by,
                          local_ref from,
                          std::string_view name,
                          audience whom,
                          T message) {
    static_assert(std::is_copy_constructible_v<T>,
                  "each instance is sent a copy: what it holds must be copyable");
    auto found = find(*by, name);
    auto send = [by, from, whom, message = std::move(message)](const instances& all) {
        for (const auto& one : all) {
            if (whom == audience::peers && one.who.life() == by->names()->life()) {
                continue;
            }
            const auto sent = by->sends_far(one.who)
                                  ? by->send_far(one.who, from, message_type_of<T>, &message)
                                  : detail::send(*by, from, one.who, T{message});
            if (!sent) {
                by->lose(from, one.who);
            }
        }
    };
    if (!found.is_ready()) {
        found.then([by, from, send = std::move(send)](const result<instances>& got) {
            if (got) {
                send(*got);
            } else {
                by->lose(from, pid{});  // Whoever sent it has been told that it was accepted.
            }
        });
        return {};
    }
    const auto got = found.await_resume();
    if (!got) {
        return std::unexpected{got.error()};
    }
    send(*got);
    return {};
}

/// Gathers the answers of all instances; the last one tells.
/// Threads: any; each place is written by one.
template <class T>
class ask_round final : public std::enable_shared_from_this<ask_round<T>> {
public:
    using reply = typename T::reply;
    using answers = std::vector<answer_of<reply>>;

    ask_round(std::shared_ptr<router> by, local_ref from, T request, completer<answers> told)
        : by_{std::move(by)}, from_{from}, request_{std::move(request)}, told_{std::move(told)} {}

    /// The name was not found by the deadline.
    void give_up() {
        if (!begun_.exchange(true)) {
            told_(fail(errc::timed_out, "the name was not found by the deadline"));
        }
    }
    void ask(const result<instances>& whom, std::chrono::nanoseconds limit) {
        if (begun_.exchange(true)) {
            return;
        }
        if (!whom) {
            told_(std::unexpected{whom.error()});
            return;
        }
        if (whom->empty()) {
            told_(answers{});
            return;
        }
        for (const auto& one : *whom) {
            got_.push_back({one.who, fail(errc::timed_out, "no answer by the deadline")});
        }
        left_.store(got_.size());
        for (std::size_t i = 0; i < whom->size(); ++i) {
            detail::ask<T>(by_, from_, got_[i].who, limit, T{request_})
                .then([self = this->shared_from_this(), i](result<reply> got) {
                    self->got_[i].answer = std::move(got);
                    if (self->left_.fetch_sub(1) == 1) {
                        self->told_(std::move(self->got_));
                    }
                });
        }
    }

private:
    const std::shared_ptr<router> by_;
    const local_ref from_;
    const T request_;
    completer<answers> told_;
    answers got_;
    std::atomic<bool> begun_{false};
    std::atomic<std::size_t> left_{0};
};

template <class T, class... Fields>
pending<std::vector<answer_of<typename T::reply>>> ask_all(const std::shared_ptr<router>& by,
                                                           local_ref from,
                                                           std::string_view name,
                                                           std::chrono::nanoseconds limit,
                                                           Fields&&... fields) {
    static_assert(std::is_copy_constructible_v<T>,
                  "each instance is asked with a copy: what it holds must be copyable");
    auto [all, told] = make_pending<std::vector<answer_of<typename T::reply>>>();
    const auto round = std::make_shared<ask_round<T>>(
        by, from, T{std::forward<Fields>(fields)...}, std::move(told));
    auto found = find(*by, name);
    if (found.is_ready()) {
        round->ask(found.await_resume(), limit);
        return std::move(all);
    }
    const auto since = by->names()->now();
    const auto limit_alarm = by->arm(limit, [round] { round->give_up(); });
    found.then([by, round, since, limit, limit_alarm](const result<instances>& got) {
        by->disarm(limit_alarm);
        round->ask(got, limit - (by->names()->now() - since));
    });
    return std::move(all);
}

}  // namespace muster::detail
