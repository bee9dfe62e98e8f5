#include "mesh/peer_link.hpp"

#include "mesh/mesh_core.hpp"

#include <algorithm>
#include <utility>

namespace muster::mesh {
namespace {

constexpr duration first_pause = 100ms;
constexpr duration longest_pause = 1s;

}  // namespace

/// One try to connect: the name is looked up, then each of its addresses is dialled in turn.
struct peer_link::attempt {
    std::uint64_t dial = 0;
    instant deadline;
    std::vector<runtime::endpoint> left;
    error last;
    std::unique_ptr<runtime::operation> under_way;
    std::weak_ptr<connection> greeting;
};

peer_link::peer_link(std::weak_ptr<mesh_core> core, peer who, std::size_t home)
    : core_{std::move(core)},
      id_{who.id},
      home_{home},
      has_address_{!who.address.empty()},
      address_{std::move(who.address)} {}

peer_link::~peer_link() = default;

std::string peer_link::address() const {
    const std::lock_guard lock{mutex_};
    return address_;
}

void peer_link::set_address(const std::string& address) {
    const std::lock_guard lock{mutex_};
    if (!address.empty()) {
        address_ = address;
        has_address_ = true;
    }
}

// --- From any thread ---------------------------------------------------------------------------

bool peer_link::request(mesh_core& core, std::string_view body, instant deadline, reply_fn& done) {
    std::unique_lock lock{mutex_};
    if (phase_ == phase::retired) {
        return false;
    }
    const std::size_t backlog = current_ != nullptr ? current_->backlog() : 0;
    if (queued_ + frames_.size() + backlog + body.size() > core.wanted().max_queue) {
        const auto home = core.worker_at(home_).home;
        lock.unlock();  // `address()` takes it again.
        home->post([done = std::move(done), name = address()]() mutable {
            done(fail(errc::overloaded, "too much waits to be sent to " + name));
        });
        return true;
    }
    if (phase_ == phase::idle && failures_ > 0 && core.worker_at(home_).home->now() < not_before_) {
        // Who asks may know another by the time the next dial is due: it waits where it can tell.
        const auto home = core.worker_at(home_).home;
        home->post([done = std::move(done), name = address_]() mutable {
            done(fail(errc::unavailable,
                      name + " could not be reached a moment ago, and is not "
                             "tried again yet; nothing was sent"));
        });
        return true;
    }
    if (current_ != nullptr && waiting_.empty() && frames_.empty() &&
        current_->home()->is_current()) {
        connection* const direct = current_.get();  // Its worker, this one, lets go of it last.
        lock.unlock();
        direct->send_request(body, deadline, std::move(done));
        return true;
    }
    queued_ += body.size();
    first_deadline_ = std::min(first_deadline_, deadline);
    waiting_.push_back({frame_type::request, 0, std::string{body}, deadline, std::move(done)});
    wake(core);
    return true;
}

result<bool> peer_link::post(mesh_core& core,
                             std::uint8_t type,
                             std::uint64_t id,
                             std::string_view lead,
                             std::string_view body) {
    std::unique_lock lock{mutex_};
    if (phase_ == phase::retired) {
        return false;
    }
    const std::size_t backlog = current_ != nullptr ? current_->backlog() : 0;
    const std::size_t size = lead.size() + body.size();
    if (queued_ + frames_.size() + backlog + size > core.wanted().max_queue) {
        return fail(errc::overloaded, "too much waits to be sent to " + address_);
    }
    if (current_ != nullptr && waiting_.empty()) {
        if (frames_.empty() && current_->home()->is_current()) {
            connection* const direct = current_.get();  // As above.
            lock.unlock();
            direct->send_frame(static_cast<frame_type>(type), id, body, lead);
            return true;
        }
        append_frame(frames_, static_cast<frame_type>(type), id, body, lead);
        kept_.push_back(note_of(type, lead, body));
        wake(core);
        return true;
    }
    const settings& wanted = core.wanted();
    const instant deadline =
        core.worker_at(home_).home->now() + wanted.connect_deadline + wanted.handshake_deadline;
    queued_ += size;
    first_deadline_ = std::min(first_deadline_, deadline);
    waiting_.push_back(
        {static_cast<frame_type>(type), id, std::string{lead}.append(body), deadline, nullptr});
    wake(core);
    return true;
}

// The mutex is held.
void peer_link::wake(mesh_core& core) {
    if (std::exchange(wake_posted_, true)) {
        return;
    }
    const auto& loop = current_ != nullptr ? current_->home() : core.worker_at(home_).home;
    loop->post([self = shared_from_this(), keep = core.shared_from_this()] { self->pump(keep); });
}

// --- Carrying out ------------------------------------------------------------------------------

void peer_link::pump(const std::shared_ptr<mesh_core>& core) {
    std::unique_lock lock{mutex_};
    wake_posted_ = false;
    if (phase_ == phase::retired) {
        return;
    }
    const auto connected = current_;
    const auto& loop = connected != nullptr ? connected->home() : core->worker_at(home_).home;
    if (!loop->is_current()) {
        wake(*core);
        return;
    }
    if (connected == nullptr) {
        pump_closed(core, std::move(lock));
        return;
    }
    std::string frames;
    std::vector<waiting> taken;
    std::vector<posted> kept;
    frames.swap(frames_);
    taken.swap(waiting_);
    kept.swap(kept_);
    queued_ = 0;
    first_deadline_ = never;
    lock.unlock();

    const instant now = loop->now();
    if (!kept.empty()) {
        connected->send_frames(frames, kept.size(), kept);
        // The room goes round, link to connection to network and back: fresh memory for each batch
        // costs more than its frames.
        lock.lock();
        if (frames_.capacity() < frames.capacity() && frames_.empty()) {
            frames_.swap(frames);
        }
        if (kept_.capacity() < kept.capacity() && kept_.empty()) {
            kept_.swap(kept);
        }
        lock.unlock();
    }
    std::vector<reply_fn> late;
    for (waiting& one : taken) {
        if (!one.done) {
            connected->send_frame(one.type, one.id, one.body);
        } else if (one.deadline <= now) {
            late.push_back(std::move(one.done));
        } else {
            connected->send_request(one.body, one.deadline, std::move(one.done));
        }
    }
    // Whoever hears it may send more, which comes behind all of these.
    for (reply_fn& done : late) {
        done(fail(errc::timed_out, "the deadline passed before the request was sent"));
    }
}

// On the home worker.
void peer_link::pump_closed(const std::shared_ptr<mesh_core>& core,
                            std::unique_lock<std::mutex> lock) {
    const auto& loop = core->worker_at(home_).home;
    const instant now = loop->now();
    std::vector<waiting> expired = take_expired(now);
    const bool start = phase_ == phase::idle && !waiting_.empty() && now >= not_before_;
    if (start) {
        phase_ = phase::dialing;
        dial_ = core->next_dial();
        // What had been seen, and lost, when this node decided to dial: a connection that comes
        // meanwhile, on another worker, is not lost.
        seen_before_dial_ = seen_;
    }
    instant again = first_deadline_;
    if (phase_ == phase::idle && !waiting_.empty()) {
        again = std::min(again, not_before_);
    }
    lock.unlock();

    if (again != never) {
        if (timer_ == nullptr) {
            timer_ = loop->make_timer();
        }
        timer_->set(again, [self = weak_from_this(), weak = core_] {
            const auto link = self.lock();
            const auto alive = weak.lock();
            if (link && alive) {
                link->pump(alive);
            }
        });
    }
    if (!expired.empty()) {
        end(*core,
            std::move(expired),
            {errc::timed_out,
             "no connection to " + address() + " by the deadline; nothing was sent"});
    }
    if (start) {
        dial(core);
    }
}

// The mutex is held.
std::vector<peer_link::waiting> peer_link::take_expired(instant now) {
    std::vector<waiting> expired;
    if (first_deadline_ > now) {
        return expired;
    }
    std::vector<waiting> left;
    for (waiting& one : waiting_) {
        (one.deadline > now ? left : expired).push_back(std::move(one));
    }
    waiting_.swap(left);
    queued_ = 0;
    first_deadline_ = never;
    for (const waiting& one : waiting_) {
        queued_ += one.body.size();
        first_deadline_ = std::min(first_deadline_, one.deadline);
    }
    return expired;
}

// --- Dialling: on the home worker --------------------------------------------------------------

void peer_link::dial(const std::shared_ptr<mesh_core>& core) {
    const auto& loop = core->worker_at(home_).home;
    attempt_ = std::make_unique<attempt>();
    attempt_->dial = dial_;
    attempt_->deadline = loop->now() + core->wanted().connect_deadline;
    const std::string where = address();
    if (where.empty()) {
        // Of a client, or of a member that stands in no view yet.
        dial_failed(dial_,
                    {errc::unavailable,
                     id_.brief() + " is connected no more, and cannot be dialled: nobody says "
                                   "where it listens"},
                    false);
        return;
    }
    const auto name = runtime::parse_host_port(where);
    if (!name) {
        dial_failed(dial_,
                    {errc::unavailable, "cannot reach '" + where + "': " + name.error().text},
                    false);
        return;
    }
    attempt_->under_way = loop->resolve(
        *name,
        attempt_->deadline,
        [weak = weak_from_this(), of = core_](result<std::vector<runtime::endpoint>> found) {
            const auto self = weak.lock();
            const auto alive = of.lock();
            if (self == nullptr || alive == nullptr || self->attempt_ == nullptr) {
                return;
            }
            if (found) {
                self->attempt_->left = std::move(*found);
            } else {
                self->attempt_->last = found.error();
            }
            self->connect_next(alive);
        });
}

void peer_link::connect_next(const std::shared_ptr<mesh_core>& core) {
    attempt& now = *attempt_;
    if (now.left.empty()) {
        // Whatever the cause, nothing was sent.
        dial_failed(now.dial, {errc::unavailable, now.last.text}, false);
        return;
    }
    const runtime::endpoint next = now.left.front();
    now.left.erase(now.left.begin());
    now.under_way = core->worker_at(home_).home->connect(
        next,
        now.deadline,
        [weak = weak_from_this(), of = core_](result<std::unique_ptr<runtime::stream>> connected) {
            const auto self = weak.lock();
            const auto alive = of.lock();
            if (self == nullptr || alive == nullptr || self->attempt_ == nullptr) {
                return;
            }
            if (connected) {
                self->start_greeting(alive, std::move(*connected));
            } else {
                self->attempt_->last = connected.error();
                self->connect_next(alive);
            }
        });
}

void peer_link::start_greeting(const std::shared_ptr<mesh_core>& core,
                               std::unique_ptr<runtime::stream> stream) {
    std::uint64_t seen = 0;
    {
        const std::lock_guard lock{mutex_};
        if (phase_ != phase::dialing || dial_ != attempt_->dial) {
            return;  // The peer's own connection has come meanwhile.
        }
        seen = seen_before_dial_;
    }
    const auto made = std::make_shared<connection>(*core, home_, std::move(stream));
    attempt_->greeting = made;
    made->start_dialled(shared_from_this(), attempt_->dial, seen);
}

bool peer_link::opened(const std::shared_ptr<connection>& dialled) {
    const auto core = core_.lock();
    const std::lock_guard lock{mutex_};
    if (core == nullptr || phase_ != phase::dialing || dial_ != dialled->dial()) {
        return false;
    }
    attempt_ = nullptr;
    phase_ = phase::open;
    current_ = dialled;
    failures_ = 0;
    if (!waiting_.empty()) {
        wake(*core);
    }
    return true;
}

void peer_link::dial_failed(std::uint64_t dial, const error& why, bool duplicate) {
    const auto core = core_.lock();
    std::vector<waiting> ended;
    {
        const std::lock_guard lock{mutex_};
        if (core == nullptr || phase_ != phase::dialing || dial_ != dial) {
            return;
        }
        const auto& loop = core->worker_at(home_).home;
        phase_ = phase::idle;
        if (duplicate) {
            failures_ = 0;  // It is reached: its own connection is on the way here.
        }
        const duration pause =
            std::min(first_pause * (1U << std::min(failures_, 4U)), longest_pause);
        failures_ += duplicate ? 0 : 1;
        const auto jitter = static_cast<std::int64_t>(
            loop->random_below(static_cast<std::uint64_t>(pause.count()) / 4));
        not_before_ = loop->now() + pause - duration{jitter};
        if (!duplicate) {
            ended.swap(waiting_);
            queued_ = 0;
            first_deadline_ = never;
        } else if (!waiting_.empty()) {
            wake(*core);
        }
    }
    attempt_ = nullptr;
    end(*core, std::move(ended), why);
    if (!duplicate) {
        core->tell_lost(id_, why);
    }
}

void peer_link::end(mesh_core& core, std::vector<waiting> ended, const error& why) {
    std::vector<posted> unsent;
    for (waiting& one : ended) {
        if (one.done) {
            one.done(std::unexpected{why});
        } else {
            unsent.push_back(note_of(static_cast<std::uint8_t>(one.type), {}, one.body));
        }
    }
    tally.unconfirmed.fetch_add(total_of(unsent), std::memory_order_relaxed);
    core.tell_unconfirmed({id_, address()}, unsent);
}

std::size_t peer_link::backlog() const {
    const std::lock_guard lock{mutex_};
    return queued_ + frames_.size() + (current_ != nullptr ? current_->backlog() : 0);
}

peer_counters peer_link::count() const {
    peer_counters now;
    now.id = id_;
    now.version = tally.version.load(std::memory_order_relaxed);
    now.features = tally.features.load(std::memory_order_relaxed);
    now.connections = tally.connections.load(std::memory_order_relaxed);
    now.frames_in = tally.frames_in.load(std::memory_order_relaxed);
    now.frames_out = tally.frames_out.load(std::memory_order_relaxed);
    now.bytes_in = tally.bytes_in.load(std::memory_order_relaxed);
    now.bytes_out = tally.bytes_out.load(std::memory_order_relaxed);
    now.unconfirmed = tally.unconfirmed.load(std::memory_order_relaxed);
    now.waiting = backlog();
    const std::lock_guard lock{mutex_};
    now.address = address_;
    now.is_connected = current_ != nullptr;
    return now;
}

bool peer_link::is_open() const {
    const std::lock_guard lock{mutex_};
    return current_ != nullptr;
}

// --- Which connection stays --------------------------------------------------------------------

bool peer_link::offer(const std::shared_ptr<connection>& dialled_in, const hello& greeting) {
    const auto core = core_.lock();
    if (core == nullptr) {
        return false;
    }
    const bool smaller = core->self() < greeting.self;
    std::shared_ptr<connection> old;
    {
        const std::lock_guard lock{mutex_};
        if (phase_ == phase::retired || greeting.dial <= seen_) {
            return false;
        }
        if (current_ != nullptr && current_->is_dialled() && smaller &&
            greeting.seen < current_->dial()) {
            return false;  // It dialled before it had ours.
        }
        if (phase_ == phase::dialing) {
            if (smaller) {
                return false;
            }
            core->worker_at(home_).home->post(
                [self = shared_from_this(), core, dial = dial_] { self->abandon_dial(dial); });
        }
        old = std::exchange(current_, dialled_in);
        phase_ = phase::open;
        seen_ = greeting.dial;
        failures_ = 0;
        if (!waiting_.empty() || !frames_.empty()) {
            wake(*core);
        }
    }
    if (old != nullptr) {
        const auto loop = old->home();
        loop->post([old = std::move(old)] {
            old->close({errc::unavailable, "the other side has connected anew"});
        });
    }
    return true;
}

// On the home worker.
void peer_link::abandon_dial(std::uint64_t dial) {
    if (attempt_ == nullptr || attempt_->dial != dial) {
        return;
    }
    const auto dropped = std::exchange(attempt_, nullptr);
    if (const auto greeting = dropped->greeting.lock()) {
        greeting->close({errc::unavailable, "the other side's connection is kept"});
    }
}

void peer_link::closed(const connection& which) {
    const auto core = core_.lock();
    std::vector<posted> unsent;
    {
        const std::lock_guard lock{mutex_};
        if (core == nullptr || current_.get() != &which) {
            return;
        }
        current_ = nullptr;
        phase_ = phase::idle;
        not_before_ = which.home()->now() + first_pause;
        frames_.clear();  // Their order to what was lost with the connection could not be kept.
        unsent.swap(kept_);
        if (!waiting_.empty()) {
            wake(*core);
        }
    }
    tally.unconfirmed.fetch_add(total_of(unsent), std::memory_order_relaxed);
    core->tell_unconfirmed({id_, address()}, unsent);
}

// --- Ends --------------------------------------------------------------------------------------

bool peer_link::retire() {
    const std::lock_guard lock{mutex_};
    if (phase_ != phase::idle || !waiting_.empty() || wake_posted_) {
        return false;
    }
    phase_ = phase::retired;
    is_over_ = true;
    return true;
}

void peer_link::stop() {
    const auto core = core_.lock();
    const std::lock_guard lock{mutex_};
    phase_ = phase::retired;
    is_over_ = true;
    current_ = nullptr;
    if (core == nullptr) {
        return;
    }
    auto ended = std::make_shared<std::vector<waiting>>(std::exchange(waiting_, {}));
    core->worker_at(home_).home->post([self = shared_from_this(), ended] {
        self->release();
        for (waiting& one : *ended) {
            if (one.done) {
                one.done(fail(errc::closed, "this node is leaving; nothing was sent"));
            }
        }
    });
}

void peer_link::release() {
    timer_ = nullptr;
    attempt_ = nullptr;
}

}  // namespace muster::mesh
