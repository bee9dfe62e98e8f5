// What is posted in a row with the same lead travels together.

#include "muster/message.hpp"

#include "mesh/stranger_test.hpp"
#include "mesh/world_test.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace muster::mesh {
namespace {

using texts = std::vector<std::string>;

class posts_in_a_row : public mesh_in_a_world {
protected:
    /// Hears frames of type 70, taken apart, and of type 71.
    settings listening() {
        settings wanted;
        wanted.frames[70] = [this](const arrival& one) {
            ++arrivals_;
            if (on_arrival_) {
                on_arrival_();
            }
            if (one.lead.empty()) {
                heard_.emplace_back(one.body);
                return;
            }
            for (std::string_view rest = one.body; !rest.empty();) {
                heard_.push_back(std::string{one.lead}.append(next_of(rest)));
            }
        };
        wanted.frames[71] = [this](const arrival& one) { heard_.emplace_back(one.body); };
        wanted.unconfirmed =
            [this](const peer&, std::uint8_t, const frame_note& note, std::uint32_t count) {
                lost_ += count;
                lost_note_.assign(note.data(), note.size());
            };
        return wanted;
    }
    /// Does so on the worker that has the connection, as a process there would: in the midst of a
    /// request of `from`.
    void on_connection(node& from, node& at, std::function<void()> what) {
        at.answer = [what = std::move(what)](incoming one) {
            what();
            one.answer.reply("");
        };
        static_cast<void>(from.ask(at.as_peer(), "go on"));
        run();
    }
    static std::uint64_t frames_to(node& of, const member_id& whom) {
        for (const peer_counters& one : of.net().peers()) {
            if (one.id == whom) {
                return one.frames_out;
            }
        }
        return 0;
    }

    texts heard_;
    std::function<void()> on_arrival_;
    std::size_t arrivals_ = 0;
    std::uint64_t lost_ = 0;
    std::string lost_note_;
    node cid_{world_, "cid", member_id{3, 3}, listening()};
    node dot_{world_, "dot", member_id{4, 4}, listening()};
};

TEST_F(posts_in_a_row, travel_together_and_arrive_in_order_among_all_others) {
    const auto way = cid_.net().way_to(dot_.as_peer());
    texts sent;
    on_connection(dot_, cid_, [&] {
        const auto post = [&](const std::string& lead, const std::string& body) {
            ASSERT_TRUE(cid_.net().post(*way, 70, lead, body));
            sent.push_back(lead + body);
        };
        for (int i = 0; i < 50; ++i) {
            post("to ann: ", std::to_string(i));
        }
        ASSERT_TRUE(cid_.net().post(*way, 71, 0, "between"));
        sent.emplace_back("between");
        for (int i = 0; i < 50; ++i) {
            post("to ann: ", std::to_string(i));
        }
        post("to bob: ", "x");
        post("to bob: ", "");
        post("to ann: ", std::string(100'000, 'x'));  // Too long for a run.
        post("to ann: ", "");
        ASSERT_TRUE(cid_.net().post(*way, 70, 0, "alone"));
        sent.emplace_back("alone");
    });
    EXPECT_EQ(heard_, sent);
    // What answers a request does not wait for more than some more of its kind.
    EXPECT_LE(arrivals_, 15U);
    EXPECT_GE(frames_to(cid_, member_id{4, 4}), 6U);
    EXPECT_LE(frames_to(cid_, member_id{4, 4}), 20U);
    EXPECT_EQ(lost_, 0U);
}

TEST_F(posts_in_a_row, begin_anew_before_they_are_too_long_to_wait_for) {
    const auto way = cid_.net().way_to(dot_.as_peer());
    on_connection(dot_, cid_, [&] {
        for (int i = 0; i < 100; ++i) {
            ASSERT_TRUE(cid_.net().post(*way, 70, "lead", std::string(1000, 'x')));
        }
    });
    EXPECT_EQ(heard_.size(), 100U);
    EXPECT_GE(arrivals_, 100'000U / longest_run);
    EXPECT_LE(arrivals_, 20U);
}

TEST_F(posts_in_a_row, that_are_not_confirmed_are_lost_one_by_one) {
    const auto way = cid_.net().way_to(dot_.as_peer());
    on_connection(dot_, cid_, [&] {
        world_.set_delay(cid_.on(), dot_.on(), 5s, 5s);
        for (int i = 0; i < 7; ++i) {
            ASSERT_TRUE(cid_.net().post(*way, 70, "a lead of over thirty-two letters: ", "x"));
        }
    });
    world_.break_connections(cid_.on(), dot_.on());
    run();
    EXPECT_EQ(lost_, 7U);
    EXPECT_EQ(lost_note_, std::string{"a lead of over thirty-two letters: "}.substr(0, 32));
    EXPECT_TRUE(heard_.empty());
    EXPECT_EQ(cid_.net().peers().front().unconfirmed, 7U);
}

// faults.md row 109: one that does not know runs is sent none.
TEST_F(posts_in_a_row, row_109_go_one_by_one_to_whoever_knows_no_runs) {
    for (const bool knows : {false, true}) {
        stranger old{world_, world_.add_host(knows ? "new" : "old"), cid_};
        hello mine;
        mine.cluster = "shop";
        mine.self = member_id{9, knows ? 2U : 1U};
        mine.dial = 1;
        mine.features = knows ? feature_runs : 0;
        std::string bytes{preamble};
        append_frame(bytes, frame_type::hello, 0, encode(mine));
        old.say(bytes);
        const auto way = cid_.net().way_to({mine.self, ""});
        cid_.answer = [&](incoming one) {
            for (int i = 0; i < 3; ++i) {
                ASSERT_TRUE(cid_.net().post(*way, 70, "lead", "body"));
            }
            one.answer.reply("");
        };
        old.say(request_frame(1, "x"));
        std::size_t frames = 0;
        std::string_view rest = std::string_view{old.heard}.substr(preamble.size());
        frame one;
        for (parse_outcome got = parse_frame(rest, 4096, one); got.what == parsed::whole;
             got = parse_frame(rest, 4096, one)) {
            if (one.type == static_cast<frame_type>(70)) {
                ++frames;
                EXPECT_EQ(one.flags, knows ? flag_run : 0);
                EXPECT_EQ(one.body == "leadbody", !knows);
            }
            rest.remove_prefix(got.size);
        }
        EXPECT_EQ(frames, knows ? 1U : 3U);
    }
}

TEST_F(posts_in_a_row, row_99_that_have_not_left_cannot_be_confirmed) {
    stranger other{world_, world_.add_host("other"), cid_};
    hello mine;
    mine.cluster = "shop";
    mine.self = member_id{9, 9};
    mine.dial = 1;
    mine.features = feature_runs;
    std::string bytes{preamble};
    append_frame(bytes, frame_type::hello, 0, encode(mine));
    other.say(bytes);
    const auto way = cid_.net().way_to({mine.self, ""});
    on_arrival_ = [&] { ASSERT_TRUE(cid_.net().post(*way, 70, "lead", "body")); };
    bytes.clear();
    append_frame(bytes, static_cast<frame_type>(70), 0, "one");
    append_frame(bytes, frame_type::confirm, 1, {});  // Of what is still to be sent.
    append_frame(bytes, static_cast<frame_type>(70), 0, "two");
    other.say(bytes);
    EXPECT_TRUE(other.hung_up);
    EXPECT_EQ(heard_, texts{"one"});
    EXPECT_EQ(lost_, 1U);
}

TEST_F(posts_in_a_row, row_99_that_are_none_end_the_connection) {
    const auto run_of = [](std::string body, std::uint64_t count) {
        std::string bytes;
        append_frame(bytes, static_cast<frame_type>(70), count, body, {}, flag_run);
        return bytes;
    };
    const std::string lead{"\x01\x00L", 3};
    const std::string item{"\x02\x00\x00\x00hi", 6};
    int dials = 0;
    const auto is_hung_up_on = [&](const std::string& bytes) {
        stranger one{world_, world_.add_host("from " + std::to_string(++dials)), cid_};
        hello mine;
        mine.cluster = "shop";
        mine.self = member_id{9, 9};
        mine.dial = static_cast<std::uint64_t>(dials);
        mine.seen = mine.dial - 1;
        std::string opening{preamble};
        append_frame(opening, frame_type::hello, 0, encode(mine));
        one.say(opening);
        EXPECT_FALSE(one.hung_up);
        one.say(bytes);
        return one.hung_up;
    };
    EXPECT_FALSE(is_hung_up_on(run_of(lead + item + item, 2)));
    EXPECT_EQ(heard_, (texts{"Lhi", "Lhi"}));
    heard_.clear();
    for (const std::string& bytes :
         {run_of("", 0),
          run_of(lead, 0),
          run_of(lead, 1),
          run_of(std::string{"\x00\x00", 2} + item, 1),
          run_of(std::string{"\xff\xffL", 3}, 1),
          run_of(lead + item, 2),
          run_of(lead + item + item, 1),
          run_of(lead + item + "\x01", 2),
          run_of(lead + item.substr(0, 5), 1),
          run_of(lead + std::string{"\x00\x20\x00\x00", 4} + std::string(longest_run, 'x'), 1)}) {
        EXPECT_TRUE(is_hung_up_on(bytes));
    }
    EXPECT_TRUE(heard_.empty());
}

}  // namespace
}  // namespace muster::mesh
