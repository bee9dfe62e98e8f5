#pragma once

/// @file
/// The simulator's generator: small, seeded, and the same on every machine and library.

#include <cstdint>

namespace muster::runtime::sim {

/// SplitMix64 (Steele, Lea, Flood 2014): every seed, 0 too, gives a full-period sequence.
class generator {
public:
    explicit constexpr generator(std::uint64_t seed) : state_{seed} {}

    constexpr std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
        return mixed ^ (mixed >> 31U);
    }

    /// In [0, bound), or 0 if `bound` is 0. Its bias, under 2^-40 for what is asked here, is no
    /// worse than the choice of the seed.
    constexpr std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

    /// A generator of its own for what `purpose` numbers.
    [[nodiscard]] constexpr generator branch(std::uint64_t purpose) const {
        generator mixed{state_ ^ (purpose * 0xd1342543de82ef95U)};
        return generator{mixed.next()};
    }

private:
    std::uint64_t state_;
};

}  // namespace muster::runtime::sim
