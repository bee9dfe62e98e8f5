#include "node/partition_cell.hpp"

#include "base/check.hpp"
#include "base/strand_scope.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace muster::detail {
namespace {

constexpr duration told_again_after = 10s;
constexpr int calls_in_a_turn = 64;  ///< before the worker may turn to others

ask_answer failure(errc code, std::string text) {
    return {.how = ask_end::failed,
            .body = {},
            .code = static_cast<std::uint8_t>(code),
            .text = std::move(text)};
}

ask_answer refused(ask_end how) {
    return {.how = how, .body = {}, .code = 0, .text = {}};
}

std::string seconds(duration time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) +
           " ms";
}

}  // namespace

/// The duty to answer a call that runs. Dropped, by whatever way a handler may vanish, it answers.
class partition_cell::answering {
public:
    answering(std::shared_ptr<partition_cell> cell,
              std::shared_ptr<cluster::right> mine,
              duration age,
              callback<ask_answer> answer)
        : cell_{std::move(cell)}, mine_{std::move(mine)}, age_{age}, answer_{std::move(answer)} {}
    answering(answering&&) = default;
    answering& operator=(answering&&) = delete;
    ~answering() {
        if (answer_) {
            (*this)(fail(errc::handler_failed, "the handler ended without an answer"));
        }
    }

    void operator()(result<std::string> got) {
        if (auto answer = std::exchange(answer_, {})) {
            cell_->ended(mine_, age_, std::move(answer), std::move(got));
        }
    }

private:
    std::shared_ptr<partition_cell> cell_;
    std::shared_ptr<cluster::right> mine_;
    duration age_;
    callback<ask_answer> answer_;
};

void partition_cell::in_turn(task_fn job) {
    worker_->post([self = shared_from_this(), job = std::move(job)]() mutable { job(); });
}

void partition_cell::post(std::move_only_function<void()> job) {
    in_turn([this, job = std::move(job)]() mutable {
        const std::shared_ptr<strand> here = shared_from_this();
        const strand_scope scope{here, busy_deadline_};
        const instant begin = worker_->now();
        job();
        took(worker_->now() - begin);
    });
}

/// Says so when code of the user's has held up everything else on this worker.
void partition_cell::took(duration how_long) {
    if (how_long <= slow) {
        return;
    }
    const instant now = worker_->now();
    if (!slow_told_ || now - *slow_told_ > told_again_after) {
        slow_told_ = now;
        setting_->say(severity::warning,
                      "worker.blocked",
                      title_ + ": a handler held up its worker for " + seconds(how_long) +
                          "; the partitions beside it waited: let it await node.blocking(...)");
    }
}

// --- Acquire and release -------------------------------------------------------------------------

void partition_cell::acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) {
    in_turn([this, mine = std::move(mine), done = std::move(done)]() mutable {
        if (making_ && making_->late) {
            done(fail(errc::timed_out, title_ + ": the last acquire has not returned yet"));
            return;
        }
        auto held =
            std::make_shared<held_right>(mine,
                                         setting_->platform,
                                         setting_->home,
                                         setting_->serve_stale ? max_stale : duration::zero());
        next_.push_back({std::move(mine), std::move(held), std::move(done)});
        if (now_ && stale_since_) {
            stale_since_.reset();
            stop_wanted_ = true;
            now_->held->end_reads(instant::min());
            refuse_queued();
            stop_if_idle();
        }
        make_next();
    });
}

/// The last object must have gone before the next is made.
void partition_cell::make_next() {
    while (!next_.empty() && !now_ && !making_ && !destroying_) {
        making_ = std::move(next_.front());
        next_.pop_front();
        if (!making_->mine->valid(worker_->now())) {
            made(fail(errc::fenced, title_ + ": given away again before it could begin"));
            continue;
        }
        watch(setting_->acquire_deadline, &partition_cell::acquire_is_late);
        setting_->offload([self = shared_from_this(),
                           mine = making_->mine,
                           held = making_->held]() mutable {
            result<std::shared_ptr<partition_object>> got;
            self->running_code_.fetch_add(1, std::memory_order_acq_rel);
            if (!mine->valid(self->setting_->platform->now())) {
                got = fail(errc::fenced, self->title_ + ": the right ended before it could begin");
            } else {
                try {
                    got = self->setting_->make(ownership{std::move(held)});
                } catch (...) {
                    got = std::unexpected(escaped(std::current_exception()));
                }
            }
            self->running_code_.fetch_sub(1, std::memory_order_acq_rel);
            auto* const cell = self.get();
            cell->in_turn([cell, got = std::move(got)]() mutable { cell->made(std::move(got)); });
        });
    }
}

void partition_cell::watch(duration patience, void (partition_cell::*late)()) {
    if (!late_timer_) {
        late_timer_ = worker_->make_timer();
    }
    late_timer_->set(worker_->now() + patience, [weak = weak_from_this(), late] {
        if (const auto self = weak.lock()) {
            (self.get()->*late)();
        }
    });
}

/// Where others can see its effects, a late acquire holds the partition until it returns: its
/// successor must not begin beside it.
void partition_cell::acquire_is_late() {
    if (!making_) {
        return;
    }
    making_->late = true;
    const std::string text =
        title_ + ": its acquire has not returned within " + seconds(setting_->acquire_deadline);
    if (setting_->may_be_left_running) {
        setting_->say(severity::error, "partition.acquire_late", text + "; given up");
        std::exchange(making_->done, {})(fail(errc::timed_out, text));
    } else {
        setting_->say(severity::error,
                      "partition.acquire_late",
                      text + "; nobody else gets the partition until it does");
    }
}

void partition_cell::made(result<std::shared_ptr<partition_object>> got) {
    if (late_timer_) {
        late_timer_->cancel();
    }
    wanted one = std::move(*making_);
    making_.reset();
    if (got && !one.late) {
        stop_wanted_ = false;
        by_lease_ = false;
        stale_since_.reset();
        now_ = holding{std::move(one.mine), std::move(one.held), std::move(*got)};
        one.done({});
        pump();
        return;
    }
    one.held->end_reads(instant::min());
    result<void> why =
        got ? fail(errc::timed_out,
                   title_ + ": its acquire took longer than " + seconds(setting_->acquire_deadline))
            : result<void>{std::unexpected(got.error())};
    auto tell = [done = std::move(one.done), why = std::move(why)]() mutable {
        if (done) {
            done(std::move(why));
        }
    };
    if (got) {
        destroy(std::move(*got), std::move(tell));
    } else {
        tell();
        refuse_queued();
        make_next();
    }
}

void partition_cell::stop(std::shared_ptr<cluster::right> mine, bool by_lease, callback<> done) {
    // When it did, not when this is told: the process may have been stopped in between.
    const auto lapsed =
        by_lease ? std::optional{std::min(worker_->now(), mine->lease_end())} : std::nullopt;
    in_turn([this, mine = std::move(mine), lapsed, done = std::move(done)]() mutable {
        stop_now(std::move(mine), lapsed, std::move(done));
    });
}

void partition_cell::stop_now(std::shared_ptr<cluster::right> mine,
                              std::optional<instant> lapsed,
                              callback<> done) {
    if (!now_ || now_->mine != mine) {
        done();  // It never came to be.
        return;
    }
    by_lease_ = lapsed.has_value();
    if (lapsed && setting_->serve_stale) {
        stale_since_ = lapsed;
        now_->held->end_reads(*lapsed + max_stale);
    } else {
        stop_wanted_ = true;
        now_->held->end_reads(instant::min());
    }
    refuse_queued();
    if (stale_since_ && !busy_) {
        done();
        return;
    }
    stop_done_ = std::move(done);
    if (!lapsed) {
        watch(setting_->release_deadline, &partition_cell::release_is_late);
    }
    stop_if_idle();
}

/// On a planned move nothing is forced: the partition stays where it is.
void partition_cell::release_is_late() {
    setting_->say(severity::warning,
                  "partition.release_late",
                  title_ + ": its handler has not stopped within " +
                      seconds(setting_->release_deadline) +
                      " of a planned move; the partition stays here until it does");
}

void partition_cell::stop_if_idle() {
    if (busy_ || !now_ || !stop_wanted_) {
        return;
    }
    stop_wanted_ = false;
    stale_since_.reset();
    auto object = std::move(now_->object);
    now_.reset();
    destroy(std::move(object), std::exchange(stop_done_, {}));
}

void partition_cell::drop_stale() {
    in_turn([this] {
        if (now_ && stale_since_ && !stop_wanted_) {
            stop_wanted_ = true;
            now_->held->end_reads(instant::min());
            refuse_queued();
            stop_if_idle();
        }
    });
}

/// Destructors of the user's may block as constructors may.
void partition_cell::destroy(std::shared_ptr<partition_object> object, callback<> done) {
    destroying_ = true;
    setting_->offload_end(
        [self = shared_from_this(), object = std::move(object), done = std::move(done)]() mutable {
            self->running_code_.fetch_add(1, std::memory_order_acq_rel);
            object.reset();
            self->running_code_.fetch_sub(1, std::memory_order_acq_rel);
            auto* const cell = self.get();
            cell->in_turn([cell, done = std::move(done)]() mutable {
                cell->destroying_ = false;
                if (cell->late_timer_) {
                    cell->late_timer_->cancel();
                }
                if (done) {
                    done();
                }
                if (cell->next_.empty()) {
                    cell->refuse_queued();
                }
                cell->make_next();
            });
        });
}

// --- Calls ---------------------------------------------------------------------------------------

ask_answer partition_cell::refusal() const {
    if ((stale_since_ && !stop_wanted_) ||
        (now_ && (by_lease_ || !now_->mine->lease_holds(worker_->now())))) {
        return refused(ask_end::stranded);
    }
    const bool coming = making_ || !next_.empty() || destroying_ || now_;
    return refused(coming ? ask_end::moving : ask_end::not_owner);
}

bool partition_cell::stale_readable(const partition_call& one) const {
    return now_ && stale_since_ && !stop_wanted_ && worker_->now() - *stale_since_ < max_stale &&
           now_->object->is_read(one.type);
}

void partition_cell::call(partition_call one) {
    in_turn([this, one = std::move(one)]() mutable {
        const bool owned = now_ && !stop_wanted_ && !stale_since_;
        if (owned && one.fence > now_->mine->what().fence.value()) {
            one.answer(refused(ask_end::moving));  // Its plan is newer than ours.
        } else if (!owned && !making_ && !stale_readable(one)) {
            one.answer(refusal());
        } else if (queue_.size() >= queue_max) {
            one.answer(failure(errc::overloaded,
                               title_ + " has " + std::to_string(queue_max) +
                                   " calls waiting for their turn: ask less, or later"));
        } else {
            queue_.push_back(std::move(one));
            pump();
        }
    });
}

void partition_cell::pump() {
    if (std::exchange(pumping_, true)) {
        return;  // A handler that answers at once must not recurse.
    }
    int left = calls_in_a_turn;
    while (left > 0 && !busy_ && now_ && !stop_wanted_ && !queue_.empty()) {
        partition_call one = std::move(queue_.front());
        queue_.pop_front();
        const instant now = worker_->now();
        if (one.claim && !one.claim->take()) {
            continue;  // Its asker has given up, and has been told that nothing was done.
        }
        if (one.deadline <= now) {
            one.answer(
                failure(errc::timed_out, "the deadline passed while the call waited for its turn"));
            continue;
        }
        const bool stale = stale_since_.has_value();
        if (stale ? !stale_readable(one) : !now_->mine->enter(now)) {
            one.answer(refusal());
            continue;
        }
        run(std::move(one), stale ? std::max(now - *stale_since_, duration{1}) : duration::zero());
        --left;
    }
    pumping_ = false;
    if (left == 0 && !queue_.empty()) {
        in_turn([this] { pump(); });
    }
}

/// `age` above 0: a read that goes on without the right.
void partition_cell::run(partition_call one, duration age) {
    busy_ = true;
    busy_deadline_ = one.deadline;
    const auto object = now_->object;
    const instant begin = worker_->now();
    const struct call who{one.from, one.deadline - begin, age};
    // Answers come on this worker: a coroutine resumes through `post`.
    answering answer{shared_from_this(), now_->mine, age, std::move(one.answer)};
    const std::shared_ptr<strand> here = shared_from_this();
    const strand_scope scope{here, one.deadline};
    auto running = object->handle(one.type, one.body, who, std::move(answer));
    if (busy_) {
        running_ = std::move(running);
    }
    took(worker_->now() - begin);
}

void partition_cell::ended(const std::shared_ptr<cluster::right>& mine,
                           duration age,
                           callback<ask_answer> answer,
                           result<std::string> got) {
    const bool stale = age > duration::zero();
    if (!stale) {
        mine->leave();
    }
    if (shut_) {
        answer(failure(errc::outcome_unknown,
                       "the owner left while the call ran: it may have been done"));
        return;
    }
    busy_ = false;
    busy_deadline_ = never;
    running_.reset();
    if (!stale && (by_lease_ || !mine->lease_holds(worker_->now()))) {
        // From the lease end on answers are thrown away; what was done stays done.
        answer(failure(errc::outcome_unknown,
                       "the owner's lease ended while the call ran: it may have been done"));
    } else if (got) {
        answer(
            {.how = ask_end::answered, .body = std::move(*got), .code = 0, .text = {}, .age = age});
    } else {
        answer(failure(got.error().code, std::move(got.error().text)));
    }
    if (stale_since_ && stop_done_ && !stop_wanted_) {
        std::exchange(stop_done_, {})();
    }
    stop_if_idle();
    pump();
}

/// All but reads that may be answered from what was kept.
void partition_cell::refuse_queued() {
    const ask_answer no = refusal();
    for (partition_call& one : std::exchange(queue_, {})) {
        if (stale_readable(one)) {
            queue_.push_back(std::move(one));
        } else {
            one.answer(no);
        }
    }
}

void partition_cell::shut() {
    shut_ = true;
    for (partition_call& one : std::exchange(queue_, {})) {
        one.answer(refused(ask_end::moving));
    }
    running_.reset();
    for (const wanted& one : std::exchange(next_, {})) {
        one.held->end_reads(instant::min());
    }
    if (making_) {
        making_->held->end_reads(instant::min());
        making_.reset();
    }
    late_timer_.reset();
    stop_done_ = nullptr;
    if (now_) {
        now_->held->end_reads(instant::min());
        now_.reset();
    }
}

}  // namespace muster::detail
