/// @file
/// Messages between two processes over loopback: one JSON line for each mode, in the terms of the
/// table of peers (one way with batching, request and reply with 1 and 64 outstanding).
///
///     bench_mesh [--pin server_core,client_core] [--scale percent]

#include "mesh/mesh.hpp"
#include "muster/message.hpp"
#include "runtime/real.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <csignal>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace muster;

struct order {
    std::uint64_t id = 0;
    std::uint64_t sent_at = 0;
    std::uint32_t kind = 0;
    std::uint32_t flags = 0;
    std::string body;
};

constexpr std::uint8_t one_way_type = 64;
constexpr std::uint8_t confirm_type = 65;
const member_id server_id{1, 1};
const member_id client_id{2, 2};

void pin(int core) {
    if (core >= 0) {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(static_cast<std::size_t>(core), &only);
        sched_setaffinity(0, sizeof only, &only);
    }
}

mesh::settings common() {
    mesh::settings wanted;
    wanted.cluster = "bench";
    wanted.key = std::string(32, 'k');  // As between members.
    return wanted;
}

/// The other process: counts one-way messages, answers requests with what they brought.
[[noreturn]] void serve(int port_out) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto machine = runtime::make_real_platform();
    std::uint64_t received = 0;
    mesh::settings wanted = common();
    wanted.frames[one_way_type] = [&](const mesh::arrival& one) {
        const auto read = decode<order>(one.body);
        received += read ? 1 : 0;
    };
    auto started = mesh::mesh::start(
        machine, {machine->make_loop("server")}, std::move(wanted), [&](mesh::incoming one) {
            const auto read = decode<order>(one.body);
            if (read && read->kind == 2) {
                one.answer.reply(encode(order{received, 0, 2, 0, {}}));
                received = 0;
            } else {
                one.answer.reply(read ? encode(*read) : std::string{});
            }
        });
    (*started)->become(server_id);
    const std::uint16_t port = (*started)->local().port;
    if (write(port_out, &port, sizeof port) != sizeof port) {
        std::exit(1);
    }
    while (true) {
        pause();
    }
}

class client {
public:
    explicit client(std::uint16_t port)
        : machine_{runtime::make_real_platform()}, loop_{machine_->make_loop("client")} {
        mesh::settings wanted = common();
        wanted.max_queue = 1U << 20U;
        net_ = std::move(*mesh::mesh::start(machine_, {loop_}, std::move(wanted),
                                            [](mesh::incoming) {}));
        net_->become(client_id);
        to_ = {server_id, "127.0.0.1:" + std::to_string(port)};
    }

    void one_way(std::size_t payload, std::uint64_t count) {
        confirm();
        const auto begin = machine_->now();
        order one;
        one.body.assign(payload - 28, 'x');
        std::string bytes;
        for (std::uint64_t i = 0; i < count; ++i) {
            one.id = i;
            one.sent_at = i << 32U;
            bytes.clear();
            encode_to(bytes, one);
            while (!net_->post(to_, one_way_type, i, bytes)) {
                sched_yield();  // The queue is full.
            }
        }
        const std::uint64_t arrived = confirm();
        report("oneway", payload, count, machine_->now() - begin, {});
        if (arrived != count) {
            std::fprintf(stderr, "only %llu of %llu arrived\n",
                         static_cast<unsigned long long>(arrived),
                         static_cast<unsigned long long>(count));
            std::exit(1);
        }
    }

    void ping_pong(std::size_t payload, std::uint64_t count, std::uint64_t outstanding) {
        confirm();
        latencies_.clear();
        latencies_.reserve(count);
        left_ = count;
        ended_ = 0;
        body_.assign(payload - 28, 'x');
        done_ = machine_->make_gate();
        const auto begin = machine_->now();
        loop_->post([this, outstanding] {
            for (std::uint64_t i = 0; i < outstanding; ++i) {
                ask_next();
            }
        });
        done_->wait(never);
        report("pp" + std::to_string(outstanding), payload, count, machine_->now() - begin,
               latencies_);
    }

private:
    void ask_next() {
        if (left_ == 0) {
            return;
        }
        --left_;
        const instant now = loop_->now();
        net_->request(to_, encode(order{left_, 0, 1, 0, body_}), now + 10s,
                      [this, now](result<std::string> got) {
                          const auto read = got ? decode<order>(*got) : decode<order>("");
                          if (!read) {
                              std::fprintf(stderr, "%s\n", got ? read.error().text.c_str()
                                                               : got.error().text.c_str());
                              std::exit(1);
                          }
                          latencies_.push_back(
                              static_cast<std::uint32_t>((loop_->now() - now).count()));
                          ++ended_;
                          if (ended_ == latencies_.capacity()) {
                              done_->open();
                          } else {
                              ask_next();
                          }
                      });
    }

    /// How many one-way messages arrived since the last time.
    std::uint64_t confirm() {
        std::uint64_t arrived = 0;
        const auto done = machine_->make_gate();
        net_->request(to_, encode(order{0, 0, 2, 0, {}}), machine_->now() + 60s,
                      [&](result<std::string> got) {
                          const auto read = got ? decode<order>(*got) : decode<order>("");
                          arrived = read ? read->id : 0;
                          done->open();
                      });
        done->wait(never);
        return arrived;
    }

    static void report(const std::string& mode,
                       std::size_t payload,
                       std::uint64_t count,
                       duration took,
                       std::vector<std::uint32_t> latencies) {
        const double seconds = std::chrono::duration<double>(took).count();
        double p50 = 0;
        double p99 = 0;
        if (!latencies.empty()) {
            std::sort(latencies.begin(), latencies.end());
            p50 = latencies[latencies.size() / 2] * 1e-3;
            p99 = latencies[latencies.size() * 99 / 100] * 1e-3;
        }
        std::printf("{\"peer\":\"muster mesh\",\"mode\":\"%s\",\"payload\":%zu,\"rate\":%.0f,"
                    "\"p50_us\":%.2f,\"p99_us\":%.2f}\n",
                    mode.c_str(), payload, static_cast<double>(count) / seconds, p50, p99);
        std::fflush(stdout);
    }

    std::shared_ptr<runtime::platform> machine_;
    std::shared_ptr<runtime::loop> loop_;
    std::unique_ptr<mesh::mesh> net_;
    mesh::peer to_;
    std::vector<std::uint32_t> latencies_;
    std::uint64_t left_ = 0;
    std::uint64_t ended_ = 0;
    std::string body_;
    std::unique_ptr<runtime::gate> done_;
};

}  // namespace

int main(int argc, char** argv) {
    int server_core = -1;
    int client_core = -1;
    std::uint64_t percent = 100;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::string_view{argv[i]} == "--pin") {
            if (std::sscanf(argv[i + 1], "%d,%d", &server_core, &client_core) != 2) {
                std::fprintf(stderr, "--pin wants two cores, such as 0,1\n");
                return 2;
            }
        } else if (std::string_view{argv[i]} == "--scale") {
            percent = std::strtoull(argv[i + 1], nullptr, 10);
        }
    }
    int ends[2];
    if (pipe(ends) != 0) {
        return 1;
    }
    const pid_t server = fork();
    if (server == 0) {
        pin(server_core);
        serve(ends[1]);
    }
    pin(client_core);
    std::uint16_t port = 0;
    if (read(ends[0], &port, sizeof port) != sizeof port) {
        return 1;
    }
    {
        client one{port};
        one.one_way(64, 5'000'000 * percent / 100);
        one.one_way(1024, 1'000'000 * percent / 100);
        one.ping_pong(64, 100'000 * percent / 100, 1);
        one.ping_pong(64, 2'000'000 * percent / 100, 64);
        std::fflush(stdout);
    }
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    return 0;
}
