// What leaves on a connection.

#include "mesh/connection.hpp"
#include "mesh/mesh_core.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace muster::mesh {
namespace {

constexpr std::size_t kept_capacity = 4U << 20U;

/// Microseconds until `deadline`, in the request's first four bytes.
std::array<char, 4> remaining_time(instant deadline, instant now) {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - now).count();
    const auto clamped = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, 0xffffffff));
    std::array<char, 4> bytes{};
    for (std::size_t i = 0; i < 4; ++i) {
        bytes[i] = static_cast<char>(clamped >> (8 * i));
    }
    return bytes;
}

}  // namespace

void connection::send_request(std::string_view body, instant deadline, reply_fn done) {
    if (phase_ != phase::open) {
        loop_->post([done = std::move(done)]() mutable {
            done(fail(errc::unavailable, "the connection has just ended; nothing was sent"));
        });
        return;
    }
    const std::uint64_t id = pending_.add(deadline, std::move(done));
    const auto left = remaining_time(deadline, loop_->now());
    append(frame_type::request, id, body, {left.data(), left.size()});
    arm_due();
    flush_later();
}

void connection::send_frame(frame_type type,
                            std::uint64_t id,
                            std::string_view body,
                            std::string_view lead) {
    const auto number = static_cast<std::uint8_t>(type);
    if (phase_ != phase::open) {
        if (number >= first_free_type) {
            core_.tell_unconfirmed({peer_id_, {}}, {note_of(number, lead, body)});
        }
        return;
    }
    if (may_run_ && !lead.empty() && lead.size() + body.size() < longest_run / 2) {
        append_to_run(number, body, lead);
    } else {
        if (number >= first_free_type) {
            unconfirmed_.push_back(note_of(number, lead, body));
        }
        append(type, id, body, lead);
    }
    flush_later();
}

void connection::append(frame_type type,
                        std::uint64_t id,
                        std::string_view body,
                        std::string_view lead) {
    run_.close(out_);
    append_frame(out_, type, id, body, lead);
    ++frames_out_;
    ++put_;
}

void connection::append_to_run(std::uint8_t type, std::string_view body, std::string_view lead) {
    if (run_.append(out_, type, lead, body)) {
        ++unconfirmed_.back().count;
    } else {
        run_.close(out_);
        run_.begin(out_, type, lead, body);
        unconfirmed_.push_back(note_of(type, lead, body));
        ++frames_out_;
    }
    ++put_;
}

void connection::send_frames(std::string& frames, std::uint64_t count, std::vector<posted>& kept) {
    if (phase_ != phase::open) {
        frames.clear();
        core_.tell_unconfirmed({peer_id_, {}}, std::exchange(kept, {}));
        return;
    }
    run_.close(out_);
    unconfirmed_.insert(unconfirmed_.end(), kept.begin(), kept.end());
    kept.clear();
    if (out_.empty()) {
        out_.swap(frames);
    } else {
        out_.append(frames);
    }
    frames.clear();
    frames_out_ += count;
    put_ += count;
    flush_later();
}

void connection::flush_later() {
    if (out_left() >= write_at_ || (in_batch_ && put_ >= answers_at_)) {
        write_ahead();
    }
    backlog_.store(out_left() + flight_.size(), std::memory_order_relaxed);
    if (!in_batch_ && !writing_ && !flush_posted_ && !out_.empty()) {
        flush_posted_ = true;
        loop_->defer([weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->flush_posted_ = false;
                self->flush();
            }
        });
    }
}

/// In the midst of sending: while it is in the cache, and so that the other side has to do. Never
/// ends the connection.
void connection::write_ahead() {
    run_.close(out_);
    const std::size_t written = stream_->write_now(std::string_view{out_}.substr(out_begin_));
    if (written > 0) {
        tally_out(written);
        out_begin_ += written;
        // Seldom: to move what is left after each write would cost more than all the rest.
        if (out_begin_ >= out_.size() / 2) {
            out_.erase(0, std::exchange(out_begin_, 0));
        }
    }
    write_at_ = out_left() + enough_to_write;
    answers_at_ = put_ + enough_answers;
}

void connection::tally_out(std::size_t bytes) {
    spoke_ = true;
    const auto link = link_.get();
    add(core_.tally.bytes_out, link ? &link->tally.bytes_out : nullptr, bytes);
    add(core_.tally.frames_out,
        link ? &link->tally.frames_out : nullptr,
        std::exchange(frames_out_, 0));
}

void connection::flush() {
    if (writing_ || phase_ == phase::closed) {
        return;
    }
    if (out_.empty()) {
        if (phase_ == phase::leaving) {
            close({errc::unavailable, "refused"});
        }
        return;
    }
    if (out_left() > max_backlog_) {
        broken("the other side does not read");
        return;
    }
    run_.close(out_);
    tally_out(out_left());
    write_at_ = enough_to_write;
    put_ = 0;
    answers_at_ = enough_answers;
    const std::size_t begin = std::exchange(out_begin_, 0);
    const std::size_t written = begin + stream_->write_now(std::string_view{out_}.substr(begin));
    if (written == out_.size()) {
        sent_all(out_);
        if (phase_ == phase::leaving) {
            close({errc::unavailable, "refused"});
        }
        return;
    }
    flight_.swap(out_);
    writing_ = true;
    stream_->write(std::string_view{flight_}.substr(written),
                   [this](const result<void>& outcome) { sent(outcome); });
}

void connection::sent_all(std::string& bytes) {
    if (bytes.capacity() > kept_capacity) {
        bytes = {};
    } else {
        bytes.clear();
    }
    backlog_.store(out_left(), std::memory_order_relaxed);
}

void connection::sent(const result<void>& outcome) {
    const auto keep = shared_from_this();
    writing_ = false;
    sent_all(flight_);
    if (!outcome) {
        broken(outcome.error().text);
        return;
    }
    flush();
}

void connection::answer(std::uint64_t id, frame_type type, std::string_view body) {
    if (loop_->is_current()) {
        send_frame(type, id, body);
        // A peer that asks and never reads is let go of at once, not when its buffer is sent.
        if (phase_ == phase::open && out_left() > max_backlog_) {
            loop_->post(
                [self = shared_from_this()] { self->broken("the other side does not read"); });
        }
        return;
    }
    bool first = false;
    {
        const std::lock_guard lock{answers_mutex_};
        first = answers_.empty();
        append_frame(answers_, type, id, body);
    }
    if (first) {
        loop_->post([self = shared_from_this()] { self->take_answers(); });
    }
}

void connection::take_answers() {
    std::string taken;
    {
        const std::lock_guard lock{answers_mutex_};
        taken.swap(answers_);
    }
    if (phase_ == phase::open) {
        std::vector<posted> none;
        send_frames(taken, 1, none);
        flush();
    }
}

}  // namespace muster::mesh
