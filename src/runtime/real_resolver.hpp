#pragma once

/// @file
/// Name resolution on threads of its own, since getaddrinfo blocks for as long as it likes.

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "runtime/endpoint.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace muster::runtime::real {

using resolved = result<std::vector<endpoint>>;

/// One look-up. Set `abandoned` once nobody wants the answer: it is then skipped if still queued.
struct look_up {
    host_port name;
    callback<resolved> done;  ///< Called on a resolver thread.
    std::atomic<bool> abandoned{false};
};

/// At most `max_threads` look-ups at a time, and one of a name; more wait in order. Whoever asks
/// for a name that is being looked up shares the outcome: a name whose server does not answer holds
/// up one thread, however often it is asked for.
///
/// The threads are detached: a look-up that hangs in the system's resolver holds up neither a loop
/// nor the end of the process.
/// Threads: any.
class resolver {
public:
    static constexpr int max_threads = 8;
    /// How a name is looked up; it may block. Called on resolver threads.
    using ask_fn = std::function<resolved(const host_port& name)>;

    /// Asks the system.
    resolver();
    explicit resolver(ask_fn ask);
    ~resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;

    void start(std::shared_ptr<look_up> job);

private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace muster::runtime::real
