#include "discovery/picture.hpp"

#include <algorithm>
#include <utility>

namespace muster {
namespace detail {
namespace {

const std::vector<instance> nobody;

}  // namespace

service_picture::service_picture(std::shared_ptr<runtime::loop> by,
                                 std::vector<instance> all,
                                 const std::string& zone,
                                 const service_picture* before)
    : by_{std::move(by)},
      all_{std::move(all)},
      turn_{before != nullptr ? before->turn_ : std::make_shared<std::atomic<std::uint64_t>>(0)} {
    picked_.resize(all_.size());
    std::uint64_t least = 0;
    if (before != nullptr) {
        bool first = true;
        for (std::size_t i = 0, old = 0; i < all_.size(); ++i) {
            while (old < before->all_.size() && before->all_[old].who < all_[i].who) {
                ++old;
            }
            if (old < before->all_.size() && before->all_[old].who == all_[i].who) {
                picked_[i] = before->picked_[old];
                const std::uint64_t picks = picked_[i]->load(std::memory_order_relaxed);
                least = first ? picks : std::min(least, picks);
                first = false;
            }
        }
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
        if (!picked_[i]) {
            picked_[i] = std::make_shared<std::atomic<std::uint64_t>>(least);
        }
        if (all_[i].zone == zone) {
            near_.push_back(i);
        }
    }
}

std::optional<pid> service_picture::pick(picking how) const {
    if (all_.empty()) {
        return std::nullopt;
    }
    std::size_t at = 0;
    switch (how) {
        case picking::round_robin:
            at = next_of(all_.size());
            break;
        case picking::random:
            at = static_cast<std::size_t>(by_->random_below(all_.size()));
            break;
        case picking::nearest:
            at = near_.empty() ? next_of(all_.size()) : near_[next_of(near_.size())];
            break;
        case picking::least_loaded: {
            const auto load = [this](std::size_t place) {
                return picked_[place]->load(std::memory_order_relaxed);
            };
            at = next_of(all_.size());  // Equals take turns.
            for (std::size_t i = 0, from = at; i < all_.size(); ++i) {
                const std::size_t other = (from + i) % all_.size();
                at = load(other) < load(at) ? other : at;
            }
            break;
        }
    }
    picked_[at]->fetch_add(1, std::memory_order_relaxed);
    return all_[at].who;
}

std::chrono::nanoseconds service_picture::age() const noexcept {
    const instant since = old_since_.load();
    if (since == instant::min()) {
        return std::chrono::nanoseconds::max();
    }
    return since == never ? 0ns : std::max(duration{0}, by_->now() - since);
}

void service_picture::may_be_old() const noexcept {
    instant current = never;
    old_since_.compare_exchange_strong(current, by_->now());
}

}  // namespace detail

std::size_t instances::size() const noexcept {
    return seen_ ? seen_->all().size() : 0;
}

instances::iterator instances::begin() const noexcept {
    return seen_ ? seen_->all().begin() : detail::nobody.begin();
}

instances::iterator instances::end() const noexcept {
    return seen_ ? seen_->all().end() : detail::nobody.end();
}

std::chrono::nanoseconds instances::age() const noexcept {
    return seen_ ? seen_->age() : 0ns;
}

std::optional<pid> instances::pick(picking how) const {
    return seen_ ? seen_->pick(how) : std::nullopt;
}

}  // namespace muster
