#include "process/far_side.hpp"

#include "muster/message.hpp"

#include "process/far_wire.hpp"
#include "process/host_core.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace muster::process_detail {
namespace {

constexpr duration watch_patience = 5s;  ///< of a connection that has been lost
constexpr duration watch_again = 250ms;  ///< and how often it is tried until then
constexpr duration writable_look = 1ms;

/// Whether such an end of an ask means that the process did not see it.
bool was_not_seen(errc code) {
    return code == errc::gone || code == errc::unavailable || code == errc::closed;
}

/// Room for the next message of this thread: made once, not for each message.
std::string& scratch() {
    thread_local std::string room;
    room.clear();
    return room;
}

}  // namespace

void far_side::attach(mesh::mesh& net, find_peer find) {
    find_ = std::move(find);
    net_.store(&net, std::memory_order_release);
}

std::optional<mesh::peer> far_side::find(const member_id& life) const {
    if (net_.load(std::memory_order_acquire) == nullptr) {
        return std::nullopt;
    }
    if (auto known = find_(life)) {
        return known;
    }
    // Whoever has connected to this node can be answered, in no view yet or no more.
    const auto learned = learned_.read();
    const auto found = learned->find(life);
    return found == learned->end() ? std::nullopt : std::optional{found->second};
}

void far_side::learn(const member_id& life, const member_id& id) {
    if (life.empty() || id.empty()) {
        return;
    }
    const auto learned = learned_.read();
    if (const auto known = learned->find(life); known == learned->end() || known->second.id != id) {
        learned_.change([&](learned_map& all) { all[life] = {id, {}}; });
    }
}

error far_side::no_way(const pid& to) const {
    return net_.load() == nullptr
               ? error{errc::unavailable,
                       "there is no way to " + to.text() + " yet: this node has not been started"}
               : error{errc::unavailable,
                       "there is no way to " + to.text() +
                           " from here: its member is not in the view"};
}

void far_side::on_home(task_fn job) {
    home_.workers().front()->loop().post(
        [keep = home_.shared_from_this(), job = std::move(job)]() mutable { job(); });
}

// --- Messages ------------------------------------------------------------------------------------

result<void> far_side::deliver(const pid& to, detail::parcel_ptr one) {
    auto how = offer(to, one, nullptr);
    if (!how) {
        if (const auto ticket = std::exchange(one->ticket, nullptr)) {
            ticket->refuse(how.error());
        }
    }
    return how;
}

result<void> far_side::offer(const pid& to, detail::parcel_ptr& one, detail::unsent_fn back) {
    const auto peer = find(to.life());
    mesh::mesh* const net = net_.load(std::memory_order_acquire);
    if (!peer || net == nullptr) {
        return std::unexpected{no_way(to)};
    }
    // A sender of a third life keeps its duty here; only what it is called travels on as this
    // node's.
    const bool passed_on = one->far_from != nullptr;
    const address_line line{.to_index = to.index(),
                            .to_generation = to.generation(),
                            .from_index = passed_on ? 0 : one->from.index,
                            .from_generation = passed_on ? 0 : one->from.generation,
                            .life = to.life(),
                            .type = one->type->name};
    if (line.type.size() > std::numeric_limits<std::uint16_t>::max()) {
        return fail(errc::invalid_argument, "the name of this type is too long to travel");
    }
    std::string& bytes = scratch();
    if (!one->ticket) {
        line.append_to(bytes);
        one->type->encode(bytes, *one);
        return net->post(*peer, message_frame, 0, bytes);
    }
    bytes.push_back(ask_mark);
    line.append_to(bytes);
    one->type->encode(bytes, *one);
    one->ticket->hand_over();
    const instant deadline{one->ticket->due()};
    net->request(
        *peer,
        bytes,
        deadline,
        [one = std::move(one), back = std::move(back), to](result<std::string> got) mutable {
            if (!got) {
                got.error().text = to.text() + ": " + got.error().text;
                if (back && was_not_seen(got.error().code)) {
                    back(std::move(one), got.error());
                    return;
                }
            }
            const auto ticket = std::exchange(one->ticket, nullptr);
            ticket->answer_bytes(std::move(got));
        });
    return {};
}

void far_side::take_message(const mesh::arrival& one) {
    learn(one.life, one.from);
    std::string_view body;
    const auto line = address_line::read(one.body, body);
    if (!line) {
        return;  // Of a program that speaks otherwise: it is confirmed, and goes nowhere.
    }
    const detail::local_ref to{line->to_index, line->to_generation};
    const pid sender{one.life, std::string{one.name}, line->from_index, line->from_generation};
    auto message = std::make_unique<far_parcel>(sender, line->type, body);
    const bool here = line->life == home_.life();
    if (!here || !home_.deliver_here(to, std::move(message))) {
        tell_lost(sender, home_.pid_of(to), 1);
    }
}

void far_side::tell_lost(const pid& sender, const pid& to, std::uint64_t count) {
    signal(sender.life(),
           {.kind = signal_kind::undelivered,
            .life = sender.life(),
            .index = sender.index(),
            .generation = sender.generation(),
            .from_index = to.index(),
            .from_generation = to.generation(),
            .number = count,
            .how = {},
            .text = {}});
}

void far_side::unconfirmed(std::uint8_t type, const mesh::frame_note& note) {
    if (type == message_frame) {
        const auto line = address_line::read_note({note.data(), note.size()});
        home_.count_lost({line.from_index, line.from_generation},
                         pid{line.life, {}, line.to_index, line.to_generation},
                         1);
    }
}

void far_side::when_writable(const pid& who, completer<void> told) {
    if (!find(who.life())) {
        told(std::unexpected{no_way(who)});
        return;
    }
    on_home([this, who, told = std::move(told)]() mutable {
        poll_writable(std::move(who), std::move(told));
    });
}

/// Whether its mailbox has room its node knows alone; here it is the way there that counts.
void far_side::poll_writable(pid who, completer<void> told) {
    const auto peer = find(who.life());
    mesh::mesh* const net = net_.load();
    if (!peer || net == nullptr) {
        told(std::unexpected{no_way(who)});
        return;
    }
    if (net->waiting_for(*peer) <= home_.limits().queue_bytes / 2) {
        told({});
        return;
    }
    auto& at = *home_.workers().front();
    at.set_alarm(at.loop().now() + writable_look,
                 home_.next_number(),
                 [this, who = std::move(who), told = std::move(told)]() mutable {
                     poll_writable(std::move(who), std::move(told));
                 });
}

// --- Signals -------------------------------------------------------------------------------------

void far_side::signal(const member_id& life, const far_signal& what) {
    const auto peer = find(life);
    if (mesh::mesh* const net = net_.load(); peer && net != nullptr) {
        // What cannot be told to a node that is lost need not be: its own watches end by
        // themselves.
        static_cast<void>(net->post(*peer, signal_frame, 0, encode(what)));
    }
}

void far_side::kill(const pid& who) {
    signal(who.life(),
           {.kind = signal_kind::kill,
            .life = who.life(),
            .index = who.index(),
            .generation = who.generation(),
            .text = {}});
}

void far_side::exit(const pid& own, const pid& who, const exit_reason& why, bool by_link) {
    signal(who.life(),
           {.kind = by_link ? signal_kind::link_exit : signal_kind::exit,
            .life = who.life(),
            .index = who.index(),
            .generation = who.generation(),
            .from_index = own.index(),
            .from_generation = own.generation(),
            .how = why.how,
            .text = why.text});
    if (by_link) {
        on_home([this, own, who] { links_.erase({own, who}); });
    }
}

void far_side::unlink(const pid& own, const pid& who) {
    signal(who.life(),
           {.kind = signal_kind::unlink,
            .life = who.life(),
            .index = who.index(),
            .generation = who.generation(),
            .from_index = own.index(),
            .from_generation = own.generation(),
            .text = {}});
    on_home([this, own, who] { links_.erase({own, who}); });
}

void far_side::take_signal(const mesh::arrival& one) {
    learn(one.life, one.from);
    auto what = decode<far_signal>(one.body);
    if (!what || what->life != home_.life()) {
        return;
    }
    const pid from{one.life, std::string{one.name}, what->from_index, what->from_generation};
    const detail::local_ref to{what->index, what->generation};
    exit_reason why{what->how, std::move(what->text)};
    switch (what->kind) {
        case signal_kind::down:
            on_home([this, which = what->number, why = std::move(why)]() mutable {
                end_watch(which, std::move(why));
            });
            return;
        case signal_kind::demonitor:
            home_.signal_to(to, [which = what->number](process_core* alive) {
                if (alive != nullptr) {
                    alive->unwatch(which);
                }
            });
            return;
        case signal_kind::unlink:
        case signal_kind::link_exit:
            on_home([this, own = home_.pid_of(to), from] { links_.erase({own, from}); });
            home_.signal_to(
                to, [from, why, ends = what->kind == signal_kind::link_exit](process_core* alive) {
                    if (alive == nullptr) {
                        return;
                    }
                    if (ends) {
                        alive->on_exit_signal(from, why, true);
                    } else {
                        alive->links.erase(from);
                    }
                });
            return;
        case signal_kind::exit:
            home_.signal_to(to, [from, why](process_core* alive) {
                if (alive != nullptr) {
                    alive->on_exit_signal(from, why, false);
                }
            });
            return;
        case signal_kind::kill:
            home_.signal_to(to, [](process_core* alive) {
                if (alive != nullptr) {
                    alive->end({ending::killed, {}});
                }
            });
            return;
        case signal_kind::undelivered:
            home_.count_lost(to, from, what->number);
            return;
    }
}

// --- Calls ---------------------------------------------------------------------------------------

bool far_side::take_request(mesh::incoming& what) {
    if (what.body.empty() || (what.body.front() != ask_mark && what.body.front() != call_mark)) {
        return false;
    }
    learn(what.life, what.from);
    const std::string_view rest = what.body.substr(1);
    if (what.body.front() == call_mark) {
        auto call = decode<far_call>(rest);
        if (!call) {
            what.answer.fail(call.error());
        } else if (call->life != home_.life()) {
            what.answer.fail({errc::gone, "that life of the member has ended"});
        } else {
            answer_call(*call, what, std::move(what.answer));
        }
        return true;
    }
    std::string_view body;
    const auto line = address_line::read(rest, body);
    if (!line) {
        what.answer.fail({errc::incompatible, "an ask without an address"});
        return true;
    }
    const detail::local_ref to{line->to_index, line->to_generation};
    if (line->life != home_.life()) {
        what.answer.fail({errc::gone, "that life of the member has ended"});
        return true;
    }
    auto message = std::make_unique<far_parcel>(
        pid{what.life, std::string{what.name}, line->from_index, line->from_generation},
        line->type,
        body);
    auto answer = std::make_shared<mesh::responder>(std::move(what.answer));
    message->deadline = what.deadline;
    message->answer = [answer](result<std::string> got) {
        if (got) {
            answer->reply(std::move(*got));
        } else {
            answer->fail(got.error());
        }
    };
    static_cast<void>(home_.deliver_here(to, std::move(message)));
    return true;
}

// --- Watches: on the first worker ----------------------------------------------------------------

void far_side::monitor(std::uint64_t which, const pid& who, told_fn told) {
    on_home([this, which, who, told = std::move(told)]() mutable {
        watches_.emplace(which, watch{.who = who, .told = std::move(told)});
        ask_for_watch(which);
    });
}

void far_side::ask_for_watch(std::uint64_t which) {
    const auto at = watches_.find(which);
    if (at == watches_.end()) {
        return;
    }
    const pid& who = at->second.who;
    call(who.life(),
         {.kind = call_kind::monitor,
          .index = who.index(),
          .generation = who.generation(),
          .number = which},
         [this, keep = home_.shared_from_this(), which](result<std::string> got) {
             on_home([this, which, got = std::move(got)] { watch_answered(which, got); });
         });
}

void far_side::watch_answered(std::uint64_t which, const result<std::string>& got) {
    const auto at = watches_.find(which);
    if (at == watches_.end()) {
        return;
    }
    if (got) {
        const auto state = decode<far_state>(*got);
        if (!state || !state->alive) {
            end_watch(which,
                      {state ? ending::no_process : ending::unreachable,
                       state ? "" : state.error().text});
            return;
        }
        at->second.there = state->number;
        at->second.since = {};
        return;
    }
    const error& why = got.error();
    const instant now = home_.workers().front()->loop().now();
    if (why.code == errc::gone) {
        end_watch(which, {ending::node_lost, {}});
    } else if (at->second.since != instant{} && now - at->second.since < watch_patience) {
        home_.workers().front()->set_alarm(
            now + watch_again, home_.next_number(), [this, which] { ask_for_watch(which); });
    } else {
        end_watch(which, {ending::unreachable, why.text});
    }
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
            signal(who.life(),
                   {.kind = signal_kind::demonitor,
                    .life = who.life(),
                    .index = who.index(),
                    .generation = who.generation(),
                    .number = ended.mapped().there,
                    .text = {}});
        }
    });
}

void far_side::link(const pid& own, const pid& who) {
    on_home([this, own, who] {
        links_.insert({own, who});
        call(who.life(),
             {.kind = call_kind::link,
              .index = who.index(),
              .generation = who.generation(),
              .from_index = own.index(),
              .from_generation = own.generation()},
             [this, keep = home_.shared_from_this(), own, who](const result<std::string>& got) {
                 const auto state = got ? decode<far_state>(*got) : result<far_state>{};
                 if (got && state && state->alive) {
                     return;
                 }
                 exit_reason why{ending::no_process, {}};
                 if (!got) {
                     why = {
                         got.error().code == errc::gone ? ending::node_lost : ending::unreachable,
                         got.error().text};
                 }
                 on_home([this, own, who] { links_.erase({own, who}); });
                 home_.signal_to(own, [who, why](process_core* linked) {
                     if (linked != nullptr) {
                         linked->on_exit_signal(who, why, true);
                     }
                 });
             });
    });
}

/// Its watches are asked for anew: a process that ended meanwhile could not say so.
void far_side::lost(const member_id& id) {
    on_home([this, id] {
        const instant now = home_.workers().front()->loop().now();
        for (auto& item : watches_) {
            watch& one = item.second;
            const auto peer = find(one.who.life());
            if (peer && peer->id == id && one.there != 0) {
                one.there = 0;
                one.since = now;
                home_.workers().front()->set_alarm(
                    now + watch_again, home_.next_number(), [this, which = item.first] {
                        ask_for_watch(which);
                    });
            }
        }
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
    end_links(life, ending::unreachable);
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
    });
}

void far_side::end_links(const member_id& life, ending how) {
    for (auto at = links_.begin(); at != links_.end();) {
        if (at->second.life() != life) {
            ++at;
            continue;
        }
        home_.signal_to(at->first, [who = at->second, how](process_core* linked) {
            if (linked != nullptr) {
                linked->on_exit_signal(who, {how, {}}, true);
            }
        });
        at = links_.erase(at);
    }
}

}  // namespace muster::process_detail
