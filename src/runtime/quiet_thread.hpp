#pragma once

/// @file
/// Threads that leave the signals that end a program to whoever waits for them, also those that are
/// made before anybody does: one thread that does not block them is enough to be ended by them.

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace muster::runtime::real {

/// SIGTERM and SIGINT are blocked in it from its first instruction on.
/// Errors: throws std::system_error where no thread is to be had.
template <class Body>
std::thread quiet_thread(Body body) {
    struct blocked {
        blocked() {
            sigset_t both;
            sigemptyset(&both);
            sigaddset(&both, SIGTERM);
            sigaddset(&both, SIGINT);
            pthread_sigmask(SIG_BLOCK, &both, &before);
        }
        blocked(const blocked&) = delete;
        blocked& operator=(const blocked&) = delete;
        ~blocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
        sigset_t before{};
    };
    const blocked while_it_is_made;
    return std::thread{std::move(body)};
}

}  // namespace muster::runtime::real
