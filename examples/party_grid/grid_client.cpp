#include "grid_client.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;
using clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds attempt_timeout{7'000};  ///< Beyond a member's own deadline.
constexpr std::chrono::milliseconds first_pause{5};
constexpr std::chrono::milliseconds longest_pause{100};
constexpr std::size_t batch_lines = 2'000;
constexpr std::chrono::seconds batch_deadline{60};

http_client client_of(const std::string& member) {
    const auto colon = member.rfind(':');
    const int port = colon == std::string::npos ? 0 : std::atoi(member.c_str() + colon + 1);
    return {member.substr(0, colon), static_cast<std::uint16_t>(port), attempt_timeout};
}

/// Whether the same call may do better later, or at another member.
bool passes(unsigned status) {
    return status == 503 || status == 504 || status == 410;
}

muster::error refusal(const http_response& answer) {
    const errc code = answer.status == 503   ? errc::unavailable
                      : answer.status == 504 ? errc::outcome_unknown
                      : answer.status == 404 ? errc::not_found
                                             : errc::handler_failed;
    return {code, "HTTP " + std::to_string(answer.status) + ": " + answer.body.substr(0, 400)};
}

/// Batches of `lines`, each taken by whichever connection is free; the first error ends all.
template <class Work>
muster::result<void> in_batches(std::size_t total, std::size_t connections, const Work& work) {
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::optional<muster::error> trouble;
    const auto run = [&](std::size_t number) {
        while (true) {
            const std::size_t begin = next.fetch_add(batch_lines);
            if (begin >= total) {
                return;
            }
            if (auto how = work(number, begin, std::min(total, begin + batch_lines)); !how) {
                const std::lock_guard lock{mutex};
                trouble = trouble ? trouble : std::optional{how.error()};
                next.store(total);
            }
        }
    };
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < connections; ++i) {
        threads.emplace_back(run, i);
    }
    run(0);
    threads.clear();
    return trouble ? muster::result<void>{std::unexpected(*trouble)} : muster::result<void>{};
}

}  // namespace

grid_client::grid_client(const std::vector<std::string>& members,
                         std::chrono::milliseconds deadline)
    : deadline_{deadline} {
    for (const std::string& one : members) {
        clients_.push_back(client_of(one));
    }
}

muster::result<http_response> grid_client::call(const http_question& question, std::size_t first) {
    const auto until = clock::now() + deadline_;
    auto pause = first_pause;
    for (std::size_t attempt = 0;; ++attempt) {
        auto answer = clients_[(first + attempt) % clients_.size()].ask(question);
        if (answer && !passes(answer->status)) {
            return answer;
        }
        if (clock::now() + pause >= until) {
            return answer ? std::unexpected(refusal(*answer)) : std::move(answer);
        }
        ++retries_;
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, longest_pause);
    }
}

muster::result<void> send_all(const std::vector<std::string>& members,
                              const std::vector<batch_line>& lines,
                              std::size_t connections,
                              const on_progress& tell) {
    std::vector<grid_client> clients;
    for (std::size_t i = 0; i < connections; ++i) {
        clients.emplace_back(members, batch_deadline);
    }
    std::mutex mutex;
    std::size_t done = 0;
    return in_batches(
        lines.size(),
        connections,
        [&](std::size_t number, std::size_t begin, std::size_t end) -> muster::result<void> {
            std::string body;
            for (std::size_t i = begin; i < end; ++i) {
                append_batch_line(body, lines[i].key, lines[i].value, lines[i].partition);
            }
            const auto answer = clients[number].call(
                {.method = "POST", .target = "/parties", .body = std::move(body)}, number);
            if (!answer) {
                return std::unexpected(answer.error());
            }
            if (answer->status != 200) {
                return std::unexpected(refusal(*answer));
            }
            const std::lock_guard lock{mutex};
            done += end - begin;
            if (tell) {
                tell({done, lines.size()});
            }
            return {};
        });
}

muster::result<void> check_all(const std::string& member,
                               const std::vector<batch_line>& lines,
                               std::vector<char>& right) {
    constexpr std::size_t connections = 2;
    std::vector<grid_client> clients;
    for (std::size_t i = 0; i < connections; ++i) {
        clients.emplace_back(std::vector{member}, batch_deadline);
    }
    return in_batches(
        lines.size(),
        connections,
        [&](std::size_t number, std::size_t begin, std::size_t end) -> muster::result<void> {
            std::string body;
            for (std::size_t i = begin; i < end; ++i) {
                append_batch_line(body, lines[i].key, std::nullopt, lines[i].partition);
            }
            const auto answer = clients[number].call(
                {.method = "POST", .target = "/parties/read", .body = std::move(body)});
            if (!answer) {
                return std::unexpected(answer.error());
            }
            if (answer->status != 200) {
                return std::unexpected(refusal(*answer));
            }
            const auto got = parse_batch(answer->body);
            if (!got || got->size() != end - begin) {
                return muster::fail(errc::incompatible,
                                    "the member answered another number of records than asked");
            }
            for (std::size_t i = begin; i < end; ++i) {
                const batch_line& one = (*got)[i - begin];
                right[i] = static_cast<char>(right[i] != 0 && one.key == lines[i].key &&
                                             one.value == lines[i].value);
            }
            return {};
        });
}

}  // namespace party_grid
