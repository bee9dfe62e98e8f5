/// @file
/// CAF 0.17, as Debian has it: actors of two systems, its network module between them.

#include "order.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <unistd.h>

#include <future>
#include <memory>

namespace {

using send_atom = caf::atom_constant<caf::atom("send")>;
using ask_atom = caf::atom_constant<caf::atom("ask")>;
using count_atom = caf::atom_constant<caf::atom("count")>;
using go_atom = caf::atom_constant<caf::atom("go")>;

}  // namespace

namespace bench {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, order& x) {
    return f(caf::meta::type_name("order"), x.id, x.sent_at, x.kind, x.flags, x.body);
}

}  // namespace bench

namespace {

using namespace bench;

caf::behavior serving(caf::event_based_actor*) {
    const auto received = std::make_shared<std::uint64_t>(0);
    return {[=](send_atom, const order&) { ++*received; },
            [=](ask_atom, order& one) { return std::move(one); },
            [=](count_atom) { return std::exchange(*received, 0); }};
}

struct run {
    std::uint64_t many;
    std::uint64_t outstanding;
    std::promise<void> ended;
};

/// Asks, and asks again with each answer.
struct asker_state {
    order one;
    std::shared_ptr<run> now;
    std::uint64_t sent = 0;
    std::uint64_t got = 0;
    measurement* plan = nullptr;
};
using asker = caf::stateful_actor<asker_state>;

void ask(asker* me, const caf::actor& server) {
    order one = me->state.one;
    one.id = me->state.sent++;
    one.sent_at = now_ns();
    me->request(server, caf::infinite, ask_atom::value, std::move(one))
        .then(
            [me, server](const order& back) {
                asker_state& mine = me->state;
                mine.plan->answered(back.sent_at, now_ns());
                if (++mine.got == mine.now->many) {
                    mine.now->ended.set_value();
                } else if (mine.sent < mine.now->many) {
                    ask(me, server);
                }
            },
            [](caf::error&) { give_up("a request failed"); });
}

caf::behavior asking(asker* me, caf::actor server, std::string body, measurement* plan) {
    me->state.one.kind = question;
    me->state.one.body = std::move(body);
    me->state.plan = plan;
    return {[me, server](go_atom, const std::shared_ptr<run>& wanted) {
        me->state.now = wanted;
        me->state.sent = me->state.got = 0;
        while (me->state.sent < std::min(wanted->outstanding, wanted->many)) {
            ask(me, server);
        }
    }};
}

void one_way_run(caf::scoped_actor& me, const caf::actor& server, order& one, std::uint64_t many) {
    for (std::uint64_t i = 0; i < many; ++i) {
        one.id = i;
        one.sent_at = i;
        me->send(server, send_atom::value, one);
    }
    me->request(server, caf::infinite, count_atom::value)
        .receive([many](std::uint64_t arrived) { check_count(arrived, many); },
                 [](caf::error&) { give_up("the confirmation failed"); });
}

void measure(caf::actor_system& system, const call& wanted, std::uint16_t port) {
    auto server = system.middleman().remote_actor("127.0.0.1", port);
    if (!server) {
        give_up("no server at port " + wanted.address);
    }
    measurement plan{wanted};
    caf::scoped_actor me{system};
    caf::actor other;
    if (wanted.outstanding() != 0) {
        other = system.spawn(asking, *server, wanted.body(), &plan);
    }
    order one;
    one.body = wanted.body();
    while (const std::uint64_t many = plan.next()) {
        if (wanted.outstanding() == 0) {
            one_way_run(me, *server, one, many);
        } else {
            const auto now = std::make_shared<run>();
            now->many = many;
            now->outstanding = wanted.outstanding();
            me->send(other, go_atom::value, now);
            now->ended.get_future().wait();
        }
        plan.done();
    }
    plan.report("CAF");
    std::_Exit(0);  // There is nobody to whom anything is owed.
}

}  // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<run>)

int main(int argc, char** argv) {
    const call wanted = read_call(argc, argv);
    const auto port = static_cast<std::uint16_t>(std::stoul(wanted.address));
    caf::actor_system_config settings;
    settings.add_message_type<order>("order");
    settings.load<caf::io::middleman>();
    caf::actor_system system{settings};
    if (!wanted.serves) {
        measure(system, wanted, port);
    }
    if (!system.middleman().publish(system.spawn(serving), port, "127.0.0.1", true)) {
        give_up("cannot listen at port " + wanted.address);
    }
    ready();
    pause();
}
