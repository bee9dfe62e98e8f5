// The keeper beside Apache ZooKeeper: start, idle memory, throughput. Prints JSON lines.
//
//     bench_keeper [ROUNDS [OPERATIONS]]
//     bench_keeper serve PORT          the keeper alone (what the first form starts)
//
// Each round starts each server as a process of its own. `start_ms` runs from fork to the answer to
// a first session; `idle_kib` is the resident memory with that one session. The load is written by
// hand on plain sockets, so that no client library is measured: sets of 64 bytes, 256 outstanding
// on each connection. The real server's data lies on tmpfs.

#include "zookeeper/keeper.hpp"

#include "runtime/real.hpp"
#include "zookeeper/protocol.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

namespace zk = muster::zookeeper;
namespace protocol = muster::zookeeper::protocol;
using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int window = 256;
const std::string value(64, 'v');

double ms_since(clock_type::time_point start) {
    return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

std::string framed(const std::string& body) {
    std::string bytes;
    zk::jute_writer frame{bytes};
    const std::size_t mark = frame.begin_frame();
    bytes += body;
    frame.end_frame(mark);
    return bytes;
}

/// One connection with a session, spoken to in frames.
class peer {
public:
    peer() = default;
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;
    ~peer() {
        if (socket_ >= 0) {
            ::close(socket_);
        }
    }

    /// Whether a session stands.
    bool open(std::uint16_t port) {
        if (socket_ >= 0) {
            ::close(socket_);
        }
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        const int on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        in_.clear();
        // A server that has just begun to listen may take a connection and never answer it.
        wait_at_most(timeval{0, 100'000});
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 ||
            is_own_other_end(port)) {
            return false;
        }
        protocol::connect_request asked;
        asked.timeout_ms = 20'000;
        const std::string password(protocol::password_size, '\0');
        asked.password = password;
        std::string body;
        protocol::encode(body, asked);
        send(framed(body));
        const bool stands = !take_frame().empty();
        wait_at_most(timeval{10, 0});
        return stands;
    }

    void send(const std::string& bytes) {
        for (std::size_t at = 0; at < bytes.size();) {
            const ssize_t sent =
                ::send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            at += static_cast<std::size_t>(sent);
        }
    }

    /// Empty at the end of the connection.
    std::string take_frame() {
        for (;;) {
            if (const std::size_t size = whole(0); size > 0) {
                std::string frame = in_.substr(4, size - 4);
                in_.erase(0, size);
                return frame;
            }
            if (!receive()) {
                return {};
            }
        }
    }

    /// Reads once; the number of frames that have come.
    int count_frames() {
        if (!receive()) {
            return -1;
        }
        int count = 0;
        std::size_t at = 0;
        while (const std::size_t size = whole(at)) {
            at += size;
            ++count;
        }
        in_.erase(0, at);
        return count;
    }

    int socket() const { return socket_; }

private:
    /// A port that nobody listens on yet may be the very one the kernel chose for our end.
    bool is_own_other_end(std::uint16_t port) const {
        sockaddr_in ours{};
        socklen_t size = sizeof ours;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&ours), &size);
        return ntohs(ours.sin_port) == port;
    }
    void wait_at_most(timeval patience) {
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    std::size_t whole(std::size_t at) const {
        if (in_.size() < at + 4) {
            return 0;
        }
        const auto size = 4 + static_cast<std::size_t>(zk::load_int32(in_.data() + at));
        return in_.size() >= at + size ? size : 0;
    }
    bool receive() {
        char room[65536];
        const ssize_t got = ::recv(socket_, room, sizeof room, 0);
        if (got <= 0) {
            return false;
        }
        in_.append(room, static_cast<std::size_t>(got));
        return true;
    }

    int socket_ = -1;
    std::string in_;
};

std::uint16_t free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(probe, reinterpret_cast<sockaddr*>(&at), sizeof at);
    socklen_t size = sizeof at;
    ::getsockname(probe, reinterpret_cast<sockaddr*>(&at), &size);
    ::close(probe);
    return ntohs(at.sin_port);
}

int serve(std::uint16_t port) {
    const auto platform = muster::runtime::make_real_platform();
    const auto loop = platform->make_loop("keeper");
    std::unique_ptr<zk::keeper> keeper;
    loop->post([&] {
        zk::keeper_options options;
        options.listen.port = port;
        auto made = zk::keeper::start(loop, options);
        if (!made) {
            std::fprintf(stderr, "bench_keeper: %s\n", made.error().text.c_str());
            std::_Exit(1);
        }
        keeper = std::move(*made);
    });
    platform->make_gate()->wait(muster::never);
    return 0;
}

/// A server as a process of its own; gone with this object.
class server {
public:
    server(const std::string& kind, const char* self) : port_(free_port()) {
        folder_ = "/dev/shm/bench_keeper_" + std::to_string(::getpid());
        std::filesystem::create_directories(folder_);
        const std::string config = folder_ + "/zoo.cfg";
        std::ofstream{config} << "tickTime=2000\ndataDir=" << folder_
                              << "/data\nclientPort=" << port_ << "\nclientPortAddress=127.0.0.1\n"
                              << "admin.enableServer=false\n";
        started_ = clock_type::now();
        process_ = ::fork();
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (kind == "keeper") {
                const std::string port = std::to_string(port_);
                ::execl("/proc/self/exe", self, "serve", port.c_str(), nullptr);
            }
            std::freopen("/dev/null", "w", stdout);
            std::freopen("/dev/null", "w", stderr);
            ::execlp("java",
                     "java",
                     "-cp",
                     "/usr/share/java/*",
                     "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                     config.c_str(),
                     nullptr);
            std::_Exit(127);
        }
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        std::filesystem::remove_all(folder_);
    }

    /// From the fork until a first session stood, in ms; negative if it never did.
    double wait_until_serving(peer& first) {
        while (!first.open(port_)) {
            if (ms_since(started_) > 30'000) {
                return -1;
            }
            ::usleep(200);
        }
        return ms_since(started_);
    }

    long resident_kib() const {
        std::ifstream status{"/proc/" + std::to_string(process_) + "/status"};
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("VmRSS:")) {
                return std::atol(line.c_str() + 6);
            }
        }
        return -1;
    }
    double cpu_ms() const {
        std::ifstream stat{"/proc/" + std::to_string(process_) + "/stat"};
        std::string text;
        std::getline(stat, text);
        text.erase(0, text.rfind(')') + 2);
        long user = 0;
        long system = 0;
        std::sscanf(
            text.c_str(), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
        return 1000.0 * static_cast<double>(user + system) /
               static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
    std::uint16_t port() const { return port_; }

private:
    std::uint16_t port_;
    std::string folder_;
    clock_type::time_point started_;
    pid_t process_ = 0;
};

/// Sets per second over `count` connections.
double throughput(std::uint16_t port, int count, int operations) {
    std::vector<std::unique_ptr<peer>> peers;
    std::vector<pollfd> watched;
    for (int i = 0; i < count; ++i) {
        peers.push_back(std::make_unique<peer>());
        peers.back()->open(port);
        watched.push_back(pollfd{peers.back()->socket(), POLLIN, 0});
    }
    std::string body;
    protocol::encode(body, protocol::request_header{1, protocol::op_code::set_data});
    protocol::encode(body, protocol::set_data_request{"/bench", value, false, -1});
    const std::string one = framed(body);
    const auto many = [&](int times) {
        std::string bytes;
        for (int i = 0; i < times; ++i) {
            bytes += one;
        }
        return bytes;
    };
    const int each = operations / count;
    std::vector<int> left(static_cast<std::size_t>(count), each - std::min(window, each));
    int missing = each * count;
    const auto start = clock_type::now();
    for (const auto& to : peers) {
        to->send(many(std::min(window, each)));
    }
    while (missing > 0 && ::poll(watched.data(), watched.size(), 10'000) > 0) {
        for (std::size_t i = 0; i < peers.size(); ++i) {
            if ((watched[i].revents & POLLIN) == 0) {
                continue;
            }
            const int answered = peers[i]->count_frames();
            if (answered < 0) {
                return -1;
            }
            missing -= answered;
            const int next = std::min(answered, left[i]);
            left[i] -= next;
            peers[i]->send(many(next));
        }
    }
    return missing > 0 ? -1 : each * count / (ms_since(start) / 1000);
}

void measure(const std::string& kind, const char* self, int round, int operations) {
    server under_test{kind, self};
    peer first;
    const double start = under_test.wait_until_serving(first);
    const long idle = under_test.resident_kib();
    std::string body;
    protocol::encode(body, protocol::request_header{1, protocol::op_code::create2});
    protocol::create_request made;
    made.path = "/bench";
    made.data = value;
    made.access = zk::open_acl();
    protocol::encode(body, made);
    first.send(framed(body));
    first.take_frame();
    throughput(under_test.port(), 1, operations);  // the real server's compiler warms up
    const double before = under_test.cpu_ms();
    const double alone = throughput(under_test.port(), 1, operations);
    const double spent = under_test.cpu_ms() - before;
    const double four = throughput(under_test.port(), 4, operations);
    // Every set must have been done: each counts in the version.
    body.clear();
    protocol::encode(body, protocol::request_header{2, protocol::op_code::exists});
    protocol::encode(body, protocol::read_request{protocol::op_code::exists, "/bench", false});
    first.send(framed(body));
    const std::string seen = first.take_frame();
    zk::jute_reader in{seen};
    protocol::reply_header header;
    zk::stat meta;
    if (!protocol::decode(in, header) || !protocol::decode(in, meta) ||
        meta.version != 3 * (operations / 4 * 4)) {
        std::fprintf(stderr,
                     "bench_keeper: %s did %d of %d sets\n",
                     kind.c_str(),
                     meta.version,
                     3 * operations);
        std::exit(1);
    }
    std::printf(
        "{\"bench\":\"keeper\",\"server\":\"%s\",\"round\":%d,\"start_ms\":%.1f,"
        "\"idle_kib\":%ld,\"set_ops_per_s\":%.0f,\"set_ops_per_s_4_connections\":%.0f,"
        "\"server_cpu_us_per_set\":%.2f,\"full_kib\":%ld}\n",
        kind.c_str(),
        round,
        start,
        idle,
        alone,
        four,
        1000 * spent / operations,
        under_test.resident_kib());
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "serve") == 0) {
        return serve(static_cast<std::uint16_t>(std::atoi(argv[2])));
    }
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    const int operations = argc > 2 ? std::atoi(argv[2]) : 100'000;
    for (int round = 0; round < rounds; ++round) {
        measure("keeper", argv[0], round, operations);
        measure("zookeeper", argv[0], round, operations);
    }
    return 0;
}
