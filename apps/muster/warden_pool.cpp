#include "warden_pool.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace muster::cli {
namespace {

constexpr int lowest = 10;  ///< descriptors of ours stay clear of those a warden expects
constexpr std::size_t longest_line = 64U << 10U;
constexpr int reads_at_once = 16;                    ///< of one command's output
constexpr std::chrono::milliseconds room_pause{20};  ///< until a full sink is looked at again
constexpr std::chrono::seconds stray_patience{5};
constexpr std::chrono::milliseconds stray_pause{5};

/// A file descriptor with an owner.
class descriptor_of {
public:
    descriptor_of() = default;
    explicit descriptor_of(int fd) : fd_{fd} {}
    descriptor_of(descriptor_of&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    descriptor_of& operator=(descriptor_of&& other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~descriptor_of() { reset(); }
    void reset(int fd = -1) {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = fd;
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_ = -1;
};

struct pipe_ends {
    descriptor_of read;
    descriptor_of write;
};

pipe_ends make_pipe() {
    std::array<int, 2> raw{};
    if (::pipe2(raw.data(), O_CLOEXEC) != 0) {
        return {};
    }
    pipe_ends made{descriptor_of{::fcntl(raw[0], F_DUPFD_CLOEXEC, lowest)},
                   descriptor_of{::fcntl(raw[1], F_DUPFD_CLOEXEC, lowest)}};
    ::close(raw[0]);
    ::close(raw[1]);
    return made;
}

void set_nonblocking(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

std::string warden_path() {
    std::error_code trouble;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", trouble);
    return (self.parent_path() / "warden").string();
}

/// One running warden.
struct ward {
    pid_t pid = 0;
    descriptor_of control;
    descriptor_of report;
    descriptor_of output;
    std::string prefix;
    std::string line;  ///< of output, not whole yet
    std::string report_text;
    callback<run_end> ended;
};

result<pid_t> spawn(const launch& what, instant lease_end, int control, int report, int output) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (output >= 0) {
        posix_spawn_file_actions_adddup2(&files, output, 1);
        posix_spawn_file_actions_adddup2(&files, output, 2);
    }
    posix_spawn_file_actions_adddup2(&files, control, 3);
    posix_spawn_file_actions_adddup2(&files, report, 4);
    posix_spawnattr_t how;
    posix_spawnattr_init(&how);
    sigset_t set;
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&how, &set);
    sigfillset(&set);
    posix_spawnattr_setsigdefault(&how, &set);  // SIGPIPE is ignored by us, not by the command
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    const std::string path = warden_path();
    std::vector<std::string> words{path, std::to_string(lease_end.time_since_epoch().count())};
    words.insert(words.end(), what.command.begin(), what.command.end());
    std::vector<std::string> variables = what.environment;
    for (char** one = environ; *one != nullptr; ++one) {
        // A shell takes the last of two values, getenv the first: there is only ours.
        const std::string_view given{*one};
        const std::string_view name = given.substr(0, given.find('=') + 1);
        if (std::ranges::none_of(what.environment,
                                 [&](const std::string& ours) { return ours.starts_with(name); })) {
            variables.emplace_back(given);
        }
    }
    const auto pointers = [](std::vector<std::string>& from) {
        std::vector<char*> made;
        for (std::string& one : from) {
            made.push_back(one.data());
        }
        made.push_back(nullptr);
        return made;
    };
    pid_t pid = 0;
    const int trouble = ::posix_spawn(
        &pid, path.c_str(), &files, &how, pointers(words).data(), pointers(variables).data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    if (trouble != 0) {
        return fail(errc::unavailable,
                    "cannot start " + path + ": " + std::strerror(trouble) +
                        "; it has to stand beside the program muster");
    }
    return pid;
}

struct stray {
    pid_t pid = 0;
    pid_t group = 0;
};

/// What is our child but no warden: those stay in our group, a command leads one of its own.
std::vector<stray> stray_children() {
    std::vector<stray> all;
    std::error_code trouble;
    // By thread, for a process is the child of a thread: a warden of the one that started it, and
    // what it left behind of any that lives.
    std::filesystem::directory_iterator thread{"/proc/self/task", trouble};
    for (; !trouble && thread != std::filesystem::directory_iterator{}; thread.increment(trouble)) {
        std::ifstream list{thread->path() / "children"};
        for (pid_t child = 0; list >> child;) {
            const pid_t group = ::getpgid(child);
            if (group > 0 && group != ::getpgrp()) {
                all.push_back({child, group});
            }
        }
    }
    return all;
}

/// A warden that did not report was killed. Its command, and what that started, are ours now: a
/// generation at a time, for the children of a stray become ours as it ends. How many are left.
std::size_t end_strays() {
    const auto by = std::chrono::steady_clock::now() + stray_patience;
    for (;;) {
        const std::vector<stray> strays = stray_children();
        if (strays.empty() || std::chrono::steady_clock::now() > by) {
            return strays.size();
        }
        for (const stray& one : strays) {
            ::kill(-one.group, SIGKILL);
            ::kill(one.pid, SIGKILL);
        }
        for (const stray& one : strays) {
            ::waitpid(one.pid, nullptr, WNOHANG);
        }
        std::this_thread::sleep_for(stray_pause);  // tidy: allow(sleep) because no event tells
    }
}

}  // namespace

bool run_end::was_fine() const {
    return cause != end_cause::lost && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int run_end::exit_code() const {
    if (cause == end_cause::lost) {
        return 125;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string run_end::text() const {
    if (cause == end_cause::lost) {
        return "its warden was killed, or found no room for a process";
    }
    return WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                             : "signal " + std::to_string(WTERMSIG(status));
}

class warden_pool::state {
public:
    explicit state(line_sink output)
        : sink_{std::move(output)}, wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
        // What a killed warden leaves behind comes to us.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        thread_ = std::thread{[this] { work(); }};
    }

    ~state() {
        {
            const std::lock_guard lock{mutex_};
            ending_ = true;
            for (auto& [which, one] : wards_) {
                one->control.reset();  // The warden takes that for our death, and kills.
            }
        }
        wake();
        thread_.join();
    }

    result<number> start(const launch& what, instant lease_end, callback<run_end> ended);
    void tell(number which, char word, instant when);

private:
    void wake() {
        const std::uint64_t one = 1;
        static_cast<void>(!::write(wake_.get(), &one, sizeof one));
    }
    void work();
    void read_output(ward& one);
    /// True at its end.
    bool read_report(ward& one);
    void finish(std::unique_ptr<ward> one);

    line_sink sink_;
    descriptor_of wake_;
    std::mutex mutex_;  ///< of all below
    std::map<number, std::unique_ptr<ward>> wards_;
    number next_ = 1;
    bool ending_ = false;
    std::thread thread_;
};

result<warden_pool::number> warden_pool::state::start(const launch& what,
                                                      instant lease_end,
                                                      callback<run_end> ended) {
    auto one = std::make_unique<ward>();
    pipe_ends control = make_pipe();
    pipe_ends report = make_pipe();
    pipe_ends output = what.captured ? make_pipe() : pipe_ends{};
    if (control.read.get() < 0 || report.read.get() < 0 ||
        (what.captured && output.read.get() < 0)) {
        return fail(errc::unavailable, std::string{"no pipe to be had: "} + std::strerror(errno));
    }
    const auto pid = spawn(what,
                           lease_end,
                           control.read.get(),
                           report.write.get(),
                           what.captured ? output.write.get() : -1);
    if (!pid) {
        return std::unexpected(pid.error());
    }
    one->pid = *pid;
    one->control = std::move(control.write);
    one->report = std::move(report.read);
    one->output = std::move(output.read);
    one->prefix = what.prefix;
    one->ended = std::move(ended);
    set_nonblocking(one->control.get());
    set_nonblocking(one->report.get());
    if (what.captured) {
        set_nonblocking(one->output.get());
    }
    const std::lock_guard lock{mutex_};
    const number which = next_++;
    wards_.emplace(which, std::move(one));
    wake();
    return which;
}

void warden_pool::state::tell(number which, char word, instant when) {
    const std::string line = word + std::to_string(when.time_since_epoch().count()) + "\n";
    const std::lock_guard lock{mutex_};
    if (const auto at = wards_.find(which); at != wards_.end()) {
        // A full pipe means a stopped warden, which is outside of what can be promised.
        static_cast<void>(!::write(at->second->control.get(), line.data(), line.size()));
    }
}

void warden_pool::state::work() {
    for (;;) {
        // Commands whose output nobody takes wait; their ends are heard of all the same.
        const bool room = sink_.has_room();
        std::vector<pollfd> wait{{wake_.get(), POLLIN, 0}};
        std::vector<std::pair<number, ward*>> watched;
        {
            const std::lock_guard lock{mutex_};
            if (ending_ && wards_.empty()) {
                return;
            }
            for (auto& [which, one] : wards_) {
                watched.emplace_back(which, one.get());
                wait.push_back({one->report.get(), POLLIN, 0});
                wait.push_back({room ? one->output.get() : -1, POLLIN, 0});
            }
        }
        const int limit = room ? -1 : static_cast<int>(room_pause.count());
        if (::poll(wait.data(), wait.size(), limit) < 0) {
            continue;
        }
        std::uint64_t count = 0;
        static_cast<void>(!::read(wake_.get(), &count, sizeof count));
        for (std::size_t i = 0; i < watched.size(); ++i) {
            ward& one = *watched[i].second;
            if (wait[2 * i + 2].revents != 0) {
                read_output(one);
            }
            if (wait[2 * i + 1].revents != 0 && read_report(one)) {
                std::unique_ptr<ward> done;
                {
                    const std::lock_guard lock{mutex_};
                    done = std::move(wards_.extract(watched[i].first).mapped());
                }
                finish(std::move(done));
            }
        }
    }
}

void warden_pool::state::read_output(ward& one) {
    std::array<char, 16'384> bytes{};
    // Not to its end: a command may print faster than this reads, and others have things to say.
    for (int i = 0; i < reads_at_once; ++i) {
        const ssize_t count = ::read(one.output.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count == 0) {
            one.output.reset();
        }
        if (count <= 0) {
            return;
        }
        for (const char c : std::string_view{bytes.data(), static_cast<std::size_t>(count)}) {
            one.line += c;
            if (c == '\n' || one.line.size() >= longest_line) {
                sink_.write(one.prefix + one.line + (c == '\n' ? "" : "\n"));
                one.line.clear();
            }
        }
    }
}

bool warden_pool::state::read_report(ward& one) {
    std::array<char, 64> bytes{};
    const ssize_t count = ::read(one.report.get(), bytes.data(), bytes.size());
    if (count > 0) {
        one.report_text.append(bytes.data(), static_cast<std::size_t>(count));
        return false;
    }
    return count == 0 || (errno != EAGAIN && errno != EINTR);
}

void warden_pool::state::finish(std::unique_ptr<ward> one) {
    int own_status = 0;
    while (::waitpid(one->pid, &own_status, 0) < 0 && errno == EINTR) {
    }
    run_end how;
    const std::string_view report = one->report_text;
    const auto status = base::parse_int64(report.substr(0, report.find(' ')));
    if (status) {
        how.status = static_cast<int>(*status);
        how.cause = report.ends_with(" itself\n") ? end_cause::itself : end_cause::told;
    } else {
        how.cause = end_cause::lost;
        how.remains = end_strays();
    }
    if (one->output.get() >= 0) {
        read_output(*one);
    }
    if (!one->line.empty()) {
        sink_.write(one->prefix + one->line + "\n");
    }
    one->ended(how);
}

warden_pool::warden_pool(line_sink output) : state_{std::make_unique<state>(std::move(output))} {}

warden_pool::~warden_pool() = default;

result<warden_pool::number> warden_pool::start(const launch& what,
                                               instant lease_end,
                                               callback<run_end> ended) {
    return state_->start(what, lease_end, std::move(ended));
}

void warden_pool::extend(number which, instant lease_end) {
    state_->tell(which, 'L', lease_end);
}

void warden_pool::stop(number which, instant kill_at) {
    state_->tell(which, 'T', kill_at);
}

}  // namespace muster::cli
