#include "base/check.hpp"
#include "runtime/sim/fabric.hpp"
#include "runtime/sim/loop_core.hpp"

#include <algorithm>

namespace muster::runtime::sim {

/// A blocking job on its way to its event, or held back while the process is paused.
class process_core::job final : public event {
public:
    job(process_core& owner, task_fn what) : owner_{owner}, what_{std::move(what)} { wake(); }
    ~job() { owner_.home().unschedule(*this); }

    void wake() {
        fabric& world = owner_.home();
        world.schedule(*this, world.now() + world.draw_below(world.chosen().max_jitter));
    }

    void happen() override {
        fabric& world = owner_.home();
        world.note(owner_.index(), "blocking job");
        const auto keep = owner_.shared_from_this();
        auto what = std::move(what_);
        std::erase_if(owner_.jobs_, [this](const auto& each) { return each.get() == this; });
        const loop_core* const outer = std::exchange(world.current, nullptr);
        what();
        world.current = outer;
    }

    [[nodiscard]] task_fn take() { return std::move(what_); }

private:
    process_core& owner_;
    task_fn what_;
};

namespace {

class sim_gate final : public gate {
public:
    explicit sim_gate(std::shared_ptr<process_core> owner) : owner_{std::move(owner)} {}

    void open() override { open_ = true; }

    bool wait(instant deadline) override {
        fabric& world = owner_->home();
        MUSTER_ASSERT(world.current == nullptr, "a gate is not waited for on a loop");
        while (!open_ && owner_->is_alive() && owner_->now() < deadline) {
            if (!world.run_one_by(owner_->host().clock.world(deadline)) && deadline == never) {
                break;  // Nothing will ever happen again.
            }
        }
        return open_;
    }

private:
    const std::shared_ptr<process_core> owner_;
    bool open_ = false;
};

}  // namespace

process_core::process_core(std::shared_ptr<fabric> home, std::size_t index, std::int64_t number)
    : home_{std::move(home)},
      index_{index},
      number_{number},
      dice_{generator{home_->seed()}.branch(index * 1'000'003 +
                                            static_cast<std::uint64_t>(number))} {}

process_core::~process_core() = default;

instant process_core::now() const noexcept {
    return host().clock.local(home_->now());
}

std::int64_t process_core::unix_ms() const noexcept {
    return home_->chosen().unix_ms + (now() - home_->chosen().start) / 1ms;
}

std::shared_ptr<loop> process_core::make_loop(std::string name) {
    return std::make_shared<sim_loop>(
        std::make_shared<loop_core>(shared_from_this(), std::move(name)));
}

void process_core::run_blocking(task_fn what) {
    if (alive_) {
        jobs_.push_back(std::make_unique<job>(*this, std::move(what)));
        if (paused_) {
            home_->unschedule(*jobs_.back());
        }
    }
}

std::unique_ptr<gate> process_core::make_gate() {
    return std::make_unique<sim_gate>(shared_from_this());
}

std::string process_core::host_name() const {
    return host().name;
}

std::string process_core::boot_id() const {
    return "boot-of-" + host().name;  // Killing a process does not boot its host.
}

void process_core::abort_process(std::string_view why) {
    if (alive_) {
        home_->note(index_, "aborts: ", why);
        home_->kill(index_, "killed by itself");
    }
}

void process_core::die() {
    alive_ = false;
    for (loop_core* each : loops_) {
        each->stop();
    }
    for (const auto& each : jobs_) {
        home_->bury(each->take());
    }
    jobs_.clear();
}

void process_core::pause() {
    if (!alive_ || std::exchange(paused_, true)) {
        return;
    }
    home_->note(index_, "paused");
    for (loop_core* each : loops_) {
        each->sleep();
    }
    for (const auto& each : jobs_) {
        home_->unschedule(*each);
    }
}

void process_core::resume() {
    if (!std::exchange(paused_, false)) {
        return;
    }
    home_->note(index_, "resumed");
    for (loop_core* each : loops_) {
        each->wake();
    }
    for (const auto& each : jobs_) {
        each->wake();
    }
}

void process_core::reset_timers() {
    for (loop_core* each : loops_) {
        each->clock_changed();
    }
}

}  // namespace muster::runtime::sim
