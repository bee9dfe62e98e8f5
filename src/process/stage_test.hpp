#pragma once

/// @file
/// Where the tests' processes run: two loops of a simulated host.

#include "process/host.hpp"
#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

struct stage {
    explicit stage(process_limits limits = {}) {
        workers = {machine->make_loop("one"), machine->make_loop("two")};
        host.emplace(machine, workers, member_id{0xabcdef12'00000000U, 7}, "shop-1", limits);
    }

    /// Lets everything happen that happens within a second.
    void settle() { world.run_for(1s); }

    template <class T>
    result<T> run(pending<T> awaited) {
        std::optional<result<T>> got;
        awaited.then([&got](result<T> one) { got.emplace(std::move(one)); });
        world.run_until([&] { return got.has_value(); }, world.now() + 1h);
        if (!got) {
            return fail(errc::closed, "the test waited for an hour");
        }
        return std::move(*got);
    }

    runtime::sim::world world{1};
    std::shared_ptr<runtime::platform> machine = world.add_host("alone").process();
    std::vector<std::shared_ptr<runtime::loop>> workers;
    std::optional<process_host> host;
};

}  // namespace muster
