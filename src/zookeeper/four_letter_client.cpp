#include "zookeeper/four_letter_client.hpp"

#include "base/text.hpp"

#include <array>
#include <span>
#include <utility>

namespace muster::zookeeper {
namespace {

constexpr std::size_t longest_answer = std::size_t{1024} * 1024;

class question : public std::enable_shared_from_this<question> {
public:
    question(runtime::loop& loop, std::string word, callback<result<std::string>> done)
        : loop_(loop), word_(std::move(word)), done_(std::move(done)) {}

    void begin(const runtime::endpoint& server, instant deadline) {
        server_ = server.text();
        timer_ = loop_.make_timer();
        timer_->set(deadline, [weak = weak_from_this()] {
            if (const auto me = weak.lock()) {
                me->end(fail(errc::timed_out,
                             me->server_ + " did not answer '" + me->word_ + "' in time"));
            }
        });
        connecting_ = loop_.connect(server, deadline, [weak = weak_from_this()](auto made) {
            if (const auto me = weak.lock()) {
                me->connected(std::move(made));
            }
        });
    }

    void abandon() {
        done_ = nullptr;
        close();
    }

private:
    void connected(result<std::unique_ptr<runtime::stream>> made) {
        if (!made) {
            end(std::unexpected{made.error()});
            return;
        }
        if (!done_) {
            return;
        }
        stream_ = std::move(*made);
        stream_->write(word_, [weak = weak_from_this()](result<void> wrote) {
            const auto me = weak.lock();
            if (me != nullptr && !wrote) {
                me->end(std::unexpected{wrote.error()});
            }
        });
        read();
    }

    void read() {
        stream_->read_some(std::span{chunk_}, [weak = weak_from_this()](result<std::size_t> got) {
            if (const auto me = weak.lock()) {
                me->on_bytes(std::move(got));
            }
        });
    }

    void on_bytes(result<std::size_t> got) {
        // Servers end the connection after the answer, some of them with a reset.
        if (!got && answer_.empty()) {
            end(std::unexpected{got.error()});
        } else if (!got || *got == 0 || answer_.size() > longest_answer) {
            end(std::move(answer_));
        } else {
            answer_.append(chunk_.data(), *got);
            read();
        }
    }

    void close() {
        if (stream_ != nullptr) {
            stream_->close();
        }
        timer_->cancel();
    }

    void end(result<std::string> what) {
        close();
        if (auto done = std::exchange(done_, nullptr)) {
            done(std::move(what));
        }
    }

    runtime::loop& loop_;
    std::string word_;
    std::string server_;
    std::string answer_;
    std::array<char, 4096> chunk_{};
    callback<result<std::string>> done_;
    std::unique_ptr<runtime::timer> timer_;
    std::unique_ptr<runtime::operation> connecting_;
    std::unique_ptr<runtime::stream> stream_;
};

/// Holds the question. It may be destroyed inside the question's own handler, so the rest is left
/// to the loop.
class asking final : public runtime::operation {
public:
    asking(runtime::loop& loop, std::shared_ptr<question> what)
        : loop_(loop), what_(std::move(what)) {}
    ~asking() override {
        what_->abandon();
        loop_.post([what = std::move(what_)] {});
    }

private:
    runtime::loop& loop_;
    std::shared_ptr<question> what_;
};

/// What stands behind `name` at the beginning of a line.
std::string_view field(std::string_view answer, std::string_view name) {
    for (const std::string_view line : base::split(answer, '\n')) {
        if (line.starts_with(name)) {
            return base::trimmed(line.substr(name.size()));
        }
    }
    return {};
}

}  // namespace

std::unique_ptr<runtime::operation> ask_four_letter(runtime::loop& loop,
                                                    const runtime::endpoint& server,
                                                    std::string word,
                                                    instant deadline,
                                                    callback<result<std::string>> done) {
    auto what = std::make_shared<question>(loop, std::move(word), std::move(done));
    what->begin(server, deadline);
    return std::make_unique<asking>(loop, std::move(what));
}

std::unique_ptr<runtime::operation> ask_who_is_there(runtime::loop& loop,
                                                     const runtime::endpoint& server,
                                                     instant deadline,
                                                     callback<result<std::string>> done) {
    return ask_four_letter(loop, server, "srvr\n", deadline, std::move(done));
}

bool is_answer_to_word(std::string_view answer) {
    return answer.find("eeper") != std::string_view::npos ||
           answer.find("not in the whitelist") != std::string_view::npos;
}

std::optional<std::int64_t> zxid_in_srvr(std::string_view answer) {
    const std::string_view text = field(answer, "Zxid:");
    if (!text.starts_with("0x")) {
        return std::nullopt;
    }
    const auto value = base::parse_hex(text.substr(2));
    return value ? std::optional{static_cast<std::int64_t>(*value)} : std::nullopt;
}

std::string_view mode_in_srvr(std::string_view answer) {
    return field(answer, "Mode:");
}

}  // namespace muster::zookeeper
