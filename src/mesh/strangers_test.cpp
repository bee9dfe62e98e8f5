#include "muster/message.hpp"

#include "mesh/stranger_test.hpp"
#include "mesh/world_test.hpp"

namespace muster::mesh {
namespace {

std::string greeting(std::string cluster = "shop", member_id self = {}) {
    hello mine;
    mine.cluster = std::move(cluster);
    mine.self = self;
    std::string bytes{preamble};
    append_frame(bytes, frame_type::hello, 0, encode(mine));
    return bytes;
}

class strangers : public mesh_in_a_world {
protected:
    host& outside_ = world_.add_host("outside");
};

TEST_F(strangers, row_107_port_scanners_and_other_protocols_are_hung_up_on) {
    for (const std::string& bytes : {std::string{"GET / HTTP/1.1\r\n\r\n"},
                                     std::string{"\x16\x03\x01\x02\x00\x01", 6},
                                     std::string{"\x00", 1},
                                     std::string(5000, '\xff')}) {
        stranger one{world_, outside_, bob_};
        one.say(bytes);
        EXPECT_TRUE(one.hung_up);
        EXPECT_EQ(one.heard, "");
    }
    EXPECT_EQ(bob_.net().count().refused_handshakes, 4U);
}

TEST_F(strangers, row_99_other_versions_are_told_ours) {
    for (const char version : {'\x00', '\xff'}) {
        std::string bytes{preamble};
        bytes.back() = version;
        stranger one{world_, outside_, bob_};
        one.say(bytes);
        EXPECT_EQ(one.heard, preamble);
        EXPECT_TRUE(one.hung_up);
    }
}

// faults.md row 109: a member of one version among those of the next.
TEST_F(strangers, row_109_members_of_two_versions_agree_on_the_older_or_say_who_must_be_upgraded) {
    const auto greets = [](std::uint32_t least, std::uint32_t version) {
        hello mine;
        mine.least_version = least;
        mine.version = version;
        mine.features = 0b111000;  // Of which this version has none.
        mine.cluster = "shop";
        mine.self = member_id{9, version};
        mine.dial = 1;
        std::string bytes{preamble};
        append_frame(bytes, frame_type::hello, 0, encode(mine));
        return bytes;
    };
    stranger newer{world_, outside_, bob_};
    newer.say(greets(1, 7));
    EXPECT_FALSE(newer.hung_up);
    const auto peers = bob_.net().peers();
    ASSERT_EQ(peers.size(), 1U);
    EXPECT_EQ(peers.front().version, 1U);
    EXPECT_EQ(peers.front().features, 0U);
    for (const auto& [least, version] : {std::pair{7U, 7U}, std::pair{0U, 0U}}) {
        stranger other{world_, outside_, bob_};
        other.say(greets(least, version));
        EXPECT_TRUE(other.hung_up);
        EXPECT_NE(other.heard.find("upgrade the older one"), std::string::npos) << other.heard;
    }
    EXPECT_EQ(bob_.net().peers().size(), 1U);
}

TEST_F(strangers, row_99_malformed_frames_end_the_connection) {
    std::string checksum = request_frame(1, "x");
    checksum.back() = 'y';
    std::string unknown;
    append_frame(unknown, static_cast<frame_type>(63), 0, "x");
    std::string short_request;
    append_frame(short_request, frame_type::request, 0, "x");
    std::string length = request_frame(1, "x");
    length[3] = '\x7f';
    for (const std::string& bytes : {checksum, unknown, short_request, length}) {
        stranger one{world_, outside_, bob_};
        one.say(greeting());
        EXPECT_FALSE(one.hung_up);
        one.say(bytes);
        EXPECT_TRUE(one.hung_up);
    }
    EXPECT_TRUE(bob_.heard.empty());
    EXPECT_EQ(bob_.net().count().broken, 4U);
    EXPECT_EQ(bob_.net().count().connections, 0U);
}

// faults.md row 112: a bit that flips on the way.
TEST_F(strangers, row_112_a_flipped_bit_ends_the_connection_and_reaches_no_handler) {
    const std::string whole = request_frame(1, "transfer 100");
    for (std::size_t at = header_size; at < whole.size(); ++at) {
        std::string bytes = whole;
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << (at % 8)));
        stranger one{world_, outside_, bob_};
        one.say(greeting());
        one.say(bytes);
        EXPECT_TRUE(one.hung_up) << at;
    }
    EXPECT_EQ(bob_.heard, std::vector<std::string>{});
    EXPECT_EQ(bob_.net().count().broken, whole.size() - header_size);
}

TEST_F(strangers, row_109_optional_frames_of_unknown_type_are_passed_over) {
    stranger one{world_, outside_, bob_};
    one.say(greeting());
    std::string optional;
    append_frame(optional, static_cast<frame_type>(63), 0, "x", {}, flag_optional);
    one.say(optional + request_frame(1, "after it"));
    EXPECT_FALSE(one.hung_up);
    EXPECT_EQ(bob_.heard, (std::vector<std::string>{"after it"}));
}

TEST_F(strangers, row_100_frames_may_be_split_at_every_byte) {
    const std::string first = greeting();
    const std::string both = request_frame(1, "one") + request_frame(2, "two");
    for (std::size_t cut = 1; cut < both.size(); ++cut) {
        bob_.heard.clear();
        stranger one{world_, outside_, bob_};
        one.say(first.substr(0, cut));
        one.say(first.substr(std::min(cut, first.size())));
        one.say(both.substr(0, cut));
        one.say(both.substr(cut));
        ASSERT_EQ(bob_.heard, (std::vector<std::string>{"one", "two"})) << cut;
    }
    bob_.heard.clear();
    stranger byte_by_byte{world_, outside_, bob_};
    for (const char c : first + both) {
        byte_by_byte.say(std::string(1, c));
    }
    EXPECT_EQ(bob_.heard, (std::vector<std::string>{"one", "two"}));
}

TEST_F(strangers, row_101_a_frame_cut_short_is_not_delivered) {
    const std::string whole = request_frame(1, "never whole");
    stranger one{world_, outside_, bob_};
    one.say(greeting() + whole.substr(0, whole.size() - 1));
    EXPECT_EQ(bob_.net().count().connections, 1U);
    one.hang_up();
    EXPECT_TRUE(bob_.heard.empty());
    EXPECT_EQ(bob_.net().count().connections, 0U);
}

TEST_F(strangers, row_102_handshakes_have_a_deadline_and_a_bound_for_each_address) {
    settings few;
    few.max_handshakes_per_address = 3;
    node careful{world_, "careful", member_id{6, 6}, few};
    std::vector<std::unique_ptr<stranger>> slow;
    for (int i = 0; i < 5; ++i) {
        slow.push_back(std::make_unique<stranger>(world_, outside_, careful));
        slow.back()->say("\x8d");
    }
    const auto refused = [&] {
        return std::count_if(
            slow.begin(), slow.end(), [](const auto& one) { return one->hung_up; });
    };
    EXPECT_EQ(refused(), 2);
    const auto other = ann_.ask(careful.as_peer(), "from elsewhere");
    run();
    EXPECT_EQ(**other->value, "re: from elsewhere");
    run(5s);
    EXPECT_EQ(refused(), 5);
    stranger later{world_, outside_, careful};
    later.say(greeting());
    EXPECT_FALSE(later.hung_up);
}

TEST_F(strangers, row_113_of_many_connections_of_one_member_the_newest_stays) {
    std::vector<std::unique_ptr<stranger>> all;
    for (std::uint64_t i = 1; i <= 20; ++i) {
        hello mine;
        mine.cluster = "shop";
        mine.self = member_id{9, 9};
        mine.dial = i;
        std::string bytes{preamble};
        append_frame(bytes, frame_type::hello, 0, encode(mine));
        all.push_back(std::make_unique<stranger>(world_, outside_, bob_));
        all.back()->say(bytes);
    }
    EXPECT_EQ(bob_.net().count().connections, 1U);
    EXPECT_FALSE(all.back()->hung_up);
}

}  // namespace
}  // namespace muster::mesh
