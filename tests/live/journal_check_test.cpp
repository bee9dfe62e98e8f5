#include "live/journal_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace muster::live {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Writes journals as an agent does.
class scribe {
public:
    explicit scribe(std::string name) : made_{name, {}, std::nullopt}, name_{std::move(name)} {
        say(1, "start", R"(,"pid":7,"boot_id":"b","version":"1","session_timeout_ms":7000)");
    }
    scribe& acquire(int t, int fence, const std::string& partition = "3") {
        return right(t, "acquire", fence, partition);
    }
    scribe& release(int t, int fence, const std::string& partition = "3") {
        return right(t, "release", fence, partition);
    }
    scribe& revoke(int t, int fence, const std::string& partition = "3") {
        return right(t, "revoke", fence, partition);
    }
    scribe& leader(int t, bool gained, int epoch) {
        return say(t,
                   "leader",
                   std::string{R"(,"gained":)"} + (gained ? "true" : "false") + R"(,"epoch":")" +
                       std::to_string(epoch) + '"');
    }
    scribe& view(int t, int number) {
        return say(t, "view", R"(,"number":")" + std::to_string(number) + R"(","members":[])");
    }
    scribe& state(int t, const std::string& to) {
        return say(t, "state", R"(,"from":"x","to":")" + to + '"');
    }
    scribe& died(int t) {
        made_.died = t;
        return *this;
    }
    scribe& raw(const std::string& text) {
        made_.text += text;
        return *this;
    }
    scribe& say(int t, const std::string& event, const std::string& more = {}) {
        return raw(R"({"t":)" + std::to_string(t) + R"(,"event":")" + event + R"(","member":")" +
                   name_ + R"(","id":"00ff")" + more + "}\n");
    }
    operator journal_text() const { return made_; }  // NOLINT: a scribe is its text

private:
    scribe& right(int t, const std::string& event, int fence, const std::string& partition) {
        return say(t,
                   event,
                   R"(,"resource":"r","partition":)" + partition + R"(,"fence":")" +
                       std::to_string(fence) + '"');
    }
    journal_text made_;
    std::string name_;
};

auto broken_by(const std::vector<journal_text>& texts, const journal_rules& rules = {}) {
    return check_journals(texts, rules).broken;
}

TEST(journal_check, finds_nothing_wrong_with_a_clean_hand_over) {
    const journal_verdict got =
        check_journals({scribe{"a"}.acquire(10, 5).release(20, 5).state(21, "Draining"),
                        scribe{"b"}.acquire(20, 6).acquire(11, 4, "9").leader(3, true, 2)});

    EXPECT_THAT(got.broken, IsEmpty());
    EXPECT_EQ(got.owned().count("r/3"), 1U);
    EXPECT_EQ(got.owned().find("r/3")->second.process, "b");
    EXPECT_EQ(got.owned().find("r/9")->second.fence, 4);
    EXPECT_EQ(got.leader(), "b");
    EXPECT_EQ(got.state("a"), "Draining");
    EXPECT_EQ(got.state("b"), "");
}

TEST(journal_check, catches_two_owners_at_once) {
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).release(20, 5), scribe{"b"}.acquire(19, 6)}),
                ElementsAre(HasSubstr("two owners at once")));
}

TEST(journal_check, catches_an_owner_that_never_ended) {
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5), scribe{"b"}.acquire(90, 6)}),
                ElementsAre(HasSubstr("two owners at once")));
}

TEST(journal_check, catches_an_overlap_hidden_behind_a_shorter_tenure) {
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).release(50, 5),
                           scribe{"b"}.acquire(60, 7),
                           scribe{"c"}.acquire(55, 6).release(70, 6)}),
                ElementsAre(HasSubstr("b under 7")));
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).release(80, 5).acquire(20, 6).release(30, 6),
                           scribe{"b"}.acquire(40, 7)}),
                ElementsAre(HasSubstr("under 6"), HasSubstr("b under 7")));
}

TEST(journal_check, catches_a_fence_used_again) {
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).release(20, 5), scribe{"b"}.acquire(30, 5)}),
                ElementsAre(HasSubstr("comes again")));
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).release(20, 5).acquire(30, 5)}),
                ElementsAre(HasSubstr("a second time under 5")));
}

TEST(journal_check, catches_a_fence_that_goes_back) {
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).release(20, 5), scribe{"b"}.acquire(30, 4)}),
                ElementsAre(HasSubstr("goes back")));
    // As decimal numbers, not as texts.
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 9).release(20, 9), scribe{"b"}.acquire(30, 10)}),
                IsEmpty());
}

TEST(journal_check, takes_the_earlier_of_a_revoke_and_a_release) {
    const scribe stopped = scribe{"a"}.acquire(10, 5).release(99, 5).revoke(20, 5);
    EXPECT_THAT(broken_by({stopped, scribe{"b"}.acquire(21, 6)}), IsEmpty());
    EXPECT_THAT(broken_by({stopped, scribe{"b"}.acquire(19, 6)}),
                ElementsAre(HasSubstr("two owners at once")));
}

TEST(journal_check, ends_what_a_dead_process_held_with_its_death) {
    const scribe killed = scribe{"a"}.acquire(10, 5).leader(10, true, 1).died(40);
    EXPECT_THAT(broken_by({killed, scribe{"b"}.acquire(41, 6).leader(41, true, 2)}), IsEmpty());
    EXPECT_THAT(broken_by({killed, scribe{"b"}.acquire(39, 6).leader(39, true, 2)}),
                ElementsAre(HasSubstr("r/3: two"), HasSubstr("leadership: two")));
}

TEST(journal_check, catches_two_leaders_unless_somebody_deleted_the_first_ones_place) {
    const std::vector<journal_text> two{scribe{"a"}.leader(10, true, 4).leader(30, false, 4),
                                        scribe{"b"}.leader(20, true, 5)};
    EXPECT_THAT(broken_by(two), ElementsAre(HasSubstr("leadership: two owners at once")));
    EXPECT_THAT(broken_by(two, {.leaders_may_overlap = true}), IsEmpty());
    EXPECT_THAT(broken_by({scribe{"a"}.leader(10, true, 4).leader(30, false, 4),
                           scribe{"b"}.leader(40, true, 4)},
                          {.leaders_may_overlap = true}),
                ElementsAre(HasSubstr("comes again")));
}

TEST(journal_check, lets_a_robbed_process_overlap_what_comes_after_it_but_nothing_else) {
    const std::vector<journal_text> robbery{scribe{"a"}.acquire(10, 5).revoke(25, 5),
                                            scribe{"b"}.acquire(20, 6).release(40, 6),
                                            scribe{"c"}.acquire(30, 7)};
    EXPECT_THAT(broken_by(robbery, {.robbed = {"a"}}), ElementsAre(HasSubstr("c under 7")));
    EXPECT_THAT(
        broken_by({scribe{"a"}.acquire(10, 5), scribe{"b"}.acquire(20, 4)}, {.robbed = {"a"}}),
        ElementsAre(HasSubstr("goes back")));
}

TEST(journal_check, tells_partitions_and_copies_apart) {
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5, "1"),
                           scribe{"b"}.acquire(10, 5, "2"),
                           scribe{"c"}.acquire(10, 5, R"(1,"replica":1)"),
                           scribe{"d"}.acquire(10, 5, R"("2026-11-22")")}),
                IsEmpty());
}

TEST(journal_check, catches_ends_of_what_never_began_or_before_it_began) {
    EXPECT_THAT(broken_by({scribe{"a"}.release(10, 5)}),
                ElementsAre(HasSubstr("which it did not acquire")));
    EXPECT_THAT(broken_by({scribe{"a"}.acquire(10, 5).revoke(9, 5)}),
                ElementsAre(HasSubstr("lies before its acquire")));
    EXPECT_THAT(broken_by({scribe{"a"}.leader(10, false, 5)}),
                ElementsAre(HasSubstr("did not gain")));
}

TEST(journal_check, catches_views_that_go_back) {
    EXPECT_THAT(broken_by({scribe{"a"}.view(10, 5).view(11, 5).view(12, 4)}),
                ElementsAre(HasSubstr("go back from 5 to 4")));
}

TEST(journal_check, reads_strictly_but_not_a_line_that_is_being_written) {
    EXPECT_THAT(broken_by({scribe{"a"}.raw("{\"t\":1,\"ev")}), IsEmpty());
    EXPECT_THAT(broken_by({scribe{"a"}.raw("{\"t\":1,\"ev\n")}),
                ElementsAre(HasSubstr("no JSON object")));
    EXPECT_THAT(broken_by({scribe{"a"}.raw("{\"t\":\"1\",\"event\":\"acquire\"}\n")}),
                ElementsAre(HasSubstr("lacks t, event")));
    EXPECT_THAT(
        broken_by({scribe{"a"}.say(4, "acquire", R"(,"resource":"r","partition":1,"fence":7)")}),
        ElementsAre(HasSubstr("lacks resource, partition or fence")));
    EXPECT_THAT(broken_by({scribe{"a"}.say(4, "start")}), ElementsAre(HasSubstr("start once")));
    EXPECT_THAT(broken_by({scribe{"a"}.say(4, "hiccup", R"(,"of":"a future version")")}),
                IsEmpty());
}

}  // namespace
}  // namespace muster::live
