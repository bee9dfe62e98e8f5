#pragma once

/// @file
/// How a front reaches dated records: by the catalogue, never by the absence of a partition in the
/// plan that this member happens to have read.

#include "muster/error.hpp"
#include "muster/resource.hpp"

#include "messages.hpp"
#include "shelf.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace party_grid {

/// A dated key, and how its day is to be cut where nothing has decided that yet.
struct dated_key {
    placing what;
    date_step wished = date_step::day;
};

template <class Reply>
using ending = std::move_only_function<void(muster::result<Reply>)>;

/// The time until which a request is to be answered.
using answer_by = std::chrono::steady_clock::time_point;
/// Never nothing: what is asked with no time left ends at once, in an error that says so.
[[nodiscard]] std::chrono::nanoseconds time_left(answer_by until);

/// Threads:  any; nothing blocks. Answers come on a thread of Muster's, or at once.
/// Lifetime: held by the questions under way.
class date_finder : public std::enable_shared_from_this<date_finder> {
public:
    date_finder(muster::resource<shelf> parties, muster::resource<shelf> dates)
        : parties_{std::move(parties)}, dates_{std::move(dates)} {}

    /// The partition of each key, "" where there is none: then no record of it was ever
    /// acknowledged. Errors: nothing was done to any record, try again (never not_found).
    void find(std::vector<dated_key> keys, answer_by until, ending<std::vector<std::string>> tell);

    /// Asks the owner of a partition that `find` gave. `is_new`: the plan may well lack it.
    /// Errors: those of `ask`, but for not_found: unavailable, as the catalogue knows better.
    template <class Request, class... Fields>
    void ask(const std::string& partition,
             bool is_new,
             answer_by until,
             ending<muster::detail::reply_of<Request>> tell,
             const Fields&... fields) {
        using reply = muster::detail::reply_of<Request>;
        const std::function<void(ending<reply>)> once =
            [self = shared_from_this(), partition, until, fields...](ending<reply> then) {
                self->dates_.within(time_left(until))
                    .template ask<Request>(partition, fields...)
                    .then(std::move(then));
            };
        if (is_new && !dates_.route(partition)) {
            add_and_ask<reply>(partition, until, once, std::move(tell));
            return;
        }
        // Asking waits for a plan that is on its way. Where none comes, the ensemble has forgotten
        // what the store has not: the partition is added again.
        once([self = shared_from_this(), partition, until, once, tell = std::move(tell)](
                 muster::result<reply> got) mutable {
            if (!got && got.error().code == muster::errc::not_found) {
                self->template add_and_ask<reply>(partition, until, once, std::move(tell));
            } else {
                tell(std::move(got));
            }
        });
    }

    /// Adds partitions of the catalogue that the plan lacks; whoever asks again finds them.
    void add_again(const std::vector<std::string>& partitions, answer_by until) const;

private:
    struct search;

    template <class Reply>
    void add_and_ask(const std::string& partition,
                     answer_by until,
                     const std::function<void(ending<Reply>)>& once,
                     ending<Reply> tell) {
        dates_.within(time_left(until))
            .add(partition)
            .then([partition, once, tell = std::move(tell)](muster::result<void> how) mutable {
                if (!how) {
                    tell(std::unexpected(nothing_done(partition, how.error())));
                    return;
                }
                once([partition, tell = std::move(tell)](muster::result<Reply> got) mutable {
                    if (!got && got.error().code == muster::errc::not_found) {
                        got = std::unexpected(nothing_done(partition, got.error()));
                    }
                    tell(std::move(got));
                });
            });
    }

    /// Where the key is by what this member has learnt and read; nothing: ask the catalogue.
    [[nodiscard]] std::optional<std::string> known_here(std::string_view key) const;
    void learn(const std::string& day, const std::vector<std::string>& partitions);
    [[nodiscard]] static muster::error nothing_done(const std::string& partition,
                                                    const muster::error& why);

    muster::resource<shelf> parties_;
    muster::resource<shelf> dates_;
    mutable std::mutex mutex_;
    /// How days are cut. Decided once in the life of a store, so never to be forgotten.
    std::map<std::string, date_step, std::less<>> cuts_;
};

}  // namespace party_grid
