// Frames of one's own between two lives of programs, whose connections come and go.

#include "mesh/mesh.hpp"
#include "mesh/world_test.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace muster::mesh {
namespace {

constexpr std::uint8_t numbered = 70;

/// Hears the numbers of its frames, and which of those it sent were not confirmed.
struct listener {
    settings of(member_id life) {
        settings how;
        how.life = life;
        how.max_queue = 100'000;
        how.frames[numbered] = [this](const arrival& one) { heard.push_back(one.id); };
        how.unconfirmed = [this](
                              const peer&, std::uint8_t, const frame_note&, std::uint32_t count) {
            lost += count;
        };
        return how;
    }

    std::vector<std::uint64_t> heard;
    std::size_t lost = 0;
};

using numbers = std::vector<std::uint64_t>;

class two_lives : public testing::Test {
protected:
    two_lives() { connect(); }
    void run(duration how_long = 1s) { world_.run_for(how_long); }
    void connect() {
        send(1);
        run();
        EXPECT_EQ(at_bob_.heard, numbers{1});
    }
    void send(std::uint64_t number) {
        EXPECT_TRUE(ann_.net().post(bob_.as_peer(), numbered, number, "x").has_value());
    }
    /// 2 is under way while its sender has let go of the connection, and 3 follows on the next.
    void send_on_two_connections(member_id next_id) {
        world_.set_delay(ann_.on(), bob_.on(), 2s, 2s);
        send(2);
        run(5ms);
        ann_.net().become(member_id{7, 7});
        run(1ms);
        ann_.net().become(next_id);
        run(5ms);
        world_.set_delay(ann_.on(), bob_.on(), 100us, 200us);
        send(3);
        run(500ms);
        EXPECT_EQ(at_bob_.heard, (numbers{1, 3}));
        run(4s);
    }

    world world_{3};
    listener at_ann_, at_bob_;
    node ann_{world_, "ann", member_id{1, 1}, at_ann_.of(member_id{1, 9})};
    node bob_{world_, "bob", member_id{2, 2}, at_bob_.of(member_id{2, 9})};
};

TEST_F(two_lives, row_106_hear_nothing_of_a_former_connection_after_what_is_newer) {
    send_on_two_connections(member_id{1, 1});
    EXPECT_EQ(at_bob_.heard, (numbers{1, 3}));
    EXPECT_EQ(at_ann_.lost, 1U);
    EXPECT_EQ(bob_.net().count().connections, 1U);
}

TEST_F(two_lives, row_106_hear_nothing_of_a_former_id_of_the_same_life_after_what_is_newer) {
    send_on_two_connections(member_id{1, 2});
    EXPECT_EQ(at_bob_.heard, (numbers{1, 3}));
    EXPECT_EQ(at_ann_.lost, 1U);
    EXPECT_EQ(bob_.net().count().connections, 1U);
}

TEST_F(two_lives, count_what_there_was_with_each_peer) {
    send(2);
    run();
    EXPECT_TRUE(bob_.net().post(ann_.as_peer(), numbered, 1, "xyz").has_value());
    run(10ms);
    world_.break_connections(ann_.on(), bob_.on());
    run();
    node cid{world_, "cid", member_id{3, 3}};
    static_cast<void>(ann_.ask(cid.as_peer(), "x"));
    run();
    const auto peers = ann_.net().peers();
    ASSERT_EQ(peers.size(), 2U);
    EXPECT_EQ(peers[0].id, bob_.as_peer().id);
    EXPECT_EQ(peers[0].address, bob_.as_peer().address);
    EXPECT_FALSE(peers[0].is_connected);
    EXPECT_EQ(peers[0].connections, 1U);
    EXPECT_EQ(peers[1].id, cid.as_peer().id);
    EXPECT_TRUE(peers[1].is_connected);
    EXPECT_EQ(peers[1].waiting, 0U);
    // Two numbered ones and a confirmation; heartbeats besides.
    EXPECT_GE(peers[0].frames_out, 3U);
    EXPECT_GE(peers[0].frames_in, 3U);
    EXPECT_GT(peers[0].bytes_in, 3 * header_size + 3);
    const auto all = ann_.net().count();
    EXPECT_EQ(peers[0].frames_out + peers[1].frames_out, all.frames_out);
    EXPECT_EQ(peers[0].bytes_out + peers[1].bytes_out, all.bytes_out);
}

TEST_F(two_lives, row_104_hear_of_a_cut_in_one_direction_what_it_may_have_lost) {
    world_.cut(bob_.on(), ann_.on());  // Nothing is confirmed, nor answered.
    send(2);
    run(10s);
    EXPECT_EQ(at_bob_.heard, (numbers{1, 2}));
    EXPECT_EQ(at_ann_.lost, 1U);  // It has arrived, which its sender cannot know.
    EXPECT_EQ(ann_.net().count().connections, 0U);
    world_.heal();
    run(10s);
    send(3);
    run();
    EXPECT_EQ(at_bob_.heard, (numbers{1, 2, 3}));
    EXPECT_EQ(at_ann_.lost, 1U);
}

TEST_F(two_lives, row_104_go_on_after_a_stop_that_was_too_short_to_be_noticed) {
    bob_.on().pause();
    for (std::uint64_t i = 2; i <= 100; ++i) {
        send(i);
    }
    run(3s);
    bob_.on().resume();
    run();
    ASSERT_EQ(at_bob_.heard.size(), 100U);
    EXPECT_TRUE(std::is_sorted(at_bob_.heard.begin(), at_bob_.heard.end()));
    EXPECT_EQ(at_ann_.lost, 0U);
}

TEST_F(two_lives, refuse_more_for_one_that_does_not_read_and_serve_the_others) {
    listener at_cid;
    node cid{world_, "cid", member_id{3, 3}, at_cid.of(member_id{3, 9})};
    bob_.on().pause();
    std::uint64_t taken = 0;
    const std::string body(1000, 'x');
    errc refused{};
    for (int i = 0; i < 2000 && refused == errc{}; ++i) {
        const auto done = ann_.net().post(bob_.as_peer(), numbered, 2, body);
        taken += done ? 1 : 0;
        refused = done ? errc{} : done.error().code;
        run(10us);
    }
    EXPECT_EQ(refused, errc::overloaded);
    EXPECT_LE(ann_.net().waiting_for(bob_.as_peer()), 100'000U);
    for (std::uint64_t i = 0; i < 50; ++i) {
        EXPECT_TRUE(ann_.net().post(cid.as_peer(), numbered, i, body).has_value());
        run(10ms);
    }
    EXPECT_EQ(at_cid.heard.size(), 50U);
    run(10s);  // Long enough to be given up.
    EXPECT_EQ(at_ann_.lost, taken);
    EXPECT_EQ(ann_.net().waiting_for(bob_.as_peer()), 0U);
    EXPECT_EQ(ann_.net().count().connections, 1U);
}

TEST_F(two_lives, row_105_send_nothing_of_a_former_program_to_its_successor_at_the_same_address) {
    bob_.on().pause();  // What arrives meanwhile, nobody reads.
    send(2);
    run(10ms);
    const peer before = bob_.as_peer();
    bob_.on().kill();
    bob_.on().restart();
    listener again;
    node successor{bob_.on(), member_id{2, 3}, again.of(member_id{2, 10})};
    run();
    EXPECT_TRUE(ann_.net().post(before, numbered, 3, "x").has_value());
    EXPECT_TRUE(ann_.net().post(successor.as_peer(), numbered, 4, "x").has_value());
    run(3s);
    EXPECT_EQ(again.heard, numbers{4});
    EXPECT_EQ(at_ann_.lost, 2U);
}

// By seed: two programs that dial at any moment, whose connections break at any moment.
TEST(two_lives_at_random, rows_106_and_113_lose_no_frame_unsaid_and_reorder_and_double_none) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        world one{seed};
        listener at_ann, at_bob;
        node ann{one, "ann", member_id{1, 1}, at_ann.of(member_id{1, 9})};
        node bob{one, "bob", member_id{2, 2}, at_bob.of(member_id{2, 9})};
        std::uint64_t sent = 0;
        for (int i = 0; i < 200; ++i) {
            ++sent;
            ASSERT_TRUE(ann.net().post(bob.as_peer(), numbered, sent, "x").has_value());
            ASSERT_TRUE(bob.net().post(ann.as_peer(), numbered, sent, "x").has_value());
            one.run_for(std::chrono::microseconds{one.random_below(2000)});
            switch (one.random_below(20)) {
                case 0:
                    one.break_connections(ann.on(), bob.on());
                    break;
                case 1:
                    one.cut(ann.on(), bob.on());
                    break;
                case 2:
                    one.set_delay(bob.on(), ann.on(), 100us, 20ms);
                    break;
                case 3: {
                    auto& who = one.random_below(2) == 0 ? ann : bob;
                    const member_id own = who.as_peer().id;
                    who.net().become(member_id{7, 7});
                    one.run_for(100us);
                    who.net().become(own);
                    break;
                }
                default:
                    one.heal();
                    break;
            }
        }
        one.heal();
        one.run_for(30s);
        for (const auto& [hears, sends] : {std::pair{&at_bob, &at_ann}, {&at_ann, &at_bob}}) {
            ASSERT_TRUE(std::is_sorted(hears->heard.begin(), hears->heard.end())) << seed;
            ASSERT_TRUE(std::adjacent_find(hears->heard.begin(), hears->heard.end()) ==
                        hears->heard.end())
                << seed;
            ASSERT_GE(hears->heard.size() + sends->lost, sent) << seed;
        }
        const std::uint64_t last = sent + 1;
        ASSERT_TRUE(ann.net().post(bob.as_peer(), numbered, last, "x").has_value()) << seed;
        ASSERT_TRUE(bob.net().post(ann.as_peer(), numbered, last, "x").has_value()) << seed;
        one.run_for(3s);
        ASSERT_EQ(at_bob.heard.back(), last) << seed;
        ASSERT_EQ(at_ann.heard.back(), last) << seed;
        ASSERT_EQ(ann.net().count().connections, 1U) << seed;
    }
}

}  // namespace
}  // namespace muster::mesh
