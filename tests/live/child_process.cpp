#include "live/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace muster::live {

std::int64_t boot_time() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

child_process::child_process(const std::vector<std::string>& words,
                             std::filesystem::path log,
                             const std::filesystem::path& errors)
    : log_{std::move(log)} {
    std::vector<char*> arguments;
    for (const std::string& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    const std::string log_name = log_.string();
    const std::string error_name = errors.empty() ? log_name : errors.string();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) {
        throw std::runtime_error{"no process for " + words.front()};
    }
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            ::_exit(127);
        }
        const int out = ::open(log_name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        const int err = ::open(error_name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ::dup2(out, 1);
        ::dup2(err, 2);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
}

child_process::~child_process() {
    kill();
}

void child_process::ended(int status) {
    died_ = boot_time();
    code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    paused_ = false;
}

void child_process::kill() {
    if (code_) {
        return;
    }
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended(status);
}

void child_process::pause() {
    if (code_) {
        return;
    }
    ::kill(pid_, SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
    if (WIFSTOPPED(status)) {
        paused_ = true;
    } else {
        ended(status);
    }
}

void child_process::resume() {
    if (!code_) {
        ::kill(pid_, SIGCONT);
        paused_ = false;
    }
}

void child_process::terminate() {
    if (!code_) {
        ::kill(pid_, SIGTERM);
    }
}

void child_process::interrupt() {
    if (!code_) {
        ::kill(pid_, SIGINT);
    }
}

std::optional<int> child_process::wait(std::chrono::milliseconds limit) {
    const std::int64_t end = boot_time() + std::chrono::nanoseconds{limit}.count();
    while (!code_) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            ended(status);
        } else if (boot_time() > end) {
            break;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
        }
    }
    return code_;
}

std::string child_process::printed() const {
    std::ifstream in{log_};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace muster::live
