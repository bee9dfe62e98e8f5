#include "runtime/due_heap.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace muster::runtime {
namespace {

struct numbered : due_node {
    std::size_t number = 0;
};

RC_GTEST_PROP(due_heap, gives_back_what_is_left_by_instant_and_then_by_insertion, ()) {
    const auto delays = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 20));
    std::vector<numbered> nodes(delays.size());
    due_heap heap;
    std::vector<std::pair<int, std::size_t>> expected;
    for (std::size_t i = 0; i < delays.size(); ++i) {
        nodes[i].number = i;
        heap.insert(nodes[i], instant{std::chrono::seconds{delays[i]}});
    }
    for (std::size_t i = 0; i < delays.size(); ++i) {
        if (*rc::gen::inRange(0, 3) == 0) {
            heap.remove(nodes[i]);
            RC_ASSERT(!nodes[i].is_set());
        } else {
            expected.emplace_back(delays[i], i);
        }
    }
    std::ranges::sort(expected);
    std::vector<std::pair<int, std::size_t>> seen;
    while (!heap.empty()) {
        const auto when = heap.when().time_since_epoch() / 1s;
        auto& first = static_cast<numbered&>(heap.earliest());
        heap.remove(first);
        seen.emplace_back(static_cast<int>(when), first.number);
    }
    RC_ASSERT(seen == expected);
}

}  // namespace
}  // namespace muster::runtime
