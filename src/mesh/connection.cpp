#include "mesh/connection.hpp"

#include "muster/message.hpp"

#include "mesh/mesh_core.hpp"
#include "mesh/responder.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace muster::mesh {
namespace {

constexpr std::size_t first_buffer = 4096 + 64;
constexpr std::size_t small_buffer = 64U << 10U;
constexpr std::size_t large_buffer = 256U << 10U;

std::uint32_t read_remaining_time(std::string_view bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return value;
}

}  // namespace

connection::connection(mesh_core& core, std::size_t worker, std::unique_ptr<runtime::stream> stream)
    : core_{core},
      worker_{worker},
      loop_{core_.worker_at(worker).home},
      max_body_{core_.wanted().max_frame},
      max_backlog_{2 * core_.wanted().max_queue + core_.wanted().max_frame},
      stream_{std::move(stream)},
      beat_{loop_->make_timer()},
      due_{loop_->make_timer()},
      address_{stream_->remote().address} {}

connection::~connection() = default;

// --- Life --------------------------------------------------------------------------------------

void connection::begin() {
    made_as_ = core_.self();
    began_ = loop_->now();
    in_.resize(first_buffer);
    core_.worker_at(worker_).connections.insert(shared_from_this());
    beat_->set(loop_->now() + core_.wanted().handshake_deadline,
               [this] { broken("the handshake took too long"); });
    read();
}

void connection::start_accepted() {
    if (!core_.begin_handshake(address_)) {
        core_.tally.refused.fetch_add(1, std::memory_order_relaxed);
        stream_->close();
        return;
    }
    counted_handshake_ = true;
    begin();
}

void connection::start_dialled(std::shared_ptr<peer_link> link,
                               std::uint64_t dial,
                               std::uint64_t seen) {
    link_ = std::move(link);
    dialled_ = true;
    dial_ = dial;
    seen_ = seen;
    phase_ = can_greet() ? phase::greeting : phase::waiting;
    begin();
    if (phase_ == phase::greeting) {
        greet();
        flush();
    }
}

void connection::open(const hello& theirs) {
    peer_id_ = theirs.self;
    peer_life_ = theirs.life;
    peer_name_ = theirs.name;
    hello_bytes_ = {};
    awaited_proof_ = {};
    phase_ = phase::open;
    may_run_ = (theirs.features & own_features() & feature_runs) != 0;
    if (std::exchange(counted_handshake_, false)) {
        core_.end_handshake(address_);
    }
    core_.tally.connections.fetch_add(1, std::memory_order_relaxed);
    if (link_) {
        // What both can do is what is done: the newer side leaves out what the older lacks.
        link_->tally.version.store(std::min(theirs.version, hello{}.version));
        link_->tally.features.store(theirs.features & own_features());
        link_->tally.connections.fetch_add(1, std::memory_order_relaxed);
    }
    const settings& wanted = core_.wanted();
    stream_->set_user_timeout(
        std::chrono::duration_cast<std::chrono::milliseconds>(wanted.dead_after));
    beat_period_ = std::min(wanted.heartbeat, wanted.dead_after / 3);
    beat_->set(loop_->now() + beat_period_, [this] { beat(); });
}

void connection::close(const error& why) {
    if (phase_ == phase::closed) {
        return;
    }
    const auto keep = shared_from_this();
    const phase was = std::exchange(phase_, phase::closed);
    stream_->close();
    beat_->cancel();
    due_->cancel();
    core_.worker_at(worker_).connections.erase(keep);
    if (std::exchange(counted_handshake_, false)) {
        core_.end_handshake(address_);
    }
    if (was == phase::open) {
        core_.tally.connections.fetch_sub(1, std::memory_order_relaxed);
    }
    std::vector<posted> open_ended{unconfirmed_.begin(), unconfirmed_.end()};
    unconfirmed_.clear();
    const auto peer_link_then = link_;
    if (const auto link = std::exchange(link_, nullptr)) {
        link->tally.unconfirmed.fetch_add(total_of(open_ended), std::memory_order_relaxed);
        link->closed(*this);
        if (dialled_ && was != phase::open) {
            link->dial_failed(dial_, why, false);
        }
    }
    if (was == phase::open) {
        // Not from inside this call: it may stand inside whatever hears of it.
        const peer who{peer_id_, peer_link_then ? peer_link_then->address() : ""};
        loop_->post([core = core_.shared_from_this(), who, ended = std::move(open_ended), why] {
            core->tell_unconfirmed(who, ended);
            core->tell_lost(who.id, why);
        });
    }
    const error lost{core_.has_stopped() ? errc::closed : errc::outcome_unknown,
                     "the request had left when its connection ended: " + why.text};
    // Handed to the loop: a thread that answers a request may be the last to let go of this.
    loop_->post([stream = std::move(stream_), beat = std::move(beat_), due = std::move(due_)] {});
    for (reply_fn& done : pending_.take_all()) {
        // Not from inside this call: it may stand inside a request of the same caller.
        loop_->post([done = std::move(done), lost]() mutable { done(std::unexpected{lost}); });
    }
}

void connection::drop() {
    const auto waiting = pending_.take_all();
    const auto link = std::exchange(link_, nullptr);
}

void connection::broken(std::string_view why) {
    if (phase_ == phase::closed) {
        return;
    }
    const bool greeted = phase_ == phase::open;
    (greeted ? core_.tally.broken : core_.tally.refused).fetch_add(1, std::memory_order_relaxed);
    close({errc::unavailable,
           "connection with " + stream_->remote().text() + ": " + std::string{why}});
}

void connection::identity_changed() {
    if (phase_ == phase::waiting) {
        go_on();
    } else if (made_as_ != core_.self()) {
        close({errc::unavailable, "this member has begun a new life"});
    }
}

// --- Reading -----------------------------------------------------------------------------------

void connection::read() {
    if (phase_ == phase::closed || phase_ == phase::waiting || phase_ == phase::leaving || held_) {
        return;
    }
    if (begin_ == end_) {
        begin_ = end_ = 0;
    }
    const std::size_t target = phase_ == phase::open ? small_buffer : first_buffer;
    if (in_.size() < target) {
        in_.resize(target);
    }
    if (begin_ + wanted_ > in_.size() || in_.size() - end_ < in_.size() / 4) {
        std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        if (wanted_ > in_.size()) {
            // By what has arrived, not by what was announced: memory follows the bytes.
            in_.resize(std::min(wanted_, std::max(in_.size() * 2, large_buffer)));
        }
    }
    stream_->read_some({in_.data() + end_, in_.size() - end_},
                       [this](result<std::size_t> got) { on_read(std::move(got)); });
}

void connection::on_read(result<std::size_t> got) {
    const auto keep = shared_from_this();
    if (!got || *got == 0) {
        broken(got ? "the other side has hung up" : got.error().text);
        return;
    }
    end_ += *got;
    heard_ = true;
    add(core_.tally.bytes_in, link_ ? &link_->tally.bytes_in : nullptr, *got);
    const bool was_full = end_ == in_.size();
    take_frames();
    if (phase_ == phase::closed) {
        return;
    }
    flush();
    if (was_full && in_.size() < large_buffer && phase_ == phase::open) {
        in_.resize(large_buffer);
    } else if (begin_ == end_ && in_.size() > large_buffer) {
        in_ = std::vector<char>(small_buffer);  // After a frame of unusual size.
    }
    read();
}

void connection::take_frames() {
    batch_time_ = loop_->now();
    in_batch_ = true;
    std::uint64_t count = 0;
    while (!held_ &&
           (phase_ == phase::greeting || phase_ == phase::proving || phase_ == phase::open)) {
        const std::string_view input{in_.data() + begin_, end_ - begin_};
        if (!preamble_taken_) {
            if (!take_preamble(input)) {
                break;
            }
            begin_ += preamble.size();
            continue;
        }
        frame one;
        const std::size_t limit =
            phase_ == phase::open ? core_.wanted().max_frame + 4 : max_greeting;
        const parse_outcome outcome = parse_frame(input, limit, one);
        if (outcome.what == parsed::broken) {
            broken(outcome.why);
            break;
        }
        if (outcome.what == parsed::partial) {
            wanted_ = outcome.size;
            break;
        }
        begin_ += outcome.size;
        wanted_ = header_size;
        ++count;
        take(one);
    }
    if (taken_ > 0 && phase_ == phase::open) {
        append(frame_type::confirm, std::exchange(taken_, 0), {});
    }
    in_batch_ = false;
    add(core_.tally.frames_in, link_ ? &link_->tally.frames_in : nullptr, count);
}

bool connection::take_preamble(std::string_view input) {
    const std::size_t magic = preamble.size() - 1;
    const std::size_t have = std::min(input.size(), magic);
    if (input.substr(0, have) != preamble.substr(0, have)) {
        broken("it does not speak this protocol");
        return false;
    }
    if (input.size() < preamble.size()) {
        return false;
    }
    if (input[magic] == preamble[magic]) {
        preamble_taken_ = true;
        return true;
    }
    core_.tally.refused.fetch_add(1, std::memory_order_relaxed);
    if (!dialled_) {
        out_.append(preamble);  // So that the other side can say what it has met.
        phase_ = phase::leaving;
        flush();
    } else {
        close({errc::incompatible,
               "the member at " + stream_->remote().text() +
                   " speaks another version of the mesh protocol; upgrade the "
                   "older one"});
    }
    return false;
}

void connection::take(const frame& one) {
    if (phase_ == phase::open) {
        take_open(one);
    } else {
        take_greeting(one);
    }
}

void connection::take_open(const frame& one) {
    switch (one.type) {
        case frame_type::request:
            take_request(one);
            return;
        case frame_type::reply:
            if (auto done = pending_.take(one.id)) {
                done(std::string{one.body});
            }
            return;
        case frame_type::failure: {
            auto note = decode<failure_note>(one.body);
            if (!note) {
                broken(note.error().text);
                return;
            }
            if (auto done = pending_.take(one.id)) {
                done(fail(code_named(note->code), std::move(note->text)));
            }
            return;
        }
        case frame_type::heartbeat:
            return;
        case frame_type::confirm:
            take_confirm(one.id);
            return;
        default:
            break;
    }
    if (static_cast<std::uint8_t>(one.type) >= first_free_type) {
        ++taken_;
    }
    if (const auto* handler = core_.handler_of(static_cast<std::uint8_t>(one.type))) {
        const bool is_run = (one.flags & flag_run) != 0;
        const auto run =
            is_run ? read_run(one.body, one.id) : std::optional{run_body{{}, one.body}};
        if (!run) {
            broken("a run of frames that is none");
        } else if (!core_.has_stopped()) {
            (*handler)({peer_id_, peer_life_, peer_name_, one.id, run->rest, run->lead, memo_});
        }
    } else if ((one.flags & flag_optional) == 0) {
        broken("a frame of unknown type");
    }
}

void connection::take_confirm(std::uint64_t count) {
    if (count > unconfirmed_.size() - (run_.is_open() ? 1 : 0)) {
        broken("it confirms more than was sent");
        return;
    }
    unconfirmed_.erase(unconfirmed_.begin(),
                       unconfirmed_.begin() + static_cast<std::ptrdiff_t>(count));
}

void connection::take_request(const frame& one) {
    if (one.body.size() < 4) {
        broken("a request without its remaining time");
        return;
    }
    responder answering{responder::impl::remote(weak_from_this(), one.id)};
    if (core_.has_stopped()) {
        answering.fail({errc::closed, "the member asked is leaving"});
        return;
    }
    if (out_left() + flight_.size() > core_.wanted().max_queue) {
        answering.fail({errc::overloaded, "the asker does not read its answers"});
        return;
    }
    const std::chrono::microseconds left{read_remaining_time(one.body)};
    if (left == left.zero()) {
        answering.fail({errc::timed_out, "the deadline had passed when the request arrived"});
        return;
    }
    core_.handle({peer_id_,
                  peer_life_,
                  peer_name_,
                  one.body.substr(4),
                  batch_time_ + left,
                  std::move(answering),
                  memo_});
}

// --- Time --------------------------------------------------------------------------------------

void connection::beat() {
    // Counted in beats of this loop: a pause of this process is no silence of the other one.
    silence_ = std::exchange(heard_, false) ? duration{} : silence_ + beat_period_;
    if (silence_ >= core_.wanted().dead_after) {
        broken("nothing was heard for too long");
        return;
    }
    if (!std::exchange(spoke_, false) && !writing_) {
        send_frame(frame_type::heartbeat, 0, {});
    }
    beat_->set(loop_->now() + beat_period_, [this] { beat(); });
}

void connection::arm_due() {
    const instant due = pending_.next_due();
    if (due != never && !due_->is_set()) {
        due_->set(due, [this] { expire(); });
        due_at_ = due;
    } else if (due < due_at_) {
        due_->set(due, [this] { expire(); });
        due_at_ = due;
    }
}

void connection::expire() {
    const auto keep = shared_from_this();
    due_at_ = never;
    std::vector<reply_fn> late = pending_.take_due(loop_->now());
    arm_due();
    for (reply_fn& done : late) {
        done(fail(errc::outcome_unknown,
                  "no answer by the deadline; the request had left and may have run"));
    }
}

}  // namespace muster::mesh
