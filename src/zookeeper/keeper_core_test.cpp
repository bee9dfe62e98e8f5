#include "zookeeper/keeper_core.hpp"

#include "zookeeper/four_letter.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

/// A core, and people who speak to it.
class keeper_core_test : public testing::Test, public core_output {
protected:
    std::string& out(connection_id to) override { return sent_[to]; }
    void close(connection_id which) override { cut_.insert(which); }

    moment now() const { return moment{instant{ms_}, 1'700'000'000'000 + ms_.count()}; }
    void pass(std::chrono::milliseconds time) {
        ms_ += time;
        core.advance(now());
    }

    /// A connection and what its handshake was answered with.
    protocol::connect_response connect(connection_id id,
                                       std::int64_t session = 0,
                                       std::string password = std::string(16, '\0'),
                                       std::int64_t seen = 0) {
        core.opened(id, "127.0.0.1", 4711, now());
        protocol::connect_request asked;
        asked.timeout_ms = 4000;
        asked.session = session;
        asked.password = password;
        asked.last_zxid_seen = seen;
        std::string bytes;
        protocol::encode(bytes, asked);
        core.frame(id, bytes, now());
        protocol::connect_response answer;
        const auto frames = take(id);
        if (!frames.empty()) {
            jute_reader in{frames.front()};
            EXPECT_TRUE(decode(in, answer));
        }
        return answer;
    }

    template <class Body>
    void ask(connection_id from, op_code type, const Body& body, std::int32_t xid = 1) {
        std::string bytes;
        protocol::encode(bytes, protocol::request_header{xid, type});
        protocol::encode(bytes, body);
        core.frame(from, bytes, now());
    }

    void create(connection_id from,
                std::string_view path,
                create_mode mode,
                std::string_view data = {}) {
        protocol::create_request asked;
        asked.path = path;
        asked.data = data;
        asked.access = open_acl();
        asked.flags = static_cast<std::int32_t>(mode);
        ask(from, op_code::create2, asked);
    }

    /// The frames sent to a connection since the last call, without their lengths.
    std::vector<std::string> take(connection_id of) {
        std::vector<std::string> frames;
        std::string_view rest = sent_[of];
        while (rest.size() >= 4) {
            const auto size = static_cast<std::size_t>(load_int32(rest.data()));
            frames.emplace_back(rest.substr(4, size));
            rest.remove_prefix(4 + size);
        }
        EXPECT_TRUE(rest.empty());
        sent_[of].clear();
        return frames;
    }

    /// The same as text: "no_node", "ok" or "deleted /e".
    std::vector<std::string> heard(connection_id by) {
        std::vector<std::string> said;
        for (const std::string& frame : take(by)) {
            jute_reader in{frame};
            protocol::reply_header header;
            EXPECT_TRUE(decode(in, header));
            if (header.xid == protocol::special_xid::watch_event) {
                protocol::watcher_event event;
                EXPECT_TRUE(decode(in, event));
                static const std::map<event_type, std::string> names{
                    {event_type::created, "created "},
                    {event_type::deleted, "deleted "},
                    {event_type::data_changed, "data "},
                    {event_type::children_changed, "children "}};
                said.push_back(names.at(event.type) + event.path);
            } else {
                said.push_back(name_of(header.error));
            }
        }
        return said;
    }

    using lines = std::vector<std::string>;

    std::map<connection_id, std::string> sent_;
    std::set<connection_id> cut_;
    std::chrono::milliseconds ms_{10'000};
    keeper_core core{core_settings{}, *this, now()};
};

TEST_F(keeper_core_test, sessions_get_ids_and_passwords_of_their_own) {
    const auto one = connect(1);
    const auto two = connect(2);
    EXPECT_NE(one.session, 0);
    EXPECT_NE(one.session, two.session);
    EXPECT_EQ(one.timeout_ms, 4000);
    EXPECT_EQ(one.password.size(), 16U);
    EXPECT_NE(one.password, two.password);
}

TEST_F(keeper_core_test, a_wrong_password_harms_nobody) {
    const auto one = connect(1);
    const auto thief = connect(2, one.session, std::string(16, 'x'));
    EXPECT_EQ(thief.session, 0);
    EXPECT_EQ(thief.timeout_ms, 0);
    EXPECT_EQ(cut_, std::set<connection_id>{2});
    create(1, "/a", create_mode::ephemeral);
    EXPECT_EQ(heard(1), lines{"ok"});
}

TEST_F(keeper_core_test, a_session_that_moves_leaves_its_former_connection_cut) {
    const auto one = connect(1);
    create(1, "/e", create_mode::ephemeral);
    const auto again = connect(2, one.session, one.password);
    EXPECT_EQ(again.session, one.session);
    EXPECT_EQ(cut_, std::set<connection_id>{1});
    core.closed(1);
    ask(2, op_code::exists, protocol::read_request{op_code::exists, "/e", false});
    EXPECT_EQ(heard(2), lines{"ok"});
    // Nothing of the former connection counts any more.
    static_cast<void>(heard(1));
    create(1, "/f", create_mode::persistent);
    EXPECT_EQ(heard(1), lines{});
}

TEST_F(keeper_core_test, a_client_that_has_seen_more_is_sent_away_without_a_word) {
    connect(1, 0, std::string(16, '\0'), core.zxid() + 1);
    EXPECT_EQ(cut_, std::set<connection_id>{1});
    EXPECT_TRUE(sent_[1].empty());
}

TEST_F(keeper_core_test, a_keeper_started_later_has_larger_transactions) {
    connect(1);
    create(1, "/a", create_mode::persistent);
    const std::int64_t seen = core.zxid();
    ms_ += 1ms;
    keeper_core later{core_settings{}, *this, now()};
    EXPECT_GT(later.zxid(), seen);
}

TEST_F(keeper_core_test, a_silent_session_ends_with_its_bucket_and_its_ephemerals) {
    connect(1);
    connect(2);
    create(1, "/e", create_mode::ephemeral);
    ask(2, op_code::exists, protocol::read_request{op_code::exists, "/e", true});
    EXPECT_EQ(heard(2), lines{"ok"});
    EXPECT_EQ(core.next_deadline(), instant{16'000ms});
    pass(3s);
    ask(2, op_code::ping, protocol::path_request{});
    pass(2'999ms);
    EXPECT_EQ(heard(2), lines{"ok"});
    pass(1ms);
    EXPECT_EQ(heard(2), lines{"deleted /e"});
    EXPECT_EQ(cut_, std::set<connection_id>{1});
    EXPECT_EQ(core.sessions().size(), 1U);
}

TEST_F(keeper_core_test, an_event_comes_before_the_answer_to_the_change) {
    connect(1);
    create(1, "/a", create_mode::persistent);
    ask(1, op_code::get_data, protocol::read_request{op_code::get_data, "/a", true});
    ask(1, op_code::set_data, protocol::set_data_request{"/a", "x", false, any_version});
    EXPECT_EQ(heard(1), (lines{"ok", "ok", "data /a", "ok"}));
}

TEST_F(keeper_core_test, watches_end_with_their_connection) {
    connect(1);
    ask(1, op_code::exists, protocol::read_request{op_code::exists, "/a", true});
    EXPECT_EQ(core.data_watches().size(), 1U);
    core.closed(1);
    EXPECT_EQ(core.data_watches().size(), 0U);
}

TEST_F(keeper_core_test, a_failed_multi_fires_nothing) {
    connect(1);
    connect(2);
    ask(2, op_code::exists, protocol::read_request{op_code::exists, "/a", true});
    EXPECT_EQ(heard(2), lines{"no_node"});
    protocol::create_request made;
    made.code = op_code::create;
    made.path = "/a";
    made.access = open_acl();
    protocol::multi_request asked;
    asked.ops = {made, protocol::delete_request{"/no", any_version}};
    ask(1, op_code::multi, asked);
    EXPECT_EQ(heard(1), lines{"ok"});
    EXPECT_EQ(heard(2), lines{});
    EXPECT_EQ(core.data().find("/a"), nullptr);
}

TEST_F(keeper_core_test, an_answer_without_bounds_ends_its_connection) {
    core_settings small;
    small.max_reply = 1U << 20;
    keeper_core bounded{small, *this, now()};
    bounded.opened(1, "127.0.0.1", 1, now());
    std::string bytes;
    protocol::encode(bytes, protocol::connect_request{});
    bounded.frame(1, bytes, now());
    const std::string large(100'000, 'x');
    bytes.clear();
    protocol::encode(bytes, protocol::request_header{1, op_code::create2});
    protocol::create_request made;
    made.path = "/a";
    made.data = large;
    made.access = open_acl();
    protocol::encode(bytes, made);
    bounded.frame(1, bytes, now());
    static_cast<void>(take(1));
    protocol::multi_request asked;
    asked.ops.assign(50, protocol::read_request{op_code::get_data, "/a", false});
    bytes.clear();
    protocol::encode(bytes, protocol::request_header{2, op_code::multi_read});
    protocol::encode(bytes, asked);
    bounded.frame(1, bytes, now());
    EXPECT_TRUE(sent_[1].empty());
    EXPECT_EQ(cut_, std::set<connection_id>{1});
}

TEST_F(keeper_core_test, credentials_are_bounded) {
    connect(1);
    for (int i = 0; i < 200 && cut_.empty(); ++i) {
        const std::string name = "user" + std::to_string(i) + ":x";
        ask(1,
            op_code::auth,
            protocol::auth_request{0, "digest", name},
            protocol::special_xid::auth);
    }
    EXPECT_EQ(cut_, std::set<connection_id>{1});
    EXPECT_EQ(heard(1).back(), "auth_failed");
}

TEST_F(keeper_core_test, the_dead_are_not_served) {
    const auto one = connect(1);
    pass(20s);
    EXPECT_EQ(core.sessions().size(), 0U);
    create(1, "/a", create_mode::persistent);
    EXPECT_EQ(core.data().find("/a"), nullptr);
    EXPECT_EQ(connect(2, one.session, one.password).session, 0);
}

TEST_F(keeper_core_test, words_tell_what_tools_read) {
    connect(1);
    create(1, "/e", create_mode::ephemeral);
    ask(1, op_code::get_data, protocol::read_request{op_code::get_data, "/e", true});
    keeper_facts facts;
    facts.now = now();
    facts.tick = 2s;
    const std::vector<std::string> all{"*"};
    EXPECT_EQ(answer_word("ruok", all, core, facts), "imok");
    const std::string served = answer_word("srvr", all, core, facts);
    EXPECT_TRUE(served.starts_with("Zookeeper version: 3.8")) << served;
    EXPECT_NE(served.find("\nMode: standalone\n"), std::string::npos);
    EXPECT_NE(served.find("\nNode count: 6\n"), std::string::npos);
    EXPECT_EQ(answer_word("wchs", all, core, facts),
              "1 connections watching 1 paths\nTotal watches:1\n");
    EXPECT_NE(answer_word("conf", all, core, facts).find("tickTime=2000\n"), std::string::npos);
    EXPECT_EQ(answer_word("mntr", {"ruok"}, core, facts),
              "mntr is not executed because it is not in the whitelist.\n");
}

}  // namespace
}  // namespace muster::zookeeper
