#include "discovery/picture.hpp"

#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

namespace muster {
namespace {

using detail::service_picture;

class a_picture : public testing::Test {
protected:
    static instance of(std::uint32_t index, std::string zone = "east") {
        return {pid{{2, 2}, "m", index, 1}, "m", "h:1", std::move(zone)};
    }
    [[nodiscard]] std::shared_ptr<service_picture> draw(
        std::vector<instance> all, const service_picture* before = nullptr) const {
        return std::make_shared<service_picture>(loop, std::move(all), "east", before);
    }
    static std::uint32_t picked(const instances& all, picking how) {
        const auto one = all.pick(how);
        return one ? one->index() : 0;
    }

    runtime::sim::world world{3};
    std::shared_ptr<runtime::loop> loop = world.add_host("here").make_loop("loop");
};

TEST_F(a_picture, of_nobody_picks_nobody) {
    EXPECT_EQ(instances{}.pick(round_robin), std::nullopt);
    const instances none{draw({})};
    for (const picking how : {round_robin, random, nearest, least_loaded}) {
        EXPECT_EQ(none.pick(how), std::nullopt);
    }
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.begin(), none.end());
}

TEST_F(a_picture, picks_one_after_the_other_also_when_it_is_drawn_anew) {
    const auto first = draw({of(1), of(2), of(3)});
    EXPECT_EQ(picked(instances{first}, round_robin), 1U);
    EXPECT_EQ(picked(instances{first}, round_robin), 2U);
    const auto next = draw({of(1), of(2), of(3), of(4)}, first.get());
    EXPECT_EQ(picked(instances{next}, round_robin), 3U);
    EXPECT_EQ(picked(instances{next}, round_robin), 4U);
    EXPECT_EQ(picked(instances{next}, round_robin), 1U);
}

TEST_F(a_picture, picks_each_by_chance) {
    const instances all{draw({of(1), of(2), of(3)})};
    std::map<std::uint32_t, int> often;
    for (int i = 0; i < 300; ++i) {
        ++often[picked(all, random)];
    }
    EXPECT_EQ(often.size(), 3U);
    for (const auto& [index, times] : often) {
        EXPECT_GT(times, 60) << index;
    }
}

TEST_F(a_picture, picks_of_its_own_zone_in_turn_and_of_all_where_there_is_none) {
    const instances mixed{draw({of(1, "west"), of(2), of(3, "west"), of(4)})};
    const std::set<std::uint32_t> both{picked(mixed, nearest), picked(mixed, nearest)};
    EXPECT_EQ(both, (std::set<std::uint32_t>{2, 4}));
    const instances away{draw({of(1, "west"), of(2, "north")})};
    const std::set<std::uint32_t> all{picked(away, nearest), picked(away, nearest)};
    EXPECT_EQ(all, (std::set<std::uint32_t>{1, 2}));
}

TEST_F(a_picture, picks_whom_this_node_has_picked_least) {
    const auto first = draw({of(1), of(2, "west")});
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(picked(instances{first}, nearest), 1U);
    }
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(picked(instances{first}, least_loaded), 2U);
    }
    // Whoever is new begins with the least count, or it would get everything for a while.
    const instances more{draw({of(1), of(2, "west"), of(3)}, first.get())};
    std::map<std::uint32_t, int> often;
    for (int i = 0; i < 8; ++i) {
        ++often[picked(more, least_loaded)];
    }
    EXPECT_EQ(often, (std::map<std::uint32_t, int>{{1, 2}, {2, 3}, {3, 3}}));
}

TEST_F(a_picture, is_as_old_as_the_time_since_it_was_last_current) {
    const auto one = draw({of(1)});
    const instances seen{one};
    world.run_for(5s);
    EXPECT_EQ(seen.age(), 0ns);
    one->may_be_old();
    world.run_for(2s);
    one->may_be_old();
    world.run_for(1s);
    EXPECT_EQ(seen.age(), 3s);
    one->is_current();
    EXPECT_EQ(seen.age(), 0ns);
    one->is_unasked();
    EXPECT_EQ(seen.age(), std::chrono::nanoseconds::max());
}

}  // namespace
}  // namespace muster
