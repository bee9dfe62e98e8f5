#include "zookeeper/tree.hpp"

#include "zookeeper/znode_path.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

constexpr std::int64_t ann = 17;
constexpr std::int64_t bob = 18;

change_context by(std::int64_t zxid, std::int64_t session = ann) {
    return change_context{zxid, 1000 + zxid, session, {}};
}

protocol::create_request making(std::string_view path,
                                create_mode mode = create_mode::persistent,
                                std::string_view data = "d") {
    protocol::create_request asked;
    asked.code = mode == create_mode::container             ? op_code::create_container
                 : mode == create_mode::persistent_with_ttl ? op_code::create_ttl
                                                            : op_code::create2;
    asked.path = path;
    asked.data = data;
    asked.access = open_acl();
    asked.flags = static_cast<std::int32_t>(mode);
    asked.ttl_ms = mode == create_mode::persistent_with_ttl ? 500 : 0;
    return asked;
}

/// Everything that is in a tree, as text.
std::map<std::string, std::string> picture(const tree& of) {
    std::map<std::string, std::string> seen;
    std::vector<std::string> open{"/"};
    while (!open.empty()) {
        const std::string path = open.back();
        open.pop_back();
        const znode* const node = of.find(path);
        std::string text = node->data;
        for (const std::int64_t number : {node->czxid,
                                          node->mzxid,
                                          node->pzxid,
                                          node->ctime,
                                          node->mtime,
                                          node->owner,
                                          static_cast<std::int64_t>(node->version),
                                          static_cast<std::int64_t>(node->creates),
                                          static_cast<std::int64_t>(node->aversion)}) {
            text += "," + std::to_string(number);
        }
        seen[path] = text;
        for (const std::string_view name : node->children) {
            open.push_back((path == "/" ? "/" : path + "/") + std::string{name});
        }
    }
    std::string owned;
    for (const auto& [session, paths] : of.ephemerals()) {
        for (const std::string_view path : paths) {
            owned += std::to_string(session) + std::string{path} + " ";
        }
    }
    seen["ephemerals"] = owned + std::to_string(of.ephemeral_count());
    seen["size"] = std::to_string(of.data_size()) + " " + std::to_string(of.node_count());
    return seen;
}

std::vector<std::string> told(tree& by_tree) {
    std::vector<std::string> lines;
    for (const tree_event& event : by_tree.take_events()) {
        lines.push_back(std::to_string(static_cast<int>(event.type)) + " " + event.path);
    }
    return lines;
}

/// One of a few operations on a few paths; whether it is allowed is left to the tree.
void act(tree& on, int what, const std::string& path, std::int64_t session, std::int64_t zxid) {
    switch (what) {
        case 0:
            static_cast<void>(on.create(making(path), by(zxid, session)));
            break;
        case 1:
            static_cast<void>(on.create(making(path, create_mode::ephemeral), by(zxid, session)));
            break;
        case 2:
            static_cast<void>(
                on.create(making(path, create_mode::persistent_sequential), by(zxid, session)));
            break;
        case 3:
            static_cast<void>(on.create(making(path, create_mode::container), by(zxid, session)));
            break;
        case 4:
            static_cast<void>(on.remove(path, any_version, by(zxid, session)));
            break;
        case 5:
            static_cast<void>(
                on.set({path, std::to_string(zxid), false, any_version}, by(zxid, session)));
            break;
        default:
            static_cast<void>(
                on.create(making(path, create_mode::persistent_with_ttl), by(zxid, session)));
    }
}

struct step {
    int what = 0;
    std::string path;
    std::int64_t session = ann;
};

rc::Gen<step> any_step() {
    return rc::gen::build<step>(
        rc::gen::set(&step::what, rc::gen::inRange(0, 7)),
        rc::gen::set(&step::path,
                     rc::gen::element<std::string>(
                         "/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/a/b/c/d")),
        rc::gen::set(&step::session, rc::gen::element(ann, bob)));
}

void showValue(const step& of, std::ostream& to) {
    to << of.what << ' ' << of.path << ' ' << of.session;
}

TEST(tree, a_fresh_one_holds_what_a_fresh_server_shows) {
    const tree fresh;
    EXPECT_EQ(fresh.node_count(), 5U);
    EXPECT_EQ(fresh.find("/")->meta().cversion, -1);
    EXPECT_EQ(fresh.find("/zookeeper")->meta().cversion, -2);
    EXPECT_EQ(fresh.find("/zookeeper/config")->meta().aversion, -1);
    EXPECT_EQ(fresh.find(""), fresh.find("/"));
}

TEST(tree, changes_are_told_in_order_after_they_happened) {
    tree grown;
    ASSERT_TRUE(grown.create(making("/a"), by(1)));
    ASSERT_TRUE(grown.create(making("/a/b"), by(2)));
    ASSERT_TRUE(grown.set({"/a", "x", false, any_version}, by(3)));
    ASSERT_TRUE(grown.remove("/a/b", any_version, by(4)));
    EXPECT_EQ(
        told(grown),
        (std::vector<std::string>{"1 /a", "4 /", "1 /a/b", "4 /a", "3 /a", "2 /a/b", "4 /a"}));
    EXPECT_TRUE(told(grown).empty());
}

TEST(tree, a_refused_change_tells_nothing) {
    tree grown;
    EXPECT_EQ(grown.create(making("/no/x"), by(1)).error(), zk_error::no_node);
    EXPECT_EQ(grown.remove("/no", any_version, by(2)).error(), zk_error::no_node);
    EXPECT_TRUE(told(grown).empty());
}

TEST(tree, what_is_reapable_is_childless_and_used_or_outdated) {
    tree grown;
    ASSERT_TRUE(grown.create(making("/new", create_mode::container), by(1)));
    ASSERT_TRUE(grown.create(making("/used", create_mode::container), by(2)));
    ASSERT_TRUE(grown.create(making("/used/x"), by(3)));
    ASSERT_TRUE(grown.create(making("/ttl", create_mode::persistent_with_ttl), by(4)));
    EXPECT_TRUE(grown.reapable(1504).empty());
    ASSERT_TRUE(grown.remove("/used/x", any_version, by(5)));
    EXPECT_EQ(grown.reapable(1504), (std::vector<std::string>{"/used"}));
    EXPECT_EQ(grown.reapable(1505), (std::vector<std::string>{"/used", "/ttl"}));
    grown.reap("/used", 6);
    EXPECT_EQ(grown.find("/used"), nullptr);
}

TEST(tree, sequence_numbers_go_on_where_versions_wrap) {
    EXPECT_TRUE(is_valid_path("/a/b-0000000000"));
    tree grown;
    ASSERT_TRUE(grown.create(making("/a"), by(1)));
    for (int i = 0; i < 12; ++i) {
        const auto made =
            grown.create(making("/a/q-", create_mode::persistent_sequential), by(2 + i));
        ASSERT_TRUE(made);
        const std::string digits = std::to_string(i);
        EXPECT_EQ((*made)->path, "/a/q-" + std::string(10 - digits.size(), '0') + digits);
    }
}

RC_GTEST_PROP(tree, a_group_rolled_back_leaves_no_trace, ()) {
    const auto before = *rc::gen::container<std::vector<step>>(any_step());
    const auto undone = *rc::gen::container<std::vector<step>>(any_step());
    tree grown;
    std::int64_t zxid = 1;
    for (const step& one : before) {
        act(grown, one.what, one.path, one.session, zxid++);
    }
    static_cast<void>(grown.take_events());
    const auto wanted = picture(grown);
    grown.begin();
    for (const step& one : undone) {
        act(grown, one.what, one.path, one.session, zxid++);
    }
    grown.rollback();
    RC_ASSERT(picture(grown) == wanted);
    RC_ASSERT(grown.take_events().empty());
}

RC_GTEST_PROP(tree, a_session_that_ends_takes_its_ephemerals_and_no_others, ()) {
    const auto steps = *rc::gen::container<std::vector<step>>(any_step());
    tree grown;
    std::int64_t zxid = 1;
    for (const step& one : steps) {
        act(grown, one.what, one.path, one.session, zxid++);
    }
    auto wanted = picture(grown);
    std::size_t kept = 0;
    for (const auto& [session, paths] : grown.ephemerals()) {
        kept += session == bob ? paths.size() : 0;
    }
    grown.end_session(ann, zxid);
    RC_ASSERT(!grown.ephemerals().contains(ann));
    RC_ASSERT(grown.ephemeral_count() == kept);
    for (const auto& [path, text] : picture(grown)) {
        RC_ASSERT(wanted.contains(path));
    }
}

RC_GTEST_PROP(tree, every_znode_is_a_child_of_its_parent, ()) {
    const auto steps = *rc::gen::container<std::vector<step>>(any_step());
    tree grown;
    std::int64_t zxid = 1;
    for (const step& one : steps) {
        act(grown, one.what, one.path, one.session, zxid++);
    }
    const auto seen = picture(grown);
    // "ephemerals" and "size" stand in the picture besides; the root counts twice.
    RC_ASSERT(seen.size() - 2 + 1 == grown.node_count());
    RC_ASSERT(grown.descendants(*grown.find("/")) == seen.size() - 3);
}

TEST(znode_path, follows_the_original_rules) {
    for (const char* good : {"/", "/a", "/a/b", "/...", "/.a", "/a b", "/käse", "/日本"}) {
        EXPECT_TRUE(is_valid_path(good)) << good;
    }
    for (const char* bad : {"",
                            "a",
                            "/a/",
                            "//",
                            "/a//b",
                            "/.",
                            "/..",
                            "/a/./b",
                            "/a/../b",
                            "/\x01",
                            "/\x7f",
                            "/\xc2\x85",
                            "/\xed\xa0\x80",
                            "/\xee\x80\x80",
                            "/\xef\xbf\xb0",
                            "/\xf0\x9d\x84\x9e",
                            "/\x80",
                            "/\xc3"}) {
        EXPECT_FALSE(is_valid_path(bad)) << bad;
    }
    EXPECT_FALSE(is_valid_path(std::string_view{"/a\0b", 4}));
    EXPECT_EQ(parent_of("/a"), "");
    EXPECT_EQ(parent_of("/a/b"), "/a");
    EXPECT_EQ(last_name_of("/a/b"), "b");
}

TEST(access, digests_are_those_of_the_original) {
    EXPECT_EQ(digest_id("ann:secret"), "ann:7RJfAeIvrl4zdj6sS2fXrQHDvHM=");
}

TEST(access, an_acl_is_stored_without_repetitions_however_many_there_are) {
    acl wanted;
    for (int i = 0; i < 60'000; ++i) {
        wanted.push_back({i % 4, "world", "anyone"});
    }
    EXPECT_EQ(resolve_acl(wanted, {}).value().size(), 4U);
}

TEST(access, an_acl_over_the_bounds_is_refused) {
    acl wanted;
    for (std::size_t i = 0; i < most_acl_entries; ++i) {
        wanted.push_back({perm::read, "digest", "u" + std::to_string(i) + ":x"});
    }
    EXPECT_EQ(resolve_acl(wanted, {}).value().size(), most_acl_entries);
    wanted.push_back({perm::read, "digest", "one:more"});
    EXPECT_EQ(resolve_acl(wanted, {}).error(), zk_error::invalid_acl);
    const acl large{{perm::read, "digest", std::string(most_acl_bytes, 'u') + ":x"}};
    EXPECT_EQ(resolve_acl(large, {}).error(), zk_error::invalid_acl);
}

TEST(access, entries_of_scheme_auth_do_not_multiply_past_the_bounds) {
    std::vector<identity> who;
    for (int i = 0; i < 64; ++i) {
        who.push_back({"digest", "u" + std::to_string(i) + ":x"});
    }
    acl wanted;
    for (int i = 0; i < 50'000; ++i) {
        wanted.push_back({i, "auth", ""});
    }
    EXPECT_EQ(resolve_acl(wanted, who).error(), zk_error::invalid_acl);
    wanted.resize(4);
    EXPECT_EQ(resolve_acl(wanted, who).value().size(), 256U);
}

TEST(access, addresses_match_by_prefix) {
    const acl near{{perm::read, "ip", "10.1.0.0/16"}};
    EXPECT_TRUE(permits(near, perm::read, std::vector<identity>{{"ip", "10.1.2.3"}}));
    EXPECT_FALSE(permits(near, perm::read, std::vector<identity>{{"ip", "10.2.2.3"}}));
    EXPECT_FALSE(permits(near, perm::write, std::vector<identity>{{"ip", "10.1.2.3"}}));
    EXPECT_FALSE(permits(near, perm::read, std::vector<identity>{{"ip", "::1"}}));
    const acl all{{perm::read, "ip", "10.1.0.0/0"}};
    EXPECT_TRUE(permits(all, perm::read, std::vector<identity>{{"ip", "1.2.3.4"}}));
}

}  // namespace
}  // namespace muster::zookeeper
