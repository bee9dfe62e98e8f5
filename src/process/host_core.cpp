#include "process/host_core.hpp"

#include "base/strand_scope.hpp"

#include <algorithm>
#include <utility>

namespace muster::process_detail {

namespace {

constexpr std::uint64_t one_message = std::uint64_t{1} << 32U;
/// Longer than any deadline that is meant.
constexpr duration say_lost_after = 1s;
constexpr std::chrono::nanoseconds longest = std::chrono::hours{24 * 365 * 50};

result<void> refuse(detail::parcel& one, error why) {
    if (const auto ticket = std::exchange(one.ticket, nullptr)) {
        ticket->refuse(why);
    }
    return std::unexpected{std::move(why)};
}

}  // namespace

host_core::host_core(std::shared_ptr<runtime::platform> on,
                     member_id life,
                     std::string name,
                     process_limits limits)
    : jobs_done{on->make_gate()},
      platform_{std::move(on)},
      member_{std::move(name), life},
      limits_{limits} {}

void host_core::add_workers(const std::vector<std::shared_ptr<runtime::loop>>& loops) {
    for (const auto& loop : loops) {
        const auto number = static_cast<std::uint32_t>(workers_.size());
        workers_.push_back(std::make_unique<worker>(*this, number, loop));
    }
}

std::pair<worker*, slot*> host_core::find_place(std::uint32_t index) noexcept {
    const auto count = static_cast<std::uint32_t>(workers_.size());
    worker& whose = *workers_[index % count];
    return {&whose, whose.slots().find(index / count)};
}

pid host_core::pid_of(const detail::local_ref& one) const {
    return one.generation == 0 ? pid{} : pid{member_.life, short_name_, one.index, one.generation};
}

result<void> host_core::deliver(const pid& to, detail::parcel_ptr one) {
    if (!running_code::may_speak()) {
        return refuse(*one, running_code::no_right());
    }
    if (is_far(to)) {
        return afar_ ? afar_(to, std::move(one)) : far_.deliver(to, std::move(one));
    }
    if (to.empty()) {
        return refuse(*one,
                      {errc::invalid_argument, "a message needs an address: this pid is nobody's"});
    }
    return deliver_here({to.index(), to.generation()}, std::move(one));
}

result<void> host_core::deliver_to(detail::global_core& to, detail::parcel_ptr one) {
    return to.deliver(std::move(one));
}

result<void> host_core::send_far(const pid& to,
                                 detail::local_ref from,
                                 const detail::message_type& type,
                                 const void* body) {
    return running_code::may_speak() ? far_.send(to, from, type, body)
                                     : std::unexpected{running_code::no_right()};
}

result<void> host_core::offer(const pid& to, detail::parcel_ptr& one, detail::unsent_fn back) {
    if (!running_code::may_speak()) {
        return std::unexpected{running_code::no_right()};
    }
    return is_far(to) ? far_.offer(to, one, std::move(back))
                      : offer_here({to.index(), to.generation()}, one);
}

void host_core::lose(const detail::parcel& one, const std::string& global) {
    count_lost(one.local_sender(), undelivered{.to = {}, .count = 1, .global = global});
}

result<void> host_core::deliver_here(const detail::local_ref& to, detail::parcel_ptr one) {
    auto how = offer_here(to, one);
    if (how) {
        return how;
    }
    if (const auto ticket = std::exchange(one->ticket, nullptr)) {
        ticket->refuse(how.error());
    }
    if (one->type == &far_type) {
        auto& far = static_cast<far_parcel&>(*one);
        if (auto answer = std::exchange(far.answer, nullptr)) {
            answer(std::unexpected{how.error()});
        }
    }
    return how;
}

result<void> host_core::offer_here(const detail::local_ref& to, detail::parcel_ptr& one) {
    const auto [whose, place] = find_place(to.index);
    if (place == nullptr || !place->houses(to.generation)) {
        return fail(errc::gone, pid_of(to).text() + " has ended");
    }
    std::uint64_t load = place->load.load(std::memory_order_relaxed);
    do {
        if ((load >> 32U) >= limits_.mailbox_messages ||
            (load & 0xffff'ffffU) + one->weight > limits_.mailbox_bytes) {
            return fail(errc::overloaded, "the mailbox of " + pid_of(to).text() + " is full");
        }
    } while (!place->load.compare_exchange_weak(
        load, load + one_message + one->weight, std::memory_order_relaxed));
    one->generation = to.generation;
    whose->put(*place, std::move(one));
    return {};
}

void host_core::set_sender(detail::parcel& one, const pid& from) const {
    one.from = {from.index(), from.generation()};
    if (is_far(from)) {
        one.far_from =
            std::make_shared<const detail::far_node>(detail::far_node{from.life(), from.member()});
    }
}

std::string host_core::name_of(const member_id& life) const {
    return life == member_.life ? member_.name : names_ ? names_(life) : std::string{};
}

void host_core::add_factory(const std::string& name, factory make) {
    factories_.change([&](auto& all) { all.insert_or_assign(name, std::move(make)); });
}

result<pid> host_core::make(const std::string& name, std::string_view arguments) {
    const auto known = factories_.read();
    const auto found = known->find(name);
    if (found == known->end()) {
        return fail(errc::not_found,
                    member_.name + " has no factory '" + name +
                        "': it must name it with factory() before it can start one");
    }
    auto body = found->second(arguments);
    if (!body) {
        return std::unexpected{body.error()};
    }
    return spawn(std::move(*body));
}

pid host_core::spawn(std::move_only_function<process(self)> body) {
    return start(std::move(body), nullptr, {});
}

pid host_core::spawn_linked(std::move_only_function<process(self)> body, const pid& to) {
    return start(std::move(body), nullptr, to);
}

pid host_core::spawn_under(std::move_only_function<process(self)> body,
                           std::shared_ptr<process_right> under) {
    return start(std::move(body), std::move(under), {});
}

pid host_core::start(std::move_only_function<process(self)> body,
                     std::shared_ptr<process_right> under,
                     const pid& linked_to) {
    living.fetch_add(1, std::memory_order_acq_rel);
    const auto count = static_cast<std::uint32_t>(workers_.size());
    auto& at = *workers_[next_worker_.fetch_add(1, std::memory_order_relaxed) % count];
    const bool refused = stopping.load(std::memory_order_acquire) || !running_code::may_speak();
    slot* const place = refused ? nullptr : at.slots().take(count, at.number());
    if (place == nullptr) {
        living.fetch_sub(1, std::memory_order_acq_rel);
        tell_if_stopped();
        return ended_pid();
    }
    const detail::local_ref ref{place->index,
                                slot::generation_of(place->life.load(std::memory_order_relaxed))};
    auto own = pid_of(ref);
    auto fresh = std::make_shared<process_core>(
        shared_from_this(), at, *place, own, std::move(body), std::move(under));
    if (!linked_to.empty()) {
        fresh->links.insert(linked_to);  // Nobody else knows it yet.
    }
    auto start = std::make_unique<signal>([place, fresh = std::move(fresh)](process_core*) {
        place->tenant = fresh;
        fresh->start();
    });
    start->generation = ref.generation;
    at.put(*place, std::move(start));
    return own;
}

void host_core::signal_to(const pid& to, signal::action act) {
    if (is_local(to)) {
        signal_to(detail::local_ref{to.index(), to.generation()}, std::move(act));
    } else {
        act(nullptr);  // Nobody's: `far_side` has those of others.
    }
}

void host_core::signal_to(const detail::local_ref& to, signal::action act) {
    slot* const place = to.generation == 0 ? nullptr : find(to.index);
    if (place == nullptr || !place->houses(to.generation)) {
        act(nullptr);
        return;
    }
    auto one = std::make_unique<signal>(std::move(act));
    one->generation = to.generation;
    worker_of(to.index).put(*place, std::move(one));
}

void host_core::count_lost(const detail::local_ref& sender, undelivered what) {
    if (sender.generation == 0) {
        count_lost_of_threads(what.count);
        return;
    }
    if (what.global.empty() && name_of_global_) {
        what.global = name_of_global_(what.to);
    }
    signal_to(sender, [what = std::move(what)](process_core* alive) mutable {
        if (alive != nullptr) {
            alive->on_lost(std::move(what));
        }
    });
}

/// Threads have no mailbox for a notice: whoever writes the log hears of it, once a second at most.
void host_core::count_lost_of_threads(std::uint64_t count) {
    lost.fetch_add(count, std::memory_order_relaxed);
    if (!say_lost_ || lost_is_said_.exchange(true, std::memory_order_acq_rel)) {
        return;
    }
    static_cast<void>(arm(say_lost_after, [this] {
        lost_is_said_.store(false, std::memory_order_release);
        const std::uint64_t all = lost.load(std::memory_order_relaxed);
        say_lost_(all - lost_said_.exchange(all));
    }));
}

detail::alarm host_core::arm(std::chrono::nanoseconds after, std::move_only_function<void()> fire) {
    const auto is_here = [](const auto& one) { return one->loop().is_current(); };
    const auto here = std::ranges::find_if(workers_, is_here);
    auto& at = here == workers_.end() ? *workers_.front() : **here;
    const instant when = platform_->now() + std::min(after, longest);
    const std::uint64_t number = next_number();
    if (here != workers_.end()) {
        at.set_alarm(when, number, std::move(fire));
    } else {
        at.loop().post(
            [&at, keep = shared_from_this(), when, number, fire = std::move(fire)]() mutable {
                at.set_alarm(when, number, std::move(fire));
            });
    }
    return {at.number(), when.time_since_epoch(), number};
}

std::chrono::nanoseconds host_core::within_call(std::chrono::nanoseconds limit) const {
    const instant until = detail::strand_scope::current_deadline();
    return until == never ? limit : std::min(limit, until - platform_->now());
}

void host_core::disarm(const detail::alarm& one) {
    if (one.number == 0) {
        return;
    }
    auto& at = *workers_[one.worker];
    if (at.loop().is_current()) {
        at.unset_alarm(instant{one.when}, one.number);
    } else {
        at.loop().post([&at, keep = shared_from_this(), one] {
            at.unset_alarm(instant{one.when}, one.number);
        });
    }
}

void host_core::vacate(worker& at, slot& one) {
    at.slots().give_back(one, one.index / static_cast<std::uint32_t>(workers_.size()));
    living.fetch_sub(1, std::memory_order_acq_rel);
    tell_if_stopped();
}

void host_core::begin_stop(duration grace, task_fn stopped) {
    stopping.store(true, std::memory_order_release);
    for (const auto& at : workers_) {
        at->loop().post([&at = *at, keep = shared_from_this()] { at.stop_all(); });
    }
    workers_.front()->loop().post(
        [this, keep = shared_from_this(), grace, stopped = std::move(stopped)]() mutable {
            stopped_ = std::move(stopped);
            const instant when = platform_->now() + std::min<duration>(grace, longest);
            workers_.front()->set_alarm(when, next_number(), [this] {
                for (const auto& at : workers_) {
                    at->loop().post([&at = *at, all = shared_from_this()] { at.end_all(); });
                }
            });
            tell_if_stopped();
        });
}

void host_core::tell_if_stopped() {
    if (!stopping.load(std::memory_order_acquire) || living.load(std::memory_order_acquire) != 0) {
        return;
    }
    workers_.front()->loop().post([this, keep = shared_from_this()] {
        if (living.load(std::memory_order_acquire) == 0 && stopped_) {
            auto told = std::exchange(stopped_, nullptr);
            told();
        }
    });
}

}  // namespace muster::process_detail
