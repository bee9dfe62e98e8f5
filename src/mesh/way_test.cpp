// Ways to a peer, which are found once and used often.

#include "mesh/world_test.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster::mesh {
namespace {

/// A member that counts its frames of type 70.
settings counting(std::vector<std::uint64_t>& ids) {
    settings wanted;
    wanted.frames[70] = [&ids](const arrival& one) { ids.push_back(one.id); };
    return wanted;
}

TEST_F(mesh_in_a_world, a_way_carries_frames_and_requests_in_their_order) {
    std::vector<std::uint64_t> ids;
    node receiver{world_, "receiver", member_id{6, 6}, counting(ids)};
    const auto way = ann_.net().way_to(receiver.as_peer());
    ASSERT_NE(way, nullptr);
    for (std::uint64_t i = 0; i < 100; ++i) {
        // By the way, and by looking the peer up: it is the same connection.
        ASSERT_TRUE(i % 2 == 0 ? ann_.net().post(*way, 70, i, "x")
                               : ann_.net().post(receiver.as_peer(), 70, i, "x"));
        if (i % 10 == 0) {
            run(300us);
        }
    }
    std::string got;
    ann_.net().request(*way, "by a way", ann_.now() + 1s, [&](result<std::string> one) {
        got = one.value_or("failed");
    });
    run();
    ASSERT_EQ(ids.size(), 100U);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    EXPECT_EQ(got, "re: by a way");
    EXPECT_EQ(receiver.net().count().connections, 1U);
}

TEST_F(mesh_in_a_world, a_way_outlives_its_connection_and_ends_with_the_mesh) {
    std::vector<std::uint64_t> ids;
    node receiver{world_, "receiver", member_id{6, 6}, counting(ids)};
    const auto way = ann_.net().way_to(receiver.as_peer());
    ASSERT_TRUE(ann_.net().post(*way, 70, 1, "x"));
    run();
    world_.break_connections(ann_.on(), receiver.on());
    run();
    ASSERT_TRUE(ann_.net().post(*way, 70, 2, "x"));
    run();
    EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 2}));
    const auto too_long = ann_.net().post(*way, 70, 3, std::string((16U << 20U) + 1, 'x'));
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, errc::invalid_argument);

    ann_.net().stop();
    const auto after = ann_.net().post(*way, 70, 4, "x");
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error().code, errc::closed);
    errc code = errc::incompatible;
    ann_.net().request(*way, "x", ann_.now() + 1s, [&](const result<std::string>& one) {
        code = one ? errc::incompatible : one.error().code;
    });
    run();
    EXPECT_EQ(code, errc::closed);
    EXPECT_EQ(ann_.net().way_to(receiver.as_peer()), nullptr);
}

// Incarnations are never reused, so links to those that are over are forgotten; whoever still
// holds a way to one of them is helped on.
TEST_F(mesh_in_a_world, a_way_that_has_been_forgotten_is_found_again) {
    std::vector<std::uint64_t> ids;
    node receiver{world_, "receiver", member_id{6, 6}, counting(ids)};
    const auto way = ann_.net().way_to(receiver.as_peer());
    for (std::uint64_t i = 0; i < 1100; ++i) {
        static_cast<void>(ann_.net().way_to({member_id{100 + i, 1}, "10.8.8.8:1"}));
    }
    EXPECT_TRUE(way->is_over());
    ASSERT_NE(ann_.net().way_to(receiver.as_peer()), way) << "more than 1024 were kept";
    ASSERT_TRUE(ann_.net().post(*way, 70, 1, "x"));
    std::string got;
    ann_.net().request(*way, "again", ann_.now() + 1s, [&](result<std::string> one) {
        got = one.value_or("failed");
    });
    run();
    EXPECT_EQ(ids, std::vector<std::uint64_t>{1});
    EXPECT_EQ(got, "re: again");
}

TEST_F(mesh_in_a_world, what_a_handler_keeps_with_a_connection_goes_with_it) {
    std::vector<int> seen;
    settings wanted;
    const auto count = [&seen](std::shared_ptr<void>& memo) {
        if (!memo) {
            memo = std::make_shared<int>(0);
        }
        seen.push_back(++*std::static_pointer_cast<int>(memo));
    };
    wanted.frames[70] = [&](const arrival& one) { count(one.memo); };
    wanted.frames[71] = wanted.frames[70];
    node receiver{world_, "receiver", member_id{6, 6}, wanted};
    receiver.answer = [&](incoming one) {
        count(one.memo);
        one.answer.reply("");
    };
    ASSERT_TRUE(ann_.net().post(receiver.as_peer(), 70, 1, "x"));
    ASSERT_TRUE(ann_.net().post(receiver.as_peer(), 71, 1, "x"));
    static_cast<void>(ann_.ask(receiver.as_peer(), "x"));
    run();
    ASSERT_TRUE(bob_.net().post(receiver.as_peer(), 70, 1, "x"));
    run();
    world_.break_connections(ann_.on(), receiver.on());
    run();
    ASSERT_TRUE(ann_.net().post(receiver.as_peer(), 70, 1, "x"));
    run();
    EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 1, 1}));
}

// More than the network takes at once, again and again while the other side reads: what is written
// in the midst of sending, by a write of its own and after it, stays one stream.
TEST_F(mesh_in_a_world, a_flood_arrives_whole_and_in_order_however_it_is_written) {
    std::vector<std::uint64_t> ids;
    std::size_t bytes = 0;
    settings wanted;
    wanted.frames[70] = [&](const arrival& one) {
        ids.push_back(one.id);
        bytes += one.body.size();
    };
    node receiver{world_, "receiver", member_id{6, 6}, wanted};
    std::uint64_t next = 0;
    std::size_t sent = 0;
    for (const std::size_t of_each : {100U, 900U, 20U}) {
        for (int round = 0; round < 40; ++round) {
            for (int i = 0; i < 300; ++i) {
                const std::string body(of_each + next % 7, 'x');
                ASSERT_TRUE(ann_.net().post(receiver.as_peer(), 70, next++, body));
                sent += body.size();
            }
            if (round % 3 != 0) {
                run(round % 3 == 1 ? 50us : 400us);
            }
        }
    }
    run(5s);
    ASSERT_EQ(ids.size(), next);
    for (std::uint64_t i = 0; i < next; ++i) {
        ASSERT_EQ(ids[i], i);
    }
    EXPECT_EQ(bytes, sent);
}

// A member that stood still while its connection came about finds requests too late to be sent.
TEST_F(mesh_in_a_world, what_is_sent_when_a_late_request_ends_comes_behind_what_waited_with_it) {
    int late = 0;
    for (std::uint64_t i = 0; i < 150; ++i) {
        std::vector<std::uint64_t> ids;
        node receiver{world_, "to" + std::to_string(i), member_id{10 + i, 1}, counting(ids)};
        node sender{world_, "of" + std::to_string(i), member_id{10 + i, 2}};
        const peer to = receiver.as_peer();
        sender.net().request(to, "x", sender.now() + 20ms, [&](const result<std::string>& got) {
            late += got ? 0 : 1;
            EXPECT_TRUE(sender.net().post(to, 70, 2, "x"));
        });
        ASSERT_TRUE(sender.net().post(to, 70, 1, "x"));
        run(10us * i);
        sender.on().pause();
        run(100ms);
        sender.on().resume();
        run(500ms);
        EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 2})) << i;
        receiver.net().stop();
        sender.net().stop();
    }
    EXPECT_GT(late, 0);
}

}  // namespace
}  // namespace muster::mesh
