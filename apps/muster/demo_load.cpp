#include "demo_load.hpp"

#include "party_grid/grid_client.hpp"
#include "party_grid/http.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <random>
#include <utility>

namespace muster::cli {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds pace{25};  ///< Of one caller: 40 calls a second.
constexpr std::chrono::seconds deadline{15};
constexpr std::size_t one_write_in = 3;

/// The next value of a record: the same with a count of visits in front.
std::string visited(const std::string& value, std::uint64_t visits) {
    constexpr std::string_view mark = "{\"visits\":";
    std::string_view rest = value;
    if (rest.starts_with(mark)) {
        rest.remove_prefix(std::min(rest.find(','), rest.size()));
    } else if (rest.starts_with('{')) {
        rest.remove_prefix(1);
        return std::string{mark} + std::to_string(visits) + ',' + std::string{rest};
    }
    return std::string{mark} + std::to_string(visits) + std::string{rest};
}

}  // namespace

struct demo_load::caller {
    std::size_t number = 0;
    party_grid::grid_client grid;
    std::minstd_rand dice;
    std::uint64_t visits = 0;
    std::thread thread;
    mutable std::mutex mutex;
    load_figures seen;
};

demo_load::demo_load(std::vector<std::string> members, std::vector<party_grid::batch_line>& lines)
    : members_{std::move(members)}, lines_{lines} {
    for (std::size_t i = 0; i < demo_callers; ++i) {
        callers_.push_back(std::unique_ptr<caller>{
            new caller{.number = i,
                       .grid = party_grid::grid_client{members_, deadline},
                       .dice = std::minstd_rand{static_cast<std::uint32_t>(i + 1)},
                       .visits = 0,
                       .thread = {},
                       .mutex = {},
                       .seen = {}}});
    }
}

demo_load::~demo_load() {
    stop();
}

void demo_load::start() {
    stopping_.store(false);
    for (const auto& one : callers_) {
        one->thread = std::thread{[this, mine = one.get()] { run(*mine); }};
    }
}

void demo_load::stop() {
    stopping_.store(true);
    for (const auto& one : callers_) {
        if (one->thread.joinable()) {
            one->thread.join();
        }
    }
}

void demo_load::run(caller& mine) {
    clock::time_point next =
        clock::now() + pace * static_cast<int>(mine.number) / static_cast<int>(demo_callers);
    while (!stopping_.load()) {
        std::this_thread::sleep_until(next);
        next = std::max(next + pace, clock::now());
        // A record of this caller's own: nobody else writes it.
        const std::size_t own = lines_.size() / callers_.size();
        const std::size_t at =
            (mine.dice() % std::max<std::size_t>(own, 1)) * callers_.size() + mine.number;
        if (at >= lines_.size()) {
            continue;
        }
        auto& line = lines_[at];
        const bool writes = mine.dice() % one_write_in == 0;
        const std::string target = "/parties/" + party_grid::percent_encode(line.key);
        const std::string value = writes ? visited(*line.value, ++mine.visits) : *line.value;
        const auto begin = clock::now();
        const std::size_t first = mine.dice() % members_.size();
        const auto answer = mine.grid.call(
            {.method = writes ? "PUT" : "GET", .target = target, .body = writes ? value : ""},
            first);
        const double took = std::chrono::duration<double, std::milli>(clock::now() - begin).count();

        const std::lock_guard lock{mine.mutex};
        ++mine.seen.calls;
        mine.seen.repeated = mine.grid.retries();
        mine.seen.longest_ms = std::max(mine.seen.longest_ms, took);
        const bool answered = answer && answer->status == (writes ? 204U : 200U);
        if (answered && writes) {
            line.value = value;
        } else if (answered && answer->body != value) {
            ++mine.seen.wrong;
        } else if (!answered) {
            ++mine.seen.failed;
            mine.seen.example = (writes ? "PUT " : "GET ") + target + ": " +
                                (answer ? "HTTP " + std::to_string(answer->status) + ' ' +
                                              answer->body.substr(0, 200)
                                        : answer.error().text);
        }
    }
}

load_figures demo_load::figures() const {
    load_figures sum;
    for (const auto& one : callers_) {
        const std::lock_guard lock{one->mutex};
        sum.calls += one->seen.calls;
        sum.failed += one->seen.failed;
        sum.wrong += one->seen.wrong;
        sum.repeated += one->seen.repeated;
        sum.longest_ms = std::max(sum.longest_ms, one->seen.longest_ms);
        if (!one->seen.example.empty()) {
            sum.example = one->seen.example;
        }
    }
    return sum;
}

}  // namespace muster::cli
