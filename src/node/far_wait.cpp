#include "node/far_wait.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {
namespace {

constexpr std::size_t most_waiting = 4096;
constexpr std::size_t most_bytes_waiting = std::size_t{16} << 20U;
/// For how long a life that the newest view lacks may be one that is about to join.
constexpr duration patience_for_strangers = 1s;

class seen_names final : public name_service {
public:
    seen_names(std::shared_ptr<discovery::directory> from, std::shared_ptr<const sighting> seen)
        : from_{std::move(from)}, seen_{std::move(seen)} {}

    [[nodiscard]] pending<instances> find(std::string_view name) override {
        if (const auto why = seen_->hopeless()) {
            return pending<instances>{std::unexpected{*why}};
        }
        return from_->find(name);
    }
    [[nodiscard]] const member_id& life() const noexcept override { return from_->life(); }
    [[nodiscard]] std::chrono::nanoseconds now() const noexcept override { return from_->now(); }

private:
    const std::shared_ptr<discovery::directory> from_;
    const std::shared_ptr<const sighting> seen_;
};

error ended() {
    return {errc::closed, "this client has ended; nothing was sent"};
}

result<void> refuse(parcel& one, error why) {
    if (const auto ticket = std::exchange(one.ticket, nullptr)) {
        ticket->refuse(why);
    }
    return std::unexpected{std::move(why)};
}

}  // namespace

std::shared_ptr<name_service> names_as_seen(std::shared_ptr<discovery::directory> from,
                                            std::shared_ptr<const sighting> seen) {
    return std::make_shared<seen_names>(std::move(from), std::move(seen));
}

result<void> far_wait::deliver(const pid& to, parcel_ptr one) {
    if (ended_.load()) {
        return refuse(*one, ended());
    }
    // What follows something that waits waits behind it.
    if (count_.load() == 0 && has_.members->knows(to.life())) {
        return has_.send(to, std::move(one));
    }
    if (auto why = has_.seen->hopeless()) {
        return refuse(*one, std::move(*why));
    }
    const std::size_t weight = one->weight;
    const bool too_many = count_.fetch_add(1) >= most_waiting;
    const bool too_large = bytes_.fetch_add(weight) + weight > most_bytes_waiting;
    if (too_many || too_large) {
        bytes_.fetch_sub(weight);
        count_.fetch_sub(1);
        return refuse(
            *one,
            {errc::overloaded, "too much waits for this client to see the cluster's members"});
    }
    has_.control->post([self = shared_from_this(), to, one = std::move(one)]() mutable {
        self->wait(std::move(to), std::move(one));
    });
    return {};
}

void far_wait::wait(pid to, parcel_ptr one) {
    const instant now = has_.control->now();
    waiting what{std::move(to), std::move(one), now, now + has_.patience};
    if (what.one->ticket) {
        what.one->ticket->hand_over();
        what.until = instant{what.one->ticket->due()};
    }
    all_.push_back(std::move(what));
    look();
}

void far_wait::look() {
    const instant now = has_.control->now();
    instant next = never;
    for (auto at = all_.begin(); at != all_.end();) {
        if (settle(*at, now)) {
            at = all_.erase(at);
        } else {
            const instant again = at->since + patience_for_strangers;
            next = std::min(next, again > now ? std::min(at->until, again) : at->until);
            ++at;
        }
    }
    if (next == never) {
        return;
    }
    if (!timer_) {
        timer_ = has_.control->make_timer();
    }
    timer_->set(next, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->look();
        }
    });
}

/// Whether it waits no more.
bool far_wait::settle(waiting& what, instant now) {
    if (ended_.load()) {
        let_go(what, ended());
        return true;
    }
    const auto why = has_.seen->why_not();
    const bool stranger =
        has_.seen->begun.load() && !why && now - what.since >= patience_for_strangers;
    if (stranger || has_.members->knows(what.to.life())) {
        const std::size_t weight = what.one->weight;
        const local_ref from = what.one->local_sender();
        const bool asked = what.one->ticket != nullptr;
        if (!has_.send(what.to, std::move(what.one)) && !asked) {
            has_.lost(from, what.to);
        }
        bytes_.fetch_sub(weight);
        count_.fetch_sub(1);
        return true;
    }
    if (now < what.until && !(why && why->next() != next_step::wait)) {
        return false;
    }
    let_go(what,
           why.value_or(error{errc::unavailable,
                              "no view of the cluster has been read by the deadline; nothing was "
                              "sent"}));
    return true;
}

void far_wait::let_go(waiting& what, error why) {
    const bool asked = what.one->ticket != nullptr;
    bytes_.fetch_sub(what.one->weight);
    static_cast<void>(refuse(*what.one, std::move(why)));
    if (!asked) {
        has_.lost(what.one->local_sender(), what.to);
    }
    what.one.reset();
    count_.fetch_sub(1);
}

void far_wait::end() {
    ended_.store(true);
    look();
    timer_.reset();
}

}  // namespace muster::detail
