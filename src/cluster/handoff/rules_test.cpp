#include "cluster/handoff/rules.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace muster::cluster {
namespace {

const member_id me{1, 1};
const member_id other{1, 2};
const member_id third{1, 3};

entry owned(member_id owner, plan_number fence, std::vector<member_id> waits = {}) {
    entry one;
    one.partition = "p";
    one.owner = owner;
    one.fence = fence;
    one.waits = std::move(waits);
    return one;
}

plan plan_of(plan_number number, entry one) {
    plan whole;
    whole.number = number;
    whole.chunks.push_back({.number = number, .entries = {std::move(one)}});
    return whole;
}

release_record through(plan_number number, std::set<std::string> except = {}) {
    release_record record;
    record.through = number;
    record.except = std::move(except);
    return record;
}

/// A transcript line for each action, so that a test reads as a story.
std::string told(const holder_action& action) {
    struct teller {
        static std::string of(const held_entry& one) {
            return one.partition + "@" + std::to_string(one.fence);
        }
        std::string operator()(const begin_acquire& what) const { return "start " + of(what.what); }
        std::string operator()(const begin_release& what) const { return "stop " + of(what.what); }
        std::string operator()(const revoke& what) const { return "revoke " + of(what.what); }
        std::string operator()(const publish& what) const {
            std::string text = "publish through " + std::to_string(what.what.through);
            for (const std::string& key : what.what.except) {
                text += " but " + key;
            }
            if (what.what.revoked != 0) {
                text += " revoked " + std::to_string(what.what.revoked);
            }
            for (const auto& [key, fence] : what.what.failed) {
                text += " failed " + key + "@" + std::to_string(fence);
            }
            for (const std::string& key : what.what.ready) {
                text += " ready " + key;
            }
            return text;
        }
        std::string operator()(const watch_former& what) const {
            return "watch " + std::to_string(what.who.low());
        }
        std::string operator()(const forget_former& what) const {
            return "forget " + std::to_string(what.who.low());
        }
        std::string operator()(const let_settle& what) const {
            return "settle " + std::to_string(what.who.low());
        }
        std::string operator()(const begin_prepare& what) const {
            return "prepare " + what.what.partition + " of " +
                   std::to_string(what.what.owner.low());
        }
    };
    return std::visit(teller{}, action);
}

/// One member, fed with events; what it asked for since the last look.
class holder {
public:
    holder() { state_.self = me; }
    holder& sees(const holder_event& event) {
        holder_step step = advance(std::move(state_), event);
        state_ = std::move(step.next);
        for (const holder_action& action : step.actions) {
            actions_.push_back(told(action));
        }
        return *this;
    }
    std::vector<std::string> asked() { return std::exchange(actions_, {}); }
    [[nodiscard]] const holder_state& state() const { return state_; }

private:
    holder_state state_;
    std::vector<std::string> actions_;
};

using story = std::vector<std::string>;

holder acting(plan_number fence) {
    holder one;
    one.sees(rights_changed{true});
    one.sees(plan_read{plan_of(fence, owned(me, fence))});
    one.sees(acquire_ended{"p", fence, true});
    one.asked();
    return one;
}

TEST(handoff, a_grant_that_waits_for_nobody_starts_at_once) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(5, owned(me, 5))});
    EXPECT_EQ(one.asked(), (story{"start p@5"}));
    one.sees(acquire_ended{"p", 5, true});
    EXPECT_EQ(one.state().held.at("p").at, hold::acting);
    EXPECT_EQ(one.asked(), story{});
}

TEST(handoff, nothing_starts_before_the_rights_are_there) {
    holder one;
    one.sees(plan_read{plan_of(5, owned(me, 5))});
    EXPECT_EQ(one.asked(), story{});
    one.sees(rights_changed{true});
    EXPECT_EQ(one.asked(), (story{"start p@5"}));
}

TEST(handoff, a_successor_waits_until_it_has_read_that_the_former_owner_let_go) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(9, owned(me, 9, {other}))});
    EXPECT_EQ(one.asked(), (story{"watch 2"}));
    one.sees(former_read{other, {.released = std::nullopt}});
    one.sees(former_read{other, {.released = through(8)}});
    one.sees(former_read{other, {.released = through(9, {"p"})}});
    EXPECT_EQ(one.asked(), story{});
    one.sees(former_read{other, {.released = through(9)}});
    EXPECT_EQ(one.asked(), (story{"start p@9", "forget 2"}));
}

TEST(handoff, a_former_owner_that_has_left_holds_nobody_up) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(9, owned(me, 9, {other}))});
    one.sees(former_read{other, {.left = true, .released = through(8)}});
    EXPECT_EQ(one.asked(), (story{"watch 2"}));
    one.sees(former_read{other, {.gone = true}});
    EXPECT_EQ(one.asked(), (story{"start p@9", "forget 2"}));
}

TEST(handoff, what_a_crashed_owner_has_sent_has_time_to_arrive) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(9, owned(me, 9, {other, third}))});
    one.sees(former_read{other, {.gone = true}});
    one.sees(former_read{third, {.released = through(9, {"p"})}});
    EXPECT_EQ(one.asked(), (story{"watch 2", "watch 3", "settle 2"}));
    one.sees(former_read{other, {.gone = true}}).sees(former_read{third, {.gone = true}});
    EXPECT_EQ(one.asked(), (story{"settle 3"})) << "each once";
    one.sees(former_settled{other});
    EXPECT_EQ(one.asked(), story{});
    one.sees(former_settled{third});
    EXPECT_EQ(one.asked(), (story{"start p@9", "forget 2", "forget 3"}));
}

TEST(handoff, whoever_had_released_it_before_its_crash_is_not_waited_for) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(9, owned(me, 9, {other, third}))});
    one.sees(former_read{other, {.released = through(9)}});
    one.sees(former_read{other, {.gone = true}});
    one.sees(former_read{third, {.left = true}}).sees(former_read{third, {.gone = true}});
    EXPECT_EQ(one.asked(),
              (story{"watch 2", "watch 3", "settle 2", "start p@9", "forget 2", "forget 3"}));
    one.sees(former_settled{other});
    EXPECT_EQ(one.asked(), story{});
}

TEST(handoff, the_end_of_a_delay_says_nothing_of_somebody_who_is_there) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(9, owned(me, 9, {other}))});
    one.sees(former_settled{other}).sees(former_read{other, {.released = through(8)}});
    one.sees(former_read{other, {.gone = true}});
    EXPECT_EQ(one.asked(), (story{"watch 2", "settle 2"}));
}

TEST(handoff, waits_that_the_leader_cleaned_are_not_waited_for_any_more) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(9, owned(me, 9, {other}))});
    one.asked();
    one.sees(plan_read{plan_of(10, owned(me, 9))});
    EXPECT_EQ(one.asked(), (story{"start p@9", "forget 2"}));
}

TEST(handoff, an_owner_stops_first_and_says_so_when_it_has_stopped) {
    holder one = acting(5);
    one.sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    EXPECT_EQ(one.asked(), (story{"stop p@5"}));
    one.sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), (story{"publish through 9"}));
    one.sees(was_published{through(9)});
    one.sees(plan_read{plan_of(10, owned(other, 9, {me}))});
    EXPECT_EQ(one.asked(), story{});  // nobody needs to hear it again
}

TEST(handoff, a_member_that_never_held_it_says_so_at_once) {
    holder one;
    one.sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    EXPECT_EQ(one.asked(), (story{"publish through 9"}));
}

TEST(handoff, a_partition_that_comes_back_while_it_stops_starts_afterwards_under_the_new_fence) {
    holder one = acting(5);
    one.sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    one.sees(plan_read{plan_of(12, owned(me, 12))});
    EXPECT_EQ(one.asked(), (story{"stop p@5"}));
    one.sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), (story{"start p@12"}));
}

TEST(handoff, a_new_fence_for_the_same_owner_means_stop_and_start) {  // row 129
    holder one = acting(5);
    one.sees(plan_read{plan_of(12, owned(me, 12))});
    EXPECT_EQ(one.asked(), (story{"stop p@5"}));
    one.sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), (story{"start p@12"}));
}

TEST(handoff, an_acquire_that_is_overtaken_is_stopped_whatever_it_returns) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(5, owned(me, 5))});
    one.sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    one.sees(acquire_ended{"p", 5, true});
    EXPECT_EQ(one.asked(), (story{"start p@5", "stop p@5"}));
    one.sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), (story{"publish through 9"}));
}

TEST(handoff, an_older_plan_is_ignored) {
    holder one = acting(9);
    one.sees(plan_read{plan_of(9, owned(other, 9))});
    one.sees(plan_read{plan_of(8, owned(other, 8))});
    EXPECT_EQ(one.asked(), story{});
}

TEST(handoff, a_release_of_q_says_that_p_still_drains) {  // row 126
    holder one;
    plan first = plan_of(5, owned(me, 5));
    first.chunks[0].entries.push_back(owned(me, 5));
    first.chunks[0].entries[1].partition = "q";
    one.sees(rights_changed{true}).sees(plan_read{first});
    plan second = first;
    second.number = second.chunks[0].number = 9;
    for (entry& each : second.chunks[0].entries) {
        each.owner = other;
        each.fence = 9;
        each.waits = {me};
    }
    one.sees(plan_read{second});
    one.asked();
    one.sees(release_ended{"q", 5});
    EXPECT_EQ(one.asked(), (story{"publish through 9 but p"}));
    one.sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), (story{"publish through 9"}));
}

TEST(handoff, the_lease_end_revokes_and_voids_every_grant_so_far) {
    holder one = acting(5);
    one.sees(lease_ended{});
    EXPECT_EQ(one.asked(), (story{"revoke p@5", "publish through 5 but p revoked 5"}));
    one.sees(release_ended{"p", 5}).sees(rights_changed{true});
    EXPECT_EQ(one.asked(), story{});  // the old grant is void
    plan whole = plan_of(7, owned(me, 5));
    whole.since = {{me, 7}};
    one.sees(plan_read{whole});
    EXPECT_EQ(one.asked(), (story{"start p@7"}));
}

TEST(handoff, a_void_grant_that_is_read_later_is_told_as_revoked) {
    holder one = acting(5);
    one.sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    one.sees(lease_ended{}).sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), (story{"stop p@5", "publish through 9 revoked 9"}));
    one.sees(rights_changed{true}).sees(plan_read{plan_of(11, owned(me, 11))});
    EXPECT_EQ(one.asked(), (story{"start p@11"}));
}

TEST(handoff, a_failed_acquire_is_told_and_not_tried_again_under_that_fence) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(5, owned(me, 5))});
    one.sees(acquire_ended{"p", 5, false});
    EXPECT_EQ(one.asked(), (story{"start p@5", "publish through 5 failed p@5"}));
    one.sees(plan_read{plan_of(6, owned(me, 5))});
    EXPECT_EQ(one.asked(), story{});
}

TEST(handoff, a_handler_that_fails_while_it_acts_is_stopped_and_the_entry_given_up) {
    holder one = acting(5);
    one.sees(acquire_ended{"p", 5, false});
    EXPECT_EQ(one.asked(), (story{"stop p@5", "publish through 5 but p failed p@5"}));
    one.sees(release_ended{"p", 5}).sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    EXPECT_EQ(one.asked(), (story{"publish through 9 failed p@5"}));
}

TEST(handoff, a_failure_is_forgotten_after_its_back_off_but_not_before_the_leader_reacted) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(5, owned(me, 5))});
    one.sees(acquire_ended{"p", 5, false}).sees(failure_forgotten{"p", 5});
    EXPECT_EQ(one.asked(), (story{"start p@5", "publish through 5 failed p@5"}));
    one.sees(plan_read{plan_of(9, owned({}, 9, {me}))});
    EXPECT_EQ(one.asked(), (story{"publish through 9"}));
    one.sees(plan_read{plan_of(12, owned(me, 12))});
    EXPECT_EQ(one.asked(), (story{"start p@12"}));
}

TEST(handoff, a_handler_that_fails_while_it_acts_is_stopped_and_the_failure_told) {
    holder one = acting(5);
    one.sees(acquire_ended{"p", 5, false});
    EXPECT_EQ(one.asked(), (story{"stop p@5", "publish through 5 but p failed p@5"}));
    one.sees(release_ended{"p", 5});
    EXPECT_EQ(one.asked(), story{});  // not again under this fence
    one.sees(plan_read{plan_of(9, owned(other, 9, {me}))});
    EXPECT_EQ(one.asked(), (story{"publish through 9 failed p@5"}));
}

TEST(handoff, a_later_success_forgets_the_failure) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(5, owned(me, 5))});
    one.sees(acquire_ended{"p", 5, false}).sees(plan_read{plan_of(9, owned(me, 9))});
    one.asked();
    one.sees(acquire_ended{"p", 9, true});
    EXPECT_EQ(one.asked(), (story{"publish through 9"}));
}

TEST(handoff, late_answers_of_handlers_that_no_longer_matter_are_ignored) {
    holder one = acting(5);
    one.sees(acquire_ended{"p", 4, false});
    one.sees(release_ended{"p", 5});
    one.sees(acquire_ended{"q", 5, true});
    EXPECT_EQ(one.state().held.at("p").at, hold::acting);
    EXPECT_EQ(one.asked(), story{});
}

TEST(handoff, an_entry_that_left_the_plan_is_stopped) {
    holder one = acting(5);
    plan empty;
    empty.number = 9;
    empty.chunks.push_back({.number = 9, .entries = {}});
    one.sees(plan_read{empty});
    EXPECT_EQ(one.asked(), (story{"stop p@5"}));
}

// --- Prepare

entry hinted(member_id owner, plan_number fence, member_id next) {
    entry one = owned(owner, fence);
    one.next = next;
    return one;
}

TEST(handoff, who_may_be_given_an_entry_next_prepares_and_says_when_it_is_ready) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(7, hinted(other, 5, me))});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2"}));
    one.sees(prepare_ended{"p"});
    EXPECT_EQ(one.asked(), (story{"publish through 7 ready p"}));
    one.sees(plan_read{plan_of(9, owned(me, 9, {other}))});
    EXPECT_EQ(one.asked(), (story{"watch 2", "publish through 9"})) << "no longer hinted at";
    one.sees(former_read{other, {.released = through(9)}});
    EXPECT_EQ(one.asked(), (story{"start p@9", "forget 2"}));
}

TEST(handoff, an_owner_of_what_another_prepares_for_goes_on) {
    holder one = acting(5);
    one.sees(plan_read{plan_of(7, hinted(me, 5, other))});
    EXPECT_EQ(one.asked(), story{});
    EXPECT_EQ(one.state().held.at("p").at, hold::acting);
}

TEST(handoff, nothing_is_prepared_before_init_is_done_or_without_a_lease) {
    holder one;
    one.sees(plan_read{plan_of(7, hinted(other, 5, me))});
    EXPECT_EQ(one.asked(), story{});
    one.sees(rights_changed{true});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2"}));
}

TEST(handoff, a_hint_that_is_gone_before_it_was_prepared_is_not_told_as_ready) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(7, hinted(other, 5, me))});
    one.sees(plan_read{plan_of(8, owned(other, 5))}).sees(prepare_ended{"p"});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2"}));
    one.sees(plan_read{plan_of(9, hinted(other, 5, me))});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2"})) << "from the start";
}

TEST(handoff, what_is_hinted_at_again_while_it_is_prepared_is_not_begun_twice) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(7, hinted(other, 5, me))});
    one.sees(plan_read{plan_of(8, owned(other, 5))});
    one.sees(plan_read{plan_of(9, hinted(other, 5, me))});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2"}));
    one.sees(prepare_ended{"p"});
    EXPECT_EQ(one.asked(), (story{"publish through 9 ready p"}));
}

TEST(handoff, what_was_ready_for_a_hint_that_is_taken_back_is_not_ready_for_the_next) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(7, hinted(other, 5, me))});
    one.sees(prepare_ended{"p"}).sees(plan_read{plan_of(8, owned(other, 5))});
    EXPECT_EQ(one.asked(),
              (story{"prepare p of 2", "publish through 7 ready p", "publish through 8"}));
    one.sees(plan_read{plan_of(9, hinted(other, 5, me))});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2"}));
}

TEST(handoff, an_entry_that_comes_before_it_is_prepared_starts_all_the_same) {
    holder one;
    one.sees(rights_changed{true}).sees(plan_read{plan_of(7, hinted(other, 5, me))});
    one.sees(plan_read{plan_of(9, owned(me, 9))});
    EXPECT_EQ(one.asked(), (story{"prepare p of 2", "start p@9"}));
    one.sees(prepare_ended{"p"});
    EXPECT_EQ(one.asked(), story{});
}

}  // namespace
}  // namespace muster::cluster
