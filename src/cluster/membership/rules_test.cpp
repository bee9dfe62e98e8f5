#include "cluster/membership/rules.hpp"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace muster::cluster {
namespace {

TEST(lifecycle, has_these_steps_and_no_others) {
    using enum lifecycle;
    const std::set<std::pair<lifecycle, lifecycle>> steps{
        {stranded, joining},
        {joining, initializing},
        {initializing, online},
        {online, suspect},
        {suspect, online},
        {initializing, draining},
        {online, draining},
        {suspect, draining},
        {draining, left},
        {draining, online},
        {stranded, left},
        {joining, left},
        {joining, stranded},
        {initializing, stranded},
        {online, stranded},
        {suspect, stranded},
        {draining, stranded},
    };
    for (const lifecycle from :
         {stranded, joining, initializing, online, suspect, draining, left}) {
        for (const lifecycle to :
             {stranded, joining, initializing, online, suspect, draining, left}) {
            EXPECT_EQ(may_step(from, to), steps.contains({from, to}))
                << static_cast<int>(from) << " to " << static_cast<int>(to);
        }
    }
}

}  // namespace
}  // namespace muster::cluster
