#include "simulation/follower.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace muster::simulation {

namespace {

constexpr std::int32_t ping_xid = -2;
constexpr std::int32_t ping_type = 11;
/// A length beyond this is a four-letter word.
constexpr std::uint32_t longest_frame = 0x1fffffff;

template <class Int>
Int number_at(std::string_view bytes, std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Int); ++i) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return static_cast<Int>(value);
}

template <class Int>
void append(std::string& to, Int value) {
    for (std::size_t i = sizeof(Int); i-- > 0;) {
        to += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
    }
}

/// One end of a connection: writes in order, reads whatever comes.
class end_point : public std::enable_shared_from_this<end_point> {
public:
    using on_bytes = std::function<void(std::string_view)>;

    explicit end_point(std::unique_ptr<runtime::stream> stream) : stream_{std::move(stream)} {}

    void read(on_bytes heard, std::function<void()> ended) {
        stream_->read_some(buffer_,
                           [self = shared_from_this(),
                            heard = std::move(heard),
                            ended = std::move(ended)](result<std::size_t> got) mutable {
                               if (!self->stream_) {
                                   return;
                               }
                               if (!got || *got == 0) {
                                   ended();
                                   return;
                               }
                               heard(std::string_view{self->buffer_.data(), *got});
                               if (self->stream_) {
                                   self->read(std::move(heard), std::move(ended));
                               }
                           });
    }
    void write(std::string_view bytes) {
        waiting_ += bytes;
        if (writing_.empty()) {
            go_on();
        }
    }
    /// Once all has been written.
    void close() {
        closing_ = true;
        if (stream_ && writing_.empty()) {
            stream_->close();
            stream_.reset();
        }
    }

private:
    void go_on() {
        writing_ = std::exchange(waiting_, {});
        if (!stream_ || writing_.empty()) {
            if (closing_) {
                close();
            }
            return;
        }
        stream_->write(writing_, [self = shared_from_this()](result<void> how) {
            self->writing_.clear();
            if (!how) {
                self->waiting_.clear();
            }
            self->go_on();
        });
    }

    std::unique_ptr<runtime::stream> stream_;
    std::array<char, 4096> buffer_{};
    std::string waiting_, writing_;
    bool closing_ = false;
};

/// Takes a stream of bytes apart; nothing yet where a frame is not whole.
std::string take_frame(std::string& from) {
    if (from.size() < 4) {
        return {};
    }
    const std::size_t whole = std::size_t{4} + number_at<std::uint32_t>(from, 0);
    if (from.size() < whole) {
        return {};
    }
    std::string frame = from.substr(0, whole);
    from.erase(0, whole);
    return frame;
}

}  // namespace

/// A client, and its connection to the leader.
class follower::link : public std::enable_shared_from_this<link> {
public:
    link(std::unique_ptr<runtime::stream> client, std::function<void()> ended)
        : client_{std::make_shared<end_point>(std::move(client))}, ended_{std::move(ended)} {}

    void start(runtime::loop& loop, const runtime::endpoint& leader) {
        connecting_ =
            loop.connect(leader,
                         loop.now() + 2s,
                         [weak = weak_from_this()](result<std::unique_ptr<runtime::stream>> got) {
                             const auto self = weak.lock();
                             if (!self || self->over_) {
                                 return;
                             }
                             if (!got) {
                                 self->end();
                                 return;
                             }
                             self->leader_ = std::make_shared<end_point>(std::move(*got));
                             self->leader_->write(std::exchange(self->early_, {}));
                             self->follow(self->leader_, &link::from_leader);
                         });
        follow(client_, &link::from_client);
    }
    /// The leader has asked who was there.
    void hand_over() {
        if (std::exchange(touched_, false)) {
            std::string ping;
            append<std::int32_t>(ping, 8);
            append<std::int32_t>(ping, ping_xid);
            append<std::int32_t>(ping, ping_type);
            to_leader(ping);
        }
    }
    void end() {
        if (!std::exchange(over_, true)) {
            client_->close();
            if (leader_) {
                leader_->close();
            }
            ended_();
        }
    }

private:
    void follow(const std::shared_ptr<end_point>& whom, void (link::*heard)(std::string_view)) {
        whom->read(
            [weak = weak_from_this(), heard](std::string_view bytes) {
                if (const auto self = weak.lock()) {
                    ((*self).*heard)(bytes);
                }
            },
            [weak = weak_from_this()] {
                if (const auto self = weak.lock()) {
                    self->end();
                }
            });
    }
    void from_client(std::string_view bytes) {
        asked_ += bytes;
        word_ = word_ || (!greeted_ && asked_.size() >= 4 &&
                          number_at<std::uint32_t>(asked_, 0) > longest_frame);
        if (word_) {
            to_leader(std::exchange(asked_, {}));
            return;
        }
        for (std::string frame = take_frame(asked_); !frame.empty(); frame = take_frame(asked_)) {
            const bool greeted = std::exchange(greeted_, true);
            if (greeted && frame.size() == 12 && number_at<std::int32_t>(frame, 4) == ping_xid) {
                touched_ = true;
                std::string pong;
                append<std::int32_t>(pong, 16);
                append<std::int32_t>(pong, ping_xid);
                append<std::int64_t>(pong, zxid_);
                append<std::int32_t>(pong, 0);
                client_->write(pong);
            } else {
                to_leader(frame);
            }
        }
    }
    void from_leader(std::string_view bytes) {
        if (word_) {
            client_->write(bytes);
            return;
        }
        told_ += bytes;
        for (std::string frame = take_frame(told_); !frame.empty(); frame = take_frame(told_)) {
            const bool answered = std::exchange(answered_, true);
            if (answered && frame.size() >= 20) {
                if (number_at<std::int32_t>(frame, 4) == ping_xid) {
                    continue;  // To a table, not to the client.
                }
                zxid_ = std::max(zxid_, number_at<std::int64_t>(frame, 8));
            }
            client_->write(frame);
        }
    }
    void to_leader(const std::string& frame) {
        if (leader_) {
            leader_->write(frame);
        } else {
            early_ += frame;
        }
    }

    std::shared_ptr<end_point> client_, leader_;
    std::unique_ptr<runtime::operation> connecting_;
    std::function<void()> ended_;
    std::string early_;         ///< said before the leader was reached
    std::string asked_, told_;  ///< not yet whole
    std::int64_t zxid_ = 0;
    bool word_ = false;  ///< no session, but one of the four-letter words
    bool greeted_ = false, answered_ = false, touched_ = false, over_ = false;
};

follower::follower(std::shared_ptr<runtime::loop> loop,
                   const runtime::endpoint& at,
                   runtime::endpoint leader,
                   duration tick)
    : loop_{std::move(loop)}, leader_{std::move(leader)}, tick_{tick}, timer_{loop_->make_timer()} {
    auto listening = loop_->listen(at, [this](std::unique_ptr<runtime::stream> stream) {
        const std::uint64_t number = ++next_;
        // Not at once: it is the link itself that says so.
        auto made = std::make_shared<link>(std::move(stream), [this, number] {
            loop_->post([this, number] { links_.erase(number); });
        });
        links_.emplace(number, made);
        made->start(*loop_, leader_);
    });
    if (listening) {
        listener_ = std::move(*listening);
    }
    hand_over_table();
}

follower::~follower() = default;

void follower::hand_over_table() {
    for (const auto& [number, one] : links_) {
        one->hand_over();
    }
    timer_->set(loop_->now() + tick_ / 2, [this] { hand_over_table(); });
}

}  // namespace muster::simulation
