#include "zookeeper/host_list.hpp"

#include <algorithm>
#include <utility>

namespace muster::zookeeper {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest_attempt{50};
constexpr milliseconds first_pause{50};
constexpr milliseconds longest_pause{2000};

template <class T>
void shuffle(std::vector<T>& what, const host_list::dice& roll) {
    for (std::size_t left = what.size(); left > 1; --left) {
        std::swap(what[left - 1], what[static_cast<std::size_t>(roll(left))]);
    }
}

/// `value` doubled `times` times, at most `limit`.
milliseconds doubled(milliseconds value, unsigned times, milliseconds limit) noexcept {
    for (unsigned i = 0; i < times && value < limit; ++i) {
        value *= 2;
    }
    return std::min(value, limit);
}

}  // namespace

host_list::host_list(std::vector<runtime::host_port> names, dice roll) : roll_(std::move(roll)) {
    shuffle(names, roll_);
    for (runtime::host_port& name : names) {
        names_.push_back(entry{std::move(name), {}});
    }
}

std::optional<runtime::endpoint> host_list::take_address() {
    if (next_.empty()) {
        return std::nullopt;
    }
    runtime::endpoint address = std::move(next_.back());
    next_.pop_back();
    return address;
}

std::optional<runtime::host_port> host_list::take_name() {
    if (taken_ == names_.size()) {
        return std::nullopt;
    }
    const std::size_t now = at_;
    at_ = (at_ + 1) % names_.size();
    ++taken_;
    return names_[now].name;
}

void host_list::resolved(std::vector<runtime::endpoint> addresses) {
    entry& taken = names_[(at_ + names_.size() - 1) % names_.size()];
    taken.addresses = addresses;
    shuffle_into_next(std::move(addresses));
}

bool host_list::unresolved() {
    shuffle_into_next(names_[(at_ + names_.size() - 1) % names_.size()].addresses);
    return !next_.empty();
}

void host_list::shuffle_into_next(std::vector<runtime::endpoint> addresses) {
    next_ = std::move(addresses);
    shuffle(next_, roll_);
}

void host_list::begin_round() {
    taken_ = 0;
}

std::size_t host_list::size() const noexcept {
    std::size_t known = 0;
    for (const entry& one : names_) {
        known += std::max<std::size_t>(1, one.addresses.size());
    }
    return known;
}

milliseconds attempt_limit(milliseconds session_timeout,
                           std::size_t servers,
                           unsigned failed_rounds) noexcept {
    const auto many = static_cast<milliseconds::rep>(std::max<std::size_t>(1, servers));
    const milliseconds most = std::max(shortest_attempt, session_timeout * 2 / 3);
    return doubled(std::max(shortest_attempt, session_timeout / many), failed_rounds, most);
}

milliseconds round_pause(milliseconds session_timeout,
                         unsigned failed_rounds,
                         const host_list::dice& roll) {
    const milliseconds most = std::clamp(session_timeout / 4, first_pause, longest_pause);
    const milliseconds full = doubled(first_pause, failed_rounds - 1, most);
    const auto half = static_cast<std::uint64_t>(full.count()) / 2;
    return milliseconds{static_cast<milliseconds::rep>(half + roll(half + 1))};
}

}  // namespace muster::zookeeper
