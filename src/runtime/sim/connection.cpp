#include "runtime/sim/connection.hpp"

#include "base/hash.hpp"
#include "base/text.hpp"
#include "runtime/sim/sockets.hpp"

#include <algorithm>
#include <cstring>

namespace muster::runtime::sim {

connection::connection(fabric& world, party client, party server, std::weak_ptr<listener_core> door)
    : world_{world}, door_{std::move(door)}, parties_{std::move(client), std::move(server)} {
    world_.enlist(*this);
}

connection::~connection() {
    world_.delist(*this);
    for (std::size_t i = 0; i < 2; ++i) {
        world_.unschedule(pipes_[i]);
        world_.unschedule(watchdogs_[i]);
    }
}

link& connection::way(const pipe& along) {
    return world_.way(parties_[along.from_].machine, parties_[1 - along.from_].machine);
}

// --- What a stream asks for --------------------------------------------------------------------

bool connection::has_bytes(std::size_t me) const {
    const pipe& in = pipes_[1 - me];
    return in.arrived_ > in.taken_;
}

bool connection::is_readable(std::size_t me) const {
    return has_bytes(me) || parties_[me].ended || parties_[me].broken;
}

std::size_t connection::take(std::size_t me, std::span<char> into) {
    pipe& in = pipes_[1 - me];
    const std::size_t count = std::min(into.size(), in.arrived_ - in.taken_);
    if (count == 0) {
        return 0;
    }
    std::memcpy(into.data(), in.bytes_.data() + in.taken_, count);
    in.taken_ += count;
    compact(in);
    if (observer* const writer = parties_[1 - me].told) {
        writer->can_write();
    }
    return count;
}

void connection::compact(pipe& along) {
    if (along.taken_ == along.bytes_.size()) {
        along.bytes_.clear();
    } else if (along.taken_ > 65'536 && along.taken_ > along.bytes_.size() / 2) {
        along.bytes_.erase(0, along.taken_);
    } else {
        return;
    }
    along.arrived_ -= along.taken_;
    along.taken_ = 0;
}

std::size_t connection::offer(std::size_t me, std::string_view bytes) {
    pipe& out = pipes_[me];
    const std::size_t used = out.bytes_.size() - out.taken_;
    const std::size_t most = world_.chosen().send_buffer;
    const std::size_t count = std::min(bytes.size(), most - std::min(used, most));
    if (count > 0) {
        out.bytes_.append(bytes.substr(0, count));
        push(out, packet_kind::data, count);
    }
    return count;
}

void connection::close(std::size_t me) {
    party& mine = parties_[me];
    mine.told = nullptr;
    if (std::exchange(mine.closed, true)) {
        return;
    }
    world_.unschedule(watchdogs_[me]);
    if (!mine.broken) {
        push(pipes_[me], packet_kind::end, 0);
    }
}

void connection::reset(std::size_t me) {
    party& mine = parties_[me];
    mine.told = nullptr;
    if (std::exchange(mine.closed, true)) {
        return;
    }
    pipe& out = pipes_[me];
    world_.unschedule(watchdogs_[me]);
    if (way(out).is_cut) {
        out.flight_.clear();  // Nobody is left to send them again.
    }
    push(out, packet_kind::reset, 0);
}

void connection::set_user_timeout(std::size_t me, duration limit) {
    watchdog& dog = watchdogs_[me];
    dog.limit_ = limit > 0ns ? limit : watchdog::default_limit;
    if (pipes_[me].unacknowledged_ > 0) {
        world_.schedule(dog, pipes_[me].stalled_since_ + dog.limit_);
    }
}

void connection::open() {
    push(pipes_[0], packet_kind::open, 0);
}

// --- Packets -----------------------------------------------------------------------------------

void connection::push(pipe& along, packet_kind kind, std::size_t size) {
    const link& line = way(along);
    if (kind == packet_kind::reset && line.is_cut) {
        return;  // Resets are never sent again.
    }
    const duration delay =
        world_.draw_delay(parties_[along.from_].machine, parties_[1 - along.from_].machine);
    along.last_due_ = std::max(along.last_due_, world_.now() + delay);
    along.flight_.push_back({along.last_due_, size, kind});
    if (along.flight_.size() == 1 && !line.is_cut) {
        world_.schedule(along, along.last_due_);
    }
    if (size > 0) {
        if (along.unacknowledged_ == 0) {
            along.stalled_since_ = world_.now();
            watchdog& dog = watchdogs_[along.from_];
            if (!dog.is_set()) {
                world_.schedule(dog, world_.now() + dog.limit_);
            }
        }
        along.unacknowledged_ += size;
    }
}

void connection::pipe::happen() {
    const auto keep = whole_.shared_from_this();
    const packet first = flight_.front();
    flight_.pop_front();
    if (!flight_.empty()) {
        whole_.world_.schedule(*this, flight_.front().due);
    }
    whole_.arrive(*this, first);
}

void connection::arrive(pipe& along, const packet& what) {
    const std::size_t me = 1 - along.from_;
    party& mine = parties_[me];
    if (what.size > 0) {
        if (way(pipes_[me]).is_cut) {
            along.owed_ += what.size;
        } else {
            acknowledge(along, what.size);
        }
    }
    if (mine.closed || mine.broken) {
        if (what.kind == packet_kind::data || what.kind == packet_kind::open) {
            along.arrived_ += what.size;
            along.taken_ = along.arrived_;
            compact(along);
            note(along, "bytes for nobody");
            push(pipes_[me], packet_kind::reset, 0);
        }
        return;
    }
    switch (what.kind) {
        case packet_kind::open:
            accept();
            break;
        case packet_kind::data:
            receive_data(along, what.size);
            break;
        case packet_kind::end:
            note(along, "end");
            mine.ended = true;
            if (mine.told != nullptr) {
                mine.told->can_read();
            }
            break;
        case packet_kind::reset:
            break_end(me, "connection reset by peer");
            break;
    }
}

void connection::receive_data(pipe& along, std::size_t size) {
    const std::size_t me = 1 - along.from_;
    const std::string_view bytes{along.bytes_.data() + along.arrived_, size};
    auto decision = verdict::deliver;
    if (world_.judges()) {
        const std::size_t from = parties_[along.from_].machine;
        const std::size_t to = parties_[me].machine;
        decision = world_.judge(from,
                                to,
                                {.from = world_.at(from).name,
                                 .to = world_.at(to).name,
                                 .source = parties_[along.from_].at,
                                 .destination = parties_[me].at,
                                 .bytes = bytes});
    }
    if (decision == verdict::break_before) {
        note(along, "bytes lost");
    } else {
        note(along, "bytes", bytes);
        along.arrived_ += size;
        if (observer* const reader = parties_[me].told) {
            reader->can_read();
        }
    }
    if (decision != verdict::deliver) {
        break_end(me, "connection reset by peer");
        push(pipes_[me], packet_kind::reset, 0);
    }
}

void connection::accept() {
    if (const auto door = door_.lock(); door && door->is_open()) {
        note(pipes_[0], "connected");
        door->arrived(shared_from_this());
    } else {
        reset(1);
    }
}

void connection::acknowledge(pipe& along, std::size_t size) {
    along.unacknowledged_ -= std::min(along.unacknowledged_, size);
    along.stalled_since_ = world_.now();
}

void connection::watchdog::happen() {
    const pipe& out = whole_.pipes_[me_];
    if (out.unacknowledged_ == 0) {
        return;
    }
    if (whole_.world_.now() - out.stalled_since_ < limit_) {
        whole_.world_.schedule(*this, out.stalled_since_ + limit_);
        return;
    }
    whole_.break_end(me_, "connection timed out");
}

void connection::break_end(std::size_t me, std::string why) {
    party& mine = parties_[me];
    if (mine.broken) {
        return;
    }
    note(pipes_[1 - me], why);
    mine.broken = std::move(why);
    world_.unschedule(watchdogs_[me]);
    world_.unschedule(pipes_[me]);
    pipes_[me].flight_.clear();
    if (mine.told != nullptr) {
        mine.told->can_read();
        mine.told->can_write();
    }
}

// --- What happens to it ------------------------------------------------------------------------

void connection::way_cut(std::size_t from, std::size_t to) {
    for (pipe& each : pipes_) {
        if (parties_[each.from_].machine == from && parties_[1 - each.from_].machine == to) {
            world_.unschedule(each);
            std::erase_if(each.flight_,
                          [](const packet& one) { return one.kind == packet_kind::reset; });
        }
    }
}

void connection::way_healed(std::size_t from, std::size_t to) {
    for (pipe& each : pipes_) {
        const std::size_t source = parties_[each.from_].machine;
        const std::size_t destination = parties_[1 - each.from_].machine;
        if (source == to && destination == from) {
            acknowledge(each, std::exchange(each.owed_, 0));
        }
        if (source != from || destination != to || each.flight_.empty()) {
            continue;
        }
        const instant again = world_.now() + world_.draw_delay(from, to) +
                              world_.draw_below(world_.chosen().max_retransmit);
        for (packet& one : each.flight_) {
            one.due = std::max(one.due, again);
        }
        each.last_due_ = std::max(each.last_due_, again);
        world_.schedule(each, each.flight_.front().due);
    }
}

void connection::break_between(std::size_t a, std::size_t b) {
    const std::size_t client = parties_[0].machine;
    const std::size_t server = parties_[1].machine;
    if ((client == a && server == b) || (client == b && server == a)) {
        break_end(0, "connection reset by peer");
        break_end(1, "connection reset by peer");
    }
}

void connection::owner_died(const process_core& owner) {
    for (std::size_t i = 0; i < 2; ++i) {
        if (parties_[i].owner.get() == &owner) {
            reset(i);
        }
    }
}

void connection::note(const pipe& along, std::string_view what, std::string_view bytes) {
    if (!world_.is_tracing()) {
        return;
    }
    const party& receiver = parties_[1 - along.from_];
    std::string line = "<- " + world_.at(parties_[along.from_].machine).name + ":" +
                       std::to_string(parties_[along.from_].at.port) + ">" +
                       std::to_string(receiver.at.port) + " ";
    line += what;
    if (!bytes.empty()) {
        line += " " + std::to_string(bytes.size()) + " " + base::hex16(base::xxh64(bytes));
    }
    world_.note(receiver.machine, line);
}

}  // namespace muster::runtime::sim
