// A node looks after itself and its peers: what it tells the cluster of its own health, and of
// members that it cannot reach.

#include "node/envelope.hpp"
#include "node/node_core.hpp"

#include <utility>

namespace muster::detail {
namespace {

constexpr duration health_every = 1s;
constexpr duration health_patience = 10s;
constexpr duration probe_patience = 1s;

}  // namespace

void node_core::no_longer_stuck(const cluster::right::identity& what) {
    on_control([this, key = hold_key{what.resource + "/" + what.partition, what.fence}] {
        stuck_.erase(key);
    });
}

/// Suspects itself when the program says so, when a worker has not turned for a while, or while a
/// handler goes on past the end of its right.
void node_core::watch_health() {
    if (!health_timer_) {
        health_timer_ = control_->make_timer();
    }
    health_timer_->set(control_->now() + health_every, [this] { watch_health(); });
    ask_health();
    try_doubted();
    check_workers();
}

void node_core::ask_health() {
    const member_state state = state_.load();
    const bool here = state == member_state::online || state == member_state::suspect ||
                      state == member_state::draining;
    if (!here || !program_.check_health || std::exchange(health_asked_, true)) {
        return;
    }
    health_asked_at_ = control_->now();
    hooks_->add([self = shared_from_this()] {
        health now = health::suspect;
        try {
            now = self->program_.check_health();
        } catch (...) {
            self->say(severity::error,
                      "hook.threw",
                      "check_health: " + escaped(std::current_exception()).text);
        }
        self->on_control([core = self.get(), now] {
            core->health_asked_ = false;
            core->last_health_ = now;
        });
    });
}

void node_core::check_workers() {
    const instant now = control_->now();
    bool wedged = health_asked_ && now - health_asked_at_ > health_patience;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        wedged = wedged || now - worker_seen_[i] > health_patience;
        if (worker_asked_[i]) {
            continue;
        }
        worker_asked_[i] = true;
        workers_[i]->post([self = shared_from_this(), i] {
            self->on_control([core = self.get(), i] {
                core->worker_asked_[i] = false;
                core->worker_seen_[i] = core->control_->now();
            });
        });
    }
    if (member_) {
        member_->suspect_itself(wedged || !stuck_.empty() || last_health_ == health::suspect);
    }
}

// --- Whom the mesh does not reach ----------------------------------------------------------------

/// Silence counts, and a connection that does not come about; an answer of any kind clears.
void node_core::heard(const mesh::peer& from, const result<std::string>& how) {
    const bool failed =
        !how && (how.error().code == errc::unavailable ||
                 how.error().code == errc::outcome_unknown || how.error().code == errc::timed_out);
    if (!failed && !doubts_.load(std::memory_order_relaxed)) {
        return;
    }
    on_control([this, from, failed] {
        if (failed) {
            peers_.failed(from, control_->now());
        } else {
            peers_.answered(from.id);
        }
        doubts_.store(!peers_.doubted().empty(), std::memory_order_relaxed);
    });
}

void node_core::try_doubted() {
    const auto seen = view_.read();
    peers_.keep_only([&](member_id id) { return seen->find(id) != nullptr; });
    doubts_.store(!peers_.doubted().empty(), std::memory_order_relaxed);
    if (member_) {
        member_->report_unreachable(peers_.unreachable());
    }
    // Any answer will do: this one says that nobody serves the resource without a name.
    for (const mesh::peer& one : peers_.doubted()) {
        mesh_->request(one,
                       encode(ask_envelope{}),
                       control_->now() + probe_patience,
                       [weak = weak_from_this(), one](const result<std::string>& how) {
                           if (const auto self = weak.lock()) {
                               self->heard(one, how);
                           }
                       });
    }
}

}  // namespace muster::detail
