#include "changes.hpp"
#include "runtime/real_signals.hpp"
#include "source.hpp"
#include "verbs.hpp"

#include <atomic>
#include <thread>

namespace muster::cli {
namespace {

constexpr duration look_again = 1s;  ///< where the server has no recursive watches

/// Until interrupted, or until `out` takes no more.
exit_code follow(context& at, source& from) {
    picture before;
    bool first = true;
    bool away = false;
    do {
        auto now = from.read();
        if (!now) {
            if (first) {
                return complain(at, now.error());
            }
            if (!std::exchange(away, true)) {
                complain(at, now.error());  // once; it goes on trying
            }
            continue;
        }
        first = away = false;
        for (const auto& event : changes(before, *now)) {
            at.out << boost::json::serialize(event) << '\n';
        }
        at.out.flush();
        if (!at.out) {
            return exit_code::done;  // nobody reads any more
        }
        before = std::move(*now);
    } while (from.wait_for_change(look_again));
    return exit_code::interrupted;
}

}  // namespace

exit_code run_watch(const given&, context& at) {
    runtime::signal_watch signals;
    auto from = open_source(at);
    if (!from) {
        return complain(at, from.error());
    }
    std::atomic<exit_code> code{exit_code::done};
    std::thread worker{[&] {
        code = follow(at, **from);
        signals.wake();
    }};
    if (signals.wait()) {
        (*from)->interrupt();
    }
    worker.join();
    return code;
}

}  // namespace muster::cli
