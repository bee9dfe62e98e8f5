#include "runtime/real_resolver.hpp"

#include "runtime/quiet_thread.hpp"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
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
    using jobs = std::vector<std::shared_ptr<look_up>>;

    explicit state(ask_fn how) : ask(std::move(how)) {}

    const ask_fn ask;
    std::mutex mutex;
    std::map<std::string, jobs> askers;  ///< by host: of names that wait or are being looked up
    std::deque<std::string> waiting;
    int threads = 0;

    /// Works until nothing waits.
    void work() {
        std::unique_lock lock{mutex};
        while (!waiting.empty()) {
            const std::string host = std::move(waiting.front());
            waiting.pop_front();
            std::erase_if(askers[host], is_abandoned);
            if (askers[host].empty()) {
                askers.erase(host);
                continue;
            }
            const host_port name = askers[host].front()->name;
            lock.unlock();
            const resolved found = ask(name);
            lock.lock();
            const jobs served = std::exchange(askers[host], {});
            askers.erase(host);
            lock.unlock();
            for (const auto& job : served) {
                tell(*job, found);
            }
            lock.lock();
        }
        --threads;
    }

    static bool is_abandoned(const std::shared_ptr<look_up>& job) { return job->abandoned; }

    /// The outcome is shared, the port is each asker's own.
    static void tell(look_up& job, resolved found) {
        if (job.abandoned) {
            return;
        }
        if (found) {
            for (endpoint& at : *found) {
                at.port = job.name.port;
            }
        }
        job.done(std::move(found));
    }
};

resolver::resolver() : resolver{ask_system} {}

resolver::resolver(ask_fn ask) : state_{std::make_shared<state>(std::move(ask))} {}

resolver::~resolver() {
    const std::lock_guard lock{state_->mutex};
    for (const std::string& host : std::exchange(state_->waiting, {})) {
        state_->askers.erase(host);
    }
}

void resolver::start(std::shared_ptr<look_up> job) {
    const std::lock_guard lock{state_->mutex};
    const std::string host = job->name.host;
    const auto [at, is_new] = state_->askers.try_emplace(host);
    // While a name hangs, those who gave up must not gather.
    std::erase_if(at->second, state::is_abandoned);
    at->second.push_back(std::move(job));
    if (!is_new) {
        return;
    }
    state_->waiting.push_back(host);
    if (state_->threads == max_threads) {
        return;
    }
    try {
        quiet_thread([held = state_] {
            ::pthread_setname_np(::pthread_self(), "resolver");
            held->work();
        }).detach();
        ++state_->threads;
    } catch (const std::system_error&) {
        // No thread to be had: a running one takes it, or the look-up times out.
    }
}

}  // namespace muster::runtime::real
