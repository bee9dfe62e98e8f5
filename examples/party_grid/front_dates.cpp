#include "front_dates.hpp"

#include <algorithm>
#include <atomic>

namespace party_grid {

using muster::errc;

std::chrono::nanoseconds time_left(answer_by until) {
    return std::max<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now(),
                                              std::chrono::milliseconds{1});
}

/// The keys of a `find`, told of when the last day has been answered. Each day writes into places
/// of its own.
struct date_finder::search {
    struct day {
        std::string name;
        date_step wished = date_step::day;
        std::vector<std::size_t> keys;
        std::vector<placing> what;
        std::optional<muster::error> failed;
    };

    std::vector<std::string> partitions;  ///< By key.
    std::vector<day> days;                ///< Those that the catalogue is asked about.
    std::atomic<std::size_t> left{0};
    ending<std::vector<std::string>> tell;

    void finish_one() {
        if (left.fetch_sub(1) != 1) {
            return;
        }
        const auto bad = std::ranges::find_if(days, [](const day& one) { return !!one.failed; });
        if (bad == days.end()) {
            tell(std::move(partitions));
        } else {
            tell(std::unexpected(nothing_done(bad->name, *bad->failed)));
        }
    }
};

void date_finder::find(std::vector<dated_key> keys,
                       answer_by until,
                       ending<std::vector<std::string>> tell) {
    auto all = std::make_shared<search>();
    all->tell = std::move(tell);
    all->partitions.resize(keys.size());
    std::map<std::string, search::day> days;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (auto here = known_here(keys[i].what.key)) {
            all->partitions[i] = std::move(*here);
            continue;
        }
        const std::string name{date_partition(keys[i].what.key, date_step::day)};
        auto& day = days[name];
        if (day.keys.empty()) {
            day.name = name;
            day.wished = keys[i].wished;
        }
        day.keys.push_back(i);
        day.what.push_back(std::move(keys[i].what));
    }
    for (auto& [name, day] : days) {
        all->days.push_back(std::move(day));
    }
    all->left.store(all->days.size() + 1);
    for (auto& day : all->days) {
        parties_.within(time_left(until))
            .ask<place_dated>(day.name, day.wished, day.what)
            .then([self = shared_from_this(), all, &day](
                      muster::result<std::vector<std::string>> got) {
                if (!got) {
                    day.failed = std::move(got.error());
                } else if (got->size() != day.keys.size()) {
                    day.failed = muster::error{errc::incompatible,
                                               "the owner answered for another number of keys"};
                } else {
                    self->learn(day.name, *got);
                    for (std::size_t i = 0; i < day.keys.size(); ++i) {
                        all->partitions[day.keys[i]] = std::move((*got)[i]);
                    }
                }
                all->finish_one();
            });
    }
    all->finish_one();  // For keys that are all known here.
}

void date_finder::add_again(const std::vector<std::string>& partitions, answer_by until) const {
    for (const std::string& one : partitions) {
        dates_.within(time_left(until)).add(one).then([](const muster::result<void>& /*how*/) {});
    }
}

std::optional<std::string> date_finder::known_here(std::string_view key) const {
    std::string name;
    {
        const std::lock_guard lock{mutex_};
        const auto cut = cuts_.find(date_partition(key, date_step::day));
        if (cut == cuts_.end()) {
            return std::nullopt;
        }
        name = home_of(key, cut->second);
    }
    return dates_.route(name) ? std::optional{std::move(name)} : std::nullopt;
}

void date_finder::learn(const std::string& day, const std::vector<std::string>& partitions) {
    const auto one =
        std::ranges::find_if(partitions, [](const auto& name) { return !name.empty(); });
    if (one != partitions.end()) {
        const std::lock_guard lock{mutex_};
        cuts_.insert_or_assign(day, step_of(*one));
    }
}

/// Placing and adding may be repeated at will, and come before any record is touched.
muster::error date_finder::nothing_done(const std::string& partition, const muster::error& why) {
    const bool passes = why.code == errc::not_found || why.code == errc::outcome_unknown;
    return {passes ? errc::unavailable : why.code,
            "the date partition of '" + partition + "' could not be reached: " + why.text};
}

}  // namespace party_grid
