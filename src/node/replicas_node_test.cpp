// Partitions of which several members have a copy, served by whole nodes.

#include "node/node_world_test.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace muster {
namespace {

/// What became of the copies, as "<node>/<partition>.<slot>".
struct register_of_copies {
    std::set<std::string> there, prepared;
    std::function<void(const std::string&)> gone;
};
register_of_copies* kept = nullptr;  // NOLINT: a class has no other way to tell a test

std::string title(const node& home, const partition_name& what) {
    return home.name() + "/" + what.name + "." + std::to_string(what.slot);
}

class copy {
public:
    using handles = requests<owner_of>;
    explicit copy(ownership mine) : title_{title(mine.node(), mine.partition())} {
        kept->there.insert(title_);
    }
    copy(const copy&) = delete;
    copy& operator=(const copy&) = delete;
    ~copy() {
        kept->there.erase(title_);
        if (kept->gone) {
            kept->gone(title_);
        }
    }
    std::string on(const owner_of&) const { return title_; }
    static void prepare(const partition_hint& hint) {
        kept->prepared.insert(title(hint.node(), hint.partition()));
    }

private:
    std::string title_;
};

class two_copies : public testing::Test {
protected:
    two_copies() {
        kept = &copies;
        world.start_keeper();
    }
    template <class How>
    resource<copy> start(const std::string& name, How how) {
        node& one = world.make(world.settings(name));
        auto made = one.serve<copy>("shelves", std::move(how));
        EXPECT_EQ(one.start(), result<void>{});
        return made;
    }
    [[nodiscard]] std::size_t copies_at(const std::string& name) const {
        std::size_t count = 0;
        for (const std::string& one : copies.there) {
            count += one.starts_with(name + "/") ? 1U : 0U;
        }
        return count;
    }
    [[nodiscard]] bool online() {
        return world.until([&] {
            return world.at("ann").state() == member_state::online &&
                   world.at("bob").state() == member_state::online;
        });
    }
    [[nodiscard]] bool have_each(const std::vector<std::string>& names, std::size_t count) {
        return world.until([&] {
            for (const std::string& name : names) {
                if (copies_at(name) != count) {
                    return false;
                }
            }
            return true;
        });
    }

    register_of_copies copies;  // Outlives the nodes, which hand over as they end.
    node_world world;
};

TEST_F(two_copies, are_on_different_members_and_the_first_is_asked) {
    const by_hash how{.partitions = 4, .replicas = 2};
    const auto shelves = start("ann", how);
    start("bob", how);
    ASSERT_TRUE(have_each({"ann", "bob"}, 4));
    for (int i = 0; i < 20; ++i) {
        const auto key = std::to_string(i);
        const auto where = shelves.route(key);
        ASSERT_TRUE(where);
        EXPECT_EQ(world.answer(shelves.ask<owner_of>(key)),
                  where->member + "/" + where->partition + ".0");
    }
}

/// A third member comes and gets its share of what two have.
class moved_copies : public two_copies {
protected:
    template <class How>
    void expect_prepared(const How& how, const std::vector<std::string>& names) {
        const auto shelves = start("ann", how);
        start("bob", how);
        ASSERT_TRUE(online());
        for (const std::string& name : names) {
            ASSERT_TRUE(world.answer(shelves.add(name))) << name;
        }
        ASSERT_TRUE(have_each({"ann", "bob"}, 6));
        start("cid", how);
        ASSERT_TRUE(have_each({"ann", "bob", "cid"}, 4));
        std::size_t further = 0;
        for (const std::string& one : copies.there) {
            if (one.starts_with("cid/")) {
                EXPECT_TRUE(copies.prepared.contains(one)) << one;
                further += one.ends_with(".1") ? 1U : 0U;
            }
        }
        EXPECT_GT(further, 0U) << "no copy that is not the first has moved";
    }
};

TEST_F(moved_copies, of_a_hash_are_prepared_one_and_all) {
    expect_prepared(by_hash{.partitions = 6, .replicas = 2, .prepare_deadline = 2s}, {});
}

TEST_F(moved_copies, of_a_list_are_prepared_one_and_all) {
    expect_prepared(by_list{.replicas = 2, .prepare_deadline = 2s},
                    {"a", "a#1", "b", "b/c", "d", "e"});
}

TEST_F(two_copies, of_a_list_are_not_taken_for_partitions_of_a_similar_name) {
    const by_list how{.replicas = 2};
    const auto shelves = start("ann", how);
    start("bob", how);
    ASSERT_TRUE(online());
    for (const char* const name : {"a", "a#1", "a%231"}) {
        ASSERT_TRUE(world.answer(shelves.add(name))) << name;
    }
    EXPECT_TRUE(have_each({"ann", "bob"}, 3));
    for (const char* const name : {"a", "a#1", "a%231"}) {
        const auto got = world.answer(shelves.ask<owner_of>(name), 10s);
        ASSERT_TRUE(got) << name << ": " << got.error().text;
        EXPECT_TRUE(got->ends_with("/" + std::string{name} + ".0")) << *got;
    }
}

/// A member loses ZooKeeper for longer than its lease, but not for as long as its session.
class stale_copies : public two_copies {
protected:
    template <class How>
    void expect_kept_until_they_are_owned_again(const How& how,
                                                std::size_t partitions,
                                                const std::vector<std::string>& names) {
        const auto shelves = start("ann", how);
        start("bob", how);
        ASSERT_TRUE(online());
        for (const std::string& name : names) {
            ASSERT_TRUE(world.answer(shelves.add(name))) << name;
        }
        ASSERT_TRUE(have_each({"ann", "bob"}, partitions));
        copies.gone = [&](const std::string& what) {
            ends[what] = world.at(what.substr(0, 3)).state();
        };
        world.in.cut(world.host("ann"), world.keeper_host());
        world.in.cut(world.keeper_host(), world.host("ann"));
        ASSERT_TRUE(world.until([&] { return world.at("ann").state() == member_state::stranded; }));
        world.in.heal();
        ASSERT_TRUE(world.until([&] { return world.at("ann").state() == member_state::online; }));
        world.in.run_for(1s);
        copies.gone = nullptr;
        EXPECT_EQ(ends.size(), partitions);
        for (const auto& [what, state] : ends) {
            EXPECT_NE(state, member_state::stranded) << what;
        }
    }

    std::map<std::string, member_state> ends;  ///< in which a copy of it ended, by its title
};

TEST_F(stale_copies, of_a_hash_are_kept_until_they_are_owned_again) {
    expect_kept_until_they_are_owned_again(
        by_hash{.partitions = 4, .replicas = 2, .when_stranded = when_stranded::serve_stale},
        4,
        {});
}

TEST_F(stale_copies, of_a_list_are_kept_until_they_are_owned_again) {
    expect_kept_until_they_are_owned_again(
        by_list{.replicas = 2, .when_stranded = when_stranded::serve_stale},
        3,
        {"a", "a#1", "b/c"});
}

}  // namespace
}  // namespace muster
