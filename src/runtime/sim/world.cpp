#include "runtime/sim/world.hpp"

#include "runtime/sim/fabric.hpp"

#include <utility>

namespace muster::runtime::sim {

// --- Hosts -------------------------------------------------------------------------------------

host::host(std::shared_ptr<fabric> home, std::size_t index)
    : fabric_{std::move(home)}, index_{index} {}

host::~host() = default;

const std::string& host::name() const {
    return fabric_->at(index_).name;
}

const std::string& host::address() const {
    return fabric_->at(index_).address;
}

std::shared_ptr<platform> host::process() const {
    return fabric_->at(index_).process;
}

void host::kill() {
    fabric_->kill(index_, "killed");
}

void host::restart() {
    fabric_->restart(index_);
}

bool host::is_alive() const {
    return fabric_->at(index_).process->is_alive();
}

void host::pause() {
    fabric_->at(index_).process->pause();
}

void host::resume() {
    fabric_->at(index_).process->resume();
}

bool host::is_paused() const {
    return fabric_->at(index_).process->is_paused();
}

void host::refuse_connects() {
    fabric_->at(index_).refuses = true;
}

void host::accept_connects() {
    fabric_->at(index_).refuses = false;
}

void host::set_resolver_delay(duration delay) {
    fabric_->at(index_).resolver_delay = delay;
}

void host::set_clock_drift(std::int64_t ppm) {
    machine& here = fabric_->at(index_);
    here.clock.set_drift(fabric_->now(), ppm);
    here.process->reset_timers();
}

instant host::now() const noexcept {
    return fabric_->at(index_).process->now();
}

std::int64_t host::unix_ms() const noexcept {
    return fabric_->at(index_).process->unix_ms();
}

std::shared_ptr<loop> host::make_loop(std::string loop_name) {
    return fabric_->at(index_).process->make_loop(std::move(loop_name));
}

void host::run_blocking(task_fn job) {
    fabric_->at(index_).process->run_blocking(std::move(job));
}

std::unique_ptr<gate> host::make_gate() {
    return fabric_->at(index_).process->make_gate();
}

std::string host::host_name() const {
    return name();
}

std::string host::boot_id() const {
    return fabric_->at(index_).process->boot_id();
}

std::int64_t host::process_number() const {
    return fabric_->at(index_).process->process_number();
}

unsigned host::cores() const {
    return fabric_->at(index_).process->cores();
}

void host::abort_process(std::string_view why) {
    fabric_->at(index_).process->abort_process(why);
}

// --- The world ---------------------------------------------------------------------------------

world::world(std::uint64_t seed, options chosen)
    : fabric_{std::make_shared<fabric>(seed, chosen)} {}

world::~world() {
    fabric_->shut_down();
}

host& world::add_host(std::string name) {
    const std::size_t index = fabric_->add_machine(std::move(name));
    hosts_.push_back(std::make_unique<host>(fabric_, index));
    hosts_.back()->restart();
    return *hosts_.back();
}

instant world::now() const noexcept {
    return fabric_->now();
}

bool world::run_one() {
    return fabric_->run_one();
}

void world::run_until(instant until) {
    while (fabric_->run_one_by(until)) {
    }
}

bool world::run_until(const std::function<bool()>& reached, instant deadline) {
    while (!reached()) {
        if (!fabric_->run_one_by(deadline)) {
            return reached();
        }
    }
    return true;
}

std::uint64_t world::events() const noexcept {
    return fabric_->events();
}

void world::cut(const host& from, const host& to) {
    fabric_->cut(from.index_, to.index_);
}

void world::heal(const host& from, const host& to) {
    fabric_->heal(from.index_, to.index_);
}

void world::isolate(const host& one) {
    for (const auto& each : hosts_) {
        cut(one, *each);
        cut(*each, one);
    }
}

void world::heal() {
    for (const auto& from : hosts_) {
        for (const auto& to : hosts_) {
            heal(*from, *to);
        }
    }
}

void world::break_connections(const host& a, const host& b) {
    fabric_->break_connections(a.index_, b.index_);
}

void world::set_delay(const host& from, const host& to, duration least, duration most) {
    link& line = fabric_->way(from.index_, to.index_);
    line.least = least;
    line.most = most;
}

void world::set_filter(std::function<verdict(const packet_info&)> filter) {
    fabric_->filter_ = std::move(filter);
}

void world::lose_next_reply(const host& from, const host& to) {
    fabric_->lose_next_.emplace_back(from.index_, to.index_);
}

void world::note(const host& at, std::string_view text) {
    fabric_->note(at.index_, text);
}

const std::string& world::trace() const noexcept {
    return fabric_->trace();
}

std::uint64_t world::random_below(std::uint64_t bound) {
    return fabric_->dice().below(bound);
}

}  // namespace muster::runtime::sim
