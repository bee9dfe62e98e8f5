// A node and its processes: when they begin and end, and how those of others are reached.

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
    processes_ = std::make_unique<process_host>(
        platform_, workers_, member_id{first.random_u64(), first.random_u64()}, name_);
}

/// They hear that the node stops, and have a moment for what they still have to do.
void node_core::stop_processes() {
    const std::shared_ptr<runtime::gate> ended = platform_->make_gate();
    processes_->stop(process_patience, [ended] { ended->open(); });
    static_cast<void>(ended->wait(platform_->now() + process_patience + last_patience));
}

void node_core::attach_processes() {
    const auto known = [weak = weak_from_this()](const member_id& life) {
        const auto self = weak.lock();
        const auto lives = self ? self->lives_.read() : std::make_shared<const life_map>();
        const auto found = lives->find(life);
        return found == lives->end() ? std::optional<life_map::mapped_type>{}
                                     : std::optional{found->second};
    };
    processes_->attach(
        *mesh_,
        [known](const member_id& life) -> std::optional<mesh::peer> {
            const auto one = known(life);
            return one ? std::optional{one->first} : std::nullopt;
        },
        [known](const member_id& life) {
            const auto one = known(life);
            return one ? one->second : std::string{};
        });
}

void node_core::learn_lives(const cluster::view_snapshot& now) {
    auto lives = std::make_shared<life_map>();
    for (const auto& one : now.members) {
        if (!one.described.life.empty()) {
            lives->emplace(
                one.described.life,
                std::pair{mesh::peer{one.id, one.described.address}, one.described.name});
        }
    }
    const auto before = lives_.read();
    lives_.replace(lives);
    for (const auto& [life, who] : *before) {
        if (!lives->contains(life)) {
            processes_->life_ended(life);
        }
    }
}

}  // namespace muster::detail
