#pragma once

/// @file
/// Members of one cluster, each a `muster agent` with a journal, and what their journals say.

#include "live/child_process.hpp"
#include "live/journal_check.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::live {

/// The member process that owns a partition, and under which fence.
using ownership = std::map<std::string, std::pair<std::string, std::int64_t>>;

/// Threads: one at a time.
/// Blocks: yes.
class agent_fleet {
public:
    struct options {
        std::filesystem::path muster;  ///< the program
        std::string zookeeper;
        std::string cluster = "live";
        std::string resource = "jobs";
        int partitions = 48;
        std::chrono::milliseconds tick{500};
        int sync_limit = 5;
    };

    explicit agent_fleet(options chosen);
    ~agent_fleet();
    agent_fleet(const agent_fleet&) = delete;
    agent_fleet& operator=(const agent_fleet&) = delete;

    /// Members started from now on run this for every partition that they own (`--exec`).
    void run_for_each_partition(std::string command) { command_ = std::move(command); }
    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    /// Starts a member. The process is called "a" the first time, then "a'2", "a'3".
    std::string start(const std::string& member);
    /// By the name that `start` gave back.
    [[nodiscard]] child_process& process(const std::string& name) { return *agents_.at(name); }
    [[nodiscard]] std::vector<std::string> running() const;

    [[nodiscard]] journal_verdict journals(const journal_rules& rules = {}) const;
    /// What a process wrote.
    [[nodiscard]] std::string journal(const std::string& name) const;
    [[nodiscard]] std::string log(const std::string& name) const {
        return agents_.at(name)->printed();
    }
    /// Who owns what at present; empty unless every partition has one owner, all owners run, and
    /// all that run and are not paused have equal shares within one.
    [[nodiscard]] ownership balanced() const;

    /// Looks at the journals until `holds`, or until `limit` is over.
    bool wait(const std::function<bool(const journal_verdict&)>& holds,
              std::chrono::milliseconds limit) const;
    /// Until `balanced()`; what it then is.
    [[nodiscard]] ownership wait_until_balanced(std::chrono::milliseconds limit) const;
    /// What every process printed and journalled last, for a failed test.
    [[nodiscard]] std::string story() const;

private:
    [[nodiscard]] std::filesystem::path journal_of(const std::string& name) const;
    [[nodiscard]] ownership balanced_in(const journal_verdict& now) const;

    options options_;
    std::filesystem::path directory_;
    std::map<std::string, std::unique_ptr<child_process>> agents_;
    std::map<std::string, int> starts_;
    std::string command_;
};

/// `muster keeper` on a free port of the loopback.
class keeper_process {
public:
    explicit keeper_process(const std::filesystem::path& muster);
    ~keeper_process();
    keeper_process(const keeper_process&) = delete;
    keeper_process& operator=(const keeper_process&) = delete;

    /// "127.0.0.1:4001"; "" if it did not say before `limit` that it serves.
    [[nodiscard]] std::string address(std::chrono::milliseconds limit);
    /// Stands still, as a server that a network has swallowed.
    void pause() { process_->pause(); }
    void resume() { process_->resume(); }

private:
    std::filesystem::path directory_;
    std::unique_ptr<child_process> process_;
};

}  // namespace muster::live
