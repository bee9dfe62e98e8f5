#include "discovery/lookup_agent.hpp"

#include "discovery/service_name.hpp"
#include "zookeeper/znode_path.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace muster::discovery {

using zookeeper::event_type;
using zookeeper::outcome;
using zookeeper::zk_error;

namespace {

constexpr std::size_t reads_at_once = 16;
constexpr duration resync_within = 500ms;  ///< of a new connection
constexpr duration entropy_every = 60s;    ///< a lost watch event is healed by then

void ignored(const zookeeper::reply<zookeeper::nothing>& /*got*/) {}

template <class Reply>
bool never_answered(const Reply& got) {
    return got.how == outcome::not_sent || got.how == outcome::outcome_unknown;
}

}  // namespace

lookup_agent::lookup_agent(std::shared_ptr<runtime::loop> control, lookup_settings how, hooks told)
    : loop_{std::move(control)},
      how_{std::move(how)},
      told_{std::move(told)},
      queue_{reads_at_once},
      timer_{loop_->make_timer()} {}

std::string lookup_agent::path_of(const std::string& name) const {
    return service_path(how_.services, name);
}

error lookup_agent::no_way(const std::string& name, const std::string& why) const {
    return {errc::unavailable,
            "'" + name + "' was never looked up here before, and " + why +
                "; it is found once ZooKeeper answers"};
}

// --- Connections ---------------------------------------------------------------------------------

void lookup_agent::began(zookeeper::client& zk, bool is_new) {
    zk_ = &zk;
    ++turn_;
    queue_.clear();
    for (auto& [name, one] : services_) {
        if (is_new) {
            one.watched = false;
            one.armed = false;
            one_shot_ = false;
        }
        if (!one.facts.known()) {
            queue_.want(name, urgency::awaited);
        }
    }
    pump();
    read_after(0ms, resync_within, which::not_fresh);
}

void lookup_agent::lost() {
    zk_ = nullptr;
    ++turn_;
    queue_.clear();
    timer_->cancel();
    for (auto& [name, one] : services_) {
        one.fresh = false;
        one.entry->may_be_old();
    }
}

/// All, or those that have not been listed on this connection; from then on all now and then.
void lookup_agent::read_after(duration least, duration spread, which to_read) {
    const auto by_chance =
        static_cast<duration::rep>(loop_->random_below(static_cast<std::uint64_t>(spread.count())));
    timer_->set(loop_->now() + least + duration{by_chance}, life_.wrap([this, to_read] {
        for (const auto& [name, one] : services_) {
            if (!one.fresh || to_read == which::all) {
                queue_.want(name, urgency::in_turn);
            }
        }
        pump();
        read_after(entropy_every * 3 / 4, entropy_every / 4, which::all);
    }));
}

// --- Look-ups ------------------------------------------------------------------------------------

void lookup_agent::find(const std::string& name, found_fn told) {
    service& one = made(name);
    if (one.facts.known()) {
        told(one.entry, {});
        return;
    }
    one.waiters.push_back(std::move(told));
    if (one.waiters.size() == 1) {
        one.patience->set(loop_->now() + how_.patience, life_.wrap([this, name] {
            tell(name, no_way(name, "ZooKeeper has not answered"));
        }));
    }
    if (zk_ != nullptr && !queue_.is_reading(name)) {
        queue_.want(name, urgency::awaited);
        pump();
    }
}

lookup_agent::service& lookup_agent::made(const std::string& name) {
    if (const auto known = services_.find(name); known != services_.end()) {
        return known->second;
    }
    make_room();
    return services_
        .emplace(name,
                 service{service_facts{how_.life},
                         told_.make(name),
                         false,
                         false,
                         false,
                         {},
                         loop_->make_timer()})
        .first->second;
}

/// What was asked for longest ago, and is awaited by nobody, is kept current no more.
void lookup_agent::make_room() {
    if (services_.size() < how_.most) {
        return;
    }
    const auto age = [](const auto& item) {
        return item.second.waiters.empty() ? item.second.entry->used.load()
                                           : std::numeric_limits<std::uint64_t>::max();
    };
    const auto oldest = std::ranges::min_element(services_, {}, age);
    if (!oldest->second.waiters.empty()) {
        return;  // All are awaited, for a moment.
    }
    const std::string name = oldest->first;
    oldest->second.entry->may_be_old();
    if (zk_ != nullptr && (oldest->second.watched || oldest->second.armed)) {
        zk_->remove_watches(path_of(name), zookeeper::watcher_type::any, never, ignored);
    }
    queue_.drop(name);
    services_.erase(oldest);
    told_.dropped(name);
}

void lookup_agent::tell(const std::string& name, const error& why) {
    const auto found = services_.find(name);
    if (found == services_.end()) {
        return;
    }
    found->second.patience->cancel();
    const auto entry = found->second.facts.known() ? found->second.entry : nullptr;
    for (auto& one : std::exchange(found->second.waiters, {})) {
        one(entry, why);
    }
}

// --- Reads ---------------------------------------------------------------------------------------

template <class Reply, class Use>
auto lookup_agent::answered(const std::string& name, Use use) {
    return life_.wrap([this, name, turn = turn_, use = std::move(use)](Reply got) mutable {
        const auto found = services_.find(name);
        if (turn != turn_) {
            return;  // `began` has all that is known read again.
        }
        if (found == services_.end()) {
            zk_->remove_watches(path_of(name), zookeeper::watcher_type::any, never, ignored);
            pump();
            return;
        }
        if (never_answered(got)) {
            queue_.ended(name);
            queue_.want(name, urgency::in_turn);  // The loss of the connection comes next.
            return;
        }
        use(found->second, std::move(got));
    });
}

template <class Reply>
void lookup_agent::failed(const std::string& name, const Reply& got) {
    queue_.ended(name);
    told_.warn("could not read " + path_of(name) + ": " + got.text);
    if (got.refused_with(zk_error::no_auth)) {
        tell(name,
             {errc::not_authorized,
              "ZooKeeper does not let this process read " + path_of(name) + ": " + got.text +
                  "; `digest` must be the one that the members have"});
    } else {
        tell(name, no_way(name, "ZooKeeper refused to list it: " + got.text));
    }
    pump();
}

void lookup_agent::pump() {
    while (zk_ != nullptr) {
        const auto name = queue_.next();
        if (!name) {
            return;
        }
        if (services_.contains(*name)) {
            read(*name);
        } else {
            queue_.ended(*name);
        }
    }
}

/// The watch before the list: what changes in between is told.
void lookup_agent::read(const std::string& name) {
    if (one_shot_ || services_.at(name).watched) {
        list(name);
        return;
    }
    using reply = zookeeper::reply<zookeeper::nothing>;
    zk_->add_watch(
        path_of(name),
        zookeeper::watch_mode::persistent_recursive,
        life_.wrap([this, name](const zookeeper::watch_event& what) { heard(name, what); }),
        never,
        answered<reply>(name, [this, name](service& one, const reply& got) {
            if (got.ok()) {
                one.watched = true;
            } else if (got.refused_with(zk_error::unimplemented)) {
                one_shot_ = true;
            } else {
                failed(name, got);
                return;
            }
            list(name);
        }));
}

void lookup_agent::list(const std::string& name) {
    using reply = zookeeper::reply<zookeeper::node_children>;
    zookeeper::client::on_event watch;
    if (one_shot_ && !services_.at(name).armed) {
        watch = life_.wrap([this, name](const zookeeper::watch_event&) { unarmed(name); });
    }
    const bool arms = watch != nullptr;
    zk_->children(path_of(name),
                  std::move(watch),
                  never,
                  answered<reply>(name, [this, name, arms](service& one, reply got) {
                      if (got.ok()) {
                          one.armed = one.armed || arms;
                          listed(name, got.value.names);
                      } else if (!got.refused_with(zk_error::no_node)) {
                          failed(name, got);
                      } else if (arms) {
                          await_birth(name);
                      } else {
                          listed(name, {});
                      }
                  }));
}

void lookup_agent::await_birth(const std::string& name) {
    using reply = zookeeper::reply<zookeeper::stat>;
    zk_->exists(path_of(name),
                life_.wrap([this, name](const zookeeper::watch_event&) { unarmed(name); }),
                never,
                answered<reply>(name, [this, name](service& one, const reply& got) {
                    if (got.refused_with(zk_error::no_node)) {
                        one.armed = true;
                        listed(name, {});
                    } else if (got.ok()) {
                        list(name);  // Born in between: its children need a watch of their own.
                    } else {
                        failed(name, got);
                    }
                }));
}

void lookup_agent::unarmed(const std::string& name) {
    if (const auto found = services_.find(name); found != services_.end()) {
        found->second.armed = false;
        queue_.want(name, urgency::awaited);
        pump();
    }
}

void lookup_agent::heard(const std::string& name, const zookeeper::watch_event& what) {
    const auto found = services_.find(name);
    if (found == services_.end()) {
        return;
    }
    service& one = found->second;
    const std::string path = path_of(name);
    if (zookeeper::parent_of(what.path) != path) {
        return;  // The service's own znode: what it holds are its children.
    }
    const std::string child{zookeeper::last_name_of(what.path)};
    const bool changed = what.type == event_type::created   ? one.facts.came(child)
                         : what.type == event_type::deleted ? one.facts.went(child)
                                                            : false;
    if (changed && one.fresh) {  // Else it may lack what was missed before, and is listed soon.
        one.entry->others_are(one.facts.others());
    }
}

void lookup_agent::listed(const std::string& name, const std::vector<std::string>& children) {
    service& one = services_.at(name);
    for (const auto& strange : one.facts.listed(children)) {
        told_.warn(path_of(name) + "/" + strange + " is not the name of an instance; passed over");
    }
    one.fresh = true;
    one.entry->others_are(one.facts.others());
    queue_.ended(name);
    tell(name, {});
    pump();
}

}  // namespace muster::discovery
