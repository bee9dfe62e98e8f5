#include "runtime/real_signals.hpp"

#include "base/check.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace muster::runtime {

struct signal_watch::saved_mask {
    sigset_t set;
};

signal_watch::signal_watch() : before_{new saved_mask} {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    pthread_sigmask(SIG_BLOCK, &both, &before_->set);
    std::signal(SIGPIPE, SIG_IGN);
    signals_ = signalfd(-1, &both, SFD_CLOEXEC);
    woken_ = eventfd(0, EFD_CLOEXEC);
    MUSTER_ASSERT(signals_ >= 0 && woken_ >= 0, "no file descriptors left for signals");
}

signal_watch::~signal_watch() {
    close(signals_);
    close(woken_);
    pthread_sigmask(SIG_SETMASK, &before_->set, nullptr);
    delete before_;
}

std::optional<int> signal_watch::wait() {
    std::array<pollfd, 2> watched{pollfd{signals_, POLLIN, 0}, pollfd{woken_, POLLIN, 0}};
    while (poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {
    }
    if ((watched[0].revents & POLLIN) != 0) {
        signalfd_siginfo taken{};
        if (read(signals_, &taken, sizeof taken) == static_cast<ssize_t>(sizeof taken)) {
            return static_cast<int>(taken.ssi_signo);
        }
    }
    std::uint64_t count = 0;
    static_cast<void>(!read(woken_, &count, sizeof count));
    return std::nullopt;
}

void signal_watch::wake() {
    const std::uint64_t one = 1;
    static_cast<void>(!write(woken_, &one, sizeof one));
}

}  // namespace muster::runtime
