#include "mesh/mesh_core.hpp"

#include "base/check.hpp"
#include "mesh/responder.hpp"

#include <algorithm>
#include <utility>

namespace muster::mesh {

mesh_core::mesh_core(std::vector<std::shared_ptr<runtime::loop>> loops,
                     settings wanted,
                     mesh::on_request handler)
    : settings_{std::move(wanted)}, handler_{std::move(handler)}, key_{settings_.key} {
    for (std::shared_ptr<runtime::loop>& loop : loops) {
        workers_.push_back(std::make_unique<worker>());
        workers_.back()->home = std::move(loop);
    }
    for (const auto& [type, handle] : settings_.frames) {
        frame_handlers_[type] = &handle;
    }
}

// --- Who ---------------------------------------------------------------------------------------

member_id mesh_core::self() const {
    const std::shared_lock lock{directory_mutex_};
    return self_;
}

void mesh_core::become(member_id id) {
    {
        const std::unique_lock lock{directory_mutex_};
        if (self_ == id) {
            return;
        }
        self_ = id;
    }
    tell_connections();
}

std::optional<std::string> mesh_core::key() const {
    const std::shared_lock lock{directory_mutex_};
    return key_;
}

void mesh_core::set_key(std::string key) {
    MUSTER_ASSERT(!key.empty(), "an empty key would be one that everybody knows");
    {
        const std::unique_lock lock{directory_mutex_};
        key_ = std::move(key);
    }
    tell_connections();
}

/// Those that wait for an id, or for the key, go on.
void mesh_core::tell_connections() {
    for (const auto& one : workers_) {
        one->home->post([self = shared_from_this(), at = one.get()] {
            const auto copies = at->connections;  // Each may remove itself.
            for (const auto& each : copies) {
                each->identity_changed();
            }
        });
    }
}

std::shared_ptr<peer_link> mesh_core::link_to(const peer& to) {
    const auto find = [&]() -> std::shared_ptr<peer_link> {
        if (to.id.empty()) {
            const auto found = by_address_.find(to.address);
            return found != by_address_.end() ? found->second : nullptr;
        }
        const auto found = links_.find(to.id);
        return found != links_.end() ? found->second : nullptr;
    };
    {
        const std::shared_lock lock{directory_mutex_};
        if (auto found = find()) {
            if (to.address.empty() || found->has_address()) {
                return found;
            }
        }
    }
    const std::unique_lock lock{directory_mutex_};
    if (auto found = find()) {
        found->set_address(to.address);
        return found;
    }
    if (stopped_) {
        return nullptr;  // `stop` has ended all links, or is about to.
    }
    sweep_links();
    const std::size_t home = static_cast<std::size_t>(
        std::hash<member_id>{}(to.id) ^ std::hash<std::string>{}(to.id.empty() ? to.address : ""));
    auto made = std::make_shared<peer_link>(weak_from_this(), to, home % workers_.size());
    (to.id.empty() ? by_address_[to.address] : links_[to.id]) = made;
    return made;
}

// Whoever has connected again may have written on the old connection what has not been read here
// yet. It is lost, as its sender is told, and must not come after what is newer.
std::optional<std::shared_ptr<connection>> mesh_core::succeed(
    const member_id& life, const std::shared_ptr<connection>& mine, instant now, instant began) {
    const std::unique_lock lock{directory_mutex_};
    const auto found = by_life_.find(life);
    if (found != by_life_.end()) {
        if (found->second.since >= began) {
            return std::nullopt;
        }
        auto before = found->second.which.lock();
        found->second = {mine, now};
        return before;
    }
    if (by_life_.size() >= sweep_lives_at_) {
        // Older than any dial that may still be under way: it cannot be asked about any more.
        const instant old = now - 2 * (settings_.connect_deadline + settings_.handshake_deadline);
        std::erase_if(by_life_, [old](const auto& entry) {
            return entry.second.which.expired() && entry.second.since < old;
        });
        sweep_lives_at_ = std::max<std::size_t>(1024, 2 * by_life_.size());
    }
    by_life_.emplace(life, latest{mine, now});
    return std::shared_ptr<connection>{};
}

// The directory is locked. Incarnations are never reused: what is over is forgotten, not at once,
// since the numbers that tell a lost connection from a crossing one are worth keeping a while.
void mesh_core::sweep_links() {
    if (links_.size() + by_address_.size() < sweep_at_) {
        return;
    }
    const auto drop = [this](const auto& entry) {
        const std::shared_ptr<peer_link> link = entry.second;
        if (!link->retire()) {
            return false;
        }
        worker_at(link->home()).home->post([link] { link->release(); });
        return true;
    };
    std::erase_if(links_, drop);
    std::erase_if(by_address_, drop);
    sweep_at_ = std::max<std::size_t>(1024, 2 * (links_.size() + by_address_.size()));
}

// --- Requests ----------------------------------------------------------------------------------

std::size_t mesh_core::current_worker() {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i]->home->is_current()) {
            return i;
        }
    }
    return next_worker_.fetch_add(1, std::memory_order_relaxed) % workers_.size();
}

void mesh_core::end_later(reply_fn done, error why) {
    workers_[current_worker()]->home->post(
        [done = std::move(done), why = std::move(why)]() mutable {
            done(std::unexpected{std::move(why)});
        });
}

void mesh_core::request(const peer& to, std::string_view body, instant deadline, reply_fn done) {
    if (body.size() > settings_.max_frame) {
        end_later(std::move(done), {errc::invalid_argument, "the request is longer than allowed"});
        return;
    }
    const member_id own = self();
    if (!to.id.empty() && to.id == own && !stopped_) {
        request_own(body, deadline, std::move(done));
        return;
    }
    for (int i = 0; i < 3 && !stopped_; ++i) {
        const auto link = link_to(to);
        if (link != nullptr && link->request(*this, body, deadline, done)) {
            return;
        }
    }
    end_later(std::move(done), {errc::closed, "this node is leaving; nothing was sent"});
}

void mesh_core::request(peer_link& by, std::string_view body, instant deadline, reply_fn done) {
    if (body.size() > settings_.max_frame || stopped_ || !by.request(*this, body, deadline, done)) {
        request(peer{by.id(), by.address()}, body, deadline, std::move(done));
    }
}

result<void> mesh_core::post(const peer& to,
                             std::uint8_t type,
                             std::uint64_t id,
                             std::string_view body) {
    MUSTER_ASSERT(type >= first_free_type, "types below 64 are the mesh's own");
    if (body.size() > settings_.max_frame) {
        return fail(errc::invalid_argument, "the message is longer than allowed");
    }
    for (int i = 0; i < 3 && !stopped_; ++i) {
        const auto link = link_to(to);
        const auto taken =
            link != nullptr ? link->post(*this, type, id, {}, body) : result<bool>{false};
        if (!taken) {
            return std::unexpected{taken.error()};
        }
        if (*taken) {
            return {};
        }
    }
    return fail(errc::closed, "this node is leaving; nothing was sent");
}

result<void> mesh_core::post(peer_link& by,
                             std::uint8_t type,
                             std::uint64_t id,
                             std::string_view lead,
                             std::string_view body) {
    if (lead.size() + body.size() <= settings_.max_frame && !stopped_) {
        const auto taken = by.post(*this, type, id, lead, body);
        if (!taken) {
            return std::unexpected{taken.error()};
        }
        if (*taken) {
            return {};
        }
    }
    // The link is over: by another.
    return post(peer{by.id(), by.address()}, type, id, std::string{lead}.append(body));
}

std::shared_ptr<peer_link> mesh_core::known_link(const member_id& id) const {
    const std::shared_lock lock{directory_mutex_};
    const auto found = links_.find(id);
    return found == links_.end() ? nullptr : found->second;
}

std::size_t mesh_core::waiting_for(const peer& to) const {
    const auto link = known_link(to.id);
    return link == nullptr ? 0 : link->backlog();
}

std::vector<peer_counters> mesh_core::peers() const {
    std::vector<std::shared_ptr<peer_link>> all;
    {
        const std::shared_lock lock{directory_mutex_};
        for (const auto& [id, link] : links_) {
            all.push_back(link);
        }
    }
    std::vector<peer_counters> counted;
    counted.reserve(all.size());
    for (const auto& link : all) {
        counted.push_back(link->count());
    }
    std::ranges::sort(counted, {}, &peer_counters::id);
    return counted;
}

bool mesh_core::is_connected(const member_id& id) const {
    const auto link = known_link(id);
    return link != nullptr && link->is_open();
}

void mesh_core::tell_unconfirmed(const peer& to, const std::vector<posted>& frames) const {
    if (settings_.unconfirmed && !stopped_) {
        for (const posted& one : frames) {
            settings_.unconfirmed(to, one.type, one.note, one.count);
        }
    }
}

void mesh_core::tell_lost(const member_id& id, const error& why) const {
    if (settings_.lost && !stopped_ && !id.empty()) {
        settings_.lost(id, why);
    }
}

// --- Requests of the node to itself ------------------------------------------------------------

void mesh_core::request_own(std::string_view body, instant deadline, reply_fn done) {
    const std::size_t at = current_worker();
    workers_[at]->home->post([self = shared_from_this(),
                              at,
                              body = std::string{body},
                              deadline,
                              done = std::move(done)]() mutable {
        self->run_own(at, std::move(body), deadline, std::move(done));
    });
}

void mesh_core::run_own(std::size_t at, std::string body, instant deadline, reply_fn done) {
    worker& here = *workers_[at];
    if (stopped_) {
        done(fail(errc::closed, "this node is leaving; nothing was done"));
        return;
    }
    if (deadline <= here.home->now()) {
        done(fail(errc::timed_out, "the deadline passed before the request was delivered"));
        return;
    }
    if (here.own_timer == nullptr) {
        here.own_timer = here.home->make_timer();
    }
    const instant before = here.own_requests.next_due();
    const std::uint64_t id = here.own_requests.add(deadline, std::move(done));
    if (deadline < before) {
        here.own_timer->set(deadline, [this, at] { expire_own(at); });
    }
    handle({self(),
            settings_.life,
            settings_.name,
            body,
            deadline,
            responder{responder::impl::own(weak_from_this(), at, id)},
            here.own_memo});
}

void mesh_core::answer_own(std::size_t at, std::uint64_t id, result<std::string> answer) {
    // Always by a task: a handler that answers at once must not run the asker's completion inside
    // itself.
    workers_[at]->home->post(
        [self = shared_from_this(), at, id, answer = std::move(answer)]() mutable {
            if (auto done = self->workers_[at]->own_requests.take(id)) {
                done(std::move(answer));
            }
        });
}

void mesh_core::expire_own(std::size_t at) {
    const auto keep = shared_from_this();
    worker& here = *workers_[at];
    std::vector<reply_fn> late = here.own_requests.take_due(here.home->now());
    if (const instant next = here.own_requests.next_due(); next != never) {
        here.own_timer->set(next, [this, at] { expire_own(at); });
    }
    for (reply_fn& done : late) {
        done(fail(errc::outcome_unknown, "no answer by the deadline; the request may have run"));
    }
}

// --- Connections from others -------------------------------------------------------------------

result<void> mesh_core::listen() {
    auto opened = workers_.front()->home->listen(
        settings_.listen,
        [weak = weak_from_this()](std::unique_ptr<runtime::stream> stream) {
            if (const auto self = weak.lock()) {
                self->accepted(std::move(stream));
            }
        },
        [weak = weak_from_this()] {
            const auto self = weak.lock();
            MUSTER_ASSERT(self != nullptr, "a listener ends before its mesh");
            const std::size_t next = self->next_worker_.fetch_add(1, std::memory_order_relaxed);
            return self->workers_[next % self->workers_.size()]->home;
        });
    if (!opened) {
        return std::unexpected{opened.error()};
    }
    local_ = (*opened)->local();
    listener_ = std::move(*opened);
    return {};
}

runtime::endpoint mesh_core::local() const {
    return local_;
}

void mesh_core::accepted(std::unique_ptr<runtime::stream> stream) {
    if (stopped_) {
        return;
    }
    std::make_shared<connection>(*this, current_worker(), std::move(stream))->start_accepted();
}

bool mesh_core::begin_handshake(const std::string& address) {
    const std::lock_guard lock{handshake_mutex_};
    std::size_t& count = handshakes_[address];
    if (count >= settings_.max_handshakes_per_address) {
        return false;
    }
    ++count;
    return true;
}

void mesh_core::end_handshake(const std::string& address) {
    const std::lock_guard lock{handshake_mutex_};
    const auto found = handshakes_.find(address);
    if (--found->second == 0) {
        handshakes_.erase(found);
    }
}

// --- The end -----------------------------------------------------------------------------------

void mesh_core::stop(task_fn done) {
    if (!stopped_.exchange(true)) {
        std::vector<std::shared_ptr<peer_link>> all;
        {
            const std::unique_lock lock{directory_mutex_};
            for (const auto& [id, link] : links_) {
                all.push_back(link);
            }
            for (const auto& [address, link] : by_address_) {
                all.push_back(link);
            }
            links_.clear();
            by_address_.clear();
        }
        for (const auto& link : all) {
            link->stop();
        }
        for (std::size_t at = 0; at < workers_.size(); ++at) {
            workers_[at]->home->post([self = shared_from_this(), at] { self->close_worker(at); });
        }
    }
    // Through every worker in turn: what stood in their queues before has run then.
    auto next = std::make_shared<callback<std::size_t>>();
    auto last = std::make_shared<task_fn>(std::move(done));
    *next = [self = shared_from_this(), last, weak = std::weak_ptr{next}](std::size_t at) {
        const auto again = weak.lock();
        if (at == self->workers_.size()) {
            (*last)();
            return;
        }
        // By two tasks: completions that closing posted stand between them.
        const auto loop = self->workers_[at]->home;
        loop->post([loop, again, at] { loop->post([again, at] { (*again)(at + 1); }); });
    };
    (*next)(0);
}

void mesh_core::drop() {
    for (const auto& one : workers_) {
        // Out of there first: what goes with them may ask for more.
        const auto connections = std::exchange(one->connections, {});
        const auto own = one->own_requests.take_all();
        for (const auto& each : connections) {
            each->drop();
        }
    }
}

void mesh_core::close_worker(std::size_t at) {
    worker& here = *workers_[at];
    const auto copies = here.connections;
    for (const auto& each : copies) {
        each->close({errc::closed, "this node is leaving"});
    }
    if (at == 0) {
        listener_ = nullptr;
    }
    here.own_timer = nullptr;
    for (reply_fn& done : here.own_requests.take_all()) {
        done(fail(errc::closed, "this node is leaving; the request may have run"));
    }
}

}  // namespace muster::mesh
