// The pure pieces of the client: order of hosts, frames, watches, handshake, connect string.
#include "zookeeper/client.hpp"
#include "zookeeper/client_watches.hpp"
#include "zookeeper/four_letter_client.hpp"
#include "zookeeper/frame_reader.hpp"
#include "zookeeper/handshake.hpp"
#include "zookeeper/host_list.hpp"
#include "zookeeper/protocol.hpp"
#include "zookeeper/request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

namespace muster::zookeeper {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// --- Connect string ------------------------------------------------------------------------------

TEST(connect_strings, hosts_ports_and_chroot_are_told_apart) {
    const auto parsed = connect_string::parse(" zk1:2182, zk2 ,[::1]:2183/app/one");
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_THAT(parsed->servers,
                ElementsAre(runtime::host_port{"zk1", 2182},
                            runtime::host_port{"zk2", 2181},
                            runtime::host_port{"::1", 2183}));
    EXPECT_EQ(parsed->chroot, "/app/one");
    EXPECT_EQ(connect_string::parse("zk/")->chroot, "");
}

TEST(connect_strings, what_is_wrong_is_named) {
    for (const auto* text :
         {"", "/a", "zk:99999", "zk:x", "zk/a//b", "zk/a/", "zk/a/../b", ",zk", "zk,,zk"}) {
        EXPECT_FALSE(connect_string::parse(text)) << text;
    }
    EXPECT_THAT(connect_string::parse("zk/a//b").error().text, HasSubstr("/a//b"));
}

// --- Hosts ---------------------------------------------------------------------------------------

RC_GTEST_PROP(hosts, every_round_takes_every_name_and_every_address_once, ()) {
    const auto count = *rc::gen::inRange<std::size_t>(1, 40);
    std::vector<runtime::host_port> names;
    for (std::size_t i = 0; i < count; ++i) {
        names.push_back({"h" + std::to_string(i), 2181});
    }
    auto seed = *rc::gen::arbitrary<std::uint64_t>();
    host_list hosts{names, [&seed](std::uint64_t bound) {
                        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                        return (seed >> 33U) % bound;
                    }};
    for (int round = 0; round < 3; ++round) {
        std::set<std::string> seen;
        std::set<runtime::endpoint> addresses;
        while (const auto name = hosts.take_name()) {
            seen.insert(name->host);
            hosts.resolved({{name->host + "-a", 1}, {name->host + "-b", 1}});
            while (const auto address = hosts.take_address()) {
                addresses.insert(*address);
            }
        }
        RC_ASSERT(seen.size() == count);
        RC_ASSERT(addresses.size() == 2 * count);
        RC_ASSERT(hosts.size() == 2 * count);
        hosts.begin_round();
    }
}

TEST(hosts, a_name_that_cannot_be_looked_up_keeps_its_last_addresses) {
    host_list hosts{{{"zk", 1}}, [](std::uint64_t) { return std::uint64_t{0}; }};
    ASSERT_TRUE(hosts.take_name());
    EXPECT_FALSE(hosts.unresolved());
    hosts.resolved({{"10.0.0.1", 1}});
    ASSERT_TRUE(hosts.take_address());
    hosts.begin_round();
    ASSERT_TRUE(hosts.take_name());
    EXPECT_TRUE(hosts.unresolved());
    EXPECT_EQ(hosts.take_address()->address, "10.0.0.1");
}

TEST(hosts, an_attempt_gets_its_share_of_the_timeout_and_more_after_each_failed_round) {
    EXPECT_EQ(attempt_limit(4000ms, 2, 0), 2000ms);
    EXPECT_EQ(attempt_limit(4000ms, 1, 0), 2666ms);
    EXPECT_EQ(attempt_limit(4000ms, 1000, 0), 50ms);
    EXPECT_EQ(attempt_limit(4000ms, 1000, 3), 400ms);
    EXPECT_EQ(attempt_limit(4000ms, 1000, 90), 2666ms);
    EXPECT_EQ(attempt_limit(1ms, 3, 5), 50ms);
}

TEST(hosts, pauses_grow_to_a_quarter_of_the_timeout_and_are_at_least_half_of_that) {
    const host_list::dice low = [](std::uint64_t) { return std::uint64_t{0}; };
    const host_list::dice high = [](std::uint64_t bound) { return bound - 1; };
    EXPECT_EQ(round_pause(4000ms, 1, low), 25ms);
    EXPECT_EQ(round_pause(4000ms, 1, high), 50ms);
    EXPECT_EQ(round_pause(4000ms, 40, low), 500ms);
    EXPECT_EQ(round_pause(4000ms, 40, high), 1000ms);
    EXPECT_EQ(round_pause(100'000ms, 40, high), 2000ms);
}

// --- Frames --------------------------------------------------------------------------------------

void feed(frame_reader& reader, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto space = reader.space();
        const std::size_t some = std::min(space.size(), bytes.size());
        std::memcpy(space.data(), bytes.data(), some);
        reader.filled(some);
        bytes.remove_prefix(some);
    }
}

RC_GTEST_PROP(frames, come_out_whole_however_the_bytes_are_split, ()) {
    const auto bodies = *rc::gen::arbitrary<std::vector<std::string>>();
    const auto piece = *rc::gen::inRange<std::size_t>(1, 50);
    std::string stream;
    for (const std::string& body : bodies) {
        jute_writer{stream}.text(body);
    }
    frame_reader reader{1 << 20};
    std::vector<std::string> out;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        feed(reader, std::string_view{stream}.substr(at, piece));
        for (auto step = reader.next(); step.what == frame_reader::found::frame;
             step = reader.next()) {
            out.emplace_back(step.bytes);
        }
    }
    RC_ASSERT(out == bodies);
    RC_ASSERT(reader.rest().empty());
}

TEST(frames, one_over_the_limit_shows_its_beginning_and_can_be_skipped) {
    frame_reader reader{100};
    feed(reader, "\0\0\1\0"s);
    EXPECT_EQ(reader.next().what, frame_reader::found::more);
    feed(reader, "0123456789abcdef+");
    const auto step = reader.next();
    EXPECT_EQ(step.what, frame_reader::found::too_long);
    EXPECT_EQ(step.bytes, "0123456789abcdef");
    EXPECT_EQ(step.size, 256);
    reader.skip();
    EXPECT_EQ(reader.next().what, frame_reader::found::more);
    feed(reader, std::string(256 - 17, 'z') + "\0\0\0\1!"s);
    const auto after = reader.next();
    EXPECT_EQ(after.what, frame_reader::found::frame);
    EXPECT_EQ(after.bytes, "!");
}

TEST(frames, a_negative_length_is_nonsense) {
    frame_reader reader{100};
    feed(reader, "\xff\xff\xff\xff");
    EXPECT_EQ(reader.next().what, frame_reader::found::nonsense);
}

TEST(frames, one_larger_than_the_buffer_makes_room_for_itself) {
    frame_reader reader{1 << 20};
    std::string stream;
    jute_writer{stream}.text(std::string(500'000, 'a'));
    feed(reader, stream);
    EXPECT_EQ(reader.next().bytes.size(), 500'000U);
}

// --- Handshake -----------------------------------------------------------------------------------

std::string answer_with(std::int32_t timeout, std::int64_t session, std::size_t password = 16) {
    protocol::connect_response raw;
    raw.timeout_ms = timeout;
    raw.session = session;
    raw.password = std::string(password, 'p');
    std::string out;
    encode(out, raw);
    return out;
}

TEST(handshake, absurd_timeouts_sessions_and_passwords_are_refused) {
    for (const std::int32_t timeout : {0, -1, 1, 49, 2'147'483'647, 540'291'120, 3'600'001}) {
        EXPECT_FALSE(judge_handshake(answer_with(timeout, 5), 0, true)) << timeout;
    }
    EXPECT_FALSE(judge_handshake(answer_with(-1, 0), 5, true));
    EXPECT_FALSE(judge_handshake(answer_with(4000, 0), 0, true));
    EXPECT_FALSE(judge_handshake(answer_with(4000, 6), 5, true));
    EXPECT_FALSE(judge_handshake(answer_with(4000, 5, 15), 0, true));
    EXPECT_FALSE(judge_handshake("short", 0, true));
    EXPECT_TRUE(judge_handshake(answer_with(4000, 5), 0, true));
    EXPECT_TRUE(judge_handshake(answer_with(50, 5), 0, true));
    EXPECT_THAT(judge_handshake(answer_with(1, 5), 0, true).error().text, HasSubstr("of 1 ms"));
}

TEST(handshake, a_server_that_only_reads_is_refused_unless_asked_for) {
    protocol::connect_response raw;
    raw.timeout_ms = 4000;
    raw.session = 5;
    raw.password = std::string(16, 'p');
    raw.read_only = true;
    std::string bytes;
    encode(bytes, raw);
    EXPECT_THAT(judge_handshake(bytes, 0, true).error().text, HasSubstr("only reads"));
    EXPECT_TRUE(judge_handshake(bytes, 0, false));
}

TEST(handshake, timeout_zero_for_no_session_means_that_ours_is_over) {
    const auto judged = judge_handshake(answer_with(0, 0), 5, true);
    ASSERT_TRUE(judged);
    EXPECT_TRUE(judged->expired);
}

TEST(handshake, strangers_are_described) {
    EXPECT_EQ(describe_stranger("HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
              "a web server, not a ZooKeeper server: it answers 'HTTP/1.1 400 Bad Request'");
    EXPECT_EQ(describe_stranger("<html>\r\n<head>"),
              "a web server, not a ZooKeeper server: it answers '<html>'");
    EXPECT_EQ(describe_stranger("-ERR unknown command 'srvr'\r\n"),
              "not a ZooKeeper server: it answers '-ERR unknown command 'srvr''");
    EXPECT_THAT(describe_stranger("\x15\x03\x01\x00\x02\x02"s), HasSubstr("TLS"));
    EXPECT_THAT(describe_stranger("\xff\xff\xff\xff"), HasSubstr("ff ff ff ff"));
}

TEST(handshake, srvr_tells_servers_from_strangers) {
    EXPECT_TRUE(is_answer_to_word("Zookeeper version: 3.8.0\nMode: follower\n"));
    EXPECT_TRUE(is_answer_to_word("This ZooKeeper instance is not currently serving requests\n"));
    EXPECT_TRUE(is_answer_to_word("srvr is not executed because it is not in the whitelist.\n"));
    EXPECT_TRUE(is_answer_to_word("ClickHouse Keeper version: v23.8\nMode: leader\n"));
    EXPECT_FALSE(is_answer_to_word("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_FALSE(is_answer_to_word("-ERR unknown command 'srvr'\r\n"));
    EXPECT_FALSE(is_answer_to_word(""));
}

TEST(handshake, srvr_tells_zxid_and_mode) {
    const std::string srvr = "Zookeeper version: 3.8.0\nZxid: 0x10000000a\nMode: follower\n";
    EXPECT_EQ(zxid_in_srvr(srvr), 0x10000000a);
    EXPECT_EQ(mode_in_srvr(srvr), "follower");
    EXPECT_EQ(zxid_in_srvr("imok"), std::nullopt);
    EXPECT_EQ(mode_in_srvr("imok"), "");
}

// --- Watches -------------------------------------------------------------------------------------

shared_watch watch_that_adds(std::vector<std::string>& heard, const std::string& name) {
    return std::make_shared<const std::function<void(const watch_event&)>>(
        [&heard, name](const watch_event&) { heard.push_back(name); });
}

class watches : public testing::Test {
protected:
    shared_watch named(const std::string& name) { return watch_that_adds(heard, name); }
    std::vector<std::string> fire(event_type type, const std::string& path) {
        heard.clear();
        for (const auto& watch : table.take(type, path)) {
            (*watch)({type, path});
        }
        return heard;
    }
    std::vector<std::string> heard;
    client_watches table;
};

TEST_F(watches, each_event_fires_its_own_kinds_once) {
    table.add_data("/a", named("data"));
    table.add_child("/a", named("child"));
    table.add_exist("/b", named("exist"));
    EXPECT_THAT(fire(event_type::children_changed, "/a"), ElementsAre("child"));
    EXPECT_THAT(fire(event_type::data_changed, "/a"), ElementsAre("data"));
    EXPECT_THAT(fire(event_type::data_changed, "/a"), IsEmpty());
    EXPECT_THAT(fire(event_type::created, "/b"), ElementsAre("exist"));
    EXPECT_TRUE(table.empty());
}

TEST_F(watches, a_deletion_fires_data_and_child_watches) {
    table.add_data("/a", named("data"));
    table.add_child("/a", named("child"));
    EXPECT_THAT(fire(event_type::deleted, "/a"), ElementsAre("data", "child"));
}

TEST_F(watches, a_recursive_watch_hears_of_everything_below_but_not_of_child_lists) {
    table.add_persistent("/a", watch_mode::persistent_recursive, named("rec"));
    table.add_persistent("/a", watch_mode::persistent, named("here"));
    EXPECT_THAT(fire(event_type::created, "/a/b/c"), ElementsAre("rec"));
    EXPECT_THAT(fire(event_type::data_changed, "/a"), ElementsAre("here", "rec"));
    EXPECT_THAT(fire(event_type::children_changed, "/a"), ElementsAre("here"));
    EXPECT_THAT(fire(event_type::created, "/ab"), IsEmpty());
    table.add_persistent("/", watch_mode::persistent_recursive, named("all"));
    EXPECT_THAT(fire(event_type::created, "/x"), ElementsAre("all"));
}

TEST_F(watches, only_any_removes_the_persistent_ones) {
    table.add_data("/a", named("data"));
    table.add_persistent("/a", watch_mode::persistent, named("here"));
    table.remove("/a", watcher_type::data);
    EXPECT_THAT(fire(event_type::data_changed, "/a"), ElementsAre("here"));
    table.remove("/a", watcher_type::any);
    EXPECT_TRUE(table.empty());
}

TEST_F(watches, are_set_again_in_packets_of_at_most_128_KiB_none_left_out) {
    const std::string name(100, 'n');
    for (int i = 0; i < 12'000; ++i) {
        table.add_exist("/" + name + std::to_string(i), named("x"));
    }
    table.add_persistent("/p", watch_mode::persistent, named("p"));
    const auto frames = table.encode_all(77, std::size_t{128} * 1024);
    std::size_t paths = 0;
    for (const std::string& frame : frames) {
        EXPECT_LT(frame.size(), std::size_t{129} * 1024);
        jute_reader in{std::string_view{frame}.substr(4)};
        EXPECT_EQ(static_cast<std::size_t>(load_int32(frame.data())), frame.size() - 4);
        protocol::request_header header;
        ASSERT_TRUE(decode(in, header));
        EXPECT_EQ(header.xid, protocol::special_xid::set_watches);
        protocol::set_watches_request body;
        body.code = header.type;
        ASSERT_TRUE(decode(in, body));
        EXPECT_EQ(body.relative_zxid, 77);
        paths += body.exist.size() + body.persistent.size();
    }
    EXPECT_EQ(paths, 12'001U);
    EXPECT_EQ(frames.size(), 11U);
}

TEST(chroots, are_cut_off_only_where_they_end_a_name) {
    EXPECT_EQ(without_chroot("/app/x", "/app"), "/x");
    EXPECT_EQ(without_chroot("/app", "/app"), "/");
    EXPECT_EQ(without_chroot("/apple", "/app"), "/apple");
    EXPECT_EQ(without_chroot("/x", ""), "/x");
}

}  // namespace
}  // namespace muster::zookeeper
