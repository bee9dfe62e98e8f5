// How a process ends, and what becomes of what it has not seen.

#include "base/strand_scope.hpp"
#include "process/far_parcel.hpp"
#include "process/frame_end.hpp"
#include "process/host_core.hpp"
#include "process/process_core.hpp"

#include <map>
#include <utility>
#include <vector>

namespace muster::process_detail {

using detail::parcel;
using detail::parcel_ptr;

void process_core::run_blocking(std::move_only_function<void()> job) {
    ++jobs_;
    home_->jobs.fetch_add(1, std::memory_order_acq_rel);
    home_->platform().run_blocking([me = shared_from_this(), job = std::move(job)]() mutable {
        {
            const running_code marked{me->under_.get()};
            job();
            job = nullptr;
        }
        const auto home = me->home_;
        home->signal_to(detail::local_ref{me->own_.index(), me->own_.generation()},
                        [](process_core* alive) {
                            if (alive != nullptr) {
                                alive->on_job_done();
                            }
                        });
        me.reset();
        home->job_done();
    });
}

void process_core::on_job_done() {
    --jobs_;
    if (jobs_ == 0 && doom_) {
        end(std::move(*doom_));
    }
}

void process_core::end(exit_reason why) {
    if (ended_) {
        return;
    }
    if (jobs_ > 0) {
        // The job may refer to the coroutine's variables.
        if (!doom_) {
            doom_ = std::move(why);
        }
        return;
    }
    const std::shared_ptr<detail::strand> keep = shared_from_this();
    ended_ = true;
    slot_.life.fetch_add(1, std::memory_order_acq_rel);
    if (wait_alarm_.second != 0) {
        worker_.unset_alarm(wait_alarm_.first, std::exchange(wait_alarm_.second, 0));
    }
    waiting_ = {};
    {
        const detail::strand_scope scope{keep, never};
        const running_code counted{under_.get()};
        const frame_end marked;
        const auto ending_frame = std::exchange(running_, process{});
    }
    body_ = nullptr;
    drop_mailbox();
    for (auto& told : std::exchange(writers_, {})) {
        told(fail(errc::gone, own_.text() + " has ended"));
    }
    for (const auto& other : std::exchange(links, {})) {
        if (home_->is_far(other)) {
            home_->far().exit(own_, other, why, true);
            continue;
        }
        home_->signal_to(other, [me = own_, why](process_core* alive) {
            if (alive != nullptr) {
                alive->on_exit_signal(me, why, true);
            }
        });
    }
    for (auto& [which, told] : std::exchange(watchers, {})) {
        told(own_, why);
    }
    for (const auto& [which, who] : std::exchange(monitors_, {})) {
        withdraw(which, who);
    }
    slot_.tenant.reset();
    home_->vacate(worker_, slot_);
}

void process_core::drop_mailbox() {
    std::map<std::uint64_t, std::pair<detail::local_ref, std::uint64_t>> lost;
    const auto count_lost = [&](const parcel& one) {
        if (one.weight == 0 || one.ticket) {
            return;
        }
        if (one.far_from) {
            if (one.type != &far_type || !static_cast<const far_parcel&>(one).answer) {
                home_->far().tell_lost(one, own_);
            }
            return;
        }
        const std::uint64_t key = (std::uint64_t{one.from.generation} << 32U) | one.from.index;
        auto& entry = lost[key];
        entry.first = one.from;
        ++entry.second;
    };
    std::vector<parcel_ptr> unread;
    if (auto chosen = std::move(taken_)) {
        // Never seen; its room in the mailbox is free already.
        if (under_ && chosen->weight != 0 && !chosen->far_from) {
            if (chosen->ticket) {
                chosen->ticket->hold_by(nullptr);
            }
            unread.push_back(std::move(chosen));
        } else {
            count_lost(*chosen);
        }
    }
    while (auto one = inbox_.take_first()) {
        if (one->weight != 0) {
            ++taken_count_;
            taken_bytes_ += one->weight;
        }
        if (under_ && one->weight != 0 && !one->far_from) {
            unread.push_back(std::move(one));  // For whoever is elected next.
        } else {
            count_lost(*one);
        }
    }
    settle_load();
    if (!unread.empty()) {
        under_->unread(std::move(unread));
    }
    for (const auto& [key, entry] : lost) {
        home_->count_lost(entry.first, own_, entry.second);
    }
}

}  // namespace muster::process_detail
