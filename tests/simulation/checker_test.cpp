// What the checker excuses, and for how long.

#include "simulation/checker.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace muster::simulation {
namespace {

using cluster::right;

/// A process that does nothing by itself.
class puppet final : public witness {
public:
    puppet(std::string name, const instant& now, std::uint64_t id)
        : name_{std::move(name)}, now_{now}, id_{id, 1} {}
    const std::string& title() const override { return name_; }
    bool is_alive() const override { return true; }
    bool is_awake() const override { return true; }
    instant now() const override { return now_; }
    member_id id() const override { return id_; }

    std::shared_ptr<right> gets(std::int64_t fence) {
        return std::make_shared<right>(right::identity{.resource = "orders",
                                                       .partition = "1",
                                                       .slot = 0,
                                                       .fence = fence_token{fence},
                                                       .member = id_},
                                       lease);
    }
    std::shared_ptr<cluster::lease_cell> lease = std::make_shared<cluster::lease_cell>();

private:
    std::string name_;
    const instant& now_;
    member_id id_;
};

class a_checker : public testing::Test {
protected:
    void SetUp() override {
        a->lease->set(now + 1s);
        b->lease->set(now + 100s);
        judge.acquired(a, first);
        judge.started(*first);
    }
    void commits(std::int64_t session, zookeeper::event_type what, const std::string& path) {
        judge.committed({.zxid = 1, .session = session, .changes = {{what, path}}});
    }
    std::string place_of(const puppet& who, int number) const {
        return cluster::paths{"test"}.succession_prefix(who.id()) + "000000000" +
               std::to_string(number);
    }
    static constexpr auto created = zookeeper::event_type::created;
    static constexpr auto deleted = zookeeper::event_type::deleted;
    static constexpr auto changed = zookeeper::event_type::data_changed;

    instant now{100s};
    checker judge{[this] { return now; }, "test", 2s};
    std::shared_ptr<puppet> a = std::make_shared<puppet>("a", now, 1);
    std::shared_ptr<puppet> b = std::make_shared<puppet>("b", now, 2);
    std::shared_ptr<right> first = a->gets(1);
};

TEST_F(a_checker, excuses_an_effect_whose_right_ended_during_a_stop) {
    static_cast<void>(judge.entered(*first));
    now += 2s;
    judge.resumed(*a);
    judge.acquired(b, b->gets(2));
    EXPECT_TRUE(judge.ok()) << judge.report();
}

TEST_F(a_checker, excuses_no_effect_that_began_after_a_stop) {
    now += 2s;
    judge.resumed(*a);
    static_cast<void>(judge.entered(*first));
    judge.acquired(b, b->gets(2));
    EXPECT_TRUE(judge.violation().starts_with("S1")) << judge.report();
}

TEST_F(a_checker, excuses_no_effect_because_of_a_stop_that_its_right_outlived) {
    static_cast<void>(judge.entered(*first));
    now += 500ms;
    judge.resumed(*a);
    now += 1500ms;
    judge.acquired(b, b->gets(2));
    EXPECT_TRUE(judge.violation().starts_with("S1")) << judge.report();
}

TEST_F(a_checker, excuses_a_robbed_leader_for_a_heartbeat) {
    judge.stranger(99);
    commits(1, created, place_of(*a, 1));
    commits(2, created, place_of(*b, 2));
    judge.leads(a, true, leader_epoch{1});
    commits(99, deleted, place_of(*a, 1));
    judge.leads(b, true, leader_epoch{2});
    now += 250ms;
    judge.poll();
    EXPECT_TRUE(judge.ok()) << judge.report();
    now += 50ms;
    judge.poll();
    EXPECT_TRUE(judge.violation().starts_with("S1")) << judge.report();
}

TEST_F(a_checker, excuses_nobody_who_was_not_robbed) {
    judge.leads(a, true, leader_epoch{1});
    judge.leads(b, true, leader_epoch{2});
    EXPECT_TRUE(judge.violation().starts_with("S1")) << judge.report();
}

TEST_F(a_checker, lets_only_the_head_of_the_succession_write_a_view) {
    commits(1, created, place_of(*a, 1));
    commits(2, created, place_of(*b, 2));
    commits(1, changed, "/muster/test/view");
    EXPECT_TRUE(judge.ok()) << judge.report();
    commits(2, changed, "/muster/test/resources/orders/plan/0");
    EXPECT_TRUE(judge.violation().starts_with("S3")) << judge.report();
}

TEST_F(a_checker, lets_a_crash_be_followed_by_the_delay_and_a_release_by_nothing) {
    judge.expect_delay("orders", 500ms);
    now += 2s;
    commits(1, deleted, cluster::paths{"test"}.member(a->id()));
    now += 500ms;
    const auto second = b->gets(2);
    judge.acquired(b, second);
    judge.released(*second);
    commits(2, deleted, cluster::paths{"test"}.member(b->id()));
    const auto third = std::make_shared<puppet>("c", now, 3);
    third->lease->set(now + 100s);
    second->close();
    judge.acquired(third, third->gets(3));
    EXPECT_TRUE(judge.ok()) << judge.report();
    commits(3, deleted, cluster::paths{"test"}.member(third->id()));
    third->lease->set(now);
    judge.acquired(b, b->gets(4));
    EXPECT_TRUE(judge.violation().starts_with("handover_delay")) << judge.report();
}

}  // namespace
}  // namespace muster::simulation
