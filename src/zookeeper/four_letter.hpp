#pragma once

/// @file
/// The four-letter words a server answers before any handshake, in the forms that tools parse.
///
/// Facts: FourLetterCommands and the classes of org.apache.zookeeper.server.command in Apache
/// ZooKeeper 3.8. `conf`, `cons`, `dump`, `envi`, `isro`, `mntr`, `ruok`, `srvr`, `stat`, `wchc`,
/// `wchp` and `wchs` are known.

#include "zookeeper/keeper_core.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

/// What the words tell besides what the core knows.
struct keeper_facts {
    std::uint16_t port = 0;
    std::chrono::milliseconds tick{0};
    std::chrono::milliseconds min_timeout{0};
    std::chrono::milliseconds max_timeout{0};
    std::size_t max_connections_per_ip = 0;
    std::uint8_t server_id = 0;
    std::int64_t started_ms = 0;
    moment now;
};

[[nodiscard]] bool is_four_letter_word(std::string_view word);

/// The text that answers `word`, which must be a known one. `enabled` holds words, or "*".
[[nodiscard]] std::string answer_word(std::string_view word,
                                      const std::vector<std::string>& enabled,
                                      const keeper_core& core,
                                      const keeper_facts& facts);

}  // namespace muster::zookeeper
