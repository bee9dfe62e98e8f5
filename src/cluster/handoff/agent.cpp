#include "cluster/handoff/agent.hpp"

#include "cluster/codec.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace muster::cluster {

namespace {
constexpr duration first_back_off = 500ms;  ///< after a failed acquire
constexpr duration longest_back_off = 30s;
constexpr duration stuck_again = 10ms;  ///< how often what waits to be ended is looked at
}  // namespace

holder_agent::holder_agent(const session_context& at,
                           std::string resource,
                           specification spec,
                           std::shared_ptr<const lease_cell> lease,
                           status_agent& status,
                           std::shared_ptr<owner_host> host,
                           std::function<void(const right::identity&)> stuck,
                           std::function<void()> emptied)
    : at_{at},
      resource_{std::move(resource)},
      spec_{std::move(spec)},
      lease_{std::move(lease)},
      status_{status},
      host_{std::move(host)},
      stuck_{std::move(stuck)},
      emptied_{std::move(emptied)},
      stuck_timer_{at.loop.make_timer()} {
    state_.self = at_.self;
    if (const auto known = status_.stored().resources.find(resource_);
        known != status_.stored().resources.end()) {
        state_.published = known->second;
    }
}

holder_agent::~holder_agent() {
    for (auto& [number, one] : rights_) {
        one.mine->close();
    }
}

/// Answers come from any thread; they are taken on the control loop, if we still live then.
template <class F>
auto holder_agent::on_loop(F call) {
    return [loop = at_.owner,
            wrapped = life_.wrap(std::move(call))]<class... Args>(Args&&... args) mutable {
        loop->post([wrapped = std::move(wrapped), ... kept = std::forward<Args>(args)]() mutable {
            wrapped(std::move(kept)...);
        });
    };
}

void holder_agent::plan_seen(const plan& whole) {
    feed(plan_read{whole});
}

void holder_agent::may_act(bool yes) {
    feed(rights_changed{yes});
}

void holder_agent::lease_lapsed(instant end) {
    for (auto& [number, one] : rights_) {
        one.mine->close();
        // Also what a plan had stopped before: until its handler returns others have to wait, and
        // after the end of the lease they no longer do.
        one.stop_by_lease = true;
    }
    feed(lease_ended{});
    if (rights_.empty()) {
        return;
    }
    // A process that was stopped itself past the end still gives its handlers what the margin
    // gives others.
    const instant patience = at_.loop.now() + at_.settings.lease.margin;
    stuck_timer_->set(std::max(end, patience), life_.wrap([this] { look_for_stuck(); }));
}

/// Stuck is what still acts, not what merely waits for its turn to be ended.
void holder_agent::look_for_stuck() {
    bool waits = false;
    for (auto& [number, one] : rights_) {
        if (!one.stop_by_lease || one.late_reported) {
            continue;
        }
        if (one.mine->in_use() || host_->still_runs(*one.mine)) {
            one.late_reported = true;
            stuck_(one.mine->what());
        } else {
            waits = true;
        }
    }
    if (waits) {
        stuck_timer_->set(at_.loop.now() + stuck_again, life_.wrap([this] { look_for_stuck(); }));
    }
}

void holder_agent::handler_failed(const right::identity& what) {
    const auto found = std::ranges::find_if(rights_, [&](const auto& item) {
        const right::identity& held = item.second.mine->what();
        return held.partition == what.partition && held.slot == what.slot &&
               held.fence == what.fence;
    });
    if (found != rights_.end() && !found->second.starting) {
        const acquire_ended ended{found->second.key, found->second.fence, false};
        forget_failure_later(ended.key, ended.fence);
        feed_soon(ended);  // Behind the news that it had begun, which may not be taken yet.
    }
}

void holder_agent::status_written(const status_record& now) {
    const auto mine = now.resources.find(resource_);
    if (mine != now.resources.end() && mine->second != state_.published) {
        feed(was_published{mine->second});
    }
}

void holder_agent::feed(const holder_event& seen) {
    if (feeding_) {
        queue_.push_back(seen);  // An action led to another event: taken in order, after this one.
        return;
    }
    feed_all({&seen, 1});
}

void holder_agent::feed_all(std::span<const holder_event> seen) {
    feeding_ = true;
    holder_step step = advance(std::move(state_), seen);
    for (;;) {
        state_ = std::move(step.next);
        for (const holder_action& asked : step.actions) {
            std::visit([this](const auto& one) { perform(one); }, asked);
        }
        if (queue_.empty()) {
            break;
        }
        const holder_event next = std::move(queue_.front());
        queue_.pop_front();
        step = advance(std::move(state_), next);
    }
    feeding_ = false;
}

/// Handlers end in crowds: those that end within one turn of the loop are taken together.
void holder_agent::feed_soon(holder_event ended) {
    ended_.push_back(std::move(ended));
    if (ended_.size() == 1) {
        at_.owner->post(life_.wrap([this] { feed_ended(); }));
    }
}

void holder_agent::feed_ended() {
    const auto all = std::exchange(ended_, {});
    feed_all(all);
    if (rights_.empty()) {
        emptied_();
    }
}

void holder_agent::perform(const begin_acquire& asked) {
    const std::uint64_t number = next_number_++;
    right::identity what{.resource = resource_,
                         .partition = asked.what.partition,
                         .slot = asked.what.slot,
                         .fence = token_of(at_.incarnation, asked.what.fence),
                         .member = at_.self};
    given one;
    one.mine = std::make_shared<right>(std::move(what), lease_);
    one.key = entry_key(asked.what.partition, asked.what.slot);
    one.fence = asked.what.fence;
    const auto mine = one.mine;
    numbers_.emplace(std::pair{one.key, one.fence}, number);
    rights_.emplace(number, std::move(one));
    host_->acquire(
        mine, on_loop([this, number](const result<void>& outcome) { started(number, outcome); }));
}

std::map<std::uint64_t, holder_agent::given>::iterator holder_agent::find(const held_entry& what) {
    const auto known = numbers_.find({entry_key(what.partition, what.slot), what.fence});
    return known == numbers_.end() ? rights_.end() : rights_.find(known->second);
}

void holder_agent::forget(std::uint64_t number) {
    const auto found = rights_.find(number);
    numbers_.erase({found->second.key, found->second.fence});
    rights_.erase(found);
}

void holder_agent::perform(const begin_release& asked) {
    if (const auto found = find(asked.what); found != rights_.end()) {
        stop(found->first, found->second, false);
    }
}

void holder_agent::perform(const revoke& asked) {
    if (const auto found = find(asked.what); found != rights_.end()) {
        stop(found->first, found->second, true);
    }
}

void holder_agent::started(std::uint64_t number, const result<void>& outcome) {
    const auto found = rights_.find(number);
    if (found == rights_.end()) {
        return;
    }
    given& one = found->second;
    one.starting = false;
    const acquire_ended ended{one.key, one.fence, outcome.has_value()};
    if (!outcome) {
        at_.log(log_level::warning,
                "partition.acquire_failed",
                resource_ + "/" + one.key + ": " + outcome.error().text);
    }
    if (!outcome) {
        // A thread that the handler began may still be inside a guard: over when it has left.
        one.mine->close();
        one.failed = true;
        one.handler_stopped = true;
        one.mine->when_idle(on_loop([this, number] { stopped_part(number, false); }));
    } else if (one.stop_wanted) {
        begin_stop(number, one);
    } else {
        back_offs_.erase(ended.key);
        feed_soon(ended);
    }
}

/// Until then others try, or nobody; the pause doubles with each failure in a row.
void holder_agent::forget_failure_later(const std::string& key, plan_number fence) {
    back_off& wait = back_offs_[key];
    const duration pause =
        std::min(longest_back_off, first_back_off * (1 << std::min(wait.failures++, 10U)));
    wait.over = at_.loop.make_timer();
    wait.over->set(at_.loop.now() + pause,
                   life_.wrap([this, key, fence] { feed(failure_forgotten{key, fence}); }));
}

void holder_agent::stop(std::uint64_t number, given& one, bool by_lease) {
    one.mine->close();
    one.stop_by_lease = one.stop_by_lease || by_lease;
    if (std::exchange(one.stop_wanted, true)) {
        return;
    }
    if (!one.starting && !one.failed) {
        begin_stop(number, one);
    }
}

void holder_agent::begin_stop(std::uint64_t number, given& one) {
    const auto mine = one.mine;
    mine->when_idle(on_loop([this, number] { stopped_part(number, false); }));
    auto handler_done = on_loop([this, number] { stopped_part(number, true); });
    if (one.stop_by_lease) {
        host_->revoke(mine, std::move(handler_done));
    } else {
        host_->release(mine, std::move(handler_done));
    }
}

/// Released when the handler has returned and the last guard is back.
void holder_agent::stopped_part(std::uint64_t number, bool handler) {
    const auto found = rights_.find(number);
    if (found == rights_.end()) {
        return;
    }
    given& one = found->second;
    (handler ? one.handler_stopped : one.idle) = true;
    if (one.handler_stopped && one.idle) {
        const given was = one;
        forget(number);
        if (was.failed && !was.stop_wanted) {
            forget_failure_later(was.key, was.fence);
            feed_soon(acquire_ended{was.key, was.fence, false});
        } else {
            feed_soon(release_ended{was.key, was.fence});
        }
    }
}

void holder_agent::perform(const publish& asked) {
    status_.change([&](status_record& mine) { mine.resources[resource_] = asked.what; });
}

void holder_agent::perform(const watch_former& asked) {
    if (watched_.try_emplace(asked.who).second) {
        read_former(asked.who);
    }
}

void holder_agent::perform(const forget_former& asked) {
    watched_.erase(asked.who);
}

void holder_agent::look_again() {
    for (const auto& [who, reads] : watched_) {
        read_former(who);
    }
}

/// Reads `who` again at an event, unless it has been read again since.
zookeeper::client::on_event holder_agent::on_change_of(member_id who) {
    return life_.wrap([this, who, read = watched_[who]](const zookeeper::watch_event&) {
        if (const auto now = watched_.find(who); now != watched_.end() && now->second == read) {
            read_former(who);
        }
    });
}

void holder_agent::read_former(member_id who) {
    const auto watched = watched_.find(who);
    if (watched == watched_.end()) {
        return;
    }
    ++watched->second;
    auto changed = on_change_of(who);
    const std::string path = at_.where.status(who);
    reading::get(
        at_,
        life_,
        path,
        std::move(changed),
        [this, who, path](zookeeper::reply<zookeeper::node_data> got) {
            if (got.refused_with(zookeeper::zk_error::no_node)) {
                check_member_znode(who);
                return;
            }
            if (!got.ok()) {
                return;
            }
            const auto status = decode<status_record>(got.value.data, path);
            if (!status) {
                at_.log(log_level::error, "status.damaged", status.error().text);
                return;
            }
            const auto released = status->resources.find(resource_);
            feed(former_read{who,
                             {.gone = false,
                              .released = released == status->resources.end() ? release_record{}
                                                                              : released->second}});
        });
}

/// Gone needs both znodes to be absent; one of two is damage, and grants nothing.
void holder_agent::check_member_znode(member_id who) {
    if (!watched_.contains(who)) {
        return;
    }
    auto changed = on_change_of(who);
    reading::exists(at_,
                    life_,
                    at_.where.member(who),
                    std::move(changed),
                    [this, who](zookeeper::reply<zookeeper::stat> got) {
                        if (got.refused_with(zookeeper::zk_error::no_node)) {
                            feed(former_read{who, {.gone = true, .released = std::nullopt}});
                        }
                    });
}

}  // namespace muster::cluster
