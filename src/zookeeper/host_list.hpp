#pragma once

/// @file
/// In which order a client tries its servers. Pure.

#include "runtime/endpoint.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace muster::zookeeper {

/// Names in an order shuffled once, so that the clients of an ensemble spread over its servers;
/// each round takes every name once, and every address of a name.
///
/// Threads: one at a time.
class host_list {
public:
    /// Uniform in [0, bound).
    using dice = std::function<std::uint64_t(std::uint64_t bound)>;

    host_list(std::vector<runtime::host_port> names, dice roll);

    /// The next address of the name taken last.
    [[nodiscard]] std::optional<runtime::endpoint> take_address();
    /// The next name of this round; nothing once all have been taken.
    [[nodiscard]] std::optional<runtime::host_port> take_name();
    /// What the name taken last stands for.
    void resolved(std::vector<runtime::endpoint> addresses);
    /// It could not be looked up: what it last stood for is tried instead. Whether there is such.
    bool unresolved();
    /// Every name may be taken again.
    void begin_round();

    /// How many servers there are, as far as is known.
    [[nodiscard]] std::size_t size() const noexcept;

private:
    struct entry {
        runtime::host_port name;
        std::vector<runtime::endpoint> addresses;  ///< as of the last look-up
    };

    void shuffle_into_next(std::vector<runtime::endpoint> addresses);

    dice roll_;
    std::vector<entry> names_;
    std::size_t at_ = 0;     ///< the name to take next
    std::size_t taken_ = 0;  ///< in this round
    std::vector<runtime::endpoint> next_;
};

/// How long one server may take to accept a connection, and then to answer the handshake: an equal
/// share of the session timeout, but long enough for a live server; twice as long after each round
/// in which nobody was reached, so that a slow network is no reason never to connect.
[[nodiscard]] std::chrono::milliseconds attempt_limit(std::chrono::milliseconds session_timeout,
                                                      std::size_t servers,
                                                      unsigned failed_rounds) noexcept;

/// The pause after `failed_rounds` rounds (at least 1): between half and all of 50 ms, doubled
/// with each round up to a quarter of the session timeout or 2 s.
[[nodiscard]] std::chrono::milliseconds round_pause(std::chrono::milliseconds session_timeout,
                                                    unsigned failed_rounds,
                                                    const host_list::dice& roll);

}  // namespace muster::zookeeper
