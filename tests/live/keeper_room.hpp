#pragma once

/// @file
/// A keeper, agents and other verbs of `muster` as processes of their own, and what they leave in
/// files.

#include "live/child_process.hpp"
#include "live/journal_check.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace muster::live {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

inline std::string text_of(const fs::path& file) {
    std::stringstream whole;
    whole << std::ifstream{file}.rdbuf();
    return whole.str();
}

inline std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

inline bool until(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

inline bool runs(pid_t pid) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/stat"};
    std::string all;
    std::getline(status, all);
    const auto end = all.rfind(')');
    return end != std::string::npos && all.size() > end + 2 && all[end + 2] != 'Z';
}

/// A keeper with a short tick, and programs that know where it is.
class agents_on_a_keeper : public testing::Test {
protected:
    void SetUp() override {
        fs::create_directories(folder_);
        keeper_ = std::make_unique<child_process>(
            std::vector<std::string>{
                MUSTER_PROGRAM, "keeper", "--listen", "127.0.0.1:0", "--tick-time", "500ms"},
            folder_ / "keeper");
        ASSERT_TRUE(until([&] { return keeper_->printed().find('\n') != std::string::npos; }, 20s));
        const std::string said = keeper_->printed();
        ASSERT_EQ(said.substr(0, 6), "ready ") << said;
        address_ = said.substr(6, said.find('\n') - 6);
    }

    void TearDown() override {
        keeper_->terminate();
        EXPECT_EQ(keeper_->wait(20s), 0);
        fs::remove_all(folder_);
    }

    /// `errors`: a file for its stderr alone.
    std::unique_ptr<child_process> start(std::vector<std::string> words,
                                         const std::string& log,
                                         const std::string& errors = {}) {
        words.insert(words.begin(), {MUSTER_PROGRAM, "--zookeeper", address_});
        return std::make_unique<child_process>(
            words, folder_ / log, errors.empty() ? fs::path{} : folder_ / errors);
    }

    std::unique_ptr<child_process> agent(const std::string& name,
                                         const std::string& exec,
                                         const std::string& partitions = "2",
                                         const std::vector<std::string>& more = {},
                                         const std::string& errors = {}) {
        std::vector<std::string> words{"agent",
                                       "--name",
                                       name,
                                       "--resource",
                                       "jobs",
                                       "--partitions",
                                       partitions,
                                       "--session-timeout",
                                       "2s",
                                       "--journal",
                                       (folder_ / (name + ".journal")).string()};
        if (!exec.empty()) {
            words.insert(words.end(), {"--exec", exec});
        }
        words.insert(words.end(), more.begin(), more.end());
        return start(words, name + ".log", errors);
    }

    /// The exit code of a short command, and what it printed.
    std::pair<int, std::string> ask(std::vector<std::string> words) {
        const std::string log = "ask" + std::to_string(asked_++);
        auto asking = start(std::move(words), log);
        const auto code = asking->wait(20s);
        return {code.value_or(-1), asking->printed()};
    }

    [[nodiscard]] journal_text journal_of(const std::string& name, child_process* dead = nullptr) {
        return {.process = name,
                .text = text_of(folder_ / (name + ".journal")),
                .died = dead == nullptr ? std::nullopt : dead->died()};
    }

    bool wait_healthy(const std::string& members) {
        return until(
            [&] { return ask({"status"}).second.find("healthy: " + members) != std::string::npos; },
            20s);
    }

    fs::path folder_ = fs::temp_directory_path() / ("muster-agents-" + std::to_string(::getpid()));
    std::unique_ptr<child_process> keeper_;
    std::string address_;
    int asked_ = 0;
};

}  // namespace muster::live
