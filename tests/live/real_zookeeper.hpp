#pragma once

/// @file
/// Apache ZooKeeper itself, from Debian's jars, on free ports of the loopback: the oracle of the
/// live tests.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace muster::live {

/// A server of its own, or an ensemble, with its data in a new directory.
///
/// The servers end with this object, and with the process whatever happens to it.
/// Threads: one at a time.
/// Blocks: yes; starting takes about a second.
class real_zookeeper {
public:
    struct options {
        std::size_t servers = 1;  ///< 1: standalone
        std::chrono::milliseconds tick{500};
        int sync_limit = 5;
        int init_limit = 20;
        bool durable = false;       ///< wait for the disk before answering a write
        bool fully_compiled = false;  ///< for measurements: a slower start, a faster server
        std::vector<std::string> more_lines{};  ///< for zoo.cfg
        std::vector<std::string> more_flags{};  ///< for java
    };

    /// Whether Java and ZooKeeper's jars are there; tests that need them fail without.
    [[nodiscard]] static bool is_installed();

    real_zookeeper() : real_zookeeper(options{}) {}
    /// Starts all servers and waits until they serve; look at `is_serving`.
    explicit real_zookeeper(options chosen);
    ~real_zookeeper();
    real_zookeeper(const real_zookeeper&) = delete;
    real_zookeeper& operator=(const real_zookeeper&) = delete;

    /// "127.0.0.1:4001,127.0.0.1:4002".
    [[nodiscard]] std::string connect_string() const;
    [[nodiscard]] std::uint16_t port(std::size_t server) const { return servers_[server].port; }
    [[nodiscard]] std::size_t size() const noexcept { return servers_.size(); }
    [[nodiscard]] pid_t pid(std::size_t server) const { return servers_[server].pid; }
    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

    void kill(std::size_t server);    ///< SIGKILL
    void pause(std::size_t server);   ///< SIGSTOP
    void resume(std::size_t server);  ///< SIGCONT
    /// Starts a killed server on its old port and data.
    void start(std::size_t server);
    /// Forgets a killed server's data, so that it starts empty.
    void wipe(std::size_t server);

    /// The answer to a four-letter word; empty where there is none.
    [[nodiscard]] std::string ask(std::size_t server, const std::string& word) const;
    [[nodiscard]] bool is_serving(std::size_t server) const;
    /// Whether every server that runs serves before `limit` is over.
    [[nodiscard]] bool wait_until_serving(std::chrono::milliseconds limit) const;
    /// Which server leads the ensemble; a standalone one leads itself.
    [[nodiscard]] std::optional<std::size_t> leader() const;
    /// What the server printed.
    [[nodiscard]] std::string log(std::size_t server) const;

private:
    struct server_process {
        std::uint16_t port = 0;
        std::uint16_t quorum_port = 0;
        std::uint16_t election_port = 0;
        pid_t pid = -1;
    };

    void write_configuration(std::size_t server) const;
    [[nodiscard]] std::filesystem::path home(std::size_t server) const;

    options options_;
    std::filesystem::path directory_;
    std::vector<server_process> servers_;
};

}  // namespace muster::live
