#include "zookeeper/protocol.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace muster::zookeeper::protocol {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;

template <class T>
std::string bytes_of(const T& what) {
    std::string out;
    encode(out, what);
    return out;
}

// --- Golden bytes, after the definitions in zookeeper.jute ---------------------------------------

TEST(protocol, a_connect_request_is_encoded_as_servers_expect_it) {
    connect_request hello;
    hello.last_zxid_seen = 0x100000002;
    hello.timeout_ms = 4000;
    hello.session = 0x0123456789abcdef;
    hello.password = "0123456789abcdef";
    EXPECT_EQ(bytes_of(hello),
              "\0\0\0\0"
              "\0\0\0\1\0\0\0\2"
              "\0\0\x0f\xa0"
              "\x01\x23\x45\x67\x89\xab\xcd\xef"
              "\0\0\0\x10"
              "0123456789abcdef"
              "\0"s);
}

TEST(protocol, a_create_request_is_encoded_as_servers_expect_it) {
    const create_request create{op_code::create2, "/a", "d", false, open_acl(), 1, 0};
    EXPECT_EQ(bytes_of(create),
              "\0\0\0\2/a"
              "\0\0\0\1d"
              "\0\0\0\1"
              "\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone"
              "\0\0\0\1"s);
}

TEST(protocol, a_multi_is_encoded_as_servers_expect_it) {
    multi_request multi;
    multi.ops.emplace_back(check_request{"/a", 3});
    EXPECT_EQ(bytes_of(multi),
              "\0\0\0\x0d\0\xff\xff\xff\xff"
              "\0\0\0\2/a\0\0\0\3"
              "\xff\xff\xff\xff\1\xff\xff\xff\xff"s);
}

TEST(protocol, headers_and_events_are_encoded_as_on_the_wire) {
    EXPECT_EQ(bytes_of(request_header{special_xid::ping, op_code::ping}),
              "\xff\xff\xff\xfe\0\0\0\x0b"s);
    EXPECT_EQ(bytes_of(reply_header{7, 9, zk_error::no_node}),
              "\0\0\0\7\0\0\0\0\0\0\0\x09\xff\xff\xff\x9b"s);
    EXPECT_EQ(bytes_of(watcher_event{event_type::data_changed, 3, "/x"}),
              "\0\0\0\3\0\0\0\3\0\0\0\2/x"s);
}

TEST(protocol, a_stat_takes_68_bytes_in_the_order_of_its_fields) {
    const stat meta{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    const std::string bytes = bytes_of(meta);
    EXPECT_EQ(bytes,
              "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4"
              "\0\0\0\5\0\0\0\6\0\0\0\7\0\0\0\0\0\0\0\x08\0\0\0\x09\0\0\0\x0a\0\0\0\0\0\0\0\x0b"s);
    stat again;
    jute_reader in{bytes};
    ASSERT_TRUE(decode(in, again));
    EXPECT_EQ(again, meta);
}

// --- Round trips ---------------------------------------------------------------------------------

TEST(protocol, old_clients_and_servers_leave_read_only_out) {
    connect_response answer{0, 4000, 5, "0123456789abcdef", false, false};
    const std::string bytes = bytes_of(answer);
    EXPECT_EQ(bytes.size(), 36U);
    connect_response again;
    jute_reader in{bytes};
    ASSERT_TRUE(decode(in, again));
    EXPECT_FALSE(again.has_read_only);
    EXPECT_EQ(again.session, 5);
}

TEST(protocol, null_data_and_empty_data_differ) {
    for (const bool null : {false, true}) {
        const std::string bytes = bytes_of(set_data_request{"/a", "", null, 4});
        set_data_request again;
        jute_reader in{bytes};
        ASSERT_TRUE(decode(in, again));
        EXPECT_EQ(again.null_data, null);
        EXPECT_EQ(again.version, 4);
    }
}

TEST(protocol, only_create_ttl_carries_a_ttl) {
    create_request timed{op_code::create_ttl, "/a", "", false, {}, 5, 60'000};
    const std::string bytes = bytes_of(timed);
    create_request again;
    again.code = op_code::create_ttl;
    jute_reader in{bytes};
    ASSERT_TRUE(decode(in, again));
    EXPECT_EQ(again.ttl_ms, 60'000);
    timed.code = op_code::create_container;
    EXPECT_EQ(bytes_of(timed).size(), bytes.size() - 8);
}

TEST(protocol, set_watches_has_two_lists_fewer_than_set_watches2) {
    set_watches_request both;
    both.relative_zxid = 8;
    both.data = {"/d"};
    both.recursive = {"/r", "/s"};
    for (const op_code code : {op_code::set_watches, op_code::set_watches2}) {
        both.code = code;
        const std::string bytes = bytes_of(both);
        set_watches_request again;
        again.code = code;
        jute_reader in{bytes};
        ASSERT_TRUE(decode(in, again));
        EXPECT_EQ(in.remaining(), 0U);
        EXPECT_THAT(again.data, ElementsAre("/d"));
        EXPECT_EQ(again.recursive.size(), code == op_code::set_watches2 ? 2U : 0U);
    }
}

TEST(protocol, a_multi_keeps_its_operations_in_order) {
    multi_request multi;
    multi.ops.emplace_back(create_request{op_code::create2, "/a", "1", false, open_acl(), 0, 0});
    multi.ops.emplace_back(create_request{op_code::create_ttl, "/t", "", true, {}, 5, 9});
    multi.ops.emplace_back(delete_request{"/b", 2});
    multi.ops.emplace_back(set_data_request{"/c", "x", false, -1});
    multi.ops.emplace_back(check_request{"/d", 4});
    const std::string bytes = bytes_of(multi);
    multi_request again;
    jute_reader in{bytes};
    ASSERT_TRUE(decode(in, again));
    EXPECT_EQ(bytes_of(again), bytes);
    std::vector<op_code> codes;
    for (const multi_op& one : again.ops) {
        codes.push_back(code_of(one));
    }
    EXPECT_THAT(codes,
                ElementsAre(op_code::create2,
                            op_code::create_ttl,
                            op_code::remove,
                            op_code::set_data,
                            op_code::check));
}

TEST(protocol, a_multi_that_mixes_reads_and_writes_is_not_taken) {
    multi_request multi;
    multi.ops.emplace_back(check_request{"/a", 1});
    multi.ops.emplace_back(read_request{op_code::get_data, "/a", false});
    const std::string bytes = bytes_of(multi);
    multi_request again;
    jute_reader in{bytes};
    EXPECT_FALSE(decode(in, again));
}

TEST(protocol, results_of_a_multi_come_back_whole) {
    std::vector<multi_result> results(5);
    results[0].code = op_code::create2;
    results[0].path = "/a";
    results[0].meta.czxid = 3;
    results[1].code = op_code::remove;
    results[2].code = op_code::set_data;
    results[2].meta.version = 8;
    results[3].code = op_code::get_children;
    results[3].names = {"x", "y"};
    results[4].code = op_code::error;
    results[4].error = zk_error::bad_version;
    std::string bytes;
    encode(bytes, std::span<const multi_result>{results});
    std::vector<multi_result> again;
    jute_reader in{bytes};
    ASSERT_TRUE(decode(in, again, 5));
    ASSERT_EQ(again.size(), 5U);
    EXPECT_EQ(again[0].meta.czxid, 3);
    EXPECT_EQ(again[2].meta.version, 8);
    EXPECT_THAT(again[3].names, ElementsAre("x", "y"));
    EXPECT_EQ(again[4].error, zk_error::bad_version);
}

TEST(protocol, a_multi_is_not_answered_with_more_results_than_it_has_operations) {
    std::vector<multi_result> results(1000);
    for (multi_result& one : results) {
        one.code = op_code::check;
    }
    std::string bytes;
    encode(bytes, std::span<const multi_result>{results});
    std::vector<multi_result> again;
    jute_reader in{bytes};
    EXPECT_FALSE(decode(in, again, 3));
    EXPECT_EQ(again.size(), 3U) << "the rest takes no memory";
}

RC_GTEST_PROP(protocol, any_bytes_are_decoded_or_refused_but_never_overread, ()) {
    const auto bytes = *rc::gen::arbitrary<std::string>();
    const auto with = [&bytes](auto what) {
        jute_reader in{bytes};
        static_cast<void>(decode(in, what));
        RC_ASSERT(in.remaining() <= bytes.size());
    };
    with(connect_request{});
    with(connect_response{});
    with(create_request{});
    with(set_watches_request{});
    with(multi_request{});
    jute_reader in{bytes};
    std::vector<multi_result> results;
    static_cast<void>(decode(in, results, 1000));
    RC_ASSERT(in.remaining() <= bytes.size());
    with(node_children{});
    with(acl{});
    with(watcher_event{});
}

RC_GTEST_PROP(protocol, an_acl_comes_back_as_it_was, ()) {
    acl access;
    for (const auto& [permissions, id] :
         *rc::gen::arbitrary<std::vector<std::pair<std::int32_t, std::string>>>()) {
        access.push_back({permissions, "digest", id});
    }
    const std::string bytes = bytes_of(access);
    acl again;
    jute_reader in{bytes};
    RC_ASSERT(decode(in, again));
    RC_ASSERT(again == access);
}

}  // namespace
}  // namespace muster::zookeeper::protocol
