#include "node/global_proxy.hpp"

#include "muster/message.hpp"

#include "node/global_wire.hpp"
#include "process/process_right.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {
namespace {

constexpr duration look_again_after = 20ms;
constexpr std::size_t targets_kept = 4;  ///< by whose pids what is lost is known to be for this

/// Whether such a refusal says that the process is not there any more, or not to be reached.
bool can_wait(errc code) {
    return code == errc::gone || code == errc::unavailable;
}

result<void> refuse(parcel& one, error why) {
    if (const auto ticket = std::exchange(one.ticket, nullptr)) {
        ticket->refuse(why);
    }
    return std::unexpected{std::move(why)};
}

}  // namespace

global_proxy::global_proxy(std::string name,
                           std::string partition,
                           std::shared_ptr<resource_host> seats,
                           std::size_t worker,
                           std::optional<error> trouble)
    : name_{std::move(name)},
      partition_{std::move(partition)},
      seats_{std::move(seats)},
      worker_{worker},
      trouble_{std::move(trouble)} {}

std::shared_ptr<router> global_proxy::home() const noexcept {
    return seats_->services().stopped() ? nullptr : seats_->services().way();
}

std::chrono::nanoseconds global_proxy::ask_deadline() const noexcept {
    return seats_->services().ask_deadline();
}

runtime::loop& global_proxy::loop() const {
    return *seats_->services().worker(worker_);
}

template <class Job>
void global_proxy::on_loop(Job job) {
    loop().post([self = shared_from_this(), job = std::move(job)]() mutable { job(*self); });
}

instant global_proxy::due_of(const parcel& one) const {
    return one.ticket ? instant{one.ticket->due()}
                      : seats_->services().platform()->now() + hold_limit;
}

// --- From any thread -----------------------------------------------------------------------------

result<void> global_proxy::deliver(parcel_ptr one) {
    const auto way = home();
    if (!way) {
        return refuse(*one, {errc::closed, "the node of this global has ended"});
    }
    if (trouble_) {
        return refuse(*one, *trouble_);
    }
    if (!process_detail::running_code::may_speak()) {
        return refuse(*one, process_detail::running_code::no_right());
    }
    if (count_.load(std::memory_order_acquire) == 0) {
        if (const auto to = target_.read()) {
            auto how = way->offer(to->who, one, returner(to->who));
            if (how) {
                return how;
            }
            if (!can_wait(how.error().code)) {
                return refuse(*one, std::move(how.error()));
            }
            if (how.error().code == errc::gone) {
                ended(to->who);
            } else {
                forget(to->who);  // Not reached: whoever is asked again may name it again.
            }
        }
    }
    if (count_.fetch_add(1, std::memory_order_acq_rel) >= most_held) {
        count_.fetch_sub(1, std::memory_order_acq_rel);
        return refuse(*one,
                      {errc::overloaded,
                       "'" + name_ + "' is between members, and " + std::to_string(most_held) +
                           " messages wait for it already"});
    }
    const instant due = due_of(*one);
    on_loop([one = std::move(one), due](global_proxy& here) mutable {
        here.enter(++here.last_, {.what = std::move(one), .where = std::nullopt, .due = due});
        here.go_on();
    });
    return {};
}

void global_proxy::locate(std::chrono::nanoseconds within, completer<pid> told) {
    if (!home()) {
        told(fail(errc::closed, "the node of this global has ended"));
        return;
    }
    if (trouble_) {
        told(std::unexpected{*trouble_});
        return;
    }
    if (const auto to = target_.read()) {
        told(pid{to->who});
        return;
    }
    count_.fetch_add(1, std::memory_order_acq_rel);
    const instant due = seats_->services().platform()->now() + std::min<duration>(within, 24h);
    on_loop([told = std::move(told), due](global_proxy& here) mutable {
        here.enter(++here.last_, {.what = nullptr, .where = std::move(told), .due = due});
        here.go_on();
    });
}

bool global_proxy::was_at(const pid& who) const {
    const auto last = targets_.read();
    return std::ranges::find(*last, who) != last->end();
}

void global_proxy::plan_moved() {
    const auto to = target_.read();
    if (to && !is_current(to->fence)) {
        forget(to->who);
    }
}

/// Whether the newest plan read here does not speak against it: it may be older than what its owner
/// has read.
bool global_proxy::is_current(std::int64_t fence) const {
    const auto by = seats_->plan();
    const cluster::entry* const one = by ? by->named(partition_) : nullptr;
    return one != nullptr && by->fence_of(*one).value() <= fence;
}

void global_proxy::forget(const pid& who) {
    if (const auto to = target_.read(); to && to->who == who) {
        target_.replace(nullptr);
    }
}

void global_proxy::ended(const pid& who) {
    forget(who);
    on_loop([who](global_proxy& here) { here.dead_ = who; });
}

/// An ask went to a process far away, and was certainly not seen there.
unsent_fn global_proxy::returner(const pid& to) {
    return [self = shared_from_this(), to](parcel_ptr one, const error&) {
        self->came_back(to, std::move(one));
    };
}

void global_proxy::came_back(const pid& from, parcel_ptr one) {
    const auto way = home();
    if (!way) {
        static_cast<void>(refuse(*one, {errc::closed, "this node is leaving"}));
        return;
    }
    forget(from);
    const instant due = due_of(*one);
    // The mesh had seen to its deadline.
    ask_ticket::arm(one->ticket,
                    std::max(due - seats_->services().platform()->now(), duration::zero()));
    std::vector<parcel_ptr> all;
    all.push_back(std::move(one));
    take_back(std::move(all));
}

void global_proxy::take_back(std::vector<parcel_ptr> unread) {
    if (!home()) {
        for (const parcel_ptr& one : unread) {
            static_cast<void>(refuse(*one, {errc::closed, "this node is leaving"}));
        }
        return;
    }
    count_.fetch_add(unread.size(), std::memory_order_acq_rel);
    on_loop([unread = std::move(unread)](global_proxy& here) mutable {
        for (parcel_ptr& one : unread) {
            const instant due = here.due_of(*one);
            waiting back{.what = std::move(one), .where = std::nullopt, .due = due};
            if (here.queue_.size() >= most_held) {
                here.give_up(back, {errc::overloaded, "'" + here.name_ + "': too many wait"});
                here.count_.fetch_sub(1, std::memory_order_acq_rel);
            } else {
                here.enter(here.returned_++, std::move(back));
            }
        }
        here.go_on();
    });
}

// --- On the loop ---------------------------------------------------------------------------------

void global_proxy::enter(std::int64_t number, waiting one) {
    dues_.emplace(one.due, number);
    queue_.emplace(number, std::move(one));
}

void global_proxy::leave(queue::iterator one) {
    dues_.erase({one->second.due, one->first});
    queue_.erase(one);
    count_.fetch_sub(1, std::memory_order_acq_rel);
}

void global_proxy::go_on() {
    if (queue_.empty()) {
        return;
    }
    if (target_.read()) {
        flush();
    } else {
        find();
    }
    set_timer();
}

void global_proxy::flush() {
    const auto way = home();
    if (!way) {
        end_all({errc::closed, "this node is leaving"});
        return;
    }
    while (!queue_.empty()) {
        const auto to = target_.read();
        if (!to) {
            find();
            return;
        }
        const auto first = queue_.begin();
        waiting& one = first->second;
        if (one.where) {
            (*one.where)(pid{to->who});
            leave(first);
            continue;
        }
        const auto how = way->offer(to->who, one.what, returner(to->who));
        if (!how && can_wait(how.error().code)) {
            if (how.error().code == errc::gone) {
                dead_ = to->who;
            }
            forget(to->who);
            look_again();
            return;
        }
        if (!how) {
            give_up(one, how.error());
        }
        leave(first);
    }
}

void global_proxy::find() {
    if (std::exchange(asking_, true)) {
        return;
    }
    again_.reset();
    seats_->ask(partition_,
                true,
                where_now::wire_name,
                encode(where_now{}),
                hold_limit,
                [self = shared_from_this()](result<answered> got) {
                    self->on_loop([got = std::move(got)](global_proxy& here) mutable {
                        here.asking_ = false;
                        here.found(std::move(got));
                        here.set_timer();
                    });
                });
}

void global_proxy::found(result<answered> got) {
    if (!got) {
        not_found_yet(std::move(got.error()));
        return;
    }
    auto where = decode<located>(got->body);
    if (!where) {
        end_all({errc::incompatible,
                 "the member that has '" + name_ +
                     "' answers what cannot be read here: " + where.error().text});
    } else if (where->who == dead_) {
        why_ = {errc::moving, where->who.text() + " has ended"};
        look_again();
    } else {
        located_at(std::move(where->who), where->fence);
    }
}

void global_proxy::located_at(pid who, std::int64_t fence) {
    targets_.change([&](std::vector<pid>& last) {
        last.erase(last.begin(), last.size() < targets_kept ? last.begin() : last.begin() + 1);
        last.push_back(who);
    });
    target_.replace(std::make_shared<const target>(std::move(who), fence));
    was_found_.store(true);
    plan_moved();  // One that was read meanwhile has found nothing to forget.
    if (target_.read()) {
        flush();
    } else {
        look_again();
    }
}

void global_proxy::not_found_yet(error why) {
    if (!home()) {
        end_all({errc::closed, "this node is leaving"});
        return;
    }
    if (why.code == errc::not_found && !was_found_.load() && !expected_.load()) {
        end_all({errc::not_found, "nobody stands for '" + name_ + "'"});
        return;
    }
    if (why.next() == next_step::fix_call && why.code != errc::not_found) {
        end_all(why);
        return;
    }
    why_ = std::move(why);
    look_again();
}

void global_proxy::look_again() {
    if (!queue_.empty()) {
        again_ = loop().now() + look_again_after;
    }
}

void global_proxy::set_timer() {
    if (queue_.empty()) {
        again_.reset();
        timer_.reset();  // Here: the last to hold this may be on another worker.
        return;
    }
    if (!timer_) {
        timer_ = loop().make_timer();
    }
    timer_->set(std::min(dues_.begin()->first, again_.value_or(never)), [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->expire();
            if (self->again_ && *self->again_ <= self->loop().now()) {
                self->again_.reset();
                self->go_on();
            }
            self->set_timer();
        }
    });
}

void global_proxy::expire() {
    const instant now = loop().now();
    std::uint64_t lost = 0;
    while (!dues_.empty() && dues_.begin()->first <= now) {
        const auto one = queue_.find(dues_.begin()->second);
        const bool of_thread = one->second.what && !one->second.what->ticket &&
                               one->second.what->local_sender().generation == 0;
        lost += of_thread ? 1 : 0;
        // Only what says more than that it took too long is the cause.
        const bool says = why_.code == errc::stranded || why_.code == errc::unavailable ||
                          why_.code == errc::not_found;
        give_up(one->second,
                {says ? why_.code : errc::moving,
                 "'" + name_ + "' was on no member in time" +
                     (why_.text.empty() ? "" : ": " + why_.text)});
        leave(one);
    }
    report_lost(lost);
}

void global_proxy::report_lost(std::uint64_t count) const {
    if (count > 0) {
        seats_->services().say(severity::warning,
                               "global.undelivered",
                               std::to_string(count) + " messages to '" + name_ +
                                   "' were lost: it was on no member in time");
    }
}

void global_proxy::shut() {
    end_all({errc::closed, "this node has left"});
    timer_.reset();
    target_.replace(nullptr);
}

void global_proxy::end_all(const error& why) {
    std::uint64_t lost = 0;
    while (!queue_.empty()) {
        const auto first = queue_.begin();
        const parcel_ptr& what = first->second.what;
        lost += what && !what->ticket && what->local_sender().generation == 0 ? 1 : 0;
        give_up(first->second, why);
        leave(first);
    }
    report_lost(lost);
}

/// Its sender, or whoever asked, hears of it.
void global_proxy::give_up(waiting& one, const error& why) {
    if (one.where) {
        (*one.where)(std::unexpected{why});
    } else if (one.what->ticket) {
        static_cast<void>(refuse(*one.what, why));
    } else if (const auto way = seats_->services().way()) {
        way->lose(*one.what, name_);
    }
}

}  // namespace muster::detail
