#include "journal.hpp"

#include "json_quoted.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace party_grid {
namespace {

std::string of_partition(const muster::ownership& what) {
    const auto& name = what.partition();
    return ",\"resource\":" + json_quoted(name.resource) +
           ",\"partition\":" + json_quoted(name.name) + ",\"fence\":\"" +
           std::to_string(what.fence().value()) + '"';
}

}  // namespace

std::int64_t boot_nanoseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

muster::result<journal> journal::open(const std::string& path, std::string member) {
    journal made;
    made.member_ = std::move(member);
    if (path == "-") {
        made.file_ = ::dup(STDOUT_FILENO);
    } else if (!path.empty()) {
        made.file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (made.file_ < 0) {
            return muster::fail(
                muster::errc::invalid_argument,
                "the journal " + path + " cannot be opened: " + std::strerror(errno));
        }
    }
    return made;
}

journal::journal(journal&& other) noexcept
    : file_{std::exchange(other.file_, -1)}, member_{std::move(other.member_)} {}

journal& journal::operator=(journal&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(member_, other.member_);
    return *this;
}

journal::~journal() {
    if (file_ >= 0) {
        ::close(file_);
    }
}

void journal::line(std::string_view event, const std::string& fields) const {
    if (file_ < 0) {
        return;
    }
    const std::string text = "{\"t\":\"" + std::to_string(boot_nanoseconds()) + "\",\"event\":\"" +
                             std::string{event} + "\",\"member\":" + json_quoted(member_) + fields +
                             "}\n";
    // Whoever read it may be gone; the member lives on.
    [[maybe_unused]] const auto written = ::write(file_, text.data(), text.size());
}

void journal::start(std::string_view http) const {
    line("start", ",\"pid\":" + std::to_string(::getpid()) + ",\"http\":" + json_quoted(http));
}

void journal::acquire(const muster::ownership& what) const {
    line("acquire", of_partition(what));
}

void journal::let_go(const muster::ownership& what) const {
    line("let_go", of_partition(what));
}

void journal::leader(const muster::leadership& now) const {
    line("leader",
         std::string{",\"gained\":"} + (now.leading ? "true" : "false") + ",\"epoch\":\"" +
             std::to_string(now.epoch.value()) + '"');
}

void journal::exit() const {
    line("exit", "");
}

}  // namespace party_grid
