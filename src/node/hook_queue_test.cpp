#include "node/hook_queue.hpp"

#include "node/peer_watch.hpp"
#include "node/waiting_room.hpp"
#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace muster::detail {
namespace {

using texts = std::vector<std::string>;

class hooks : public testing::Test {
protected:
    runtime::sim::world in{1};
    std::shared_ptr<runtime::platform> machine = in.add_host("one").process();
    std::shared_ptr<runtime::loop> control = machine->make_loop("control");
    std::shared_ptr<blocking_jobs> jobs = std::make_shared<blocking_jobs>(machine);
    std::shared_ptr<hook_queue> queue = std::make_shared<hook_queue>(jobs, control);
    texts ran;
    task_fn named(std::string name) {
        return [this, name = std::move(name)] {
            EXPECT_FALSE(control->is_current()) << "on the thread that keeps the lease";
            ran.push_back(name);
        };
    }
};

TEST_F(hooks, run_in_order_one_at_a_time_and_never_on_the_loop) {
    control->post([this] {
        for (const char* name : {"1", "2", "3"}) {
            queue->add(named(name));
        }
        EXPECT_TRUE(ran.empty());
    });
    in.run_for(1s);
    EXPECT_EQ(ran, (texts{"1", "2", "3"}));
}

TEST_F(hooks, that_wait_are_run_before_the_queue_ends_and_later_ones_are_not) {
    control->post([this] {
        queue->add(named("1"));
        queue->add(named("2"));
        queue->finish([this] {
            EXPECT_TRUE(control->is_current());
            ran.push_back("idle");
        });
        queue->add(named("too late"));
    });
    in.run_for(1s);
    EXPECT_EQ(ran, (texts{"1", "2", "idle"}));
}

TEST_F(hooks, that_have_all_run_end_at_once) {
    control->post([this] { queue->finish([this] { ran.push_back("idle"); }); });
    in.run_for(1s);
    EXPECT_EQ(ran, (texts{"idle"}));
}

TEST_F(hooks, are_counted_until_what_they_held_is_gone) {
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> seen = held;
    jobs->run(lane::aside, [held = std::move(held)] {});
    EXPECT_FALSE(seen.expired());
    EXPECT_TRUE(jobs->wait_idle(machine->now() + 1s));
    EXPECT_TRUE(seen.expired());
}

TEST(a_peer, is_unreachable_once_every_attempt_over_a_while_has_failed) {
    const mesh::peer bob{member_id{1, 2}, "10.0.0.2:7000"};
    const mesh::peer cid{member_id{1, 3}, "10.0.0.3:7000"};
    peer_watch watch;
    const instant start{10s};
    watch.failed(bob, start);
    watch.failed(cid, start);
    watch.failed(bob, start + 2s);
    EXPECT_TRUE(watch.unreachable().empty());
    watch.answered(cid.id);
    watch.failed(bob, start + 3s);
    watch.failed(cid, start + 3s);
    EXPECT_EQ(watch.unreachable(), (std::set<member_id>{bob.id}));
    EXPECT_EQ(watch.doubted(), (std::vector<mesh::peer>{bob, cid}));
    watch.keep_only([&](member_id who) { return who == cid.id; });
    EXPECT_TRUE(watch.unreachable().empty());
    EXPECT_EQ(watch.doubted(), (std::vector<mesh::peer>{cid}));
}

struct guest final : waiting_one {
    explicit guest(texts& to) : heard{to} {}
    void woken() override { heard.push_back("woken"); }
    texts& heard;
};

TEST(a_waiting_room, wakes_each_once_and_none_that_has_left) {
    texts heard;
    waiting_room room;
    const auto first = std::make_shared<guest>(heard);
    room.enter(first);
    const auto ticket = room.enter(std::make_shared<guest>(heard));
    EXPECT_EQ(room.count(), 2U);
    room.leave(ticket);
    room.wake();
    room.wake();
    EXPECT_EQ(heard, (texts{"woken"}));
    EXPECT_EQ(room.count(), 0U);
    EXPECT_EQ(first.use_count(), 1);
}

}  // namespace
}  // namespace muster::detail
