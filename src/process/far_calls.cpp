// Requests about processes of other lives: those made here, and those of others answered.

#include "muster/message.hpp"

#include "process/far_side.hpp"
#include "process/far_wire.hpp"
#include "process/host_core.hpp"

#include <utility>

namespace muster::process_detail {
namespace {

constexpr duration call_patience = 5s;  ///< for a monitor, a link, a spawn
constexpr duration writable_look = 1ms;

}  // namespace

void far_side::call(const member_id& life, far_call what, callback<result<std::string>> done) {
    const auto peer = find(life);
    mesh::mesh* const net = net_.load();
    if (!peer || net == nullptr) {
        done(std::unexpected{no_way({life, {}, what.index, what.generation})});
        return;
    }
    what.life = life;
    std::string bytes(1, call_mark);
    encode_to(bytes, what);
    net->request(*peer, std::move(bytes), home_.platform().now() + call_patience, std::move(done));
}

/// Another node monitors a process of here, and calls that `what.number`.
void far_side::watch_for(const far_call& what,
                         const mesh::incoming& from,
                         const std::shared_ptr<mesh::responder>& answer) {
    const detail::local_ref to{what.index, what.generation};
    const std::pair here{from.life, home_.next_number()};
    on_home([this, here, one = watched{to, from.from, what.number}] {
        watched_by(here.first, here.second, one);
    });
    const auto over = [this, keep = home_.shared_from_this(), here] {
        on_home([this, here] { unwatch(here.first, here.second); });
    };
    home_.signal_to(to, [this, here, over, answer, number = what.number](process_core* alive) {
        answer->reply(encode(far_state{.alive = alive != nullptr, .number = here.second}));
        if (alive == nullptr) {
            over();
            return;
        }
        alive->watchers.emplace_back(
            here.second, [this, here, over, number](const pid&, const exit_reason& why) {
                signal(here.first,
                       {.kind = signal_kind::down,
                        .life = here.first,
                        .number = number,
                        .how = why.how,
                        .text = why.text});
                over();
            });
    });
}

void far_side::answer_call(far_call& what, const mesh::incoming& from, mesh::responder answer) {
    const detail::local_ref to{what.index, what.generation};
    const pid asker{from.life, std::string{from.name}, what.from_index, what.from_generation};
    const auto shared = std::make_shared<mesh::responder>(std::move(answer));
    switch (what.kind) {
        case call_kind::monitor:
            watch_for(what, from, shared);
            return;
        case call_kind::link:
            home_.signal_to(to,
                            [this, keep = home_.shared_from_this(), asker, shared, at = from.from](
                                process_core* alive) {
                                if (alive != nullptr) {
                                    alive->links.insert(asker);
                                    on_home([this, own = alive->own(), asker, at] {
                                        links_.insert_or_assign({own, asker}, far_link{true, at});
                                    });
                                }
                                shared->reply(encode(far_state{.alive = alive != nullptr}));
                            });
            return;
        case call_kind::check_link:
            home_.signal_to(to, [asker, shared](process_core* alive) {
                const bool is_there = alive != nullptr && alive->links.contains(asker);
                shared->reply(
                    encode(far_state{.alive = alive != nullptr, .number = is_there ? 1U : 0U}));
            });
            return;
        case call_kind::writable:
            home_.signal_to(to, [shared](process_core* alive) {
                if (alive == nullptr) {
                    shared->reply(encode(far_state{}));
                    return;
                }
                auto [room, told] = make_pending<void>();
                room.then([shared](const result<void>& got) {
                    shared->reply(encode(far_state{.alive = got.has_value()}));
                });
                alive->on_writer(std::move(told));
            });
            return;
        case call_kind::shapes:
            home_.signal_to(to, [shared](process_core* alive) {
                if (alive != nullptr) {
                    shared->reply(alive->shapes());
                } else {
                    shared->fail({errc::gone, "the process has ended"});
                }
            });
            return;
        case call_kind::spawn: {
            const auto made = home_.make(what.text, what.arguments);
            if (!made) {
                shared->fail(made.error());
                return;
            }
            shared->reply(encode(far_state{
                .alive = true, .index = made->index(), .generation = made->generation()}));
            return;
        }
    }
    shared->fail({errc::incompatible, "a call of a kind that this version does not know"});
}

void far_side::spawn(const member_id& life,
                     std::string name,
                     std::string arguments,
                     completer<pid> told) {
    auto done = [this, keep = home_.shared_from_this(), life, told = std::move(told)](
                    result<std::string> got) mutable {
        if (!got) {
            told(std::unexpected{got.error()});
            return;
        }
        const auto state = decode<far_state>(*got);
        if (!state) {
            told(std::unexpected{state.error()});
            return;
        }
        told(pid{life, home_.name_of(life), state->index, state->generation});
    };
    call(life,
         {.kind = call_kind::spawn, .text = std::move(name), .arguments = std::move(arguments)},
         std::move(done));
}

void far_side::shapes(const pid& of, callback<result<std::string>> done) {
    call(of.life(),
         {.kind = call_kind::shapes, .index = of.index(), .generation = of.generation()},
         std::move(done));
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

/// First the way there, then its mailbox, of which its node knows alone.
void far_side::poll_writable(pid who, completer<void> told) {
    const auto peer = find(who.life());
    mesh::mesh* const net = net_.load();
    if (!peer || net == nullptr) {
        told(std::unexpected{no_way(who)});
        return;
    }
    if (net->waiting_for(*peer) <= home_.limits().queue_bytes / 2) {
        ask_writable(std::move(who), std::move(told));
        return;
    }
    look_again(std::move(who), std::move(told));
}

void far_side::look_again(pid who, completer<void> told) {
    auto& at = *home_.workers().front();
    at.set_alarm(at.loop().now() + writable_look,
                 home_.next_number(),
                 [this, who = std::move(who), told = std::move(told)]() mutable {
                     poll_writable(std::move(who), std::move(told));
                 });
}

void far_side::ask_writable(pid who, completer<void> told) {
    const far_call what{
        .kind = call_kind::writable, .index = who.index(), .generation = who.generation()};
    const member_id life = who.life();
    auto done = [this,
                 keep = home_.shared_from_this(),
                 who = std::move(who),
                 told = std::move(told)](result<std::string> got) mutable {
        const auto state = got ? decode<far_state>(*got) : result<far_state>{};
        if (got && state && !state->alive) {
            told(fail(errc::gone, who.text() + " has ended"));
        } else if (got || got.error().code == errc::incompatible) {
            told({});  // Or an older version, which says nothing of its mailboxes.
        } else if (got.error().code == errc::outcome_unknown ||
                   got.error().code == errc::overloaded) {
            on_home([this, who = std::move(who), told = std::move(told)]() mutable {
                look_again(std::move(who), std::move(told));
            });
        } else {
            told(std::unexpected{std::move(got.error())});
        }
    };
    call(life, what, std::move(done));
}

}  // namespace muster::process_detail
