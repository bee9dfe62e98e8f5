#include "runtime/real_resolver.hpp"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace muster::runtime::real {
namespace {

struct free_addresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

std::string reason(int status) {
    return status == EAI_SYSTEM ? std::generic_category().message(errno)
                                : std::string{::gai_strerror(status)};
}

resolved ask_system(const host_port& name) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    const int status = ::getaddrinfo(name.host.c_str(), nullptr, &hints, &raw);
    const std::unique_ptr<addrinfo, free_addresses> list{raw};
    if (status != 0) {
        return fail(errc::unavailable,
                    "cannot resolve '" + name.host + "': " + reason(status) +
                        "; check the name and this host's resolver");
    }
    std::vector<endpoint> found;
    for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (::getnameinfo(each->ai_addr,
                          each->ai_addrlen,
                          text.data(),
                          static_cast<socklen_t>(text.size()),
                          nullptr,
                          0,
                          NI_NUMERICHOST) != 0) {
            continue;
        }
        endpoint at{text.data(), name.port};
        if (std::ranges::find(found, at) == found.end()) {
            found.push_back(std::move(at));
        }
    }
    if (found.empty()) {
        return fail(errc::unavailable, "'" + name.host + "' has no IP address");
    }
    return found;
}

}  // namespace

struct resolver::state {
    std::mutex mutex;
    std::deque<std::shared_ptr<look_up>> waiting;
    int threads = 0;

    /// Works until nothing waits.
    void work() {
        std::unique_lock lock{mutex};
        while (!waiting.empty()) {
            const auto job = std::move(waiting.front());
            waiting.pop_front();
            lock.unlock();
            if (!job->abandoned) {
                auto found = ask_system(job->name);
                job->done(std::move(found));
            }
            lock.lock();
        }
        --threads;
    }
};

resolver::resolver() : state_{std::make_shared<state>()} {}

resolver::~resolver() {
    const std::lock_guard lock{state_->mutex};
    state_->waiting.clear();
}

void resolver::start(std::shared_ptr<look_up> job) {
    const std::lock_guard lock{state_->mutex};
    state_->waiting.push_back(std::move(job));
    if (state_->threads == max_threads) {
        return;
    }
    try {
        std::thread{[held = state_] {
            ::pthread_setname_np(::pthread_self(), "resolver");
            held->work();
        }}.detach();
        ++state_->threads;
    } catch (const std::system_error&) {
        // No thread to be had: a running one takes it, or the look-up times out.
    }
}

}  // namespace muster::runtime::real
