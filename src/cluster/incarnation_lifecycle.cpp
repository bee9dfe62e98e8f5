// The lifecycle of an incarnation, from its first view to its end. How it joins, leads, keeps its
// lease and follows plans: incarnation.cpp.

#include "base/check.hpp"
#include "cluster/incarnation.hpp"
#include "cluster/membership/rules.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

namespace {
constexpr duration plan_patience = 1s;  ///< how long init waits for the first plans
}  // namespace

// --- The lifecycle -------------------------------------------------------------------------------

void incarnation::step(lifecycle to) {
    if (state_ == to) {
        return;
    }
    MUSTER_ASSERT(may_step(state_, to), "a step that the lifecycle does not have");
    state_ = to;
    told_.stepped(to);
}

/// What its status says: others may suspect it, but it says so only where it does itself.
lifecycle incarnation::said_state() const {
    if (state_ == lifecycle::online || state_ == lifecycle::suspect) {
        return memory_.suspects_itself ? lifecycle::suspect : lifecycle::online;
    }
    return state_;
}

/// Takes every step that what is known allows.
void incarnation::go_on() {
    if (retired_ || !joined_ || !lease_.may_act()) {
        return;
    }
    if (!succession_child_.empty() && succession_ && !leader_ && !requeue_wanted_) {
        // Led before it could: the agent said so once, and the lease had not begun.
        if (succession_->leads()) {
            lead();
        }
    }
    if (state_ == lifecycle::stranded) {
        step(lifecycle::joining);
    }
    const view_member* me = nullptr;
    if (view_) {
        const auto found = std::ranges::find(view_->members, at_.self, &view_member::id);
        me = found == view_->members.end() ? nullptr : &*found;
    }
    if (state_ == lifecycle::joining && me != nullptr) {
        step(lifecycle::initializing);
        init_timer_->set(at_.loop.now() + plan_patience, life_.wrap([this] {
            may_wait_for_plans_ = false;
            go_on();
        }));
    }
    if (state_ == lifecycle::initializing && !init_started_ &&
        (!memory_.settings.initializes || !may_wait_for_plans_ || plans_known())) {
        initialize();
    }
    if (state_ == lifecycle::initializing && init_done_) {
        step(memory_.leaving ? lifecycle::draining : lifecycle::online);
        status_->change([&](status_record& mine) { mine.state = said_state(); });
    }
    if (me != nullptr && !memory_.leaving) {
        const bool suspect = me->state == lifecycle::suspect || memory_.suspects_itself;
        if (me->drain && (state_ == lifecycle::online || state_ == lifecycle::suspect)) {
            step(lifecycle::draining);
            status_->change([](status_record& mine) { mine.state = lifecycle::draining; });
        } else if (!me->drain && state_ == lifecycle::draining) {
            step(lifecycle::online);
            status_->change([&](status_record& mine) { mine.state = said_state(); });
        } else if (suspect && state_ == lifecycle::online) {
            step(lifecycle::suspect);
            if (leader_) {
                requeue();  // Whoever may not be able to do its work leaves the leading to others.
            }
        } else if (!suspect && state_ == lifecycle::suspect) {
            step(lifecycle::online);
        }
    }
    update_rights();
    check_drained();
}

/// Whether the first responsibilities are known: of every hash or range resource served, a plan has
/// been read that gives something to this member, or lets it prepare for something. One to which
/// none is given waits in vain, and not for long.
bool incarnation::plans_known() const {
    return std::ranges::all_of(holders_, [this](const auto& item) {
        const holder_agent& holder = item.second;
        if (holder.spec().kind == resource_kind::list) {
            return true;
        }
        return holder.state().newest &&
               std::ranges::any_of(holder.state().newest->chunks, [this](const plan_chunk& chunk) {
                   return std::ranges::any_of(chunk.entries, [this](const entry& one) {
                       return one.owner == at_.self || one.next == at_.self;
                   });
               });
    });
}

void incarnation::initialize() {
    init_started_ = true;
    std::vector<right::identity> first;
    for (const auto& [name, holder] : holders_) {
        if (!holder.state().newest) {
            continue;
        }
        for (const plan_chunk& chunk : holder.state().newest->chunks) {
            for (const entry& one : chunk.entries) {
                if (one.owner == at_.self) {
                    first.push_back(
                        {name,
                         one.partition,
                         one.slot,
                         token_of(at_.incarnation, fence_of(*holder.state().newest, one)),
                         at_.self});
                }
            }
        }
    }
    init_timer_->set(at_.loop.now() + memory_.settings.init_deadline, life_.wrap([this] {
        told_.over({errc::timed_out, "the init callback did not return within its deadline"}, true);
    }));
    memory_.host->initialize(
        std::move(first), [loop = at_.owner, done = life_.wrap([this](const result<void>& how) {
            initialized(how);
        })](const result<void>& outcome) mutable {
            loop->post([done = std::move(done), outcome]() mutable { done(outcome); });
        });
}

void incarnation::initialized(const result<void>& outcome) {
    init_timer_->cancel();
    if (!outcome) {
        told_.over({outcome.error().code, "the init callback failed: " + outcome.error().text},
                   true);
        return;
    }
    init_done_ = true;
    go_on();
}

// --- Wishes and the end --------------------------------------------------------------------------

void incarnation::status_wishes_changed() {
    if (status_ && !retired_) {
        status_->change([&](status_record& mine) {
            mine.candidates = memory_.candidates;
            mine.unreachable.assign(memory_.unreachable.begin(), memory_.unreachable.end());
            if (state_ == lifecycle::online || state_ == lifecycle::suspect) {
                mine.state = said_state();
            }
        });
        go_on();
    }
}

void incarnation::publish_wishes_changed() {
    if (publisher_) {
        publisher_->want(memory_.published);
    }
}

void incarnation::handler_failed(const right::identity& what) {
    if (const auto holder = holders_.find(what.resource);
        holder != holders_.end() && what.member == at_.self && !retired_) {
        holder->second.handler_failed(what);
    }
}

void incarnation::drain() {
    end_lead_right();
    if (state_ == lifecycle::initializing || state_ == lifecycle::online ||
        state_ == lifecycle::suspect || state_ == lifecycle::draining) {
        step(lifecycle::draining);
        status_->change([](status_record& mine) { mine.state = lifecycle::draining; });
        update_rights();
        check_drained();
        return;
    }
    told_.drained();  // It never had anything.
}

void incarnation::holder_emptied() {
    if (!retired_) {
        check_drained();
    } else if (!holds_anything()) {
        told_.emptied();
    }
}

void incarnation::check_drained() {
    if (!memory_.leaving || retired_ || state_ != lifecycle::draining || holds_anything()) {
        return;
    }
    for (const auto& [name, holder] : holders_) {
        if (!holder.state().newest) {
            continue;
        }
        for (const plan_chunk& chunk : holder.state().newest->chunks) {
            if (std::ranges::any_of(chunk.entries,
                                    [&](const entry& one) { return one.owner == at_.self; })) {
                return;
            }
        }
    }
    at_.loop.post(life_.wrap([this] { told_.drained(); }));
}

void incarnation::retire() {
    if (std::exchange(retired_, true)) {
        return;
    }
    init_timer_->cancel();
    entropy_timer_->cancel();
    lease_.stop();
    stop_leading();
    if (state_ != lifecycle::left) {
        step(lifecycle::stranded);
    }
    if (status_) {
        status_->mute();
    }
    publisher_.reset();
    view_reader_.reset();
    succession_.reset();
    plans_.clear();
    join_.reset();
    makers_.clear();
}

void incarnation::left() {
    if (state_ == lifecycle::initializing) {
        step(lifecycle::draining);  // The lease had lapsed in between.
    }
    step(lifecycle::left);
}

bool incarnation::say_left() {
    if (!status_ || retired_ || state_ != lifecycle::draining || !lease_.may_act()) {
        return false;  // What it had was not taken by a plan: others wait for its effects.
    }
    status_->say_last([](status_record& mine) { mine.state = lifecycle::left; });
    if (leader_) {
        // The next one need not wait until this session has ended.
        stop_leading();
        at_.zk.remove(at_.where.succession() + "/" + succession_child_,
                      zookeeper::any_version,
                      never,
                      [](const zookeeper::reply<zookeeper::nothing>&) {});
    }
    return true;
}

bool incarnation::holds_anything() const {
    return lead_in_use() || std::ranges::any_of(holders_, [](const auto& one) {
               return one.second.holds_anything();
           });
}

/// A watch event that got lost is made good within a minute.
void incarnation::schedule_anti_entropy() {
    entropy_timer_->set(next_anti_entropy(at_.loop), life_.wrap([this] {
        view_reader_->look();
        publisher_->look_again();
        for (auto& [name, reader] : plans_) {
            reader.look_again();
        }
        for (auto& [name, holder] : holders_) {
            holder.look_again();
        }
        if (leader_) {
            leader_->look_again();
        }
        schedule_anti_entropy();
    }));
}

}  // namespace muster::cluster
