#pragma once

/// @file
/// The message that every peer sends, and its bytes for the peers that have no encoding of their
/// own: the fields in order, the length of the body, the body.

#include "measurement.hpp"

#include <cstdint>
#include <cstring>
#include <string>

namespace bench {

enum kind : std::uint32_t { one_way, question, confirm };

struct order {
    std::uint64_t id = 0;
    std::uint64_t sent_at = 0;
    std::uint32_t kind = one_way;
    std::uint32_t flags = 7;
    std::string body;
};

inline std::size_t size_of(const order& one) {
    return 28 + one.body.size();
}

/// `to` has room for `size_of(one)`.
inline void write_order(char* to, const order& one) {
    const auto length = static_cast<std::uint32_t>(one.body.size());
    std::memcpy(to, &one.id, 8);
    std::memcpy(to + 8, &one.sent_at, 8);
    std::memcpy(to + 16, &one.kind, 4);
    std::memcpy(to + 20, &one.flags, 4);
    std::memcpy(to + 24, &length, 4);
    std::memcpy(to + 28, one.body.data(), length);
}

inline void read_order(const char* from, std::size_t size, order& one) {
    std::uint32_t length = 0;
    if (size < 28) {
        give_up("an order that is too short");
    }
    std::memcpy(&one.id, from, 8);
    std::memcpy(&one.sent_at, from + 8, 8);
    std::memcpy(&one.kind, from + 16, 4);
    std::memcpy(&one.flags, from + 20, 4);
    std::memcpy(&length, from + 24, 4);
    if (28 + std::size_t{length} > size) {
        give_up("an order without the end of its body");
    }
    one.body.assign(from + 28, length);
}

/// What a server does with an order; whether it goes back.
inline bool serve(order& one, std::uint64_t& received) {
    if (one.kind == one_way) {
        ++received;
        return false;
    }
    if (one.kind == confirm) {
        one.id = received;
        received = 0;
    }
    return true;
}

inline void check_count(std::uint64_t arrived, std::uint64_t sent) {
    if (arrived != sent) {
        give_up("only " + std::to_string(arrived) + " of " + std::to_string(sent) + " arrived");
    }
}

}  // namespace bench
