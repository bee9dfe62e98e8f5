#pragma once

/// @file
/// The grounds on which the conformance suite stands: one host of each implementation.

#include "runtime/real.hpp"
#include "runtime/sim/world.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::runtime {

/// A host and whatever keeps it alive.
struct ground {
    std::shared_ptr<platform> host;
    std::string address;  ///< One that this host can listen on and connect to.
    std::shared_ptr<sim::world> world{};
};

struct ground_kind {
    const char* name;
    std::unique_ptr<ground> (*make)();
};

inline const std::vector<const ground_kind*>& ground_kinds() {
    static const ground_kind real{
        "real", [] { return std::make_unique<ground>(ground{make_real_platform(), "127.0.0.1"}); }};
    static const ground_kind simulated{
        "simulated", [] {
            auto home = std::make_shared<sim::world>(1);
            auto process = home->add_host("alone").process();
            return std::make_unique<ground>(ground{std::move(process), "10.0.0.1", home});
        }};
    static const std::vector<const ground_kind*> all{&real, &simulated};
    return all;
}

}  // namespace muster::runtime
