#include "live/real_zookeeper.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace muster::live {
namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr auto jar_folder = "/usr/share/java";
/// What the server needs of Debian's packages (libzookeeper-java and its dependencies).
constexpr std::array jars{"zookeeper",       "zookeeper-jute",   "slf4j-api",
                          "slf4j-simple",    "netty-all",        "netty-common",
                          "netty-buffer",    "netty-handler",    "netty-transport",
                          "netty-codec",     "netty-resolver",   "netty-transport-native-epoll",
                          "netty-transport-native-unix-common",  "snappy-java",
                          "metrics-core",    "commons-cli",      "commons-io"};

std::string class_path() {
    std::string path;
    for (const char* name : jars) {
        const auto jar = std::filesystem::path{jar_folder} / (name + std::string{".jar"});
        if (std::filesystem::exists(jar)) {
            path += (path.empty() ? "" : ":") + jar.string();
        }
    }
    return path;
}

std::string java() {
    for (const char* place : {"/usr/bin/java", "/usr/local/bin/java"}) {
        if (::access(place, X_OK) == 0) {
            return place;
        }
    }
    return {};
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Ports that were free a moment ago; all are held until all have been picked.
std::vector<std::uint16_t> free_ports(std::size_t count) {
    std::vector<int> held;
    std::vector<std::uint16_t> ports;
    for (std::size_t i = 0; i < count; ++i) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            throw std::runtime_error{"no free port on the loopback"};
        }
        held.push_back(fd);
        ports.push_back(ntohs(address.sin_port));
    }
    for (const int fd : held) {
        ::close(fd);
    }
    return ports;
}

std::filesystem::path new_directory() {
    // In memory where that is possible: the tests are about the protocol, not the disk.
    const bool in_memory = ::access("/dev/shm", W_OK) == 0;
    std::string name = (in_memory ? std::string{"/dev/shm"}
                                  : std::filesystem::temp_directory_path().string()) +
                       "/muster-zookeeper-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error{"cannot make a directory like " + name};
    }
    return name;
}

pid_t spawn(const std::vector<std::string>& words, const std::filesystem::path& log) {
    std::vector<char*> arguments;
    for (const std::string& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    const std::string log_name = log.string();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child != 0) {
        return child;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        ::_exit(127);
    }
    const int out = ::open(log_name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

}  // namespace

bool real_zookeeper::is_installed() {
    return !java().empty() &&
           std::filesystem::exists(std::filesystem::path{jar_folder} / "zookeeper.jar");
}

real_zookeeper::real_zookeeper(options chosen)
    : options_(std::move(chosen)), directory_(new_directory()), servers_(options_.servers) {
    const std::vector<std::uint16_t> ports = free_ports(3 * servers_.size());
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        servers_[i].port = ports[3 * i];
        servers_[i].quorum_port = ports[3 * i + 1];
        servers_[i].election_port = ports[3 * i + 2];
    }
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        start(i);
    }
    static_cast<void>(wait_until_serving(std::chrono::seconds{30}));
}

real_zookeeper::~real_zookeeper() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        kill(i);
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::filesystem::path real_zookeeper::home(std::size_t server) const {
    return directory_ / ("server" + std::to_string(server + 1));
}

void real_zookeeper::write_configuration(std::size_t server) const {
    std::filesystem::create_directories(home(server) / "data");
    std::ofstream{home(server) / "data" / "myid"} << server + 1 << '\n';
    std::ofstream out{home(server) / "zoo.cfg"};
    out << "tickTime=" << options_.tick.count() << "\ninitLimit=" << options_.init_limit
        << "\nsyncLimit=" << options_.sync_limit << "\ndataDir=" << (home(server) / "data").string()
        << "\nclientPort=" << servers_[server].port
        << "\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n"
           "4lw.commands.whitelist=*\n";
    for (std::size_t i = 0; servers_.size() > 1 && i < servers_.size(); ++i) {
        out << "server." << i + 1 << "=127.0.0.1:" << servers_[i].quorum_port << ':'
            << servers_[i].election_port << '\n';
    }
    for (const std::string& line : options_.more_lines) {
        out << line << '\n';
    }
}

void real_zookeeper::start(std::size_t server) {
    if (servers_[server].pid > 0) {
        return;
    }
    write_configuration(server);
    std::vector<std::string> words{java(), "-Xmx256m", "-XX:+UseSerialGC"};
    if (!options_.fully_compiled) {
        words.emplace_back("-XX:TieredStopAtLevel=1");
    }
    words.emplace_back(std::string{"-Dzookeeper.forceSync="} + (options_.durable ? "yes" : "no"));
    words.emplace_back("-Dzookeeper.preAllocSize=1024");
    words.emplace_back("-Dzookeeper.extendedTypesEnabled=true");
    words.emplace_back("-Dorg.slf4j.simpleLogger.defaultLogLevel=info");
    words.insert(words.end(), options_.more_flags.begin(), options_.more_flags.end());
    words.insert(words.end(),
                 {"-cp",
                  class_path(),
                  "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                  (home(server) / "zoo.cfg").string()});
    servers_[server].pid = spawn(words, home(server) / "log");
}

void real_zookeeper::kill(std::size_t server) {
    pid_t& pid = servers_[server].pid;
    if (pid > 0) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        pid = -1;
    }
}

void real_zookeeper::pause(std::size_t server) {
    // Never -1, which is everybody.
    if (servers_[server].pid > 0) {
        ::kill(servers_[server].pid, SIGSTOP);
    }
}

void real_zookeeper::resume(std::size_t server) {
    // Never -1, which is everybody.
    if (servers_[server].pid > 0) {
        ::kill(servers_[server].pid, SIGCONT);
    }
}

void real_zookeeper::wipe(std::size_t server) {
    std::error_code ignored;
    std::filesystem::remove_all(home(server) / "data", ignored);
}

std::string real_zookeeper::connect_string() const {
    std::string text;
    for (const server_process& server : servers_) {
        text += (text.empty() ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(server.port);
    }
    return text;
}

std::string real_zookeeper::ask(std::size_t server, const std::string& word) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address = loopback(servers_[server].port);
    std::string answer;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, word.data(), word.size(), MSG_NOSIGNAL) > 0) {
        std::array<char, 4096> chunk{};
        ssize_t got = 0;
        while ((got = ::recv(fd, chunk.data(), chunk.size(), 0)) > 0) {
            answer.append(chunk.data(), static_cast<std::size_t>(got));
        }
    }
    ::close(fd);
    return answer;
}

bool real_zookeeper::is_serving(std::size_t server) const {
    return ask(server, "srvr").find("Mode: ") != std::string::npos;
}

bool real_zookeeper::wait_until_serving(milliseconds limit) const {
    const clock::time_point end = clock::now() + limit;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        while (servers_[i].pid > 0 && !is_serving(i)) {
            if (clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(milliseconds{20});
        }
    }
    return true;
}

std::optional<std::size_t> real_zookeeper::leader() const {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const std::string answer = servers_[i].pid > 0 ? ask(i, "srvr") : std::string{};
        if (answer.find("Mode: leader") != std::string::npos ||
            answer.find("Mode: standalone") != std::string::npos) {
            return i;
        }
    }
    return std::nullopt;
}

std::string real_zookeeper::log(std::size_t server) const {
    std::ifstream in{home(server) / "log"};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace muster::live
