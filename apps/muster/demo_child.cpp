#include "demo_child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

extern char** environ;

namespace muster::cli {
namespace {

/// The environment without settings of Muster, which are not meant for the demo's processes.
std::vector<char*> clean_environment() {
    std::vector<char*> kept;
    for (char** one = environ; *one != nullptr; ++one) {
        if (!std::string_view{*one}.starts_with("MUSTER_")) {
            kept.push_back(*one);
        }
    }
    kept.push_back(nullptr);
    return kept;
}

/// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(const demo_child::order& what,
                         char* const* words,
                         char* const* environment,
                         int out,
                         pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        ::_exit(127);  // The parent died before the line above.
    }
    ::setpgid(0, 0);  // Ctrl-C is for the demo, which then ends its processes in order.
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    const int nothing = ::open("/dev/null", O_RDONLY);
    const int log = ::open(what.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (nothing < 0 || log < 0 || ::dup2(nothing, 0) < 0 || ::dup2(out, 1) < 0 ||
        ::dup2(log, 2) < 0 || ::chdir(what.folder.c_str()) != 0) {
        ::_exit(127);
    }
    ::execve(what.program.c_str(), words, environment);
    ::_exit(127);
}

}  // namespace

result<std::unique_ptr<demo_child>> demo_child::start(order what) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(errc::unavailable, std::string{"no pipe: "} + std::strerror(errno));
    }
    std::vector<char*> words{what.program.data()};
    for (std::string& word : what.words) {
        words.push_back(word.data());
    }
    words.push_back(nullptr);
    auto environment = clean_environment();
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        become(what, words.data(), environment.data(), ends[1], parent);
    }
    ::close(ends[1]);
    if (pid < 0) {
        const int why = errno;
        ::close(ends[0]);
        return fail(errc::unavailable, what.program + ": " + std::strerror(why));
    }
    return std::unique_ptr<demo_child>{new demo_child{pid, ends[0], std::move(what.told)}};
}

demo_child::demo_child(pid_t pid, int lines, std::function<void(std::string_view)> told)
    : pid_{pid}, lines_{lines}, reader_{[this, told = std::move(told)] { read_lines(told); }} {}

demo_child::~demo_child() {
    if (!ended_) {
        signal(SIGKILL);
        static_cast<void>(wait(std::chrono::seconds{10}));
    }
    reader_.join();
    ::close(lines_);
}

void demo_child::read_lines(const std::function<void(std::string_view)>& told) const {
    std::string begun;
    std::array<char, 16 * 1024> bytes{};
    while (true) {
        const ssize_t got = ::read(lines_, bytes.data(), bytes.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return;
        }
        begun.append(bytes.data(), static_cast<std::size_t>(got));
        std::size_t from = 0;
        for (auto end = begun.find('\n'); end != std::string::npos; end = begun.find('\n', from)) {
            told(std::string_view{begun}.substr(from, end - from));
            from = end + 1;
        }
        begun.erase(0, from);
    }
}

void demo_child::signal(int number) const {
    if (!ended_) {
        ::kill(pid_, number);
    }
}

std::optional<int> demo_child::wait(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!ended_) {
        int how = 0;
        if (::waitpid(pid_, &how, WNOHANG) == pid_) {
            ended_ = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
        } else if (std::chrono::steady_clock::now() >= until) {
            break;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
    }
    return ended_;
}

}  // namespace muster::cli
