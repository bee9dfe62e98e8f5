#include "simulation/sim_process.hpp"

#include "cluster/codec.hpp"

#include <utility>

namespace muster::simulation {

using cluster::right;

namespace {
/// After a pause every loop first takes what had come due; by then it knows the time.
constexpr duration wakes_within = 5ms;
}  // namespace

sim_process::sim_process(runtime::sim::world& in,
                         runtime::sim::host& machine,
                         checker& judge,
                         process_shape shape)
    : world_{in}, machine_{machine}, judge_{judge}, shape_{std::move(shape)} {}

void sim_process::start() {
    control_ = machine_.make_loop("control");
    control_->post([weak = weak_from_this()] {
        const auto me = weak.lock();
        if (!me || me->dead_) {
            return;
        }
        cluster::member_settings settings;
        settings.cluster = me->shape_.cluster;
        settings.servers = *zookeeper::connect_string::parse(me->shape_.servers);
        settings.self.name = me->shape_.name;
        settings.self.address = me->machine_.address() + ":7000";
        settings.self.metadata = {{"home", me->shape_.name}};
        settings.session_timeout = me->shape_.session_timeout;
        settings.stands_for_leader = me->shape_.stands_for_leader;
        settings.log = [weak](cluster::log_level level, std::string_view event, std::string text) {
            if (const auto here = weak.lock(); here && level != cluster::log_level::debug) {
                here->judge_.note(here->title() + ": " + std::string{event} + ": " + text);
            }
        };
        std::shared_ptr<runtime::loop> loop = me->control_;
        if (me->shape_.wrong == mistake::lease_outlived) {
            settings.lease.margin = -3s;
        } else if (me->shape_.wrong == mistake::reused_id) {
            loop = without_chance(loop, me->title());
        }
        put_between(
            loop,
            {.how = me->shape_.wrong,
             .follower = me->shape_.ensemble && me->shape_.wrong != mistake::ping_is_proof});
        me->member_ = cluster::member::start(
            loop, std::move(settings), me, [at = me->machine_.process()](task_fn job) {
                at->run_blocking(std::move(job));
            });
        for (const auto& [name, spec] : me->shape_.serves) {
            const auto planner_of = me->shape_.planners.find(name);
            me->member_->serve(name,
                               spec,
                               me,
                               planner_of == me->shape_.planners.end()
                                   ? std::nullopt
                                   : std::optional{planner_of->second});
        }
        for (const std::string& name : me->shape_.follows) {
            me->member_->follow(name);
        }
        if (!me->shape_.candidates.empty()) {
            me->member_->stand_for(me->shape_.candidates);
        }
    });
}

void sim_process::die() {
    dead_ = true;
    timers_.clear();
    judge_.note(title() + " is dead");
    judge_.died(*this);
}

void sim_process::ask(std::function<void(cluster::member&)> what) {
    control_->post([me = shared_from_this(), what = std::move(what)] {
        if (!me->dead_ && me->member_) {
            what(*me->member_);
        }
    });
}

void sim_process::bury() {
    timers_.clear();
    member_.reset();
}

void sim_process::leave(duration patience) {
    control_->post([me = shared_from_this(), patience] {
        if (me->dead_) {
            return;
        }
        me->judge_.note(me->title() + " leaves");
        me->member_->leave(
            me->control_->now() + patience, [weak = std::weak_ptr{me}](result<void> how) {
                if (const auto here = weak.lock(); here && !here->dead_) {
                    here->judge_.note(here->title() +
                                      " has left: " + (how ? "ok" : how.error().text));
                    here->left_ = std::move(how);
                }
            });
    });
}

void sim_process::pause() {
    judge_.note(title() + " is stopped");
    paused_ = true;
    machine_.pause();
}

void sim_process::resume() {
    judge_.note(title() + " goes on");
    paused_ = false;
    awake_from_ = world_.now() + wakes_within;
    judge_.hindered(title(), world_.now());
    judge_.resumed(*this);
    machine_.resume();
}

bool sim_process::is_awake() const {
    return !dead_ && !paused_ && world_.now() >= awake_from_;
}

duration sim_process::drawn(duration most) {
    return most <= duration{} ? duration{}
                              : duration{static_cast<duration::rep>(world_.random_below(
                                    static_cast<std::uint64_t>(most.count()) + 1))};
}

void sim_process::after(duration wait, task_fn what) {
    if (wait <= duration{}) {
        control_->post(std::move(what));
        return;
    }
    const std::uint64_t number = next_timer_++;
    auto& timer = timers_[number];
    timer = control_->make_timer();
    timer->set(control_->now() + wait, [this, number, what = std::move(what)]() mutable {
        control_->post([me = shared_from_this(), number] { me->timers_.erase(number); });
        what();
    });
}

// --- What is owned ----------------------------------------------------------------------------

void sim_process::acquire(std::shared_ptr<right> mine, callback<result<void>> done) {
    if (dead_) {
        return;
    }
    judge_.acquired(shared_from_this(), mine);
    const application_shape& how = shape_.application;
    const bool fails = world_.random_below(100) < how.acquire_fails_percent;
    after(drawn(how.acquire_takes), [this, mine, fails, done = std::move(done)]() mutable {
        if (fails) {
            judge_.released(*mine);
            judge_.ended(*mine);
            done(fail(errc::handler_failed, "the application could not start it"));
            return;
        }
        judge_.started(*mine);
        done({});
        if (shape_.application.effect_takes > duration{}) {
            work(mine);
        }
    });
}

/// Effects, each inside a guard, until the right has ended.
void sim_process::work(const std::shared_ptr<right>& mine) {
    if (shape_.wrong == mistake::unguarded_effect) {
        if (!mine->valid(now())) {
            return;
        }
        after(drawn(5 * shape_.application.effect_takes),
              [this, mine, effect = judge_.entered(*mine)] { judge_.left(*mine, effect); });
    } else if (mine->enter(now())) {
        after(drawn(shape_.application.effect_takes), [this, mine, effect = judge_.entered(*mine)] {
            judge_.left(*mine, effect);
            mine->leave();
        });
    } else if (!mine->valid(now())) {
        return;
    }
    after(shape_.application.effect_every + drawn(shape_.application.effect_every),
          [this, mine] { work(mine); });
}

void sim_process::stop(const std::shared_ptr<right>& mine, callback<> done) {
    after(drawn(shape_.application.release_takes), [this, mine, done = std::move(done)]() mutable {
        judge_.ended(*mine);
        done();
    });
}

void sim_process::release(std::shared_ptr<right> mine, callback<> done) {
    if (!dead_) {
        // It counts as released once nothing of it runs any more, and nothing is told before.
        stop(mine, [this, mine, done = std::move(done)]() mutable {
            judge_.released(*mine);
            done();
        });
    }
}

void sim_process::revoke(std::shared_ptr<right> mine, callback<> done) {
    if (!dead_) {
        judge_.note(title() + " revokes " + mine->what().resource + "/" + mine->what().partition);
        stop(mine, std::move(done));
    }
}

void sim_process::prepare(cluster::planned_move what, callback<result<void>> done) {
    if (dead_) {
        return;
    }
    judge_.prepared();
    judge_.note(title() + " prepares for " + what.resource + "/" + what.partition);
    const application_shape& how = shape_.application;
    const std::uint64_t drawn_lot = world_.random_below(100);
    if (drawn_lot < how.prepare_hangs_percent) {
        after(1h, [done = std::move(done)]() mutable { done({}); });
        return;
    }
    const bool fails = drawn_lot >= 100 - how.prepare_fails_percent;
    after(drawn(how.prepare_takes), [fails, done = std::move(done)]() mutable {
        done(fails ? fail(errc::handler_failed, "there is nothing to read ahead") : result<void>{});
    });
}

// --- What happens to the member -----------------------------------------------------------------

void sim_process::became(member_id id, std::chrono::milliseconds session_timeout) {
    judge_.note(title() + " becomes " + id.brief() + ", timeout " +
                std::to_string(session_timeout.count()) + " ms");
    ids_.push_back(id);
}

void sim_process::stepped(cluster::lifecycle from, cluster::lifecycle to) {
    judge_.note(title() + ": " + std::string{cluster::name_of(from)} + " -> " +
                std::string{cluster::name_of(to)});
}

void sim_process::view_changed(std::shared_ptr<const cluster::view_snapshot> now) {
    if (!dead_) {
        judge_.saw_view(*this, now->number, now->epoch);
        view_ = std::move(now);
    }
}

void sim_process::plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) {
    if (!dead_) {
        judge_.saw_plan(*this, now->resource(), now->number());
        plans_[now->resource()] = std::move(now);
    }
}

void sim_process::leadership(bool gained, leader_epoch epoch) {
    if (!dead_) {
        leaderships_.push_back(gained);
        judge_.leads(shared_from_this(), gained, epoch);
    }
}

void sim_process::initialize(std::vector<right::identity> first, callback<result<void>> done) {
    judge_.note(title() + " initializes with " + std::to_string(first.size()));
    after(drawn(shape_.application.init_takes), [this, done = std::move(done)]() mutable {
        if (shape_.application.init_fails) {
            done(fail(errc::handler_failed, "the application could not start"));
        } else {
            done({});
        }
    });
}

void sim_process::failed(const error& why) {
    judge_.note(title() + " failed: " + why.text);
    failure_ = why;
}

void sim_process::resource_trouble(const std::string& resource, const error& why) {
    judge_.note(title() + ": trouble with " + resource + ": " + why.text);
    troubles_.push_back(resource + ": " + why.text);
}

void sim_process::stuck(const right::identity& what) {
    if (dead_) {
        return;
    }
    judge_.note(title() + " is stuck on " + what.resource + "/" + what.partition);
    const auto spec = shape_.serves.find(what.resource);
    if (spec != shape_.serves.end() && spec->second.on_stuck == cluster::stuck_policy::fence) {
        judge_.fenced_off(what);
        return;
    }
    die();
    machine_.abort_process("a handler did not stop");
}

}  // namespace muster::simulation
