// Who is told of the end of processes of other lives: monitors and links, on the first worker.

#include "muster/message.hpp"

#include "process/far_side.hpp"
#include "process/far_wire.hpp"
#include "process/host_core.hpp"

#include <string>
#include <utility>
#include <vector>

namespace muster::process_detail {
namespace {

constexpr duration watch_patience = 5s;  ///< of a connection that has been lost
constexpr duration watch_again = 250ms;  ///< and how often it is tried until then

}  // namespace

// --- Watches: on the first worker ----------------------------------------------------------------

// A request that asks for one leaves at once, from the thread of whoever wants it: what that
// process sends next comes behind it. What is kept of it here is there before any answer can be.

void far_side::monitor(std::uint64_t which, const pid& who, told_fn told) {
    on_home([this, which, who, at = peer_of(who), told = std::move(told)]() mutable {
        watches_.emplace(which, watch{.who = who, .told = std::move(told), .at = at});
    });
    ask_for_watch(which, who);
}

/// Empty: it is not known.
member_id far_side::peer_of(const pid& who) const {
    const auto peer = find(who.life());
    return peer ? peer->id : member_id{};
}

void far_side::ask_for_watch(std::uint64_t which, const pid& who) {
    call(who.life(),
         {.kind = call_kind::monitor,
          .index = who.index(),
          .generation = who.generation(),
          .number = which},
         [this, keep = home_.shared_from_this(), which, who](result<std::string> got) {
             on_home([this, which, who, got = std::move(got)] { watch_answered(which, who, got); });
         });
}

void far_side::watch_answered(std::uint64_t which, const pid& who, const result<std::string>& got) {
    const auto state = got ? decode<far_state>(*got) : result<far_state>{};
    const auto at = watches_.find(which);
    if (at == watches_.end()) {
        if (got && state && state->alive) {
            end_there(who, state->number);  // Ended here before it was known there.
        }
        return;
    }
    watch& one = at->second;
    if (got && state && state->alive) {
        one.there = state->number;
        one.is_there = true;
        one.since = {};
    } else if (got) {
        end_watch(
            which,
            {state ? ending::no_process : ending::unreachable, state ? "" : state.error().text});
    } else if (got.error().code == errc::gone) {
        end_watch(which, {ending::node_lost, {}});
    } else if (const auto again = when_again(one.since)) {
        home_.workers().front()->set_alarm(
            *again, home_.next_number(), [this, which] { ask_again(which); });
    } else {
        end_watch(which, {ending::unreachable, got.error().text});
    }
}

void far_side::ask_again(std::uint64_t which) {
    if (const auto at = watches_.find(which); at != watches_.end()) {
        at->second.at = peer_of(at->second.who);
        ask_for_watch(which, at->second.who);
    }
}

/// When to try again what began to fail at `since`, or fails for the first time now; nothing: it
/// has failed for long enough.
std::optional<instant> far_side::when_again(instant& since) const {
    const instant now = home_.workers().front()->loop().now();
    if (since == instant{}) {
        since = now;
    }
    return net_.load() != nullptr && now - since < watch_patience ? std::optional{now + watch_again}
                                                                  : std::nullopt;
}

void far_side::end_watch(std::uint64_t which, exit_reason why) {
    auto ended = watches_.extract(which);
    if (!ended.empty()) {
        ended.mapped().told(ended.mapped().who, why);
    }
}

void far_side::demonitor(std::uint64_t which, const pid& who) {
    on_home([this, which, who] {
        const auto ended = watches_.extract(which);
        if (!ended.empty() && ended.mapped().there != 0) {
            end_there(who, ended.mapped().there);
        }
    });
}

/// Has the other side forget a watch, by its number there.
void far_side::end_there(const pid& who, std::uint64_t number) {
    signal(who.life(),
           {.kind = signal_kind::demonitor,
            .life = who.life(),
            .index = who.index(),
            .generation = who.generation(),
            .number = number,
            .text = {}});
}

// --- Links ---------------------------------------------------------------------------------------

void far_side::link(const pid& own, const pid& who) {
    on_home([this, own, who, at = peer_of(who)] {
        links_.emplace(std::pair{own, who}, far_link{.at = at});
    });
    ask_for_link(own, who, {});
}

void far_side::ask_for_link(const pid& own, const pid& who, instant since) {
    call(who.life(),
         {.kind = call_kind::link,
          .index = who.index(),
          .generation = who.generation(),
          .from_index = own.index(),
          .from_generation = own.generation()},
         [this, keep = home_.shared_from_this(), own, who, since](result<std::string> got) {
             on_home([this, own, who, since, got = std::move(got)] {
                 link_answered(own, who, since, got);
             });
         });
}

void far_side::link_answered(const pid& own,
                             const pid& who,
                             instant since,
                             const result<std::string>& got) {
    const auto state = got ? decode<far_state>(*got) : result<far_state>{};
    const bool is_alive = got && state && state->alive;
    const auto at = links_.find({own, who});
    if (at == links_.end()) {
        if (is_alive && since != instant{}) {
            unlink_there(own, who);  // Undone here while it was asked for again.
        }
    } else if (is_alive) {
        at->second.is_there = true;
    } else if (got) {
        end_link(own, who, {ending::no_process, {}});
    } else if (got.error().code == errc::gone) {
        end_link(own, who, {ending::node_lost, got.error().text});
    } else if (const auto again = when_again(since)) {
        home_.workers().front()->set_alarm(*again, home_.next_number(), [=, this] {
            if (const auto still = links_.find({own, who}); still != links_.end()) {
                still->second.at = peer_of(who);
                ask_for_link(own, who, since);
            }
        });
    } else {
        end_link(own, who, {ending::unreachable, got.error().text});
    }
}

/// After its connection was lost: the other process may have ended, or undone it, meanwhile.
void far_side::check_link(const pid& own, const pid& who, instant since) {
    if (!links_.contains({own, who})) {
        return;
    }
    call(who.life(),
         {.kind = call_kind::check_link,
          .index = who.index(),
          .generation = who.generation(),
          .from_index = own.index(),
          .from_generation = own.generation()},
         [this, keep = home_.shared_from_this(), own, who, since](const result<std::string>& got) {
             const auto state = got ? decode<far_state>(*got) : result<far_state>{};
             if (got && state && state->alive) {
                 if (state->number == 0) {
                     on_home([this, own, who] { links_.erase({own, who}); });
                     home_.signal_to(own, [who](process_core* linked) {
                         if (linked != nullptr) {
                             linked->links.erase(who);
                         }
                     });
                 }
             } else if (got || got.error().code == errc::gone) {
                 end_link(own, who, {got ? ending::no_process : ending::node_lost, {}});
             } else {
                 on_home([this, own, who, since, why = got.error().text] {
                     auto& at = *home_.workers().front();
                     const instant now = at.loop().now();
                     if (now - since >= watch_patience) {
                         end_link(own, who, {ending::unreachable, why});
                     } else {
                         at.set_alarm(now + watch_again, home_.next_number(), [=, this] {
                             check_link(own, who, since);
                         });
                     }
                 });
             }
         });
}

void far_side::end_link(const pid& own, const pid& who, exit_reason why) {
    on_home([this, own, who] { links_.erase({own, who}); });
    home_.signal_to(own, [who, why = std::move(why)](process_core* linked) {
        if (linked != nullptr) {
            linked->on_exit_signal(who, why, true);
        }
    });
}

/// Its watches and links are asked for anew: a process that ended meanwhile could not say so.
void far_side::lost(const member_id& id) {
    on_home([this, id] {
        const instant now = home_.workers().front()->loop().now();
        for (auto& item : watches_) {
            watch& one = item.second;
            if (one.at == id && std::exchange(one.is_there, false)) {
                one.since = now;
                home_.workers().front()->set_alarm(
                    now + watch_again, home_.next_number(), [this, which = item.first] {
                        ask_again(which);
                    });
            }
        }
        for (const auto& [ends, one] : links_) {
            if (one.at == id && one.is_there) {  // Else whoever asks for it asks again.
                home_.workers().front()->set_alarm(
                    now + watch_again, home_.next_number(), [this, ends, now] {
                        check_link(ends.first, ends.second, now);
                    });
            }
        }
        home_.workers().front()->set_alarm(
            now + watch_patience, home_.next_number(), [this, id] { forget_watchers_of(id); });
        for (const auto& [life, who] : *learned_.read()) {
            if (who.id == id) {
                home_.workers().front()->set_alarm(now + watch_patience,
                                                   home_.next_number(),
                                                   [this, life, id] { forget_if_away(life, id); });
            }
        }
    });
}

/// No view will say that a client has ended: one that has not connected again is taken for gone.
void far_side::forget_if_away(const member_id& life, const member_id& id) {
    mesh::mesh* const net = net_.load();
    if (net == nullptr || net->is_connected(id) || find_(life)) {
        return;
    }
    learned_.change([&](learned_map& all) {
        if (const auto found = all.find(life); found != all.end() && found->second.id == id) {
            all.erase(found);
        }
    });
    unlearned_.fetch_add(1, std::memory_order_release);
    forget_way(life);
    end_links(life, ending::unreachable);
}

// --- Watchers of other lives: on the first worker ------------------------------------------------

/// Asked for anew, as after a lost connection, it takes the place of the one before.
void far_side::watched_by(const member_id& life, std::uint64_t here, const watched& one) {
    const auto [at, is_new] = watcher_numbers_.try_emplace({life, one.number}, here);
    if (!is_new) {
        const std::uint64_t before = std::exchange(at->second, here);
        unwatch(life, before);
    }
    watchers_.emplace(std::pair{life, here}, one);
}

void far_side::unwatch(const member_id& life, std::uint64_t number) {
    const auto ended = watchers_.extract({life, number});
    if (ended.empty()) {
        return;
    }
    stop_watching(ended.mapped().who, number);
    const auto at = watcher_numbers_.find({life, ended.mapped().number});
    if (at != watcher_numbers_.end() && at->second == number) {
        watcher_numbers_.erase(at);
    }
}

/// Whoever is still there asks anew, as its connection was lost on both sides.
void far_side::forget_watchers_of(const member_id& id) {
    mesh::mesh* const net = net_.load();
    if (net == nullptr || net->is_connected(id)) {
        return;
    }
    std::vector<std::pair<member_id, std::uint64_t>> theirs;
    for (const auto& [key, one] : watchers_) {
        if (one.by == id) {
            theirs.push_back(key);
        }
    }
    for (const auto& [life, number] : theirs) {
        unwatch(life, number);
    }
}

void far_side::stop_watching(const detail::local_ref& who, std::uint64_t number) {
    home_.signal_to(who, [number](process_core* alive) {
        if (alive != nullptr) {
            alive->unwatch(number);
        }
    });
}

void far_side::life_ended(const member_id& life) {
    on_home([this, life] {
        std::vector<std::uint64_t> ended;
        for (const auto& [which, one] : watches_) {
            if (one.who.life() == life) {
                ended.push_back(which);
            }
        }
        for (const std::uint64_t which : ended) {
            end_watch(which, {ending::node_lost, {}});
        }
        end_links(life, ending::node_lost);
        learned_.change([&](learned_map& all) { all.erase(life); });
        unlearned_.fetch_add(1, std::memory_order_release);
        forget_way(life);
    });
}

void far_side::end_links(const member_id& life, ending how) {
    for (auto at = links_.begin(); at != links_.end();) {
        const auto& [own, other] = at->first;
        if (other.life() != life) {
            ++at;
            continue;
        }
        home_.signal_to(own, [who = other, how](process_core* linked) {
            if (linked != nullptr) {
                linked->on_exit_signal(who, {how, {}}, true);
            }
        });
        at = links_.erase(at);
    }
}

}  // namespace muster::process_detail
