/// @file
/// The warden: parent of one `--exec` command, and the one who ends it when nobody else can.
///
///     warden LEASE_END COMMAND ARGUMENT...
///
/// Descriptor 3 brings lines from the agent: `L<ns>` moves the lease end, `T<ns>` asks for SIGTERM
/// now and SIGKILL at that time. Descriptor 4 takes one line once the last process is reaped: the
/// wait status, and `itself` where the command ended before anybody here asked it to, or `told`.
/// Times are CLOCK_BOOTTIME in nanoseconds. At the lease end, and at the end of descriptor 3 (the
/// agent is dead), the whole group is killed: that needs no one but the warden, so it happens also
/// while the agent is stopped.
///
/// Being the subreaper, it inherits what the command leaves behind. Where the command ended by
/// itself that is killed; after a SIGTERM whoever is in the group has until the time given, for a
/// shell dies of it at once while the programs that it ran still tidy up. Until the last of them is
/// gone the command itself stays a zombie, so that the number of its group remains ours.

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

constexpr int control = 3;
constexpr int report = 4;
constexpr std::int64_t second = 1'000'000'000;

std::int64_t boot_time() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * second + now.tv_nsec;
}

struct charge {
    pid_t group = 0;
    std::int64_t lease_end = 0;
    std::int64_t stop_by = INT64_MAX;
    std::string line;       ///< of the agent, not whole yet
    bool orphaned = false;  ///< the agent is dead
    bool doomed = false;
    bool over = false;       ///< the command itself has ended; it is reaped last
    bool by_itself = false;  ///< and nobody had asked it to
    bool asked = false;      ///< for its end, by a signal of ours
};

/// What is our child: the command, and what it left behind.
std::vector<pid_t> children() {
    std::vector<pid_t> all;
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/task/%d/children", getpid());
    if (std::FILE* const list = std::fopen(path.data(), "re")) {
        int child = 0;
        while (std::fscanf(list, "%d", &child) == 1) {
            all.push_back(child);
        }
        std::fclose(list);
    }
    return all;
}

/// Whether the command has ended; looked for before each signal, so that an end that came first
/// counts as its own.
void look_at_command(charge& of) {
    siginfo_t ended{};
    if (!of.over &&
        waitid(P_PID, static_cast<id_t>(of.group), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == of.group) {
        of.over = true;
        of.by_itself = !of.asked;
    }
}

void kill_children() {
    for (const pid_t child : children()) {
        kill(child, SIGKILL);
    }
}

void kill_all(charge& of) {
    look_at_command(of);
    of.asked = true;
    kill(-of.group, SIGKILL);
    kill_children();  // Some may have left the group.
}

void hear(charge& of, const std::string& line) {
    const std::int64_t value = std::strtoll(line.c_str() + 1, nullptr, 10);
    if (line[0] == 'L') {
        of.lease_end = std::max(of.lease_end, value);
    } else if (line[0] == 'T') {
        look_at_command(of);
        of.asked = true;
        of.stop_by = std::min(of.stop_by, value);
        kill(-of.group, SIGTERM);
        kill(-of.group, SIGCONT);  // A stopped process hears SIGTERM only then.
    }
}

void read_control(charge& of) {
    std::array<char, 4096> bytes{};
    const ssize_t count = read(control, bytes.data(), bytes.size());
    if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) {
        of.orphaned = true;
    }
    for (ssize_t i = 0; i < count; ++i) {
        const char c = bytes[static_cast<std::size_t>(i)];
        if (c != '\n') {
            of.line += c;
        } else if (!of.line.empty()) {
            hear(of, of.line);
            of.line.clear();
        }
    }
}

/// True once nobody is left but the command itself, and that has ended.
bool reap(charge& of) {
    look_at_command(of);
    bool group_lives = false;
    bool others_live = false;
    for (const pid_t child : children()) {
        if (child == of.group || waitpid(child, nullptr, WNOHANG) == child) {
            continue;
        }
        others_live = true;
        group_lives = group_lives || getpgid(child) == of.group;
    }
    if (of.over && (of.by_itself || !group_lives)) {
        of.doomed = true;  // Nobody is left who was asked to end, and may take its time.
    }
    return of.over && !others_live;
}

void set_alarm(int timer, std::int64_t when) {
    when = std::max<std::int64_t>(when, 1);
    itimerspec at{};
    at.it_value.tv_sec = when / second;
    at.it_value.tv_nsec = when % second;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, nullptr);
}

void watch_over(charge& of, int signals, int timer) {
    while (!reap(of)) {
        const std::int64_t end = std::min(of.lease_end, of.stop_by);
        if (of.orphaned || boot_time() >= end) {
            of.doomed = true;
        }
        // Once doomed it is killed again and again, for the case that a fork slipped through.
        set_alarm(timer, of.doomed ? boot_time() + second / 50 : end);
        if (of.doomed) {
            kill_all(of);
        }
        std::array<pollfd, 3> wait{
            {{signals, POLLIN, 0}, {timer, POLLIN, 0}, {of.orphaned ? -1 : control, POLLIN, 0}}};
        if (poll(wait.data(), wait.size(), -1) < 0) {
            continue;
        }
        std::array<char, sizeof(signalfd_siginfo) * 8> drained{};
        if (wait[0].revents != 0) {
            static_cast<void>(!read(signals, drained.data(), drained.size()));
        }
        if (wait[1].revents != 0) {
            static_cast<void>(!read(timer, drained.data(), sizeof(std::uint64_t)));
        }
        if (wait[2].revents != 0) {
            read_control(of);
        }
    }
}

/// Connections of the agent's stay the agent's: a command that keeps one of them open would keep
/// its session's connection, or its port, beyond the agent's death.
void close_what_is_not_ours() {
    std::vector<int> open_here;
    if (DIR* const list = opendir("/proc/self/fd")) {
        while (const dirent* const one = readdir(list)) {
            open_here.push_back(std::atoi(one->d_name));
        }
        closedir(list);
    }
    for (const int one : open_here) {
        if (one > report) {
            close(one);
        }
    }
}

void tell(const std::string& how) {
    const std::string line = how + "\n";
    if (write(report, line.data(), line.size()) < 0) {
        _exit(125);
    }
}

/// The wait status of the command, once nobody is left. /proc is asked for who they are, but the
/// last word has waitpid.
int reap_command(const charge& of) {
    kill(-of.group, SIGKILL);  // Afterwards the number may belong to somebody else.
    int status = 0;
    waitpid(of.group, &status, 0);
    do {
        kill_children();
    } while (waitpid(-1, nullptr, 0) > 0);
    return status;
}

[[noreturn]] void become(char** command, pid_t warden) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != warden) {
        _exit(127);  // The warden died before that took hold.
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execvp(command[0], command);
    std::fprintf(stderr, "warden: cannot start %s: %s\n", command[0], std::strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs(
            "usage: warden LEASE_END COMMAND ARGUMENT...\n"
            "Started by `muster agent --exec` and `muster elect`; see there.\n",
            stderr);
        return 2;
    }
    charge mine;
    mine.lease_end = std::strtoll(argv[1], nullptr, 10);
    // No signal but SIGKILL ends a warden: Ctrl-C in a terminal reaches it as it does the agent.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    close_what_is_not_ours();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fcntl(control, F_SETFD, FD_CLOEXEC);
    fcntl(report, F_SETFD, FD_CLOEXEC);
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    const int signals = signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK);
    const int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (signals < 0 || timer < 0) {
        return 125;
    }
    if (boot_time() >= mine.lease_end) {
        tell(std::to_string(SIGKILL) + " told");  // As if it had been killed before its first step.
        return 0;
    }
    const pid_t self = getpid();
    mine.group = fork();
    if (mine.group < 0) {
        return 125;
    }
    if (mine.group == 0) {
        become(argv + 2, self);
    }
    setpgid(mine.group, mine.group);  // Whoever of the two is first.
    watch_over(mine, signals, timer);
    const int status = reap_command(mine);
    tell(std::to_string(status) + (mine.by_itself ? " itself" : " told"));
    return 0;
}
