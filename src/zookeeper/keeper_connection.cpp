#include "zookeeper/keeper_connection.hpp"

#include "zookeeper/wire.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace muster::zookeeper {
namespace {

constexpr std::size_t first_room = 4U << 10;
constexpr std::size_t busy_room = 128U << 10;
constexpr std::size_t length_size = 4;

}  // namespace

keeper_connection::keeper_connection(connection_id id,
                                     std::unique_ptr<runtime::stream> stream,
                                     limits bounds,
                                     connection_owner& owner)
    : id_(id),
      stream_(std::move(stream)),
      bounds_(bounds),
      owner_(owner),
      address_(stream_->remote().address),
      in_(first_room, '\0') {}

std::string& keeper_connection::out() {
    if (!noted_) {
        noted_ = true;
        owner_.on_pending(id_);
    }
    return pending_;
}

void keeper_connection::close_when_sent() {
    closing_ = true;
    static_cast<void>(out());
}

void keeper_connection::end() {
    if (ended_) {
        return;
    }
    ended_ = true;
    alive_.renew();
    stream_->close();
    owner_.on_end(id_);
}

void keeper_connection::flush() {
    noted_ = false;
    if (ended_ || !sending_.empty()) {
        if (!ended_ && pending_.size() > bounds_.max_unread) {
            end();
        }
        return;
    }
    if (pending_.empty()) {
        if (closing_) {
            end();
        }
        return;
    }
    std::swap(sending_, pending_);
    stream_->write(sending_, alive_.wrap([this](result<void> sent) {
        if (!sent) {
            end();
            return;
        }
        // A large answer must not keep its memory for the life of an idle connection.
        if (sending_.capacity() > busy_room) {
            sending_ = {};
        }
        sending_.clear();
        flush();
        if (!ended_ && !closing_) {
            take_frames();
        }
    }));
}

void keeper_connection::fit_room() {
    in_begin_ = in_end_ = 0;
    // Who fills a small room is busy and gets a larger one; who has had a long request must not
    // keep its memory for life.
    const bool fits = filled_ ? in_.size() >= busy_room : in_.size() <= busy_room;
    if (!fits) {
        in_ = std::string(busy_room, '\0');
    }
}

void keeper_connection::read() {
    if (reading_ || ended_ || closing_ || is_full()) {
        return;
    }
    if (in_begin_ == in_end_) {
        fit_room();
    } else if (in_end_ == in_.size()) {
        std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
        in_end_ -= in_begin_;
        in_begin_ = 0;
    }
    if (in_end_ == in_.size()) {
        // Doubles, however long a frame claims to be: room is made for bytes that are there.
        in_.resize(
            std::min(2 * in_.size(), static_cast<std::size_t>(bounds_.max_request) + length_size));
    }
    reading_ = true;
    stream_->read_some({in_.data() + in_end_, in_.size() - in_end_},
                       alive_.wrap([this](result<std::size_t> got) {
                           reading_ = false;
                           if (!got || *got == 0) {
                               end();
                               return;
                           }
                           on_read(*got);
                       }));
}

void keeper_connection::on_read(std::size_t size) {
    in_end_ += size;
    filled_ = in_end_ == in_.size();
    if (!greeted_) {
        if (in_end_ < length_size) {
            read();
            return;
        }
        greeted_ = true;
        if (owner_.on_word(id_, std::string_view{in_}.substr(0, length_size))) {
            return;
        }
    }
    take_frames();
}

void keeper_connection::take_frames() {
    while (!closing_ && !ended_ && !is_full() && in_end_ - in_begin_ >= length_size) {
        const std::int32_t length = load_int32(in_.data() + in_begin_);
        if (length < 0 || length > bounds_.max_request) {
            end();
            return;
        }
        const auto size = static_cast<std::size_t>(length);
        if (in_end_ - in_begin_ - length_size < size) {
            break;
        }
        const std::string_view bytes{in_.data() + in_begin_ + length_size, size};
        in_begin_ += length_size + size;
        owner_.on_frame(id_, bytes);
    }
    read();
}

}  // namespace muster::zookeeper
