#include "simulation/storm_shapes.hpp"

#include "simulation/sim_cluster.hpp"

#include <array>

namespace muster::simulation {

namespace {

bool one_in(const chance& below, std::uint64_t n) {
    return below(n) == 0;
}

}  // namespace

std::map<std::string, cluster::specification> draw_resources(const chance& below) {
    cluster::specification orders = hash_of(static_cast<std::uint32_t>(4 + below(9)));
    constexpr std::array delays{0ms, 100ms, 500ms};
    orders.handover_delay = delays[below(delays.size())];
    if (one_in(below, 3)) {
        orders.effects = cluster::effects_policy::fenced;
        orders.on_stuck = cluster::stuck_policy::fence;
    }
    orders.replicas = one_in(below, 3) ? 2 : 1;
    cluster::specification ranges = range_from({"", "g", "n o", "\u00fc"});
    ranges.replicas = one_in(below, 4) ? 2 : 1;
    constexpr std::array waits{0ms, 200ms, 1500ms};
    orders.prepare_deadline = waits[below(waits.size())];
    ranges.prepare_deadline = waits[below(waits.size())];
    cluster::specification days = list_of_names();
    days.prepare_deadline = waits[below(waits.size())];
    return {{"orders", orders}, {"ranges", ranges}, {"dates", days}, {"globals", list_of_names()}};
}

application_shape draw_application(const chance& below) {
    application_shape shape;
    shape.acquire_takes = one_in(below, 2) ? 0ms : 60ms;
    constexpr std::array releases{0ms, 30ms, 300ms};
    shape.release_takes = releases[below(releases.size())];
    shape.effect_takes = one_in(below, 4) ? 200ms : 40ms;
    shape.effect_every = 150ms;
    shape.acquire_fails_percent = one_in(below, 4) ? 20 : 0;
    shape.prepare_takes = one_in(below, 3) ? 600ms : 60ms;
    shape.prepare_fails_percent = one_in(below, 3) ? 20 : 0;
    shape.prepare_hangs_percent = one_in(below, 3) ? 20 : 0;
    shape.init_takes = one_in(below, 3) ? 400ms : 0ms;
    return shape;
}

}  // namespace muster::simulation
