#include "import_pipe.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace party_grid {
namespace {

using muster::errc;
using muster::fail;
using muster::result;

class descriptor {
public:
    explicit descriptor(int raw) : raw_{raw} {}
    ~descriptor() { close(); }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    [[nodiscard]] int get() const { return raw_; }
    void close() {
        if (raw_ >= 0) {
            ::close(std::exchange(raw_, -1));
        }
    }

private:
    int raw_;
};

/// 0, or the errno that ended it.
int read_all(int from, const on_line& sink) {
    line_cutter lines{sink};
    std::array<char, 65'536> buffer;  // Filled by read().
    for (;;) {
        const ssize_t got = ::read(from, buffer.data(), buffer.size());
        if (got > 0) {
            lines.feed({buffer.data(), static_cast<std::size_t>(got)});
        } else if (got == 0) {
            lines.finish();
            return 0;
        } else if (errno != EINTR) {
            return errno;
        }
    }
}

std::string ending_of(int status) {
    if (WIFSIGNALED(status)) {
        return "was killed by signal " + std::to_string(WTERMSIG(status));
    }
    return "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void line_cutter::keep(std::string_view part) {
    begun_.append(part.substr(0, longest_line - std::min(longest_line, begun_.size())));
}

void line_cutter::feed(std::string_view bytes) {
    for (;;) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) {
            keep(bytes);
            return;
        }
        if (begun_.empty() && end <= longest_line) {
            sink_(bytes.substr(0, end));
        } else {
            keep(bytes.substr(0, end));
            sink_(begun_);
            begun_.clear();
        }
        bytes.remove_prefix(end + 1);
    }
}

void line_cutter::finish() {
    if (!begun_.empty()) {
        sink_(begun_);
        begun_.clear();
    }
}

result<void> read_file_lines(const std::string& path, const on_line& sink) {
    const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) {
        return fail(errc::not_found, "cannot read " + path + ": " + std::strerror(errno));
    }
    if (const int code = read_all(file.get(), sink); code != 0) {
        return fail(errc::unavailable, "reading " + path + " broke off: " + std::strerror(code));
    }
    return {};
}

result<void> read_program_lines(const std::vector<std::string>& command, const on_line& sink) {
    if (command.empty()) {
        return fail(errc::invalid_argument, "no program was named");
    }
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(errc::unavailable, std::string{"cannot open a pipe: "} + std::strerror(errno));
    }
    descriptor reader{ends[0]};
    descriptor writer{ends[1]};

    std::vector<char*> arguments;
    for (const std::string& one : command) {
        arguments.push_back(const_cast<char*>(one.c_str()));  // posix_spawn does not write to it.
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
    pid_t child = 0;
    const int spawned =
        ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    writer.close();
    if (spawned != 0) {
        return fail(errc::not_found, "cannot run " + command[0] + ": " + std::strerror(spawned));
    }

    const int broken = read_all(reader.get(), sink);
    reader.close();
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (broken != 0) {
        return fail(errc::unavailable,
                    "reading from " + command[0] + " broke off: " + std::strerror(broken));
    }
    if (status != 0) {
        return fail(errc::unavailable, command[0] + " " + ending_of(status));
    }
    return {};
}

}  // namespace party_grid
