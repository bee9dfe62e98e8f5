#pragma once

/// @file
/// What the members of a storm serve, and how their application behaves, drawn by chance.

#include "simulation/sim_process.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace muster::simulation {

/// As users have them: some look like what is stored around them.
inline constexpr std::array dates{
    "2026-01-01", "2026-01-02", "a b", "x/y", "\u00fc", "x%2Fy", "1#1", ".."};
/// What may stand where JSON is expected.
inline constexpr std::array rubbish{"",
                                    "x",
                                    "{}",
                                    "[]",
                                    "{\"format\":2}",
                                    "{\"format\":1}",
                                    "{\"format\":1,\"number\":\"-1\"}",
                                    "{\"format\":1,\"number\":\"99999999999999999999\"}"};

/// A number below the one given.
using chance = std::function<std::uint64_t(std::uint64_t)>;

/// orders (hash), ranges (range), dates and globals (list).
[[nodiscard]] std::map<std::string, cluster::specification> draw_resources(const chance& below);
[[nodiscard]] application_shape draw_application(const chance& below);

}  // namespace muster::simulation
