#include "runtime/sim/sockets.hpp"

#include "base/check.hpp"

#include <arpa/inet.h>

#include <array>
#include <utility>

namespace muster::runtime::sim {
namespace {

bool is_numeric(const std::string& address) {
    std::array<unsigned char, sizeof(in6_addr)> ignored;
    const std::string plain = address.substr(0, address.find('%'));
    return ::inet_pton(AF_INET, address.c_str(), ignored.data()) == 1 ||
           ::inet_pton(AF_INET6, plain.c_str(), ignored.data()) == 1;
}

std::uint16_t pick_port(machine& host) {
    for (int tried = 0; tried < 32768; ++tried) {
        const std::uint16_t port = host.next_port;
        host.next_port = port == 65535 ? 32768 : static_cast<std::uint16_t>(port + 1);
        if (!host.listeners.contains(port)) {
            return port;
        }
    }
    MUSTER_ASSERT(false, "every port of a host is listened on");
    return 0;
}

// --- Streams -----------------------------------------------------------------------------------

class sim_stream final : public stream, public observer, public tenant {
public:
    sim_stream(std::shared_ptr<loop_core> home, std::shared_ptr<connection> whole, std::size_t me)
        : tenant{*home}, keep_{std::move(home)}, whole_{std::move(whole)}, me_{me} {
        whole_->attach(me_, this);
    }
    ~sim_stream() override {
        sim_stream::close();
        whole_->close(me_);  // Also where its loop has stopped before, and abandoned it.
    }

    void read_some(std::span<char> into, callback<result<std::size_t>> done) override {
        MUSTER_ASSERT(!on_read_, "one read at a time");
        MUSTER_ASSERT(!into.empty(), "a read needs room");
        if (closed_) {
            return;
        }
        into_ = into;
        on_read_ = std::move(done);
        if (whole_->is_readable(me_)) {
            home_.enqueue(reading_);
        }
    }

    void write(std::string_view bytes, callback<result<void>> done) override {
        MUSTER_ASSERT(!on_write_, "one write at a time");
        if (closed_) {
            return;
        }
        unsent_ = bytes;
        on_write_ = std::move(done);
        can_write();
    }

    [[nodiscard]] std::size_t write_now(std::string_view bytes) override {
        if (closed_ || whole_->broken(me_)) {
            return 0;
        }
        can_write();
        return unsent_.empty() ? whole_->offer(me_, bytes) : 0;
    }

    void close() override {
        if (!closed_) {
            whole_->close(me_);
            abandon();
        }
    }

    void abandon() override {
        closed_ = true;
        home_.withdraw(reading_);
        home_.withdraw(writing_);
        fabric& world = home_.world();
        if (on_read_) {
            world.bury(std::exchange(on_read_, nullptr));
        }
        if (on_write_) {
            world.bury(std::exchange(on_write_, nullptr));
        }
    }

    [[nodiscard]] endpoint local() const override { return whole_->at(me_); }
    [[nodiscard]] endpoint remote() const override { return whole_->at(1 - me_); }
    void set_user_timeout(std::chrono::milliseconds limit) override {
        whole_->set_user_timeout(me_, limit);
    }

    void can_read() override {
        if (on_read_) {
            home_.enqueue(reading_);
        }
    }

    void can_write() override {
        if (!on_write_) {
            return;
        }
        if (!whole_->broken(me_)) {
            unsent_.remove_prefix(whole_->offer(me_, unsent_));
            if (!unsent_.empty()) {
                return;  // Until the reader has made room.
            }
        }
        home_.enqueue(writing_);
    }

private:
    class read_turn final : public work {
    public:
        explicit read_turn(sim_stream& whole) : whole_{whole} {}
        void run() override { whole_.finish_read(); }

    private:
        sim_stream& whole_;
    };

    class write_turn final : public work {
    public:
        explicit write_turn(sim_stream& whole) : whole_{whole} {}
        void run() override { whole_.finish_write(); }

    private:
        sim_stream& whole_;
    };

    [[nodiscard]] error broken(const std::string& why) const {
        return {errc::unavailable, "connection to " + remote().text() + ": " + why};
    }

    void finish_read() {
        if (!whole_->is_readable(me_)) {
            return;
        }
        auto done = std::exchange(on_read_, nullptr);
        const auto& why = whole_->broken(me_);
        if (why && !whole_->has_bytes(me_)) {
            done(std::unexpected{broken(*why)});
            return;
        }
        done(whole_->take(me_, into_));
    }

    void finish_write() {
        auto done = std::exchange(on_write_, nullptr);
        unsent_ = {};
        if (const auto& why = whole_->broken(me_)) {
            done(std::unexpected{broken(*why)});
        } else {
            done({});
        }
    }

    const std::shared_ptr<loop_core> keep_;
    const std::shared_ptr<connection> whole_;
    const std::size_t me_;
    std::span<char> into_;
    std::string_view unsent_;
    callback<result<std::size_t>> on_read_;
    callback<result<void>> on_write_;
    read_turn reading_{*this};
    write_turn writing_{*this};
    bool closed_ = false;
};

// --- Operations --------------------------------------------------------------------------------

/// What connecting and resolving share: one answer, through the loop, or the deadline's.
template <class T>
class pending : public event, public work, public tenant, public operation {
public:
    pending(const std::shared_ptr<loop_core>& home, callback<result<T>> done)
        : tenant{*home}, keep_{home}, done_{std::move(done)} {}
    ~pending() override { pending::abandon(); }

    void fail_at(instant deadline, std::string text) {
        deadline_.set(deadline, [this, text = std::move(text)]() mutable {
            outcome_ = fail(errc::timed_out, std::move(text));
            run();
        });
    }

    void finish_soon(result<T> outcome) {
        outcome_ = std::move(outcome);
        home_.enqueue(*this);
    }

    void run() override {
        auto done = std::exchange(done_, nullptr);
        auto outcome = std::move(outcome_);
        pending::abandon();
        done(std::move(outcome));  // May destroy this.
    }

    void abandon() override {
        home_.world().unschedule(*this);
        home_.withdraw(*this);
        deadline_.cancel();
        release();
        if (done_) {
            home_.world().bury(std::exchange(done_, nullptr));
        }
    }

protected:
    /// Lets go of what it holds besides the answer.
    virtual void release() {}

    const std::shared_ptr<loop_core> keep_;

private:
    callback<result<T>> done_;
    result<T> outcome_{std::unexpect, error{}};
    timer_core deadline_{home_};
};

class connecting final : public pending<std::unique_ptr<stream>> {
public:
    connecting(const std::shared_ptr<loop_core>& home,
               endpoint to,
               callback<result<std::unique_ptr<stream>>> done)
        : pending{home, std::move(done)}, to_{std::move(to)} {}

    void start() {
        fabric& world = home_.world();
        const std::size_t here = home_.owner().index();
        there_ = world.find_address(to_.address, here);
        if (there_ != fabric::npos) {
            world.schedule(*this, world.now() + world.draw_delay(here, there_));
        }
        // Else nobody answers, and the deadline speaks.
    }

    void happen() override {
        fabric& world = home_.world();
        const std::size_t here = home_.owner().index();
        const bool lost = asked_ ? world.way(there_, here).is_cut : world.way(here, there_).is_cut;
        if (lost) {
            world.schedule(*this, world.now() + backoff_);
            backoff_ *= 2;  // As Linux sends SYN again: after 1, 2, 4 s, …
            return;
        }
        if (!asked_) {
            asked_ = true;
            ask();
            world.schedule(*this, world.now() + world.draw_delay(there_, here));
            return;
        }
        answer();
    }

private:
    /// The request has arrived over there.
    void ask() {
        fabric& world = home_.world();
        machine& target = world.at(there_);
        const auto found = target.listeners.find(to_.port);
        if (target.refuses || found == target.listeners.end() ||
            !reaches(found->second->at().address)) {
            return;
        }
        machine& own = home_.owner().host();
        const bool loopback = to_.address.starts_with("127.") || to_.address == "::1";
        connection::party client{.machine = home_.owner().index(),
                                 .owner = home_.owner().shared_from_this(),
                                 .at = {loopback ? to_.address : own.address, pick_port(own)},
                                 .broken = {}};
        connection::party server{
            .machine = there_, .owner = target.process, .at = to_, .broken = {}};
        made_ = std::make_shared<connection>(
            world, std::move(client), std::move(server), found->second->weak_from_this());
    }

    /// Whether a listener at `bound` is meant by the address asked for.
    [[nodiscard]] bool reaches(const std::string& bound) const {
        return bound == to_.address || bound == "0.0.0.0" || bound == "::";
    }

    void answer() {
        if (!made_) {
            finish_soon(fail(errc::unavailable, "cannot connect to " + to_.text() + ": refused"));
            return;
        }
        auto made = std::exchange(made_, nullptr);
        made->open();
        finish_soon(std::make_unique<sim_stream>(keep_, std::move(made), 0));
    }

    void release() override {
        if (made_) {
            made_->reset(0);
            home_.world().bury(std::exchange(made_, nullptr));
        }
    }

    const endpoint to_;
    std::size_t there_ = fabric::npos;
    bool asked_ = false;
    duration backoff_ = 1s;
    std::shared_ptr<connection> made_;
};

class resolving final : public pending<std::vector<endpoint>> {
public:
    resolving(const std::shared_ptr<loop_core>& home,
              host_port name,
              callback<result<std::vector<endpoint>>> done)
        : pending{home, std::move(done)}, name_{std::move(name)} {}

    void start() {
        fabric& world = home_.world();
        world.schedule(*this, world.now() + home_.owner().host().resolver_delay);
    }

    void happen() override {
        const fabric& world = home_.world();
        if (name_.host == "localhost") {
            finish_soon(std::vector{endpoint{"127.0.0.1", name_.port}});
            return;
        }
        const std::size_t found = world.find_name(name_.host);
        if (found == fabric::npos) {
            finish_soon(
                fail(errc::unavailable, "cannot resolve '" + name_.host + "': no such host"));
            return;
        }
        finish_soon(std::vector{endpoint{world.at(found).address, name_.port}});
    }

private:
    const host_port name_;
};

class sim_listener final : public listener {
public:
    sim_listener(std::shared_ptr<loop_core> home, std::shared_ptr<listener_core> core)
        : home_{std::move(home)}, core_{std::move(core)} {}
    ~sim_listener() override { core_->close(); }
    [[nodiscard]] endpoint local() const override { return core_->at(); }

private:
    const std::shared_ptr<loop_core> home_;
    const std::shared_ptr<listener_core> core_;
};

}  // namespace

// --- Listeners ---------------------------------------------------------------------------------

listener_core::listener_core(loop_core& home, endpoint at, accepted_fn accepted, place_fn place)
    : tenant{home},
      at_{std::move(at)},
      accepted_{std::make_shared<accepted_fn>(std::move(accepted))},
      place_{std::move(place)} {
    home.owner().host().listeners[at_.port] = this;
}

listener_core::~listener_core() {
    close();
}

void listener_core::arrived(std::shared_ptr<connection> fresh) {
    backlog_.push_back(std::move(fresh));
    home_.enqueue(*this);
}

void listener_core::close() {
    if (!std::exchange(open_, false)) {
        return;
    }
    home_.withdraw(*this);
    auto& ports = home_.owner().host().listeners;
    if (const auto mine = ports.find(at_.port); mine != ports.end() && mine->second == this) {
        ports.erase(mine);
    }
    for (auto& waiting : std::exchange(backlog_, {})) {
        waiting->reset(1);
        home_.world().bury(std::move(waiting));
    }
}

void listener_core::run() {
    auto fresh = std::move(backlog_.front());
    backlog_.pop_front();
    if (!backlog_.empty()) {
        home_.enqueue(*this);
    }
    const auto accepted = accepted_;
    if (!place_) {
        (*accepted)(std::make_unique<sim_stream>(home_.shared_from_this(), std::move(fresh), 1));
        return;
    }
    const std::shared_ptr<loop> chosen = place_();
    const auto* target = dynamic_cast<const sim_loop*>(chosen.get());
    MUSTER_ASSERT(target != nullptr, "a place is a loop of the same kind");
    target->core()->post([home = std::weak_ptr{target->core()},
                          fresh = std::move(fresh),
                          door = weak_from_this(),
                          accepted] {
        const auto alive = home.lock();
        const auto open = door.lock();
        if (alive && open && open->is_open()) {
            (*accepted)(std::make_unique<sim_stream>(alive, fresh, 1));
        } else {
            fresh->reset(1);
        }
    });
}

// --- The doors ---------------------------------------------------------------------------------

std::unique_ptr<operation> start_connect(const std::shared_ptr<loop_core>& home,
                                         const endpoint& to,
                                         instant deadline,
                                         callback<result<std::unique_ptr<stream>>> done) {
    auto made = std::make_unique<connecting>(home, to, std::move(done));
    if (!is_numeric(to.address)) {
        made->finish_soon(
            fail(errc::invalid_argument, "'" + to.address + "' is not an IP address"));
        return made;
    }
    if (home->has_stopped()) {
        return made;
    }
    made->fail_at(deadline, "connecting to " + to.text() + " took too long");
    made->start();
    return made;
}

result<std::unique_ptr<listener>> start_listen(
    const std::shared_ptr<loop_core>& home,
    const endpoint& at,
    std::function<void(std::unique_ptr<stream>)> accepted,
    std::function<std::shared_ptr<loop>()> place) {
    if (!is_numeric(at.address)) {
        return fail(errc::invalid_argument, "'" + at.address + "' is not an IP address");
    }
    const std::string what = "cannot listen on " + at.text() + ": ";
    if (home->has_stopped()) {
        return fail(errc::unavailable, what + "the loop has stopped");
    }
    machine& host = home->owner().host();
    if (at.address != host.address && at.address != "0.0.0.0" && at.address != "::" &&
        at.address != "::1" && !at.address.starts_with("127.")) {
        return fail(errc::unavailable, what + "not an address of this host");
    }
    endpoint bound = at;
    if (bound.port == 0) {
        bound.port = pick_port(host);
    } else if (host.listeners.contains(bound.port)) {
        return fail(errc::unavailable, what + "address already in use");
    }
    auto core = std::make_shared<listener_core>(
        *home, std::move(bound), std::move(accepted), std::move(place));
    return std::make_unique<sim_listener>(home, std::move(core));
}

std::unique_ptr<operation> start_resolve(const std::shared_ptr<loop_core>& home,
                                         const host_port& name,
                                         instant deadline,
                                         callback<result<std::vector<endpoint>>> done) {
    auto made = std::make_unique<resolving>(home, name, std::move(done));
    if (is_numeric(name.host)) {
        made->finish_soon(std::vector{endpoint{name.host, name.port}});
        return made;
    }
    if (home->has_stopped()) {
        return made;
    }
    made->fail_at(deadline, "the resolver did not answer for '" + name.host + "' in time");
    made->start();
    return made;
}

}  // namespace muster::runtime::sim
