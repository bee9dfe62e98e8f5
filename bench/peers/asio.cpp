/// @file
/// Bare Boost.Asio: a length before each order, writes coalesced, one I/O thread.

#include "order.hpp"

#include <boost/asio.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace {

using namespace bench;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr std::size_t read_size = 64U << 10U;
constexpr std::size_t unsent_at_most = 1U << 20U;

/// One connection, framed. What is sent while a write is under way leaves with the next one.
/// Threads: `send` any; everything else the I/O thread, where `on_order` is called, too.
class connection : public std::enable_shared_from_this<connection> {
public:
    explicit connection(tcp::socket socket) : socket_{std::move(socket)}, in_(4 * read_size) {
        socket_.set_option(tcp::no_delay(true));
    }

    std::function<void(order&)> on_order;

    /// Waits while too much is unsent.
    void send(const order& one) {
        std::unique_lock held{lock_};
        room_.wait(held, [this] { return waiting_.size() <= unsent_at_most; });
        append(one);
        if (!std::exchange(writing_, true)) {
            asio::post(socket_.get_executor(), [self = shared_from_this()] { self->write(); });
        }
    }
    /// Leaves with the next `flush`, at the latest when all that has been read is done.
    void send_with_batch(const order& one) {
        const std::lock_guard held{lock_};
        append(one);
    }
    void flush() {
        {
            const std::lock_guard held{lock_};
            if (writing_ || waiting_.empty()) {
                return;
            }
            writing_ = true;
        }
        write();
    }
    void read() {
        if (begin_ == end_) {
            begin_ = end_ = 0;
        } else if (in_.size() - end_ < read_size) {
            std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        const auto room = asio::buffer(in_.data() + end_, read_size);
        socket_.async_read_some(room, [self = shared_from_this()](auto failed, std::size_t got) {
            if (!failed) {
                self->end_ += got;
                self->take_orders();
                self->flush();
                self->read();
            }
        });
    }

private:
    void append(const order& one) {
        const auto size = static_cast<std::uint32_t>(size_of(one));
        const std::size_t at = waiting_.size();
        waiting_.resize(at + 4 + size);
        std::memcpy(&waiting_[at], &size, 4);
        write_order(&waiting_[at + 4], one);
    }
    void write() {
        {
            const std::lock_guard held{lock_};
            flying_.clear();
            flying_.swap(waiting_);
            if (flying_.empty()) {
                writing_ = false;
                return;
            }
        }
        room_.notify_all();
        asio::async_write(
            socket_, asio::buffer(flying_), [self = shared_from_this()](auto failed, std::size_t) {
                if (!failed) {
                    self->write();
                }
            });
    }
    void take_orders() {
        std::uint32_t size = 0;
        while (end_ - begin_ >= 4) {
            std::memcpy(&size, &in_[begin_], 4);
            if (end_ - begin_ < 4 + std::size_t{size}) {
                return;
            }
            read_order(&in_[begin_ + 4], size, taken_);
            begin_ += 4 + std::size_t{size};
            on_order(taken_);
        }
    }

    tcp::socket socket_;
    std::mutex lock_;
    std::condition_variable room_;
    std::string waiting_;
    std::string flying_;
    bool writing_ = false;
    std::vector<char> in_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    order taken_;
};

void accept_all(tcp::acceptor& at) {
    at.async_accept([&at](auto failed, tcp::socket socket) {
        if (failed) {
            return;
        }
        const auto peer = std::make_shared<connection>(std::move(socket));
        peer->on_order = [back = peer.get(), received = std::uint64_t{0}](order& one) mutable {
            if (serve(one, received)) {
                back->send_with_batch(one);
            }
        };
        peer->read();
        accept_all(at);
    });
}

/// What the I/O thread tells the main thread.
class signal {
public:
    void give(std::uint64_t value) {
        const std::lock_guard held{lock_};
        value_ = value;
        given_ = true;
        changed_.notify_one();
    }
    std::uint64_t wait() {
        std::unique_lock held{lock_};
        changed_.wait(held, [this] { return given_; });
        given_ = false;
        return value_;
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    bool given_ = false;
    std::uint64_t value_ = 0;
};

class client {
public:
    client(const call& wanted, const tcp::endpoint& server) : wanted_{wanted}, plan_{wanted} {
        tcp::socket socket{io_};
        socket.connect(server);
        server_ = std::make_shared<connection>(std::move(socket));
        order_.body = wanted.body();
    }

    void run() {
        server_->on_order = [this](order& one) {
            if (one.kind == confirm) {
                told_.give(one.id);
            } else {
                answered(one);
            }
        };
        server_->read();
        std::thread{[this] { io_.run(); }}.detach();
        while (const std::uint64_t many = plan_.next()) {
            wanted_.outstanding() == 0 ? one_way_run(many) : question_run(many);
            plan_.done();
        }
        plan_.report("Boost.Asio");
        std::_Exit(0);  // There is nobody to whom anything is owed.
    }

private:
    void one_way_run(std::uint64_t many) {
        order_.kind = one_way;
        for (std::uint64_t i = 0; i < many; ++i) {
            order_.id = i;
            order_.sent_at = i;
            server_->send(order_);
        }
        order_.kind = confirm;
        server_->send(order_);
        check_count(told_.wait(), many);
    }
    /// All of it on the I/O thread: each answer sends the next question.
    void question_run(std::uint64_t many) {
        asio::post(io_, [this, many] {
            many_ = many;
            sent_ = got_ = 0;
            order_.kind = question;
            while (sent_ < wanted_.outstanding() && sent_ < many_) {
                ask(now_ns());
            }
            server_->flush();
        });
        told_.wait();
    }
    void ask(std::uint64_t now) {
        order_.id = sent_++;
        order_.sent_at = now;
        server_->send_with_batch(order_);
    }
    void answered(const order& one) {
        const std::uint64_t now = now_ns();
        plan_.answered(one.sent_at, now);
        if (++got_ == many_) {
            told_.give(got_);
        } else if (sent_ < many_) {
            ask(now);
        }
    }

    call wanted_;
    measurement plan_;
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> stay_{asio::make_work_guard(io_)};
    std::shared_ptr<connection> server_;
    signal told_;
    order order_;
    std::uint64_t many_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t got_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const call wanted = read_call(argc, argv);
    const auto port = static_cast<std::uint16_t>(std::stoul(wanted.address));
    const tcp::endpoint address{asio::ip::address_v4::loopback(), port};
    if (!wanted.serves) {
        client{wanted, address}.run();
    }
    asio::io_context io{1};
    tcp::acceptor at{io, address};
    accept_all(at);
    ready();
    io.run();
}
