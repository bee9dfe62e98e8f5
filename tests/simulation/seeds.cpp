#include "simulation/seeds.hpp"

#include "base/sanitized.hpp"

#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>

namespace muster::simulation {
namespace {

std::optional<std::uint64_t> number_in_environment(const char* name) {
    const char* const given = std::getenv(name);
    return given == nullptr ? std::nullopt : std::optional{std::stoull(given)};
}

std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t count) {
    std::vector<std::uint64_t> all(count);
    std::iota(all.begin(), all.end(), first);
    return all;
}

}  // namespace

std::vector<std::uint64_t> seeds(std::uint64_t count, std::uint64_t sanitized) {
    if (const auto only = number_in_environment("MUSTER_SEED")) {
        return {*only};
    }
    if (const auto wanted = number_in_environment("MUSTER_SEEDS")) {
        return range(1, *wanted);
    }
    return base::is_sanitized ? range(count + 1, count / sanitized) : range(1, count);
}

}  // namespace muster::simulation
