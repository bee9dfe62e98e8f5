#include "runtime/sim/fabric.hpp"

#include "base/check.hpp"
#include "runtime/sim/connection.hpp"
#include "runtime/sim/loop_core.hpp"

#include <algorithm>

namespace muster::runtime::sim {
namespace {

__extension__ using wide = __int128;

constexpr std::int64_t million = 1'000'000;

}  // namespace

// --- Clocks ------------------------------------------------------------------------------------

instant drifting_clock::local(instant world) const noexcept {
    const std::int64_t passed = (world - world_base_).count();
    if (ppm_ == 0) {
        return local_base_ + duration{passed};
    }
    const wide scaled = static_cast<wide>(passed) * (million + ppm_) / million;
    return local_base_ + duration{static_cast<std::int64_t>(scaled)};
}

instant drifting_clock::world(instant local) const noexcept {
    if (local == never) {
        return never;
    }
    // Bounded below, so that instant::min() is simply long ago.
    const std::int64_t ahead = (std::max(local, local_base_ - 24h) - local_base_).count();
    if (ppm_ == 0 || ahead <= 0) {
        return world_base_ + duration{ahead};
    }
    const wide rate = million + ppm_;
    const wide scaled = (static_cast<wide>(ahead) * million + rate - 1) / rate;
    return world_base_ + duration{static_cast<std::int64_t>(scaled)};
}

void drifting_clock::set_drift(instant world_now, std::int64_t ppm) {
    MUSTER_ASSERT(ppm > -million, "a clock goes forward");
    local_base_ = local(world_now);
    world_base_ = world_now;
    ppm_ = ppm;
}

// --- Events ------------------------------------------------------------------------------------

fabric::fabric(std::uint64_t seed, options chosen)
    : seed_{seed}, options_{chosen}, now_{chosen.start}, dice_{generator{seed}.branch(0)} {}

fabric::~fabric() = default;

void fabric::schedule(event& what, instant when) {
    unschedule(what);
    queue_.insert(what, when);
}

void fabric::unschedule(event& what) {
    if (what.is_set()) {
        queue_.remove(what);
    }
}

bool fabric::run_one() {
    if (queue_.empty() || queue_.when() == never) {
        return false;
    }
    now_ = std::max(now_, queue_.when());
    auto& what = static_cast<event&>(queue_.earliest());
    queue_.remove(what);
    ++events_;
    const wake_keeping scope{*this};
    what.happen();
    return true;
}

bool fabric::run_one_by(instant deadline) {
    if (!queue_.empty() && queue_.when() <= deadline && run_one()) {
        return true;
    }
    if (deadline != never) {
        now_ = std::max(now_, deadline);
    }
    return false;
}

void fabric::clear_graves() {
    if (depth_ > 0) {
        return;
    }
    ++depth_;
    while (!graves_.empty()) {
        // What dies here may bury more.
        const auto dying = std::exchange(graves_, {});
    }
    --depth_;
}

// --- Machines ----------------------------------------------------------------------------------

std::size_t fabric::add_machine(std::string name) {
    MUSTER_ASSERT(find_name(name) == npos, "two hosts of one name");
    const std::size_t index = machines_.size();
    MUSTER_ASSERT(index < 65'000, "no address is left");
    const std::size_t number = index + 1;
    std::string address =
        "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250);
    machines_.push_back(
        std::make_unique<machine>(std::move(name), std::move(address), options_.start));
    for (auto& row : links_) {
        row.push_back({options_.min_delay, options_.max_delay});
    }
    links_.emplace_back(machines_.size(), link{options_.min_delay, options_.max_delay});
    links_.back().back() = {options_.loopback_delay, options_.loopback_delay};
    return index;
}

std::size_t fabric::find_address(std::string_view address, std::size_t from) const {
    if (address.starts_with("127.") || address == "::1") {
        return from;
    }
    for (std::size_t i = 0; i < machines_.size(); ++i) {
        if (machines_[i]->address == address) {
            return i;
        }
    }
    return npos;
}

std::size_t fabric::find_name(std::string_view name) const {
    for (std::size_t i = 0; i < machines_.size(); ++i) {
        if (machines_[i]->name == name) {
            return i;
        }
    }
    return npos;
}

duration fabric::draw_below(duration bound) {
    return duration{
        static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(bound.count())))};
}

duration fabric::draw_delay(std::size_t from, std::size_t to) {
    const link& line = way(from, to);
    return line.least + draw_below(line.most - line.least + 1ns);
}

void fabric::cut(std::size_t from, std::size_t to) {
    if (from == to || std::exchange(way(from, to).is_cut, true)) {
        return;
    }
    note(from, "cut to ", at(to).name);
    for (connection* one : connections_) {
        one->way_cut(from, to);
    }
}

void fabric::heal(std::size_t from, std::size_t to) {
    if (!std::exchange(way(from, to).is_cut, false)) {
        return;
    }
    note(from, "healed to ", at(to).name);
    for (connection* one : connections_) {
        one->way_healed(from, to);
    }
}

void fabric::break_connections(std::size_t a, std::size_t b) {
    const wake_keeping scope{*this};
    note(a, "connections broken to ", at(b).name);
    for (connection* one : connections_) {
        one->break_between(a, b);
    }
}

void fabric::enlist(connection& what) {
    connections_.push_back(&what);
}

void fabric::delist(connection& what) {
    std::erase(connections_, &what);
}

void fabric::kill(std::size_t index, std::string_view how) {
    const wake_keeping scope{*this};
    const auto dying = at(index).process;
    if (!dying || !dying->is_alive()) {
        return;
    }
    note(index, how);
    dying->die();
    for (connection* one : connections_) {
        one->owner_died(*dying);
    }
    at(index).listeners.clear();
}

void fabric::restart(std::size_t index) {
    kill(index, "killed");
    machine& host = at(index);
    note(index, "started");
    host.process = std::make_shared<process_core>(shared_from_this(), index, ++host.incarnations);
}

void fabric::shut_down() {
    for (std::size_t i = 0; i < machines_.size(); ++i) {
        kill(i, "world ended");
    }
    filter_ = nullptr;
    for (const auto& each : machines_) {
        const auto last = std::exchange(each->process, nullptr);
    }
}

verdict fabric::judge(std::size_t from, std::size_t to, const packet_info& what) {
    const auto wanted = std::ranges::find(lose_next_, std::pair{from, to});
    if (wanted != lose_next_.end()) {
        lose_next_.erase(wanted);
        return verdict::break_before;
    }
    return filter_ ? filter_(what) : verdict::deliver;
}

void fabric::note(std::size_t machine_index, std::string_view what, std::string_view more) {
    if (!options_.trace) {
        return;
    }
    trace_ += std::to_string((now_ - options_.start).count());
    trace_ += ' ';
    trace_ += at(machine_index).name;
    trace_ += ' ';
    trace_ += what;
    trace_ += more;
    trace_ += '\n';
}

}  // namespace muster::runtime::sim
