#include "zookeeper/watch_table.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

namespace muster::zookeeper {
namespace {

using mode = watch_table::mode;
using ids = std::vector<connection_id>;

TEST(watch_table, one_shot_watches_fire_once) {
    watch_table table;
    table.add("/a", 1, mode::once);
    table.add("/a", 2, mode::once);
    EXPECT_EQ(table.trigger("/a", event_type::data_changed), (ids{1, 2}));
    EXPECT_EQ(table.trigger("/a", event_type::data_changed), ids{});
    EXPECT_EQ(table.size(), 0U);
}

TEST(watch_table, a_recursive_watch_hears_everything_below_but_children) {
    watch_table table;
    table.add("/a", 1, mode::recursive);
    EXPECT_EQ(table.trigger("/a/b/c", event_type::created), ids{1});
    EXPECT_EQ(table.trigger("/a", event_type::data_changed), ids{1});
    EXPECT_EQ(table.trigger("/a/b", event_type::children_changed), ids{});
    EXPECT_EQ(table.trigger("/a", event_type::children_changed), ids{});
    EXPECT_EQ(table.trigger("/ab", event_type::created), ids{});
}

TEST(watch_table, the_root_may_be_watched_recursively) {
    watch_table table;
    table.add("/", 1, mode::recursive);
    EXPECT_EQ(table.trigger("/a", event_type::created), ids{1});
    EXPECT_EQ(table.trigger("/", event_type::data_changed), ids{1});
}

TEST(watch_table, the_last_mode_on_a_path_holds) {
    watch_table table;
    table.add("/a", 1, mode::recursive);
    table.add("/a", 1, mode::once);
    EXPECT_EQ(table.trigger("/a/b", event_type::created), ids{});
    EXPECT_EQ(table.trigger("/a", event_type::deleted), ids{1});
    EXPECT_EQ(table.size(), 0U);
}

/// What a table should answer, from a plain list of watches.
struct plain_table {
    std::map<std::pair<std::string, connection_id>, mode> watches;

    ids trigger(const std::string& path, event_type type) {
        std::set<connection_id> told;
        for (auto at = watches.begin(); at != watches.end();) {
            const auto& [where, who] = at->first;
            const bool below = where == "/" || path == where || path.starts_with(where + "/");
            const bool hears = at->second == mode::recursive
                                   ? below && type != event_type::children_changed
                                   : path == where;
            if (hears) {
                told.insert(who);
            }
            at = path == where && at->second == mode::once ? watches.erase(at) : std::next(at);
        }
        return {told.begin(), told.end()};
    }
};

RC_GTEST_PROP(watch_table, agrees_with_a_plain_list, ()) {
    watch_table table;
    plain_table plain;
    const auto any_path = rc::gen::element<std::string>("/", "/a", "/a/b", "/a/b/c", "/ab", "/c");
    const auto steps =
        *rc::gen::container<std::vector<std::tuple<int, std::string, connection_id, int>>>(
            rc::gen::tuple(rc::gen::inRange(0, 5),
                           any_path,
                           rc::gen::inRange<connection_id>(1, 4),
                           rc::gen::inRange(0, 4)));
    for (const auto& [what, path, who, detail] : steps) {
        if (what <= 1) {
            const auto how = static_cast<mode>(detail % 3);
            table.add(path, who, how);
            plain.watches[{path, who}] = how;
        } else if (what == 2) {
            RC_ASSERT(table.remove(path, who) == (plain.watches.erase({path, who}) == 1));
        } else if (what == 3) {
            const auto type = static_cast<event_type>(detail + 1);
            RC_ASSERT(table.trigger(path, type) == plain.trigger(path, type));
        } else {
            table.forget(who);
            std::erase_if(plain.watches,
                          [gone = who](const auto& one) { return one.first.second == gone; });
        }
        RC_ASSERT(table.size() == plain.watches.size());
    }
}

}  // namespace
}  // namespace muster::zookeeper
