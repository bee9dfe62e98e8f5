/// @file
/// Frames between two processes over loopback, below members and processes: one JSON line for each
/// mode, in the terms of the table of peers (one way with batching, request and reply with 1 and 64
/// outstanding).
///
///     bench_mesh [--pin server_core,client_core] [--only MODE,PAYLOAD] [--seconds S]

#include "mesh/mesh.hpp"

#include "muster/message.hpp"

#include "peers/measurement.hpp"
#include "runtime/real.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
        net_ = std::move(
            *mesh::mesh::start(machine_, {loop_}, std::move(wanted), [](mesh::incoming) {}));
        net_->become(client_id);
        to_ = {server_id, "127.0.0.1:" + std::to_string(port)};
    }

    void measure(const bench::call& wanted) {
        bench::measurement plan{wanted};
        plan_ = &plan;
        body_ = wanted.body();
        confirm();
        while (const std::uint64_t many = plan.next()) {
            if (wanted.outstanding() == 0) {
                one_way(many);
            } else {
                ping_pong(many, wanted.outstanding());
            }
            plan.done();
        }
        plan.report("muster mesh");
    }

private:
    void one_way(std::uint64_t count) {
        order one;
        one.body = body_;
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
        if (arrived != count) {
            bench::give_up("only " + std::to_string(arrived) + " of " + std::to_string(count) +
                           " arrived");
        }
    }

    void ping_pong(std::uint64_t count, std::uint64_t outstanding) {
        left_ = count;
        missing_ = count;
        done_ = machine_->make_gate();
        loop_->post([this, outstanding] {
            for (std::uint64_t i = 0; i < outstanding; ++i) {
                ask_next();
            }
        });
        done_->wait(never);
    }

    void ask_next() {
        if (left_ == 0) {
            return;
        }
        --left_;
        const std::uint64_t began = bench::now_ns();
        net_->request(to_,
                      encode(order{left_, began, 1, 0, body_}),
                      loop_->now() + 10s,
                      [this, began](result<std::string> got) {
                          const auto read = got ? decode<order>(*got) : decode<order>("");
                          if (!read) {
                              bench::give_up(got ? read.error().text : got.error().text);
                          }
                          plan_->answered(began, bench::now_ns());
                          --missing_;
                          if (missing_ == 0) {
                              const auto done = done_;  // Whoever waits may make the next.
                              done->open();
                          } else {
                              ask_next();
                          }
                      });
    }

    /// How many one-way messages arrived since the last time.
    std::uint64_t confirm() {
        std::uint64_t arrived = 0;
        const auto done = machine_->make_gate();
        net_->request(to_,
                      encode(order{0, 0, 2, 0, {}}),
                      machine_->now() + 60s,
                      [&](result<std::string> got) {
                          const auto read = got ? decode<order>(*got) : decode<order>("");
                          arrived = read ? read->id : 0;
                          done->open();
                      });
        done->wait(never);
        return arrived;
    }

    std::shared_ptr<runtime::platform> machine_;
    std::shared_ptr<runtime::loop> loop_;
    std::unique_ptr<mesh::mesh> net_;
    mesh::peer to_;
    bench::measurement* plan_ = nullptr;
    std::uint64_t left_ = 0;
    std::uint64_t missing_ = 0;
    std::string body_;
    std::shared_ptr<runtime::gate> done_;
};

struct options {
    int server_core = -1;
    int client_core = -1;
    double seconds = 1;
    std::vector<std::pair<std::string, std::size_t>> modes{
        {"oneway", 64}, {"oneway", 1024}, {"pp1", 64}, {"pp64", 64}};
};

options read_options(int argc, char** argv) {
    options wanted;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name{argv[i]};
        const std::string value{argv[i + 1]};
        if (name == "--pin" &&
            std::sscanf(value.c_str(), "%d,%d", &wanted.server_core, &wanted.client_core) != 2) {
            bench::give_up("--pin wants two cores, such as 0,1");
        } else if (name == "--only") {
            const std::size_t comma = value.find(',');
            if (comma == std::string::npos) {
                bench::give_up("--only wants a mode and a payload, such as oneway,64");
            }
            wanted.modes = {
                {value.substr(0, comma), std::strtoull(value.c_str() + comma + 1, nullptr, 10)}};
        } else if (name == "--seconds") {
            wanted.seconds = std::strtod(value.c_str(), nullptr);
        }
    }
    return wanted;
}

}  // namespace

int main(int argc, char** argv) {
    const options wanted = read_options(argc, argv);
    int ends[2];
    if (pipe(ends) != 0) {
        return 1;
    }
    const pid_t server = fork();
    if (server == 0) {
        pin(wanted.server_core);
        serve(ends[1]);
    }
    pin(wanted.client_core);
    std::uint16_t port = 0;
    if (read(ends[0], &port, sizeof port) != sizeof port) {
        return 1;
    }
    {
        client one{port};
        for (const auto& [mode, payload] : wanted.modes) {
            one.measure({false, {}, mode, payload, wanted.seconds});
        }
    }
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    return 0;
}
