#include "process/process_core.hpp"

#include "base/strand_scope.hpp"
#include "process/direct_turn.hpp"
#include "process/far_parcel.hpp"
#include "process/frame_end.hpp"
#include "process/guarded_router.hpp"
#include "process/host_core.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace muster::process_detail {

using detail::message_type;
using detail::message_type_of;
using detail::parcel;
using detail::parcel_of;
using detail::parcel_ptr;

namespace {

/// A process that goes on asking for messages after this many refusals waits for its end instead of
/// holding up its worker.
constexpr int max_closed_answers = 100;
constexpr std::size_t max_lost_notices = 1024;

/// A notice: no message of a sender's, so the mailbox's bounds do not count it.
template <class T>
parcel_ptr notice(T body) {
    auto one = std::make_unique<parcel_of<T>>(std::move(body));
    one->weight = 0;
    return one;
}

}  // namespace

process_core::process_core(std::shared_ptr<host_core> home,
                           worker& here,
                           slot& place,
                           pid own,
                           std::move_only_function<process(self)> body,
                           std::shared_ptr<process_right> under)
    : home_{std::move(home)},
      under_{std::move(under)},
      router_{under_
                  ? std::shared_ptr<detail::router>{std::make_shared<guarded_router>(home_, under_)}
                  : home_},
      worker_{here},
      slot_{place},
      own_{std::move(own)},
      body_{std::move(body)} {}

process_core::~process_core() = default;

const home_member& process_core::member() const noexcept {
    return home_->member();
}

ownership process_core::ownership() const {
    return under_ ? under_->held() : muster::ownership{};
}

pid process_core::sender_of(const parcel& one) const {
    if (!one.far_from || one.from.generation == 0) {
        return home_->pid_of(one.from);  // Nobody's, where a plain thread sent it.
    }
    return {one.far_from->life, one.far_from->name, one.from.index, one.from.generation};
}

std::chrono::nanoseconds process_core::now() const {
    return worker_.loop().now().time_since_epoch();
}

void process_core::post(std::move_only_function<void()> job) {
    if (direct_turn::is_open() && worker_.loop().is_current() && !ended_ &&
        slot_.arrived.load(std::memory_order_relaxed) == nullptr) {
        const direct_turn::pause closed;
        run_job(job);
        return;
    }
    home_->signal_to(detail::local_ref{own_.index(), own_.generation()},
                     [job = std::move(job)](process_core* alive) mutable {
                         if (alive != nullptr) {
                             alive->run_job(job);
                         }
                     });
}

// --- Running -----------------------------------------------------------------------------------

void process_core::start() {
    stopping_ = home_->stopping.load(std::memory_order_acquire);
    if (lost_its_right()) {
        return;
    }
    try {
        const running_code marked{under_.get()};
        const std::shared_ptr<detail::strand> keep = shared_from_this();
        const detail::strand_scope scope{keep, never};
        running_ = body_(self{*this});
    } catch (const std::exception& one) {
        end({ending::crashed, one.what()});
        return;
    } catch (...) {
        end({ending::crashed, "threw something that is no std::exception"});
        return;
    }
    if (running_.frame()) {
        resume(running_.frame());
    } else {
        end({});
    }
}

/// Ends it where its right has ended: it must not run again, whatever it waits for has come.
bool process_core::lost_its_right() {
    if (!under_ || under_->allowed()) {
        return false;
    }
    end({ending::killed, "its right has ended"});
    return true;
}

void process_core::resume(std::coroutine_handle<> at) {
    if (!lost_its_right()) {
        go_on_at(at);
    }
}

/// Whoever calls it has seen that its right holds.
void process_core::go_on_at(std::coroutine_handle<> at) {
    const std::shared_ptr<detail::strand> keep = shared_from_this();
    if (wait_alarm_.second != 0) {
        worker_.unset_alarm(wait_alarm_.first, std::exchange(wait_alarm_.second, 0));
    }
    {
        const running_code marked{under_.get()};
        const detail::strand_scope scope{keep, never};
        at.resume();
    }
    finish_if_done();
}

void process_core::finish_if_done() {
    if (!ended_ && running_.frame() && running_.frame().done()) {
        end(reason_of_end());
    }
}

exit_reason process_core::reason_of_end() {
    const auto escaped = running_.frame().promise().escaped;
    if (!escaped) {
        return {};
    }
    try {
        std::rethrow_exception(escaped);
    } catch (const std::exception& one) {
        return {ending::crashed, one.what()};
    } catch (...) {
        return {ending::crashed, "threw something that is no std::exception"};
    }
}

void process_core::run_job(std::move_only_function<void()>& job) {
    const std::shared_ptr<detail::strand> keep = shared_from_this();
    if (ended_ || doom_ || lost_its_right()) {
        return;
    }
    {
        const running_code marked{under_.get()};
        const detail::strand_scope scope{keep, never};
        job();
    }
    finish_if_done();
}

void process_core::go_on() {
    if (waiting_ && taken_ && !doom_ && !ended_) {
        resume(std::exchange(waiting_, {}));
    }
}

void process_core::on_stop() {
    stopping_ = true;
    end_waiting(errc::closed);
}

void process_core::end_waiting(errc why) {
    if (!waiting_ || taken_ || doom_ || ended_) {
        return;
    }
    ended_wait_ = why;
    resume(std::exchange(waiting_, {}));
}

// --- The mailbox -------------------------------------------------------------------------------

bool process_core::wants(const message_type* type) const noexcept {
    return std::ranges::find(wanted_, type) != wanted_.end();
}

/// Which of the types waited for it is; null if none.
const message_type* process_core::wanted_type(const parcel& one) const noexcept {
    if (one.type != &far_type) {
        return wants(one.type) ? one.type : nullptr;
    }
    const auto& name = static_cast<const far_parcel&>(one).name;
    const auto found = std::ranges::find(wanted_, name, &message_type::name);
    return found == wanted_.end() ? nullptr : *found;
}

bool process_core::take_at_once(far_message& one) {
    if (!waiting_ || taken_ || doom_ || ended_) {
        return false;
    }
    const auto type = std::ranges::find_if(wanted_, [&](const message_type* wanted) {
        return wanted == one.known || wanted->name == one.type;
    });
    if (type == wanted_.end() || lost_its_right()) {
        return false;
    }
    one.known = *type;
    if (!one.asker.answer) {
        // No parcel, no mailbox: from the network's buffer to where the process wants it.
        if (open_at_(waiter_,
                     static_cast<std::size_t>(type - wanted_.begin()),
                     {one.body, *one.node, one.from})) {
            go_on_at(std::exchange(waiting_, {}));
        } else {
            home_->far().tell_lost(*one.node, one.from, own_);
        }
        return true;
    }
    auto opened = open_far(**type, one.body, std::move(one.asker), router_, worker_.loop());
    if (opened) {
        opened->from = one.from;
        opened->far_from = one.node;
        if (opened->ticket && under_) {
            opened->ticket->hold_by(under_);
        }
        taken_ = std::move(opened);
        resume(std::exchange(waiting_, {}));
    }
    return true;
}

void process_core::arrive(parcel_ptr one) {
    if (!waiting_ || taken_ || wanted_type(*one) == nullptr) {
        inbox_.push_back(std::move(one));
        return;
    }
    taken_ = accept(std::move(one));
}

/// Takes it out of the mailbox's account; null if it need not be seen, or cannot be read.
parcel_ptr process_core::accept(parcel_ptr one) {
    count_taken(*one);
    if (one->type == &far_type) {
        auto& far = static_cast<far_parcel&>(*one);
        const bool is_asked = far.answer != nullptr;
        auto opened = far.open(*wanted_type(far), router_, worker_.loop());
        if (!opened && !is_asked) {
            home_->far().tell_lost(far, own_);
        }
        one = std::move(opened);
    } else if (one->ticket && !one->ticket->take()) {
        return nullptr;
    }
    if (one && one->ticket && under_) {
        one->ticket->hold_by(under_);
    }
    return one;
}

parcel_ptr process_core::take() {
    if (!lost_.empty() && wants(&message_type_of<undelivered>)) {
        auto one = notice(std::move(lost_.front()));
        lost_.erase(lost_.begin());
        return one;
    }
    const auto is_wanted = [this](const parcel& one) { return wanted_type(one) != nullptr; };
    while (auto next = inbox_.take_first_if(is_wanted)) {
        if (auto one = accept(std::move(next))) {
            return one;
        }
    }
    return nullptr;
}

void process_core::count_taken(const parcel& one) {
    if (one.weight == 0) {
        return;
    }
    ++taken_count_;
    taken_bytes_ += one.weight;
    // Counted in batches: senders write the same word.
    if (taken_count_ >= 64 || taken_count_ * 16 >= home_->limits().mailbox_messages ||
        taken_bytes_ * 16 >= home_->limits().mailbox_bytes) {
        settle_load();
    }
}

void process_core::settle_load() {
    const std::uint64_t taken =
        (std::exchange(taken_count_, 0) << 32U) + std::exchange(taken_bytes_, 0);
    std::uint64_t load = slot_.load.load(std::memory_order_relaxed);
    if (taken != 0) {
        load = slot_.load.fetch_sub(taken, std::memory_order_acq_rel) - taken;
    }
    if (!writers_.empty() && (load >> 32U) <= home_->limits().mailbox_messages / 2 &&
        (load & 0xffff'ffffU) <= home_->limits().mailbox_bytes / 2) {
        for (auto& told : std::exchange(writers_, {})) {
            told({});
        }
    }
}

std::chrono::nanoseconds process_core::answers_until() const noexcept {
    // After its deadline nobody waits for it.
    return answering_ && !answering_->is_over() && answering_->due() > now()
               ? answering_->due()
               : std::chrono::nanoseconds::max();
}

std::string process_core::shapes() const {
    std::string out{'['};
    for (const message_type* const one : takes_) {
        out += out.size() == 1 ? "" : ",";
        one->describe(out);
    }
    return out += ']';
}

bool process_core::begin_wait(std::span<const message_type* const> types,
                              std::optional<std::chrono::nanoseconds> limit) {
    wanted_ = types;
    if (!types.empty()) {
        takes_ = types;
        answering_.reset();
    }
    limit_ = limit;
    ended_wait_.reset();
    if (stopping_ && closed_answers_ < max_closed_answers) {
        ++closed_answers_;
        ended_wait_ = errc::closed;
        return true;
    }
    if (!inbox_.empty() || !lost_.empty()) {
        taken_ = take();
    }
    if (!taken_) {
        if (taken_count_ != 0 || !writers_.empty()) {
            settle_load();
        }
        if (limit && limit->count() <= 0) {
            ended_wait_ = errc::timed_out;
        }
    }
    return taken_ || ended_wait_;
}

void process_core::suspend(std::coroutine_handle<> waiting, detail::open_at_fn open_at, void* at) {
    waiting_ = waiting;
    open_at_ = open_at;
    waiter_ = at;
    if (!limit_) {
        return;
    }
    const instant now = worker_.loop().now();
    if (*limit_ >= never - now) {
        return;
    }
    wait_alarm_ = {now + *limit_, home_->next_number()};
    worker_.set_alarm(wait_alarm_.first, wait_alarm_.second, [weak = weak_from_this()] {
        if (const auto alive = weak.lock()) {
            alive->wait_alarm_.second = 0;
            alive->end_waiting(errc::timed_out);
        }
    });
}

parcel_ptr process_core::end_wait(error& why) {
    if (taken_) {
        answering_ = taken_->ticket;
        return std::move(taken_);
    }
    why.code = ended_wait_.value_or(errc::closed);
    why.text = why.code == errc::timed_out ? "no such message came in time" : "the node stops";
    return nullptr;
}

void process_core::on_lost(undelivered what) {
    const auto same = std::ranges::find_if(lost_, [&](const undelivered& one) {
        return one.to == what.to && one.global == what.global;
    });
    if (same != lost_.end()) {
        same->count += what.count;
    } else if (lost_.size() < max_lost_notices) {
        lost_.push_back(std::move(what));
    } else if (lost_.back().to.empty() && lost_.back().global.empty()) {
        lost_.back().count += what.count;
    } else {
        // Bounded: the last notice speaks for all further destinations.
        lost_.back() = {.to = {}, .count = lost_.back().count + what.count};
    }
    if (waiting_ && !taken_ && wants(&message_type_of<undelivered>)) {
        taken_ = take();
    }
}

void process_core::on_writer(completer<void> told) {
    writers_.push_back(std::move(told));
    settle_load();
}

void process_core::when_writable(const pid& who, completer<void> told) {
    if (home_->is_far(who)) {
        home_->far().when_writable(who, std::move(told));
        return;
    }
    home_->signal_to(who, [who, told = std::move(told)](process_core* alive) mutable {
        if (alive != nullptr) {
            alive->on_writer(std::move(told));
        } else {
            told(fail(errc::gone, who.text() + " has ended"));
        }
    });
}

// --- Monitors, links and ends ------------------------------------------------------------------

std::uint64_t process_core::monitor(const pid& who) {
    const std::uint64_t which = home_->next_number();
    monitors_.emplace(which, who);
    auto tell = [home = home_, me = detail::local_ref{own_.index(), own_.generation()}, which](
                    const pid& ended, const exit_reason& why) {
        home->signal_to(me, [which, ended, why](process_core* watching) {
            if (watching != nullptr) {
                watching->on_down(which, ended, why);
            }
        });
    };
    if (home_->is_far(who)) {
        home_->far().monitor(which, who, std::move(tell));
        return which;
    }
    home_->signal_to(who, [who, which, tell = std::move(tell)](process_core* alive) mutable {
        if (alive != nullptr) {
            alive->watchers.emplace_back(which, std::move(tell));
        } else {
            tell(who, {ending::no_process, {}});
        }
    });
    return which;
}

void process_core::on_down(std::uint64_t which, const pid& who, exit_reason why) {
    if (monitors_.erase(which) != 0) {
        arrive(notice(down{who, std::move(why), which}));
    }
}

void process_core::demonitor(std::uint64_t which) {
    const auto at = monitors_.find(which);
    if (at != monitors_.end()) {
        withdraw(which, at->second);
        monitors_.erase(at);
        return;
    }
    const auto withdrawn = inbox_.take_first_if([which](const parcel& one) {
        return one.type == &message_type_of<down> && one.weight == 0 &&
               static_cast<const parcel_of<down>&>(one).body.monitor == which;
    });
}

void process_core::withdraw(std::uint64_t which, const pid& who) {
    if (home_->is_far(who)) {
        home_->far().demonitor(which, who);
        return;
    }
    home_->signal_to(who, [which](process_core* alive) {
        if (alive != nullptr) {
            alive->unwatch(which);
        }
    });
}

pid process_core::spawn_linked(std::move_only_function<process(self)> body) {
    const pid child = home_->spawn_linked(std::move(body), own_);
    links.insert(child);
    // Whether it lives at all, where places or the node have run out, is told by its place.
    home_->signal_to(child, [home = home_, me = own_, child](process_core* alive) {
        if (alive == nullptr) {
            home->signal_to(me, [child](process_core* linked) {
                if (linked != nullptr) {
                    linked->on_exit_signal(child, {ending::no_process, {}}, true);
                }
            });
        }
    });
    return child;
}

void process_core::link(const pid& who) {
    if (who == own_ || !links.insert(who).second) {
        return;
    }
    if (home_->is_far(who)) {
        home_->far().link(own_, who);
        return;
    }
    home_->signal_to(who, [who, home = home_, me = own_](process_core* alive) {
        if (alive != nullptr) {
            alive->links.insert(me);
            return;
        }
        home->signal_to(me, [who](process_core* linked) {
            if (linked != nullptr) {
                linked->on_exit_signal(who, {ending::no_process, {}}, true);
            }
        });
    });
}

void process_core::unwatch(std::uint64_t which) {
    std::erase_if(watchers, [which](const auto& one) { return one.first == which; });
}

void process_core::unlink(const pid& who) {
    if (links.erase(who) == 0) {
        return;
    }
    if (home_->is_far(who)) {
        home_->far().unlink(own_, who);
    } else {
        home_->signal_to(who, [me = own_](process_core* alive) {
            if (alive != nullptr) {
                alive->links.erase(me);
            }
        });
    }
}

void process_core::exit(const pid& who, std::string text) {
    if (under_ && !under_->allowed()) {
        return;
    }
    if (home_->is_far(who)) {
        home_->far().exit(own_, who, {ending::exited, std::move(text)}, false);
        return;
    }
    home_->signal_to(who, [me = own_, text = std::move(text)](process_core* alive) {
        if (alive != nullptr) {
            alive->on_exit_signal(me, {ending::exited, text}, false);
        }
    });
}

void process_core::kill(const pid& who) {
    if (under_ && !under_->allowed()) {
        return;
    }
    if (home_->is_far(who)) {
        home_->far().kill(who);
        return;
    }
    home_->signal_to(who, [](process_core* alive) {
        if (alive != nullptr) {
            alive->end({ending::killed, {}});
        }
    });
}

void process_core::on_exit_signal(const pid& from, exit_reason why, bool by_link) {
    if (by_link && links.erase(from) == 0) {
        return;  // Unlinked meanwhile.
    }
    if (traps_exits_) {
        arrive(notice(exit_signal{from, std::move(why)}));
    } else if (!why.normal()) {
        end(std::move(why));
    }
}

}  // namespace muster::process_detail
