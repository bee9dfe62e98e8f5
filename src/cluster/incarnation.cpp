#include "cluster/incarnation.hpp"

#include "cluster/codec.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

namespace {
constexpr duration stuck_again = 10ms;  ///< how often what waits to be ended is looked at
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
                  [this](std::string why) { told_.over({errc::gone, std::move(why)}, false); },
              .unsafe = [this](const error& why) { told_.over(why, true); }}},
      describer_{at_,
                 memory_.descriptors,
                 [this](std::shared_ptr<const view_snapshot> now) {
                     memory_.host->view_changed(std::move(now));
                 }},
      init_timer_{loop->make_timer()},
      entropy_timer_{loop->make_timer()},
      lead_timer_{loop->make_timer()} {}

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
            join_agent::hooks{
                .key_read = [this](std::string key) { memory_.host->cluster_key(std::move(key)); },
                .prepare =
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
    const specification spec = *memory_.resources.at(name).served;
    makers_.try_emplace(
        name,
        at_,
        name,
        spec,
        [this, name, spec, left = std::move(left), go = std::move(go)](
            const result<void>& how) mutable {
            compared(name, spec, how);
            // Not from inside the maker's own call: the last step destroys the makers.
            at_.loop.post(life_.wrap([this, left = std::move(left), go = std::move(go)]() mutable {
                make_next(std::move(left), std::move(go));
            }));
        });
}

/// What came of looking at the resource as stored: it is as `spec` says, or not.
void incarnation::compared(const std::string& resource,
                           const specification& spec,
                           const result<void>& how) {
    compared_.insert_or_assign(resource, spec);
    if (how) {
        refused_.erase(resource);
    } else {
        refused_.insert(resource);
        memory_.host->resource_trouble(resource, how.error());
    }
}

/// Whether the resource has been looked at as it is wished for now: a wish can be new, or another
/// one than when it was looked at.
bool incarnation::is_compared(const std::string& resource) const {
    const auto seen = compared_.find(resource);
    return seen != compared_.end() && seen->second == memory_.resources.at(resource).served;
}

status_record incarnation::first_status() const {
    status_record first;
    first.state = memory_.settings.initializes ? lifecycle::initializing : lifecycle::online;
    for (const auto& [name, wish] : memory_.resources) {
        if (wish.served && is_compared(name) && !refused_.contains(name)) {
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
    status_.emplace(at_, place.entered, [this](const status_record& now) {
        for (auto& [name, holder] : holders_) {
            holder.status_written(now);
        }
    });
    publisher_.emplace(at_, memory_.published);
    stand(place);
    guard_znodes();
    // What was wished for while it joined is not in the status it entered with.
    status_wishes_changed();
    for (const auto& [name, wish] : memory_.resources) {
        if (!wish.served || is_compared(name)) {
            follow(name);
        } else {
            take_up(name);
        }
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
    if (leader_) {
        leader_->plan_with(planners());
    }
    const resource_wish& wish = memory_.resources.at(resource);
    if (!wish.served) {
        follow(resource);
        return;
    }
    makers_.erase(resource);
    makers_.try_emplace(resource,
                        at_,
                        resource,
                        *wish.served,
                        [this, resource, spec = *wish.served](const result<void>& how) {
                            compared(resource, spec, how);
                            taken_up(resource);
                        });
}

void incarnation::taken_up(const std::string& resource) {
    const bool refused = refused_.contains(resource);
    status_->change([&](status_record& mine) {
        if (!refused) {
            mine.resources.try_emplace(resource);
        } else if (!holders_.contains(resource)) {
            mine.resources.erase(resource);  // It entered with it, and was then told otherwise.
        }
    });
    follow(resource);
}

std::map<std::string, planner> incarnation::planners() const {
    std::map<std::string, planner> all;
    for (const auto& [name, wish] : memory_.resources) {
        if (wish.choose) {
            all.emplace(name, *wish.choose);
        }
    }
    return all;
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
    settings.planners = planners();
    at_.log(log_level::info, "leader.gained", "leads under epoch " + std::to_string(epoch_));
    const auto again = [this] { requeue(); };
    leader_ = std::make_unique<leader_agent>(
        at_,
        succession_child_,
        std::move(settings),
        leader_agent::hooks{.deposed = again, .step_down = again, .offload = memory_.offload});
    memory_.host->leadership(true, leader_epoch{token_of(at_.incarnation, epoch_).value()});
    begin_lead_right();
}

/// Gives the leadership up and queues again, behind everybody; not from inside the leader's call.
void incarnation::requeue() {
    at_.loop.post(life_.wrap([this] {
        stop_leading();
        requeue_wanted_ = true;
        lease_began();
    }));
}

void incarnation::stop_leading() {
    if (leader_) {
        leader_.reset();
        at_.log(log_level::info, "leader.lost", "no longer leads");
        end_lead_right();
        memory_.host->leadership(false, leader_epoch{token_of(at_.incarnation, epoch_).value()});
    }
}

/// What the application does as the leader stands on this right, until it leaves.
void incarnation::begin_lead_right() {
    if (memory_.leaving) {
        return;
    }
    lead_right_ =
        std::make_shared<right>(right::identity{.resource = std::string{leader_resource},
                                                .partition = std::string{leader_partition},
                                                .slot = 0,
                                                .fence = token_of(at_.incarnation, epoch_),
                                                .member = at_.self},
                                cell_);
    memory_.host->leads_by(lead_right_);
}

void incarnation::end_lead_right() {
    if (!lead_right_) {
        return;
    }
    const auto ended = std::exchange(lead_right_, nullptr);
    ended->close();
    memory_.host->leads_by(nullptr);
    if (ended->in_use()) {
        ended_leads_.push_back(ended);
        ended->when_idle([loop = at_.owner, told = life_.wrap([this] {
            lead_right_ended();
        })]() mutable { loop->post([told = std::move(told)]() mutable { told(); }); });
    }
}

bool incarnation::lead_in_use() const {
    return std::ranges::any_of(ended_leads_, [](const auto& one) { return one->in_use(); });
}

void incarnation::lead_right_ended() {
    std::erase_if(ended_leads_, [](const auto& one) { return !one->in_use(); });
    if (!retired_ && lease_.may_act()) {
        lease_began();  // Whatever waited for it: a new place in the succession, or the end.
    } else if (retired_ && !holds_anything()) {
        told_.emptied();
    }
}

void incarnation::look_for_stuck_lead() {
    for (const auto& one : ended_leads_) {
        if (one->in_use() && memory_.host->still_leads(*one)) {
            memory_.host->stuck(one->what());
            return;
        }
    }
    if (lead_in_use()) {
        lead_timer_->set(at_.loop.now() + stuck_again,
                         life_.wrap([this] { look_for_stuck_lead(); }));
    }
}

// --- The lease -----------------------------------------------------------------------------------

void incarnation::lease_began() {
    if (retired_) {
        return;
    }
    if (requeue_wanted_ && joined_ && !lead_in_use()) {
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
    if (lead_in_use()) {
        lead_timer_->set(std::max(end, at_.loop.now() + at_.settings.lease.margin),
                         life_.wrap([this] { look_for_stuck_lead(); }));
    }
    if (state_ != lifecycle::left) {
        step(lifecycle::stranded);
    }
}

// --- The view ------------------------------------------------------------------------------------

void incarnation::view_seen(const view_record& now) {
    view_ = now;
    memory_.known_view = std::max(memory_.known_view, now.number);
    describer_.seen(now);
    go_on();
}

// --- Plans and partitions ------------------------------------------------------------------------

void incarnation::follow(const std::string& resource) {
    plans_.try_emplace(
        resource,
        at_,
        resource,
        memory_.plans.before_newest(resource),
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
    memory_.plans.saw(resource, whole.number);
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

}  // namespace muster::cluster
