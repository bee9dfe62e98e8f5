#include "process/far_side.hpp"

#include "muster/message.hpp"

#include "process/direct_turn.hpp"
#include "process/far_wire.hpp"
#include "process/host_core.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace muster::process_detail {
namespace {

constexpr duration signal_again = 10ms;  ///< when the way there is full
constexpr std::size_t most_owed = 4096;  ///< senders and receivers of lost messages

/// Whether such an end of an ask means that the process did not see it.
bool was_not_seen(errc code) {
    return code == errc::gone || code == errc::unavailable || code == errc::closed;
}

/// What is kept with a connection.
struct far_memo {
    std::shared_ptr<const detail::far_node> node;
    std::uint64_t unlearned = 0;  ///< When its other side was learned.
};

/// Room for the next message of this thread: made once, not for each message.
std::string& scratch() {
    thread_local std::string room;
    room.clear();
    return room;
}

address_line line_of(const pid& to, detail::local_ref from, const detail::message_type& type) {
    return {.to_index = to.index(),
            .to_generation = to.generation(),
            .from_index = from.index,
            .from_generation = from.generation,
            .life = to.life(),
            .type = type.name};
}

/// Its bytes, until this thread wants those of another: what is sent in a row mostly has the same.
std::string_view as_lead(const address_line& line) {
    struct last_line {
        address_line line;
        std::string bytes;
    };
    thread_local last_line last;
    if (last.bytes.empty() || line != last.line) {
        last.bytes.clear();
        line.append_to(last.bytes);
        last.line = line;
        last.line.type = std::string_view{last.bytes}.substr(address_line::fixed_size);
    }
    return last.bytes;
}

}  // namespace

void far_side::attach(mesh::mesh& net,
                      find_peer find,
                      std::function<bool(const member_id&)> has_ended) {
    find_ = std::move(find);
    has_ended_ = std::move(has_ended);
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

std::uint64_t far_side::next_edition() noexcept {
    static constinit std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// Null: there is none. It is good while `keep` is there.
mesh::way* far_side::way_to(const member_id& life, std::shared_ptr<const void>& keep) {
    /// The way that this thread took last: it is among all of the same edition that come later.
    struct last_way {
        std::uint64_t edition = 0;
        member_id life;
        mesh::way* way = nullptr;
    };
    static thread_local constinit last_way last;
    auto all = ways_.get();
    if (last.edition == all->edition && last.life == life && !last.way->is_over()) {
        keep = std::move(all);
        return last.way;
    }
    const std::uint64_t edition = all->edition;
    if (const auto known = all->ways.find(life);
        known != all->ways.end() && !known->second->is_over()) {
        last = {edition, life, known->second.get()};
        keep = std::move(all);
        return last.way;
    }
    const auto peer = find(life);
    mesh::mesh* const net = net_.load(std::memory_order_acquire);
    auto way = peer && net != nullptr ? net->way_to(*peer) : nullptr;
    if (way) {
        ways_.change([&](way_map& now) {
            if (now.edition == edition && !now.ways.try_emplace(life, way).second) {
                now.ways[life] = way;
                now.edition = next_edition();
            }
        });
        keep = way;
    }
    return way.get();
}

void far_side::peers_changed() {
    ways_.change([](way_map& now) { now = {{}, next_edition()}; });
}

void far_side::forget_way(const member_id& life) {
    ways_.change([&](way_map& now) {
        now.ways.erase(life);
        now.edition = next_edition();
    });
}

void far_side::learn(const member_id& life, const member_id& id) {
    if (life.empty() || id.empty()) {
        return;
    }
    const auto learned = learned_.read();
    if (const auto known = learned->find(life); known == learned->end() || known->second.id != id) {
        learned_.change([&](learned_map& all) { all[life] = {id, {}}; });
        if (net_.load(std::memory_order_acquire) == nullptr || !find_(life)) {
            forget_way(life);
        }
    }
}

/// Who is at the other side, learned at its first message; for as long as `memo` is there.
const std::shared_ptr<const detail::far_node>& far_side::node_of(const member_id& life,
                                                                 const member_id& id,
                                                                 std::string_view name,
                                                                 std::shared_ptr<void>& memo) {
    auto* known = static_cast<far_memo*>(memo.get());
    const std::uint64_t unlearned = unlearned_.load(std::memory_order_acquire);
    if (known == nullptr) {
        auto fresh = std::make_shared<far_memo>();
        fresh->node =
            std::make_shared<const detail::far_node>(detail::far_node{life, std::string{name}});
        known = fresh.get();
        memo = std::move(fresh);
    } else if (known->unlearned == unlearned) {
        return known->node;
    }
    known->unlearned = unlearned;
    learn(life, id);
    return known->node;
}

error far_side::no_way(const pid& to) const {
    if (net_.load() == nullptr) {
        return {errc::unavailable,
                "there is no way to " + to.text() + " yet: this node has not been started"};
    }
    if (has_ended_(to.life())) {
        return {errc::gone, to.text() + " has ended: its member has been started anew since"};
    }
    return {errc::unavailable,
            "there is no way to " + to.text() + " from here: its member is not in the view"};
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

result<far_side::outgoing> far_side::way_for(const pid& to, const detail::message_type& type) {
    outgoing made;
    made.way = way_to(to.life(), made.keep);
    made.net = net_.load(std::memory_order_acquire);
    if (made.way == nullptr || made.net == nullptr) {
        return std::unexpected{no_way(to)};
    }
    if (type.name.size() > std::numeric_limits<std::uint16_t>::max()) {
        return fail(errc::invalid_argument, "the name of this type is too long to travel");
    }
    return made;
}

/// Finds the way, and encodes the message with what stands before each: to whom, from whom, and
/// what type it is. In front of that `mark`.
result<far_side::outgoing> far_side::encoded(const pid& to,
                                             detail::local_ref from,
                                             const detail::message_type& type,
                                             const void* body,
                                             std::string_view mark) {
    auto made = way_for(to, type);
    if (made) {
        std::string& bytes = scratch();
        bytes.append(mark);
        line_of(to, from, type).append_to(bytes);
        type.encode(bytes, body);
        made->bytes = bytes;
    }
    return made;
}

result<void> far_side::send(const pid& to,
                            detail::local_ref from,
                            const detail::message_type& type,
                            const void* body) {
    const auto made = way_for(to, type);
    if (!made) {
        return std::unexpected{made.error()};
    }
    std::string& bytes = scratch();
    type.encode(bytes, body);
    return made->net->post(*made->way, message_frame, as_lead(line_of(to, from, type)), bytes);
}

result<void> far_side::offer(const pid& to, detail::parcel_ptr& one, detail::unsent_fn back) {
    // A sender of a third life keeps its duty here; only what it is called travels on as this
    // node's.
    if (!one->ticket) {
        return send(to, one->local_sender(), *one->type, one->content());
    }
    const auto made = encoded(to, one->local_sender(), *one->type, one->content(), {&ask_mark, 1});
    if (!made) {
        return std::unexpected{made.error()};
    }
    one->ticket->hand_over();
    const instant deadline{one->ticket->due()};
    made->net->request(
        *made->way,
        made->bytes,
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
            if (ticket->is_awaited()) {
                const direct_turn now;  // The mesh calls this from where it reads.
                ticket->answer_bytes(std::move(got));
            } else {
                ticket->answer_bytes(std::move(got));
            }
        });
    return {};
}

void far_side::take_message(const mesh::arrival& one) {
    const bool is_run = !one.lead.empty();
    std::string_view body;
    const auto line = address_line::read(is_run ? one.lead : one.body, body);
    if (!line) {
        return;  // Of a program that speaks otherwise: it is confirmed, and goes nowhere.
    }
    const detail::local_ref to{line->to_index, line->to_generation};
    const bool here = line->life == home_.life();
    slot* const place = here ? place_on_this_thread(to.index) : nullptr;
    far_message message{.node = node_of(one.life, one.from, one.name, one.memo),
                        .from = {line->from_index, line->from_generation},
                        .type = line->type,
                        .body = body,
                        .asker = {}};
    std::string_view rest = is_run ? one.body : std::string_view{};
    std::uint64_t lost = 0;
    do {
        if (is_run) {
            message.body = mesh::next_of(rest);
        }
        if (take_at_once(place, to, message)) {
            continue;
        }
        message.asker = {};
        lost += here && take_later(to, std::move(message)) ? 0 : 1;
    } while (!rest.empty());
    if (lost > 0) {
        tell_lost({one.life, std::string{one.name}, line->from_index, line->from_generation},
                  home_.pid_of(to),
                  lost);
    }
}

/// Null where there is none, or it is another's.
slot* far_side::place_on_this_thread(std::uint32_t index) const {
    const auto [whose, place] = home_.find_place(index);
    return place != nullptr && whose->loop().is_current() ? place : nullptr;
}

/// Where its process waits for it on this very thread, it goes on with it, and no mailbox is
/// passed: what of an earlier message may still be on its way there goes first.
bool far_side::take_at_once(slot* place, const detail::local_ref& to, far_message& one) {
    return place != nullptr && place->arrived.load(std::memory_order_relaxed) == nullptr &&
           place->tenant && place->tenant->own().generation() == to.generation &&
           place->tenant->take_at_once(one);
}

result<void> far_side::take_later(const detail::local_ref& to, far_message&& one) {
    auto message = std::make_unique<far_parcel>(one.type, one.body);
    message->from = one.from;
    message->far_from = one.node;
    message->deadline = one.asker.deadline;
    message->answer = std::move(one.asker.answer);
    return home_.deliver_here(to, std::move(message));
}

void far_side::tell_lost(const detail::parcel& one, const pid& to) {
    tell_lost(*one.far_from, one.from, to);
}

void far_side::tell_lost(const detail::far_node& at, const detail::local_ref& from, const pid& to) {
    tell_lost({at.life, at.name, from.index, from.generation}, to, 1);
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

void far_side::unconfirmed(std::uint8_t type, const mesh::frame_note& note, std::uint32_t count) {
    if (type == message_frame) {
        const auto line = address_line::read_note({note.data(), note.size()});
        home_.count_lost({line.from_index, line.from_generation},
                         pid{line.life, {}, line.to_index, line.to_generation},
                         count);
    }
}

// --- Signals -------------------------------------------------------------------------------------

void far_side::signal(const member_id& life, const far_signal& what) {
    const auto peer = find(life);
    mesh::mesh* const net = net_.load();
    if (!peer || net == nullptr) {
        return;  // What cannot be told to a node that is lost need not be: its watches end.
    }
    const auto sent = net->post(*peer, signal_frame, 0, encode(what));
    if (!sent && sent.error().code == errc::overloaded) {
        signal_later(what);
    }
}

/// Whoever waits for it has no other way to hear it: `what.life` reads too slowly, not never.
void far_side::signal_later(const far_signal& what) {
    on_home([this, what] {
        auto& at = *home_.workers().front();
        const instant when = at.loop().now() + signal_again;
        if (what.kind != signal_kind::undelivered) {
            at.set_alarm(when, home_.next_number(), [this, what] { signal(what.life, what); });
            return;
        }
        // One for each lost message would be as many as there were: they are added up.
        const pid sender{what.life, {}, what.index, what.generation};
        const pid to{home_.life(), {}, what.from_index, what.from_generation};
        const auto owed = owed_.find({sender, to});
        if (owed != owed_.end()) {
            owed->second += what.number;
        } else if (owed_.size() < most_owed) {
            owed_.emplace(std::pair{sender, to}, what.number);
            if (owed_.size() == 1) {
                at.set_alarm(when, home_.next_number(), [this] { tell_owed(); });
            }
        }
    });
}

void far_side::tell_owed() {
    for (const auto& [ends, count] : std::exchange(owed_, {})) {
        tell_lost(ends.first, ends.second, count);
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
    unlink_there(own, who);
    on_home([this, own, who] { links_.erase({own, who}); });
}

void far_side::unlink_there(const pid& own, const pid& who) {
    signal(who.life(),
           {.kind = signal_kind::unlink,
            .life = who.life(),
            .index = who.index(),
            .generation = who.generation(),
            .from_index = own.index(),
            .from_generation = own.generation(),
            .text = {}});
}

void far_side::take_signal(const mesh::arrival& one) {
    static_cast<void>(node_of(one.life, one.from, one.name, one.memo));
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
            on_home([this, life = one.life, which = what->number] { unwatch(life, which); });
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
    const auto& node = node_of(what.life, what.from, what.name, what.memo);
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
    far_message message{
        .node = node,
        .from = {line->from_index, line->from_generation},
        .type = line->type,
        .body = body,
        .asker = {what.deadline,
                  [answer = std::move(what.answer)](result<std::string> got) mutable {
                      if (got) {
                          answer.reply(std::move(*got));
                      } else {
                          answer.fail(got.error());
                      }
                  }}};
    if (!take_at_once(place_on_this_thread(to.index), to, message)) {
        static_cast<void>(take_later(to, std::move(message)));
    }
    return true;
}

}  // namespace muster::process_detail
