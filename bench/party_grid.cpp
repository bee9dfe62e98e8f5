// Calls of one member of the party grid, over HTTP. Prints a JSON line.
//
//     bench_party_grid HOST:PORT WHAT SECONDS CONNECTIONS [DEPTH]
//
// WHAT: `import` writes the machine's package index and log through this member (SECONDS does not
// apply); `read`, `write` ask for one record a request, with DEPTH requests on the way on each
// connection; `read_many` asks for 2,000 records a request. Keys are those of the import, in an
// order of chance. `read` takes every answer but 200 for an error and ends.

#include "party_grid/grid_client.hpp"
#include "party_grid/http_client.hpp"
#include "party_grid/importing.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace party_grid;
using steady = std::chrono::steady_clock;

double seconds_since(steady::time_point begin) {
    return std::chrono::duration<double>(steady::now() - begin).count();
}

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "bench_party_grid: %s\n", why.c_str());
    std::exit(1);
}

http_client client_of(const std::string& member) {
    const auto colon = member.rfind(':');
    return {member.substr(0, colon),
            static_cast<std::uint16_t>(std::atoi(member.c_str() + colon + 1))};
}

void measure_import(const std::string& member,
                    const std::vector<batch_line>& lines,
                    std::size_t connections) {
    const auto begin = steady::now();
    if (const auto sent = send_all({member}, lines, connections); !sent) {
        give_up(sent.error().text);
    }
    const double took = seconds_since(begin);
    std::printf(
        "{\"what\":\"import\",\"records\":%zu,\"connections\":%zu,\"seconds\":%.3f,"
        "\"per_second\":%.0f}\n",
        lines.size(),
        connections,
        took,
        static_cast<double>(lines.size()) / took);
}

struct load {
    bool writes = false;
    double seconds = 0;
    std::size_t connections = 1;
    std::size_t depth = 1;
};

void measure_single(const std::string& member,
                    const std::vector<batch_line>& lines,
                    const load& how) {
    std::atomic<std::size_t> done{0};
    std::vector<std::vector<double>> waits(how.connections);
    const auto begin = steady::now();
    const auto run = [&](std::size_t number) {
        auto client = client_of(member);
        std::minstd_rand dice{static_cast<std::uint32_t>(number + 1)};
        std::vector<http_question> questions(how.depth);
        while (seconds_since(begin) < how.seconds) {
            for (http_question& one : questions) {
                const batch_line& line = lines[dice() % lines.size()];
                one.method = how.writes ? "PUT" : "GET";
                one.target = "/parties/" + percent_encode(line.key);
                one.body = how.writes ? *line.value : "";
            }
            const auto sent = steady::now();
            for (const auto& answer : client.ask_all(questions)) {
                if (!answer || answer->status != (how.writes ? 204U : 200U)) {
                    give_up(answer ? answer->body : answer.error().text);
                }
            }
            waits[number].push_back(seconds_since(sent) * 1e6);
            done.fetch_add(how.depth);
        }
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < how.connections; ++i) {
        threads.emplace_back(run, i);
    }
    for (std::thread& one : threads) {
        one.join();
    }
    const double took = seconds_since(begin);
    std::vector<double> all;
    for (const auto& one : waits) {
        all.insert(all.end(), one.begin(), one.end());
    }
    std::ranges::sort(all);
    std::printf(
        "{\"what\":\"%s\",\"calls\":%zu,\"connections\":%zu,\"depth\":%zu,"
        "\"seconds\":%.3f,\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}\n",
        how.writes ? "write" : "read",
        done.load(),
        how.connections,
        how.depth,
        took,
        static_cast<double>(done.load()) / took,
        all[all.size() / 2],
        all[all.size() * 99 / 100]);
}

void measure_read_many(const std::string& member, const std::vector<batch_line>& lines) {
    std::vector<char> right(lines.size(), 1);
    const auto begin = steady::now();
    if (const auto checked = check_all(member, lines, right); !checked) {
        give_up(checked.error().text);
    }
    const double took = seconds_since(begin);
    std::printf(
        "{\"what\":\"read_many\",\"records\":%zu,\"right\":%td,\"seconds\":%.3f,"
        "\"per_second\":%.0f}\n",
        lines.size(),
        std::ranges::count(right, 1),
        took,
        static_cast<double>(lines.size()) / took);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) {
        give_up(
            "usage: bench_party_grid HOST:PORT import|read|write|read_many SECONDS CONNECTIONS "
            "[DEPTH]");
    }
    const std::string member = argv[1];
    const std::string what = argv[2];
    const load how{.writes = what == "write",
                   .seconds = std::atof(argv[3]),
                   .connections = std::strtoul(argv[4], nullptr, 10),
                   .depth = argc > 5 ? std::strtoul(argv[5], nullptr, 10) : 1};
    const auto records = gather_records({});
    if (!records) {
        give_up(records.error().text);
    }
    if (what == "import") {
        measure_import(member, records->lines, how.connections);
    } else if (what == "read_many") {
        measure_read_many(member, records->lines);
    } else {
        measure_single(member, records->lines, how);
    }
    return 0;
}
