#include "process/worker.hpp"

#include "process/host_core.hpp"
#include "process/process_core.hpp"

#include <utility>
#include <vector>

namespace muster::process_detail {

using detail::parcel;
using detail::parcel_ptr;

worker::worker(host_core& home, std::uint32_t number, std::shared_ptr<runtime::loop> on)
    : home_{home}, number_{number}, loop_{std::move(on)} {}

void worker::put(slot& to, parcel_ptr one) {
    parcel* const added = one.release();
    parcel* before = to.arrived.load(std::memory_order_relaxed);
    do {
        added->next = before;
    } while (!to.arrived.compare_exchange_weak(before, added, std::memory_order_acq_rel));
    if (before != nullptr) {
        return;  // Whoever put the first one lists the slot.
    }
    slot* ready = ready_.load(std::memory_order_relaxed);
    do {
        to.next_ready = ready;
    } while (!ready_.compare_exchange_weak(ready, &to, std::memory_order_acq_rel));
    if (ready == nullptr) {
        loop_->post([this, keep = home_.shared_from_this()] { run_ready(); });
    }
}

void worker::run_ready() {
    slot* newest = ready_.exchange(nullptr, std::memory_order_acq_rel);
    slot* first = nullptr;
    while (newest != nullptr) {
        slot* const older = std::exchange(newest->next_ready, first);
        first = std::exchange(newest, older);
    }
    while (first != nullptr) {
        // Once its parcels are taken, anybody may list the slot again.
        slot* const now = std::exchange(first, first->next_ready);
        drain(*now);
    }
}

void worker::drain(slot& one) {
    parcel* newest = one.arrived.exchange(nullptr, std::memory_order_acq_rel);
    parcel* first = nullptr;
    while (newest != nullptr) {
        parcel* const older = std::exchange(newest->next, first);
        first = std::exchange(newest, older);
    }
    const auto until_now = one.tenant && one.tenant->under() ? one.tenant : nullptr;
    std::vector<parcel_ptr> unread;
    while (first != nullptr) {
        parcel_ptr next{std::exchange(first, first->next)};
        process_core* const tenant = one.tenant.get();
        const bool is_for_it = tenant != nullptr && tenant->own().generation() == next->generation;
        if (next->type == nullptr) {
            static_cast<signal&>(*next).act(is_for_it ? tenant : nullptr);
        } else if (is_for_it) {
            tenant->arrive(std::move(next));
        } else {
            one.load.fetch_sub((std::uint64_t{1} << 32U) | next->weight, std::memory_order_acq_rel);
            const pid to = home_.pid_of({one.index, next->generation});
            if (until_now && !next->far_from && until_now->own().generation() == next->generation) {
                unread.push_back(std::move(next));  // It ended just now, in the midst of them.
                continue;
            }
            if (next->type == &far_type && static_cast<far_parcel&>(*next).answer) {
                continue;  // Its end answers.
            }
            if (next->far_from) {
                home_.far().tell_lost(*next, to);
            } else if (!next->ticket) {
                home_.count_lost(next->from, to, 1);
            }
        }
    }
    if (!unread.empty()) {
        until_now->under()->unread(std::move(unread));
    }
    if (const auto tenant = one.tenant) {
        tenant->go_on();
    }
}

void worker::end_all() {
    for (std::uint32_t at = 0; at < slots_.used(); ++at) {
        slot* const one = slots_.find(at);
        if (const auto tenant = one == nullptr ? nullptr : one->tenant) {
            tenant->end({ending::killed, "its node stopped"});
        }
    }
    run_ready();
}

void worker::stop_all() {
    for (std::uint32_t at = 0; at < slots_.used(); ++at) {
        slot* const one = slots_.find(at);
        if (const auto tenant = one == nullptr ? nullptr : one->tenant) {
            tenant->on_stop();
        }
    }
}

void worker::set_alarm(instant when, std::uint64_t number, task_fn fire) {
    if (closed_) {
        return;
    }
    const auto at = alarms_.emplace(std::pair{when, number}, std::move(fire)).first;
    if (at == alarms_.begin()) {
        set_timer();
    }
}

void worker::unset_alarm(instant when, std::uint64_t number) {
    // The timer may fire for nothing then, which costs less than setting it anew.
    const auto at = alarms_.find({when, number});
    if (at != alarms_.end()) {
        const auto gone = alarms_.extract(at);
    }
}

void worker::close() {
    closed_ = true;
    timer_.reset();
    const auto dropped = std::exchange(alarms_, {});
}

void worker::set_timer() {
    if (alarms_.empty() || closed_) {
        return;
    }
    if (!timer_) {
        timer_ = loop_->make_timer();
    }
    timer_->set(alarms_.begin()->first.first, [this, keep = home_.weak_from_this()] {
        if (const auto alive = keep.lock()) {
            fire_due();
        }
    });
}

void worker::fire_due() {
    const instant now = loop_->now();
    while (!alarms_.empty() && alarms_.begin()->first.first <= now) {
        auto due = alarms_.extract(alarms_.begin());
        due.mapped()();
    }
    set_timer();
}

}  // namespace muster::process_detail
