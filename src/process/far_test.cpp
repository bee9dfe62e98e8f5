// Processes of several nodes, on a simulated network.

#include "process/host.hpp"
#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace far {

struct add {
    long n = 0;
};
struct total {
    using reply = long;
};
struct echo {
    using reply = std::string;
    std::string text;
};
struct introduce {
    muster::pid who;
};
struct stop_now {};
struct throw_now {
    std::string text;
};
struct silent {
    using reply = void;
};

}  // namespace far

namespace muster {
namespace {

using far::add;
using far::echo;
using far::introduce;
using far::silent;
using far::stop_now;
using far::throw_now;
using far::total;
using texts = std::vector<std::string>;

/// What the nodes of a test know of each other, as a view would tell them.
using directory = std::map<member_id, std::pair<mesh::peer, std::string>>;

/// One node: two workers, a mesh, processes.
class place {
public:
    place(runtime::sim::host& on,
          const std::string& name,
          member_id id,
          directory& all,
          process_limits limits = {})
        : on_{on}, machine_{on.process()} {
        workers_ = {machine_->make_loop("one"), machine_->make_loop("two")};
        const member_id life{id.high() + 1000, id.low()};
        host_ = std::make_unique<process_host>(machine_, workers_, life, name, limits);
        mesh::settings how;
        how.cluster = "shop";
        how.listen = {on.address(), 7000};
        how.max_queue = 64 * 1024;
        host_->prepare(how);
        auto made =
            mesh::mesh::start(machine_, workers_, std::move(how), [this](mesh::incoming what) {
                EXPECT_TRUE(host_->take_request(what));
            });
        EXPECT_TRUE(made);
        mesh_ = std::move(*made);
        mesh_->become(id);
        all[life] = {mesh::peer{id, on.address() + ":7000"}, name};
        host_->attach(
            *mesh_,
            [&all](const member_id& whose) -> std::optional<mesh::peer> {
                const auto found = all.find(whose);
                return found == all.end() ? std::nullopt : std::optional{found->second.first};
            },
            [&all](const member_id& whose) {
                const auto found = all.find(whose);
                return found == all.end() ? std::string{} : found->second.second;
            });
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() {
        host_->detach();
        mesh_->stop();
        host_.reset();
        for (const auto& one : workers_) {
            one->stop();
        }
    }

    process_host& host() { return *host_; }
    runtime::sim::host& on() { return on_; }
    mesh::mesh& net() { return *mesh_; }

private:
    runtime::sim::host& on_;
    std::shared_ptr<runtime::platform> machine_;
    std::vector<std::shared_ptr<runtime::loop>> workers_;
    std::unique_ptr<process_host> host_;
    std::unique_ptr<mesh::mesh> mesh_;
};

process counter(self me) {
    long sum = 0;
    while (auto in = co_await me.receive<add, total>()) {
        if (const auto* one = in->get_if<add>()) {
            sum = sum * 10 + one->body.n;  // Shows the order, too.
        }
        if (auto* asked = in->get_if<total>()) {
            asked->reply(sum);
        }
    }
}

process obedient(self me) {
    while (auto in = co_await me.receive<stop_now, throw_now, echo, silent>()) {
        if (in->get_if<stop_now>() != nullptr) {
            co_return;
        }
        if (const auto* one = in->get_if<throw_now>()) {
            throw std::runtime_error{one->body.text};
        }
        if (auto* asked = in->get_if<echo>()) {
            asked->reply(asked->body.text + " for " + asked->from.member());
        }
    }
}

std::string said(const exit_reason& why) {
    static const std::map<ending, std::string> names{{ending::exited, "exited"},
                                                     {ending::crashed, "crashed"},
                                                     {ending::killed, "killed"},
                                                     {ending::no_process, "no process"},
                                                     {ending::node_lost, "node lost"},
                                                     {ending::unreachable, "unreachable"}};
    return names.at(why.how) +
           (why.how == ending::unreachable || why.text.empty() ? "" : ": " + why.text);
}

class two_nodes : public testing::Test {
protected:
    ~two_nodes() override {
        ann.reset();
        bob.reset();
    }
    void run(duration how_long = 1s) { world.run_for(how_long); }
    template <class T>
    result<T> answer(pending<T> awaited) {
        std::optional<result<T>> got;
        awaited.then([&got](result<T> one) { got.emplace(std::move(one)); });
        static_cast<void>(world.run_until([&] { return got.has_value(); }, world.now() + 1h));
        return got ? std::move(*got) : result<T>{fail(errc::closed, "waited for an hour")};
    }
    /// What the monitors of `watcher` hear.
    void watch_from(place& where, const pid& who) {
        where.host().watch(
            who, [this](const pid&, const exit_reason& why) { ends.push_back(said(why)); });
    }

    runtime::sim::world world{11};
    directory all;
    std::optional<place> ann{
        std::in_place, world.add_host("ann"), "ann", member_id{1, 1}, all, process_limits{}};
    std::optional<place> bob{
        std::in_place, world.add_host("bob"), "bob", member_id{2, 2}, all, process_limits{}};
    texts ends;
};

TEST_F(two_nodes, send_and_ask_alike_here_and_there_and_keep_the_order) {
    for (place* where : {&*ann, &*bob}) {
        const pid to = where->host().spawn(counter);
        const pid from = ann->host().spawn([to](self me) -> process {
            for (const long n : {1L, 2L, 3L, 4L}) {
                EXPECT_TRUE(me.send(to, add{n}));
            }
            const auto sum = co_await me.ask<total>(to);
            EXPECT_EQ(sum, result<long>{1234});
            me.send(to, add{5});
        });
        run();
        EXPECT_EQ(answer(ann->host().ask<total>(to)), result<long>{12345}) << from.text();
    }
    EXPECT_EQ(ann->net().count().connections, 1U);
}

TEST_F(two_nodes, lose_and_double_none_of_many_messages) {
    const pid to = bob->host().spawn([](self me) -> process {
        long next = 0;
        while (auto in = co_await me.receive<add, total>()) {
            if (const auto* one = in->get_if<add>()) {
                EXPECT_EQ(one->body.n, next);
                ++next;
            }
            if (auto* asked = in->get_if<total>()) {
                asked->reply(next);
            }
        }
    });
    ann->host().spawn([to](self me) -> process {
        for (long i = 0; i < 20'000; ++i) {
            while (!me.send(to, add{i})) {
                const auto room = co_await me.writable(to);
                if (!room) {
                    co_return;
                }
            }
        }
    });
    run(20s);
    EXPECT_EQ(answer(ann->host().ask<total>(to)), result<long>{20'000});
}

TEST_F(two_nodes, tell_a_receiver_who_sends_so_that_it_can_answer) {
    const pid to = bob->host().spawn([](self me) -> process {
        const auto in = co_await me.receive<introduce>();
        EXPECT_EQ(in->from.member(), "ann");
        EXPECT_EQ(in->from, in->body.who);  // Also within a message.
        me.send(in->from, add{42});
    });
    std::optional<long> got;
    ann->host().spawn([to, &got](self me) -> process {
        me.send(to, introduce{me.pid()});
        const auto in = co_await me.receive<add>(5s);
        got = in ? in->body.n : -1;
    });
    run();
    EXPECT_EQ(got, 42);
}

TEST_F(two_nodes, end_every_ask_in_one_definite_way) {
    const pid to = bob->host().spawn(obedient);
    EXPECT_EQ(answer(ann->host().ask<echo>(to, "hello")), result<std::string>{"hello for "});
    const auto dropped = answer(ann->host().ask<silent>(to));
    ASSERT_FALSE(dropped);
    EXPECT_EQ(dropped.error().code, errc::handler_failed);
    // One that nobody receives is still in the mailbox at its deadline.
    const auto unread = answer(ann->host().within(1s).ask<total>(to));
    ASSERT_FALSE(unread);
    EXPECT_EQ(unread.error().code, errc::outcome_unknown);
    EXPECT_TRUE(ann->host().send(to, stop_now{}));
    run();
    const auto gone = answer(ann->host().ask<echo>(to, "hello"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, errc::gone);
}

TEST_F(two_nodes, forward_the_duty_to_answer_to_a_third) {
    place cid{world.add_host("cid"), "cid", member_id{3, 3}, all};
    const pid worker = cid.host().spawn(obedient);
    const pid boss = bob->host().spawn([worker](self me) -> process {
        while (auto in = co_await me.receive<echo>()) {
            in->forward(worker);
        }
    });
    std::optional<std::string> got;
    ann->host().spawn([boss, &got](self me) -> process {
        const auto answered = co_await me.ask<echo>(boss, "job");
        got = answered ? *answered : answered.error().text;
    });
    run();
    EXPECT_TRUE(got && got->starts_with("job for ")) << got.value_or("nothing");
}

TEST_F(two_nodes, hear_of_each_end_in_exactly_one_notice) {
    const auto watched = [&](auto end) {
        ends.clear();
        const pid one = bob->host().spawn(obedient);
        watch_from(*ann, one);
        run();
        EXPECT_EQ(ends, texts{});
        end(one);
        run();
        return ends;
    };
    const auto& sender = ann->host();
    static_cast<void>(sender);
    EXPECT_EQ(watched([&](const pid& one) { EXPECT_TRUE(ann->host().send(one, stop_now{})); }),
              texts{"exited"});
    EXPECT_EQ(
        watched([&](const pid& one) { EXPECT_TRUE(ann->host().send(one, throw_now{"ouch"})); }),
        texts{"crashed: ouch"});
    EXPECT_EQ(watched([&](const pid& one) { ann->host().kill(one); }), texts{"killed"});
    EXPECT_EQ(watched([&](const pid& one) { ann->host().exit(one, "enough"); }),
              texts{"exited: enough"});
    ends.clear();
    watch_from(*ann, pid{bob->host().life(), "bob", 999, 1});
    run();
    EXPECT_EQ(ends, texts{"no process"});
}

TEST_F(two_nodes, hear_of_the_end_of_a_whole_node_once) {
    const pid one = bob->host().spawn(obedient);
    watch_from(*ann, one);
    run();
    bob->on().kill();
    run(500ms);
    EXPECT_EQ(ends, texts{});  // It may be no more than its connection.
    ann->host().life_ended(one.life());
    run(20s);
    EXPECT_EQ(ends, texts{"node lost"});
}

TEST_F(two_nodes, hear_after_a_while_that_a_node_cannot_be_reached) {
    const pid one = bob->host().spawn(obedient);
    watch_from(*ann, one);
    run();
    world.isolate(bob->on());
    run(30s);
    EXPECT_EQ(ends, texts{"unreachable"});
    world.heal();
    run(5s);
    EXPECT_EQ(ends, texts{"unreachable"});
}

TEST_F(two_nodes, hear_of_an_end_that_their_lost_connection_swallowed) {
    const pid one = bob->host().spawn(obedient);
    const pid other = bob->host().spawn(obedient);
    watch_from(*ann, one);
    watch_from(*ann, other);
    run();
    world.cut(bob->on(), ann->on());
    bob->host().kill(one);
    run(300ms);
    world.break_connections(ann->on(), bob->on());
    world.heal();
    run(10s);
    EXPECT_EQ(ends.size(), 1U);
    EXPECT_TRUE(ann->host().send(other, stop_now{}));
    run(5s);
    EXPECT_EQ(ends.size(), 2U);
}

TEST_F(two_nodes, link_processes_across) {
    const pid one = bob->host().spawn(obedient);
    const pid linked = ann->host().spawn([one](self me) -> process {
        me.link(one);
        const auto never_sent = co_await me.receive<stop_now>();
        EXPECT_FALSE(never_sent);
    });
    watch_from(*ann, linked);
    run();
    EXPECT_TRUE(ann->host().send(one, throw_now{"ouch"}));
    run();
    EXPECT_EQ(ends, texts{"crashed: ouch"});
}

TEST_F(two_nodes, tell_a_sender_what_was_lost) {
    const pid to = bob->host().spawn(obedient);
    texts lost;
    const pid from = ann->host().spawn([to, &lost](self me) -> process {
        while (auto in = co_await me.receive<undelivered, stop_now>()) {
            if (const auto* one = in->get_if<undelivered>()) {
                lost.push_back(std::to_string(one->body.count) + " to " +
                               std::to_string(one->body.to.index()));
            } else {
                me.send(to, add{1});
            }
        }
    });
    // To a process that has ended.
    EXPECT_TRUE(ann->host().send(from, stop_now{}));
    run();
    EXPECT_EQ(lost, texts{});  // Received by nobody yet, but accepted.
    bob->host().kill(to);
    run();
    EXPECT_EQ(lost, (texts{"1 to " + std::to_string(to.index())}));
    EXPECT_TRUE(ann->host().send(from, stop_now{}));
    run();
    EXPECT_EQ(lost.size(), 2U);
    // To a node that does not take it any more.
    world.cut(ann->on(), bob->on());
    EXPECT_TRUE(ann->host().send(from, stop_now{}));
    run(100ms);
    world.break_connections(ann->on(), bob->on());
    run(100ms);
    EXPECT_EQ(lost.size(), 3U);
}

TEST_F(two_nodes, deliver_to_the_addressed_life_alone) {
    const pid to = bob->host().spawn(counter);
    EXPECT_TRUE(ann->host().send(to, add{1}));
    run();
    const member_id old = to.life();
    bob.reset();
    runtime::sim::host& where = world.add_host("bob-again");
    bob.emplace(where, "bob", member_id{4, 4}, all, process_limits{});
    const pid other = bob->host().spawn(counter);
    // The old life's address has a new tenant; its place and generation are those of a living one.
    all[old] = all[other.life()];
    const pid stale{old, "bob", other.index(), other.generation()};
    EXPECT_TRUE(ann->host().send(stale, add{7}));
    const auto asked = answer(ann->host().ask<total>(stale));
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().code, errc::gone);
    EXPECT_EQ(answer(ann->host().ask<total>(other)), result<long>{0});
    EXPECT_EQ(ann->host().lost(), 1U);
}

TEST_F(two_nodes, start_processes_on_each_other_by_the_name_of_a_factory) {
    bob->host().add_factory(
        "counter", [](std::string_view bytes) -> result<std::move_only_function<process(self)>> {
            const auto given = decode<add>(bytes);
            if (!given) {
                return std::unexpected{given.error()};
            }
            return detail::process_body(
                [](self me, long first) -> process {
                    while (auto in = co_await me.receive<total>()) {
                        in->reply(first);
                    }
                },
                given->n);
        });
    const auto made = answer(ann->host().spawn_on(bob->host().life(), "counter", encode(add{17})));
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->member(), "bob");
    EXPECT_EQ(answer(ann->host().ask<total>(*made)), result<long>{17});
    const auto none = answer(ann->host().spawn_on(bob->host().life(), "clerk", ""));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::not_found);
}

}  // namespace
}  // namespace muster
