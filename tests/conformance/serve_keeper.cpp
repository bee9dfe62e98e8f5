// Runs a keeper alone, for clients that are other programs: the conformance runners, the benchmark.
//
// serve_keeper [--port N] [--tick-ms N] [--reap-ms N] [--per-ip N]
// Prints "ready 127.0.0.1:PORT" when it serves, and ends when its standard input does.

#include "base/text.hpp"
#include "runtime/real.hpp"
#include "zookeeper/keeper.hpp"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

namespace {

using namespace muster;

std::int64_t number(const std::map<std::string, std::string>& given,
                    const std::string& name,
                    std::int64_t otherwise) {
    const auto at = given.find(name);
    return at == given.end() ? otherwise : base::parse_int64(at->second).value_or(otherwise);
}

}  // namespace

int main(int argc, char** argv) {
    std::map<std::string, std::string> given;
    for (int i = 1; i + 1 < argc; i += 2) {
        given[argv[i]] = argv[i + 1];
    }
    zookeeper::keeper_options options;
    options.listen.port = static_cast<std::uint16_t>(number(given, "--port", 0));
    options.tick_time = std::chrono::milliseconds{number(given, "--tick-ms", 2000)};
    options.reap_interval = std::chrono::milliseconds{number(given, "--reap-ms", 60'000)};
    options.max_connections_per_ip = static_cast<std::size_t>(number(given, "--per-ip", 60));

    const auto platform = runtime::make_real_platform();
    const auto loop = platform->make_loop("keeper");
    std::unique_ptr<zookeeper::keeper> keeper;
    std::string failure;
    const auto started = platform->make_gate();
    loop->post([&] {
        auto made = zookeeper::keeper::start(loop, options);
        if (made) {
            keeper = std::move(*made);
        } else {
            failure = made.error().text;
        }
        started->open();
    });
    started->wait(never);
    if (!keeper) {
        std::fprintf(stderr, "serve_keeper: %s\n", failure.c_str());
        return 1;
    }
    std::printf("ready %s\n", keeper->local().text().c_str());
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
    }
    const auto ended = platform->make_gate();
    loop->post([&] {
        keeper.reset();
        ended->open();
    });
    ended->wait(never);
    loop->stop();
    return 0;
}
