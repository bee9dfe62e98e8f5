#include "runtime/sim/loop_core.hpp"

#include "base/check.hpp"
#include "runtime/sim/sockets.hpp"

#include <algorithm>
#include <cstring>

namespace muster::runtime::sim {
namespace {

/// A posted task in line.
class task_work final : public work {
public:
    task_work(loop_core& home, task_fn task) : home_{home}, task_{std::move(task)} {}

    void run() override {
        auto task = std::move(task_);
        fabric& world = home_.world();
        if (world.is_tracing()) {
            world.note(home_.owner().index(), home_.name(), " task");
        }
        delete this;
        task();
    }

    void discard() override {
        home_.world().bury(std::move(task_));
        delete this;
    }

private:
    loop_core& home_;
    task_fn task_;
};

}  // namespace

// --- What stands on a loop ---------------------------------------------------------------------

tenant::tenant(loop_core& home) : home_{home}, next_{home.tenants_}, listed_{true} {
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    home.tenants_ = this;
}

tenant::~tenant() {
    leave();
}

void tenant::leave() {
    if (!std::exchange(listed_, false)) {
        return;
    }
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    (previous_ != nullptr ? previous_->next_ : home_.tenants_) = next_;
}

// --- The loop ----------------------------------------------------------------------------------

loop_core::loop_core(std::shared_ptr<process_core> owner, std::string name)
    : owner_{std::move(owner)}, name_{std::move(name)}, stopped_{!owner_->is_alive()} {
    owner_->enlist(*this);
}

loop_core::~loop_core() {
    stop();
    owner_->delist(*this);
}

void loop_core::post(task_fn task) {
    if (!stopped_) {
        enqueue(*new task_work{*this, std::move(task)});
    }
}

void loop_core::enqueue(work& what) {
    if (stopped_ || what.queued_) {
        return;
    }
    what.queued_ = true;
    what.previous_ = last_;
    what.next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = &what;
    last_ = &what;
    wake();
}

void loop_core::withdraw(work& what) {
    if (!std::exchange(what.queued_, false)) {
        return;
    }
    (what.previous_ != nullptr ? what.previous_->next_ : first_) = what.next_;
    (what.next_ != nullptr ? what.next_->previous_ : last_) = what.previous_;
}

void loop_core::wake() {
    if (first_ != nullptr && !is_set() && !is_current() && owner_->may_run()) {
        world().schedule(*this, world().now() + world().draw_below(world().chosen().max_jitter));
    }
}

void loop_core::sleep() {
    world().unschedule(*this);
}

void loop_core::happen() {
    const auto keep = shared_from_this();
    work& what = *first_;
    withdraw(what);
    const loop_core* const outer = std::exchange(world().current, this);
    what.run();
    world().current = outer;
    if (first_ != nullptr && !is_set() && owner_->may_run()) {
        world().schedule(*this, world().now() + world().chosen().task_cost);
    }
}

void loop_core::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    sleep();
    while (first_ != nullptr) {
        work& what = *first_;
        withdraw(what);
        what.discard();
    }
    while (tenants_ != nullptr) {
        tenant& one = *tenants_;
        one.leave();
        one.abandon();
    }
}

void loop_core::clock_changed() {
    for (tenant* one = tenants_; one != nullptr; one = one->next_) {
        one->clock_changed();
    }
}

// --- Timers ------------------------------------------------------------------------------------

void timer_core::set(instant when, task_fn fire) {
    cancel();
    if (home_.has_stopped()) {
        return;
    }
    when_ = when;
    fire_ = std::move(fire);
    home_.world().schedule(*this, home_.owner().host().clock.world(when));
}

void timer_core::cancel() {
    home_.world().unschedule(*this);
    home_.withdraw(*this);
    if (fire_) {
        home_.world().bury(std::exchange(fire_, nullptr));
    }
}

void timer_core::happen() {
    home_.enqueue(*this);
}

void timer_core::run() {
    fabric& world = home_.world();
    if (world.is_tracing()) {
        world.note(home_.owner().index(), home_.name(), " timer");
    }
    auto fire = std::exchange(fire_, nullptr);
    fire();  // May destroy this timer.
}

void timer_core::clock_changed() {
    if (event::is_set()) {
        home_.world().schedule(*this, home_.owner().host().clock.world(when_));
    }
}

namespace {

class sim_timer final : public timer {
public:
    explicit sim_timer(std::shared_ptr<loop_core> home) : home_{std::move(home)}, core_{*home_} {}
    void set(instant when, task_fn fire) override { core_.set(when, std::move(fire)); }
    void cancel() override { core_.cancel(); }
    [[nodiscard]] bool is_set() const override { return core_.is_pending(); }

private:
    const std::shared_ptr<loop_core> home_;
    timer_core core_;
};

}  // namespace

// --- The loop as held --------------------------------------------------------------------------

const std::shared_ptr<loop_core>& sim_loop::here() const {
    MUSTER_ASSERT(core_->is_current() || core_->has_stopped(), "use a loop from its own thread");
    return core_;
}

void sim_loop::defer(task_fn task) {
    // Work is first in, first out: the end of the line is behind all that is ready now.
    here()->post(std::move(task));
}

std::unique_ptr<timer> sim_loop::make_timer() {
    return std::make_unique<sim_timer>(here());
}

std::unique_ptr<operation> sim_loop::connect(const endpoint& to,
                                             instant deadline,
                                             callback<result<std::unique_ptr<stream>>> done) {
    return start_connect(here(), to, deadline, std::move(done));
}

result<std::unique_ptr<listener>> sim_loop::listen(
    const endpoint& at,
    std::function<void(std::unique_ptr<stream>)> accepted,
    std::function<std::shared_ptr<loop>()> place) {
    return start_listen(here(), at, std::move(accepted), std::move(place));
}

std::unique_ptr<operation> sim_loop::resolve(const host_port& name,
                                             instant deadline,
                                             callback<result<std::vector<endpoint>>> done) {
    return start_resolve(here(), name, deadline, std::move(done));
}

void sim_loop::random_bytes(std::span<std::byte> into) {
    while (!into.empty()) {
        const std::uint64_t value = core_->owner().dice().next();
        const std::size_t count = std::min(into.size(), sizeof value);
        std::memcpy(into.data(), &value, count);
        into = into.subspan(count);
    }
}

}  // namespace muster::runtime::sim
