#pragma once

/// @file
/// A grid of real processes for tests: a keeper, members over one store, and what they journalled.

#include "base/text.hpp"
#include "grid_client.hpp"
#include "http_client.hpp"
#include "live/child_process.hpp"
#include "test_folder.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace party_grid {

using namespace std::chrono_literals;

/// A program of the grid: in the folder that MUSTER_BIN names, or as this test was built with.
inline std::string program(const std::string& name) {
    const char* const folder = std::getenv("MUSTER_BIN");
    return (folder == nullptr || *folder == '\0' ? GRID_PROGRAMS : std::string{folder}) + "/" +
           name;
}

/// Whether the programs are built with a sanitizer, as they say of themselves: a test may be built
/// otherwise.
inline bool programs_are_sanitized() {
    std::ifstream file{program("party_grid"), std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    if (bytes.empty()) {
        throw std::runtime_error{"there is no " + program("party_grid")};
    }
    return bytes.find("__asan_init") != bytes.npos || bytes.find("__tsan_init") != bytes.npos;
}

/// A line of a journal.
struct grid_event {
    std::int64_t t = 0;
    std::string event;
    std::string member;
    std::string partition;  ///< "parties/17"
    std::int64_t fence = 0;
    std::string http;
    bool gained = false;
};

/// Threads: one, which must outlive it; `addresses` any.
class grid_fleet {
public:
    struct how {
        std::string store;                   ///< "": SQLite in a folder of its own
        std::string session_timeout = "2s";  ///< the keeper's tick is 500 ms
        std::size_t members = 3;
    };

    explicit grid_fleet(how wanted) : how_{std::move(wanted)} {
        if (how_.store.empty()) {
            how_.store = folder_.file("records.db");
        }
        keeper_ = std::make_unique<muster::live::child_process>(
            std::vector<std::string>{
                program("muster"), "keeper", "--listen", "127.0.0.1:0", "--tick-time", "500ms"},
            folder_.file("keeper.log"));
        until("the keeper is ready", 20s, [this] {
            const std::string said = keeper_->printed();
            const auto at = said.find("ready ");
            const auto end = at == std::string::npos ? at : said.find('\n', at);
            if (end != std::string::npos) {
                keeper_at_ = said.substr(at + 6, end - at - 6);
            }
            return !keeper_at_.empty();
        });
        for (std::size_t i = 0; i < how_.members; ++i) {
            http_.emplace_back("127.0.0.1:0");
            processes_.emplace_back();
            start(i);
        }
        until("all partitions are owned", 30s, [this] { return owners().size() == 64; });
        for (std::size_t i = 0; i < how_.members; ++i) {
            for (const grid_event& one : journal(i)) {
                http_[i] = one.event == "start" ? one.http : http_[i];
            }
        }
    }

    void start(std::size_t member) {
        processes_[member] = std::make_unique<muster::live::child_process>(
            std::vector<std::string>{program("party_grid"),
                                     "--name",
                                     name(member),
                                     "--cluster",
                                     "test",
                                     "--zookeeper",
                                     keeper_at_,
                                     "--store",
                                     how_.store,
                                     "--http",
                                     http_[member],
                                     "--journal",
                                     folder_.file(name(member) + ".journal"),
                                     "--session-timeout",
                                     how_.session_timeout,
                                     "--min-members",
                                     std::to_string(how_.members)},
            folder_.file(name(member) + ".log"));
    }

    [[nodiscard]] muster::live::child_process& process(std::size_t member) {
        return *processes_[member];
    }
    [[nodiscard]] static std::string name(std::size_t member) {
        return std::string(1, static_cast<char>('a' + member));
    }
    [[nodiscard]] const std::vector<std::string>& addresses() const { return http_; }
    [[nodiscard]] const std::string& store_path() const { return how_.store; }

    [[nodiscard]] http_client client(std::size_t member,
                                     std::chrono::milliseconds timeout = 15s) const {
        const auto colon = http_[member].rfind(':');
        return {"127.0.0.1",
                static_cast<std::uint16_t>(std::atoi(http_[member].c_str() + colon + 1)),
                timeout};
    }

    [[nodiscard]] std::vector<grid_event> journal(std::size_t member) const {
        std::ifstream file{folder_.file(name(member) + ".journal")};
        std::vector<grid_event> all;
        std::string line;
        while (std::getline(file, line)) {
            boost::system::error_code trouble;
            const auto parsed = boost::json::parse(line, trouble);
            if (trouble) {
                continue;  // Cut off by a kill, or still being written.
            }
            const auto& from = parsed.as_object();
            const auto text = [&from](std::string_view key) {
                const auto* const value = from.if_contains(key);
                return value != nullptr && value->is_string() ? std::string{value->get_string()}
                                                              : std::string{};
            };
            const auto number = [](const std::string& digits) {
                return muster::base::parse_int64(digits).value_or(0);
            };
            const auto* const gained = from.if_contains("gained");
            all.push_back({number(text("t")),
                           text("event"),
                           text("member"),
                           text("resource") + "/" + text("partition"),
                           number(text("fence")),
                           text("http"),
                           gained != nullptr && gained->as_bool()});
        }
        return all;
    }

    /// Who acquired each partition of `parties` last, by the largest fence.
    [[nodiscard]] std::map<std::string, grid_event> owners() const {
        std::map<std::string, grid_event> newest;
        for (std::size_t i = 0; i < how_.members; ++i) {
            for (grid_event& one : journal(i)) {
                if (one.event == "acquire" && one.partition.starts_with("parties/") &&
                    one.fence > newest[one.partition].fence) {
                    newest[one.partition] = one;
                }
            }
        }
        return newest;
    }
    [[nodiscard]] std::size_t owned_by(std::size_t member) const {
        const auto all = owners();
        return static_cast<std::size_t>(std::ranges::count_if(
            all, [&](const auto& one) { return one.second.member == name(member); }));
    }

    /// Fails the test where `enough` does not hold within `limit`.
    void until(const std::string& what,
               std::chrono::milliseconds limit,
               const std::function<bool()>& enough) const {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!enough()) {
            if (std::chrono::steady_clock::now() >= end) {
                throw std::runtime_error{"within " + std::to_string(limit.count()) +
                                         " ms it did not come about that " + what + "\n" +
                                         complaints()};
            }
            std::this_thread::sleep_for(10ms);
        }
    }

    [[nodiscard]] std::string complaints() const {
        std::string all;
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            all += processes_[i] ? processes_[i]->printed() : "";
        }
        return all.substr(all.size() > 3000 ? all.size() - 3000 : 0);
    }

    /// A member of `/stats`.
    [[nodiscard]] std::int64_t stat(std::size_t member, std::string_view key) const {
        const auto answer = client(member).get("/stats");
        if (!answer || answer->status != 200) {
            return -1;
        }
        const auto parsed = boost::json::parse(answer->body);
        return parsed.as_object().at(key).to_number<std::int64_t>();
    }

private:
    how how_;
    test_folder folder_;
    std::string keeper_at_;
    std::unique_ptr<muster::live::child_process> keeper_;
    std::vector<std::string> http_;
    std::vector<std::unique_ptr<muster::live::child_process>> processes_;
};

}  // namespace party_grid
