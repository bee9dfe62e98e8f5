#pragma once

/// @file
/// Asks ZooKeeper servers what they are before a session is begun: alone or an ensemble, and the
/// tick and sync limit that a safe session timeout follows from.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/life_guard.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/client.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster {

/// What a server's own words tell.
struct server_facts {
    bool proven = false;      ///< Apache ZooKeeper, or our keeper
    bool standalone = false;  ///< believed only from `srvr`
    std::optional<std::chrono::milliseconds> tick;
    std::optional<std::uint32_t> sync_limit;
    friend bool operator==(const server_facts&, const server_facts&) = default;
};

/// Reads the answers to `srvr` and `conf`; either may be empty, or say that it is not allowed.
[[nodiscard]] server_facts read_server_words(std::string_view srvr, std::string_view conf);

/// Asks the servers in a random order until one answers, round after round with a jittered pause,
/// for as long as it lives.
/// Threads: control loop only.
class server_probe {
public:
    /// `found` is called once; `waiting` whenever a whole round found nobody.
    server_probe(runtime::loop& at,
                 zookeeper::connect_string servers,
                 callback<server_facts> found,
                 std::function<void(const error&)> waiting);

private:
    void next_host();
    void next_address();
    void ask(std::string_view word);
    void read_more();
    void word_answered();
    void host_failed(std::string why);
    void round_over();

    runtime::loop& loop_;
    std::vector<runtime::host_port> hosts_;
    callback<server_facts> found_;
    std::function<void(const error&)> waiting_;
    std::size_t host_ = 0;
    std::vector<runtime::endpoint> addresses_;
    std::size_t address_ = 0;
    unsigned rounds_ = 0;
    bool asking_conf_ = false;
    unsigned without_conf_ = 0;  ///< how often it was not answered though `srvr` was
    std::string word_;
    std::string srvr_, conf_;
    std::string last_trouble_;
    std::array<char, 4096> buffer_{};
    std::unique_ptr<runtime::operation> step_;
    std::unique_ptr<runtime::stream> stream_;
    std::unique_ptr<runtime::timer> timer_;
    life_guard life_;
};

}  // namespace muster::cluster
