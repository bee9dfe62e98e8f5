#include "cluster/incarnation.hpp"

#include "base/check.hpp"
#include "cluster/codec.hpp"
#include "cluster/membership/rules.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

namespace {
constexpr duration plan_patience = 1s;   ///< how long init waits for the first plans
constexpr duration entropy_every = 60s;  ///< a lost watch event is healed by then
}  // namespace

incarnation::incarnation(std::shared_ptr<runtime::loop> loop,
                         zookeeper::client& zk,
                         const paths& where,
                         member_id self,
                         lease_settings lease,
                         member_memory& memory,
                         hooks told)
    : memory_{memory},
      told_{std::move(told)},
      at_{loop, *loop, zk, where, memory.settings, self},
      cell_{std::make_shared<lease_cell>()},
      lease_{at_,
             lease,
             cell_,
             {.began = [this] { lease_began(); },
              .lapsed = [this] { lease_lapsed(); },
              .znodes_lost =
                  [this](std::string why) { told_.over({errc::gone, std::move(why)}, false); }}},
      init_timer_{loop->make_timer()},
      entropy_timer_{loop->make_timer()} {}

incarnation::~incarnation() = default;

// --- Joining -------------------------------------------------------------------------------------

void incarnation::attached(const zookeeper::session_change& how) {
    if (retired_) {
        return;
    }
    lease_.attached(how);
    if (!join_) {
        descriptor self = memory_.settings.self;
        self.started_unix_ms = at_.loop.unix_ms();
        join_.emplace(
            at_,
            std::move(self),
            join_agent::hooks{.prepare =
                                  [this](const root_record& root, callback<status_record> go) {
                                      at_.incarnation = root.incarnation;
                                      prepare(std::move(go));
                                  },
                              .done = [this](const joined& place) { joined_with(place); },
                              .failed = [this](const error& why) { told_.over(why, true); }});
    }
}

/// Makes the resources this process serves, one after the other, so that the status it enters
/// with names just those that exist as it describes them.
void incarnation::prepare(callback<status_record> go) {
    std::set<std::string> left;
    for (const auto& [name, wish] : memory_.resources) {
        if (wish.served) {
            left.insert(name);
        }
    }
    make_next(std::move(left), std::move(go));
}

void incarnation::make_next(std::set<std::string> left, callback<status_record> go) {
    if (left.empty()) {
        makers_.clear();
        go(first_status());
        return;
    }
    const std::string name = *left.begin();
    left.erase(left.begin());
    makers_.try_emplace(
        name,
        at_,
        name,
        *memory_.resources.at(name).served,
        [this, name, left = std::move(left), go = std::move(go)](const result<void>& how) mutable {
            if (!how) {
                refused_.insert(name);
                memory_.host->resource_trouble(name, how.error());
            }
            // Not from inside the maker's own call: the last step destroys the makers.
            at_.loop.post(life_.wrap([this, left = std::move(left), go = std::move(go)]() mutable {
                make_next(std::move(left), std::move(go));
            }));
        });
}

status_record incarnation::first_status() const {
    status_record first;
    first.state = memory_.settings.initializes ? lifecycle::initializing : lifecycle::online;
    for (const auto& [name, wish] : memory_.resources) {
        if (wish.served && !refused_.contains(name)) {
            first.resources.emplace(name, release_record{});
        }
    }
    first.candidates = memory_.candidates;
    first.unreachable.assign(memory_.unreachable.begin(), memory_.unreachable.end());
    return first;
}

void incarnation::joined_with(const joined& place) {
    joined_ = true;
    at_.incarnation = place.root.incarnation;
    status_.emplace(at_, first_status(), [this](const status_record& now) {
        for (auto& [name, holder] : holders_) {
            holder.status_written(now);
        }
    });
    stand(place);
    guard_znodes();
    for (const auto& [name, wish] : memory_.resources) {
        follow(name);
    }
    view_reader_.emplace(
        at_, memory_.known_view - 1, [this](const view_record& now) { view_seen(now); });
    schedule_anti_entropy();
    go_on();
}

void incarnation::guard_znodes() {
    std::vector<std::string> own{at_.where.member(at_.self), at_.where.status(at_.self)};
    if (!succession_child_.empty()) {
        own.push_back(at_.where.succession() + "/" + succession_child_);
    }
    lease_.guard(std::move(own));
}

void incarnation::take_up(const std::string& resource) {
    if (!joined_ || retired_) {
        return;
    }
    const resource_wish& wish = memory_.resources.at(resource);
    if (!wish.served) {
        follow(resource);
        return;
    }
    makers_.erase(resource);
    makers_.try_emplace(
        resource, at_, resource, *wish.served, [this, resource](const result<void>& how) {
            if (!how) {
                refused_.insert(resource);
                memory_.host->resource_trouble(resource, how.error());
            } else {
                status_->change([&](status_record& mine) { mine.resources.try_emplace(resource); });
            }
            follow(resource);
        });
}

// --- Leadership ----------------------------------------------------------------------------------

void incarnation::stand(const joined& place) {
    succession_child_ = place.succession;
    epoch_ = place.epoch;
    succession_.reset();
    if (succession_child_.empty()) {
        return;
    }
    succession_.emplace(at_,
                        succession_child_,
                        succession_agent::hooks{.leads = [this] { lead(); },
                                                .absent =
                                                    [this] {
                                                        told_.over(
                                                            {errc::gone,
                                                             "the member's place in the succession "
                                                             "is gone though its session lives"},
                                                            false);
                                                    }});
}

void incarnation::lead() {
    if (leader_ || retired_ || !lease_.may_act()) {
        return;  // lease_began() looks again.
    }
    decide_settings settings;
    settings.self = at_.self;
    settings.epoch = epoch_;
    settings.min_members = memory_.settings.min_members;
    settings.settle = memory_.settings.settle;
    settings.suspect_grace = memory_.settings.suspect_grace;
    for (const auto& [name, wish] : memory_.resources) {
        if (wish.choose) {
            settings.planners.emplace(name, *wish.choose);
        }
    }
    at_.log(log_level::info, "leader.gained", "leads under epoch " + std::to_string(epoch_));
    const auto requeue = [this] {
        at_.loop.post(life_.wrap([this] {
            stop_leading();
            requeue_wanted_ = true;
            lease_began();
        }));
    };
    leader_ = std::make_unique<leader_agent>(
        at_,
        succession_child_,
        std::move(settings),
        leader_agent::hooks{.deposed = requeue, .step_down = requeue, .offload = memory_.offload});
    memory_.host->leadership(true, leader_epoch{token_of(at_.incarnation, epoch_).value()});
}

void incarnation::stop_leading() {
    if (leader_) {
        leader_.reset();
        at_.log(log_level::info, "leader.lost", "no longer leads");
        memory_.host->leadership(false, leader_epoch{token_of(at_.incarnation, epoch_).value()});
    }
}

// --- The lease -----------------------------------------------------------------------------------

void incarnation::lease_began() {
    if (retired_) {
        return;
    }
    if (requeue_wanted_ && joined_) {
        // The epoch under which it led has ended; it queues again for a larger one.
        requeue_wanted_ = false;
        succession_.reset();
        lease_.guard({at_.where.member(at_.self), at_.where.status(at_.self)});
        join_->requeue(std::exchange(succession_child_, ""), [this](const joined& place) {
            stand(place);
            guard_znodes();
        });
    }
    go_on();
}

void incarnation::lease_lapsed() {
    requeue_wanted_ = requeue_wanted_ || leader_ != nullptr;
    stop_leading();
    const instant end = lease_.evidence().end().value_or(at_.loop.now());
    for (auto& [name, holder] : holders_) {
        holder.lease_lapsed(end);
    }
    if (state_ != lifecycle::left) {
        step(lifecycle::stranded);
    }
}

// --- The view ------------------------------------------------------------------------------------

void incarnation::view_seen(const view_record& now) {
    view_ = now;
    memory_.known_view = std::max(memory_.known_view, now.number);
    read_unknown(now);
    publish_view();
    go_on();
}

void incarnation::read_unknown(const view_record& now) {
    for (const view_member& one : now.members) {
        if (memory_.descriptors.contains(one.id) || !being_read_.insert(one.id).second) {
            continue;
        }
        const std::string path = at_.where.member(one.id);
        reading::get(at_,
                     life_,
                     path,
                     {},
                     [this, id = one.id, path](zookeeper::reply<zookeeper::node_data> got) {
                         being_read_.erase(id);
                         if (!got.ok()) {
                             return;  // Gone already: a later view says so.
                         }
                         if (auto described = decode<descriptor>(got.value.data, path)) {
                             memory_.descriptors[id] = std::move(*described);
                             publish_view();
                         }
                     });
    }
    std::erase_if(memory_.descriptors, [&](const auto& known) {
        return std::ranges::find(now.members, known.first, &view_member::id) == now.members.end();
    });
}

/// Members whose descriptor is still being read follow in a moment.
void incarnation::publish_view() {
    auto snapshot = std::make_shared<view_snapshot>();
    snapshot->number = view_->number;
    snapshot->leader = view_->leader;
    snapshot->epoch = token_of(at_.incarnation, view_->epoch).value();
    for (const view_member& one : view_->members) {
        if (const auto known = memory_.descriptors.find(one.id);
            known != memory_.descriptors.end()) {
            snapshot->members.push_back({one.id, one.state, one.drain, known->second});
        }
    }
    std::ranges::sort(snapshot->members, [](const auto& a, const auto& b) {
        return std::pair{a.described.name, a.id} < std::pair{b.described.name, b.id};
    });
    memory_.host->view_changed(std::move(snapshot));
}

// --- Plans and partitions ------------------------------------------------------------------------

void incarnation::follow(const std::string& resource) {
    const auto known = memory_.known_plans.find(resource);
    plans_.try_emplace(
        resource,
        at_,
        resource,
        known == memory_.known_plans.end() ? 0 : known->second - 1,
        [this, resource](const specification& spec, const plan& whole) {
            plan_seen(resource, spec, whole);
        },
        [this, resource](const error& why) {
            at_.log(log_level::warning, "plan.unreadable", why.text);
        });
    const resource_wish& wish = memory_.resources.at(resource);
    if (wish.served && !refused_.contains(resource)) {
        holders_.try_emplace(
            resource,
            at_,
            resource,
            *wish.served,
            cell_,
            *status_,
            wish.owner,
            [this](const right::identity& what) { memory_.host->stuck(what); },
            [this] { holder_emptied(); });
        update_rights();
    }
}

void incarnation::plan_seen(const std::string& resource,
                            const specification& spec,
                            const plan& whole) {
    plan_number& known = memory_.known_plans[resource];
    known = std::max(known, whole.number);
    memory_.host->plan_changed(
        std::make_shared<plan_snapshot>(resource, at_.incarnation, spec, whole));
    if (const auto holder = holders_.find(resource); holder != holders_.end() && !retired_) {
        holder->second.plan_seen(whole);
    }
    go_on();
}

void incarnation::update_rights() {
    const bool yes = lease_.may_act() && init_done_ && !retired_ &&
                     (state_ == lifecycle::online || state_ == lifecycle::suspect ||
                      state_ == lifecycle::draining);
    for (auto& [name, holder] : holders_) {
        if (holder.state().may_act != yes) {
            holder.may_act(yes);
        }
    }
}

// --- The lifecycle -------------------------------------------------------------------------------

void incarnation::step(lifecycle to) {
    if (state_ == to) {
        return;
    }
    MUSTER_ASSERT(may_step(state_, to), "a step that the lifecycle does not have");
    state_ = to;
    told_.stepped(to);
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
        status_->change([&](status_record& mine) { mine.state = state_; });
    }
    if (me != nullptr && !memory_.leaving) {
        const bool suspect = me->state == lifecycle::suspect || memory_.suspects_itself;
        if (me->drain && (state_ == lifecycle::online || state_ == lifecycle::suspect)) {
            step(lifecycle::draining);
            status_->change([](status_record& mine) { mine.state = lifecycle::draining; });
        } else if (!me->drain && state_ == lifecycle::draining) {
            step(lifecycle::online);
            status_->change([](status_record& mine) { mine.state = lifecycle::online; });
        } else if (suspect && state_ == lifecycle::online) {
            step(lifecycle::suspect);
        } else if (!suspect && state_ == lifecycle::suspect) {
            step(lifecycle::online);
        }
    }
    update_rights();
    check_drained();
}

/// Whether the first responsibilities are known: of every hash or range resource served, a plan has
/// been read that gives something to this member. One to which none is given waits in vain, and
/// not for long.
bool incarnation::plans_known() const {
    return std::ranges::all_of(holders_, [this](const auto& item) {
        const holder_agent& holder = item.second;
        if (holder.spec().kind == resource_kind::list) {
            return true;
        }
        return holder.state().newest &&
               std::ranges::any_of(holder.state().newest->chunks, [this](const plan_chunk& chunk) {
                   return std::ranges::any_of(
                       chunk.entries, [this](const entry& one) { return one.owner == at_.self; });
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
                mine.state = memory_.suspects_itself ? lifecycle::suspect : lifecycle::online;
            }
        });
        go_on();
    }
}

void incarnation::handler_failed(const right::identity& what) {
    if (const auto holder = holders_.find(what.resource);
        holder != holders_.end() && what.member == at_.self && !retired_) {
        holder->second.handler_failed(what);
    }
}

void incarnation::drain() {
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

bool incarnation::holds_anything() const {
    return std::ranges::any_of(holders_,
                               [](const auto& one) { return one.second.holds_anything(); });
}

/// A watch event that got lost is made good within a minute.
void incarnation::schedule_anti_entropy() {
    const duration wait =
        entropy_every * 3 / 4 + duration{static_cast<duration::rep>(at_.loop.random_below(
                                    static_cast<std::uint64_t>((entropy_every / 4).count())))};
    entropy_timer_->set(at_.loop.now() + wait, life_.wrap([this] {
        view_reader_->look();
        for (auto& [name, reader] : plans_) {
            reader.look_again();
        }
        if (leader_) {
            leader_->look_again();
        }
        schedule_anti_entropy();
    }));
}

}  // namespace muster::cluster
