// A node and its processes: when they begin and end, and how those of others are reached.

#include "cluster/paths.hpp"
#include "node/node_core.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {
namespace {

constexpr duration process_patience = 500ms;  ///< for what a process still does when its node ends
constexpr duration last_patience = 5s;        ///< for those that do not end by themselves

}  // namespace

/// They turn from the first on, as processes may be started before the node is.
void node_core::make_workers() {
    const unsigned count = settings_.workers == 0 ? platform_->cores() : settings_.workers;
    const unsigned most = static_cast<unsigned>(resource_host::most_workers);
    for (unsigned i = 0; i < std::clamp(count, 1U, most); ++i) {
        workers_.push_back(platform_->make_loop("muster-" + std::to_string(i)));
    }
    auto& first = *workers_.front();
    const member_id life{first.random_u64(), first.random_u64()};
    processes_ = std::make_unique<process_host>(platform_, workers_, life, name_);
    processes_->say_lost_by([log = log_](std::uint64_t more) {
        log->add(severity::warning,
                 "message.lost",
                 std::to_string(more) + (more == 1 ? " message" : " messages") +
                     " sent from threads of this program did not reach the process it was sent to: "
                     "ask where that matters, or send from a process, which is told");
    });
    make_directory(life);
}

void node_core::make_directory(const member_id& life) {
    discovery::directory_settings how;
    how.services = cluster::paths{settings_.cluster}.services();
    how.prefix = settings_.publish_prefix;
    how.advertise = settings_.advertise;
    how.home = {life, name_, settings_.zone};
    how.patience = settings_.ask_deadline;
    how.warn = [log = log_](const std::string& text) {
        log->add(severity::warning, "service.read", text);
    };
    how.is_here = [lives = lives_](const member_id& one) {
        return !lives->has_begun() || lives->knows(one);
    };
    names_ = std::make_shared<discovery::directory>(workers_.front(), std::move(how));
    processes_->look_up_by(names_);
}

result<void> node_core::register_name(const std::string& name, const pid& who, publishing how) {
    const auto reach =
        how == publishing::always ? discovery::reach::everywhere : discovery::reach::by_prefix;
    const auto done = names_->add(name, who, reach);
    if (!done) {
        return std::unexpected{done.error()};
    }
    if (*done == discovery::added::anew) {
        // Once for each process, however often it takes a name and gives it back.
        processes_->watch(
            who, [names = names_](const pid& ended, const exit_reason&) { names->forget(ended); });
    }
    if (!names_->holds(name, who)) {
        return fail(errc::gone, who.text() + " has ended, and its name '" + name + "' with it");
    }
    return {};
}

result<void> node_core::unregister_name(const std::string& name, const pid& who) {
    if (names_->remove(name, who)) {
        return {};
    }
    return fail(
        errc::not_found,
        "nothing to take back: " + who.text() + " is not registered as '" + name + "' here");
}

/// They hear that the node stops, and have a moment for what they still have to do.
void node_core::stop_processes() {
    const std::shared_ptr<runtime::gate> ended = platform_->make_gate();
    processes_->stop(process_patience, [ended] { ended->open(); });
    static_cast<void>(ended->wait(platform_->now() + process_patience + last_patience));
}

}  // namespace muster::detail
