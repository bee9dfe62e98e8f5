#include "base/check.hpp"
#include "runtime/real_loop.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>
#include <utility>

namespace muster::runtime::real {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

endpoint to_endpoint(const tcp::endpoint& from) {
    return {from.address().to_string(), from.port()};
}

result<tcp::endpoint> to_asio(const endpoint& from) {
    error_code failed;
    const auto address = boost::asio::ip::make_address(from.address, failed);
    if (failed) {
        return fail(errc::invalid_argument, "'" + from.address + "' is not an IP address");
    }
    return tcp::endpoint{address, from.port};
}

// --- Streams -----------------------------------------------------------------------------------

/// What the pending operations of a stream hold on to; the handlers are dropped by `close()`.
class stream_core final : public attached, public std::enable_shared_from_this<stream_core> {
public:
    stream_core(loop_core& home, tcp::socket socket) : attached{home}, socket_{std::move(socket)} {
        error_code ignored;
        socket_.set_option(tcp::no_delay{true}, ignored);
        local_ = socket_.local_endpoint(ignored);
        remote_ = socket_.remote_endpoint(ignored);
    }

    void read_some(std::span<char> into, callback<result<std::size_t>> done) {
        MUSTER_ASSERT(!on_read_, "one read at a time");
        MUSTER_ASSERT(!into.empty(), "a read needs room");
        if (closed_) {
            return;
        }
        on_read_ = std::move(done);
        socket_.async_read_some(
            boost::asio::buffer(into.data(), into.size()),
            [self = shared_from_this()](const error_code& failed, std::size_t count) {
                self->finish_read(failed, count);
            });
    }

    void write(std::string_view bytes, callback<result<void>> done) {
        MUSTER_ASSERT(!on_write_, "one write at a time");
        if (closed_) {
            return;
        }
        on_write_ = std::move(done);
        unsent_ = bytes;
        push();
        if (unsent_.empty() || write_failed_) {
            boost::asio::post(socket_.get_executor(),
                              [self = shared_from_this()] { self->finish_write(); });
        } else {
            await_room();
        }
    }

    std::size_t write_now(std::string_view bytes) {
        if (closed_ || write_failed_) {
            return 0;
        }
        push();
        const std::size_t before = bytes.size();
        if (unsent_.empty() && !write_failed_) {
            send_some(bytes);
        }
        return before - bytes.size();
    }

    void close() {
        if (std::exchange(closed_, true)) {
            return;
        }
        error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        // Input left unread would turn the close into a reset, which destroys what was written but
        // has not arrived. A peer that goes on sending is reset all the same.
        std::array<char, 4096> unread;
        for (int i = 0;
             i < 64 &&
             ::recv(socket_.native_handle(), unread.data(), unread.size(), MSG_DONTWAIT) > 0;
             ++i) {
        }
        socket_.close(ignored);
        if (home_.has_stopped()) {
            abandon();  // Nobody is left to run the aborted operations.
        }
    }

    void abandon() override {
        closed_ = true;
        // Moved out first: what they own may lead back here.
        const auto read = std::exchange(on_read_, nullptr);
        const auto write = std::exchange(on_write_, nullptr);
    }

    [[nodiscard]] endpoint local() const { return to_endpoint(local_); }
    [[nodiscard]] endpoint remote() const { return to_endpoint(remote_); }

    void set_user_timeout(std::chrono::milliseconds limit) {
        using option = boost::asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
        error_code ignored;
        socket_.set_option(option{static_cast<int>(limit.count())}, ignored);
    }

private:
    [[nodiscard]] error broken(const error_code& why) const {
        return {errc::unavailable, "connection to " + remote().text() + ": " + why.message()};
    }

    void finish_read(const error_code& failed, std::size_t count) {
        auto done = std::exchange(on_read_, nullptr);
        if (closed_ || !done) {
            return;
        }
        if (!failed) {
            done(count);
        } else if (failed == boost::asio::error::eof) {
            done(std::size_t{0});
        } else {
            done(std::unexpected{broken(failed)});
        }
    }

    /// Sends of `bytes` what the socket takes, and takes it off them.
    void send_some(std::string_view& bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(
                socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                return;
            } else if (errno != EINTR) {
                write_failed_ = error_code{errno, boost::asio::error::get_system_category()};
                return;
            }
        }
    }
    void push() { send_some(unsent_); }

    void await_room() {
        socket_.async_wait(tcp::socket::wait_write,
                           [self = shared_from_this()](const error_code& failed) {
                               if (failed) {
                                   self->write_failed_ = failed;
                               }
                               self->finish_write();
                           });
    }

    void finish_write() {
        if (closed_ || !on_write_) {
            const auto dropped = std::exchange(on_write_, nullptr);
            return;
        }
        if (!write_failed_) {
            push();
        }
        if (!unsent_.empty() && !write_failed_) {
            await_room();
            return;
        }
        auto done = std::exchange(on_write_, nullptr);
        unsent_ = {};
        if (write_failed_) {
            done(std::unexpected{broken(write_failed_)});
        } else {
            done({});
        }
    }

    tcp::socket socket_;
    tcp::endpoint local_;
    tcp::endpoint remote_;
    callback<result<std::size_t>> on_read_;
    callback<result<void>> on_write_;
    std::string_view unsent_;  ///< Of the write that is under way.
    error_code write_failed_;
    bool closed_ = false;
};

class real_stream final : public stream {
public:
    real_stream(std::shared_ptr<loop_core> home, tcp::socket socket)
        : home_{std::move(home)}, core_{std::make_shared<stream_core>(*home_, std::move(socket))} {}
    ~real_stream() override { core_->close(); }

    void read_some(std::span<char> into, callback<result<std::size_t>> done) override {
        core_->read_some(into, std::move(done));
    }
    void write(std::string_view bytes, callback<result<void>> done) override {
        core_->write(bytes, std::move(done));
    }
    [[nodiscard]] std::size_t write_now(std::string_view bytes) override {
        return core_->write_now(bytes);
    }
    void close() override { core_->close(); }
    [[nodiscard]] endpoint local() const override { return core_->local(); }
    [[nodiscard]] endpoint remote() const override { return core_->remote(); }
    void set_user_timeout(std::chrono::milliseconds limit) override {
        core_->set_user_timeout(limit);
    }

private:
    const std::shared_ptr<loop_core> home_;
    const std::shared_ptr<stream_core> core_;
};

// --- Operations with a deadline ----------------------------------------------------------------

/// A handler that is called once: with an outcome, or when the deadline passes; or never, if its
/// operation is dropped first.
template <class T>
class pending final : public attached, public std::enable_shared_from_this<pending<T>> {
public:
    pending(const std::shared_ptr<loop_core>& home, callback<result<T>> done)
        : attached{*home}, done_{std::move(done)}, timer_{*home} {}

    void fail_at(instant deadline, std::string text) {
        timer_.set(deadline, [this, text = std::move(text)]() mutable {
            const auto keep = this->shared_from_this();
            finish(fail(errc::timed_out, std::move(text)));
        });
    }

    /// Later outcomes are ignored.
    void finish(result<T> outcome) {
        if (auto done = end()) {
            done(std::move(outcome));
        }
    }

    /// Called once, whatever the end: gives back what the operation holds.
    void on_end(task_fn release) { release_ = std::move(release); }

    void abandon() override { const auto dropped = end(); }

private:
    callback<result<T>> end() {
        timer_.cancel();
        if (auto release = std::exchange(release_, nullptr)) {
            release();
        }
        return std::exchange(done_, nullptr);
    }

    callback<result<T>> done_;
    task_fn release_;
    timer_slot timer_;
};

template <class T>
class pending_operation final : public operation {
public:
    pending_operation(std::shared_ptr<loop_core> home, std::shared_ptr<pending<T>> what)
        : home_{std::move(home)}, what_{std::move(what)} {}
    ~pending_operation() override { what_->abandon(); }

private:
    const std::shared_ptr<loop_core> home_;
    const std::shared_ptr<pending<T>> what_;
};

template <class T>
void finish_soon(loop_core& home, std::shared_ptr<pending<T>> what, result<T> outcome) {
    home.post([what = std::move(what), outcome = std::move(outcome)]() mutable {
        what->finish(std::move(outcome));
    });
}

// --- Listeners ---------------------------------------------------------------------------------

/// A file descriptor on its way from the loop that accepted it to the loop that will own it.
class owned_fd {
public:
    explicit owned_fd(int fd) : fd_{fd} {}
    owned_fd(owned_fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    owned_fd& operator=(owned_fd&&) = delete;
    ~owned_fd() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

class listener_core final : public attached, public std::enable_shared_from_this<listener_core> {
public:
    using accepted_fn = std::function<void(std::unique_ptr<stream>)>;
    using place_fn = std::function<std::shared_ptr<loop>()>;

    listener_core(const std::shared_ptr<loop_core>& home,
                  tcp::acceptor acceptor,
                  accepted_fn accepted,
                  place_fn place)
        : attached{*home},
          self_loop_{home},
          acceptor_{std::move(acceptor)},
          accepted_{std::make_shared<accepted_fn>(std::move(accepted))},
          place_{std::move(place)},
          pause_{*home} {
        error_code ignored;
        local_ = acceptor_.local_endpoint(ignored);
    }

    void await() {
        acceptor_.async_wait(tcp::acceptor::wait_read,
                             [self = shared_from_this()](const error_code& failed) {
                                 if (!failed && !self->closed_) {
                                     self->accept_ready();
                                 }
                             });
    }

    void close() {
        closed_ = true;
        error_code ignored;
        acceptor_.close(ignored);
        abandon();
    }

    void abandon() override {
        closed_ = true;
        pause_.cancel();
        // Not destroyed here: close() may be called from inside `accepted_`.
        *open_ = false;
    }

    [[nodiscard]] endpoint local() const { return to_endpoint(local_); }

private:
    void accept_ready() {
        // A bound, so that a flood of connections leaves the loop's other work its turn.
        for (int i = 0; i < 64; ++i) {
            const int fd = ::accept4(
                acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                    pause();
                    return;
                }
                if (errno == EAGAIN || errno == EWOULDBLOCK) {
                    break;
                }
                continue;  // That one connection failed before it was accepted.
            }
            hand_over(owned_fd{fd});
            if (closed_) {
                return;
            }
        }
        await();
    }

    /// The backlog stays readable while no descriptor is free: waiting at once would spin.
    void pause() {
        pause_.set(read_boot_clock() + 50ms, [this] { await(); });
    }

    void hand_over(owned_fd fd) {
        const std::shared_ptr<loop_core> keep = self_loop_.lock();
        if (!place_) {
            deliver(keep, std::move(fd), local_.protocol(), *accepted_);
            return;
        }
        const std::shared_ptr<loop> chosen = place_();
        const auto* target = dynamic_cast<const real_loop*>(chosen.get());
        MUSTER_ASSERT(target != nullptr, "a place is a loop of the same kind");
        target->core()->post([home = std::weak_ptr{target->core()},
                              fd = std::move(fd),
                              protocol = local_.protocol(),
                              open = open_,
                              accepted = accepted_]() mutable {
            const auto alive = home.lock();
            if (alive && *open) {
                deliver(alive, std::move(fd), protocol, *accepted);
            }
        });
    }

    static void deliver(const std::shared_ptr<loop_core>& home,
                        owned_fd fd,
                        const tcp& protocol,
                        const accepted_fn& accepted) {
        tcp::socket socket{home->context()};
        error_code failed;
        const int raw = fd.release();
        socket.assign(protocol, raw, failed);
        if (failed) {
            ::close(raw);
            return;
        }
        accepted(std::make_unique<real_stream>(home, std::move(socket)));
    }

    const std::weak_ptr<loop_core> self_loop_;
    tcp::acceptor acceptor_;
    tcp::endpoint local_;
    const std::shared_ptr<accepted_fn> accepted_;
    const place_fn place_;
    const std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(true);
    timer_slot pause_;
    bool closed_ = false;
};

class real_listener final : public listener {
public:
    real_listener(std::shared_ptr<loop_core> home, std::shared_ptr<listener_core> core)
        : home_{std::move(home)}, core_{std::move(core)} {}
    ~real_listener() override { core_->close(); }
    [[nodiscard]] endpoint local() const override { return core_->local(); }

private:
    const std::shared_ptr<loop_core> home_;
    const std::shared_ptr<listener_core> core_;
};

/// Asio's own `open` leaves the descriptor to whatever program this one may start.
template <class Socket>
error_code open_for_this_program(Socket& socket, const tcp& protocol) {
    const int raw = ::socket(protocol.family(), SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (raw < 0) {
        return {errno, boost::asio::error::get_system_category()};
    }
    error_code failed;
    socket.assign(protocol, raw, failed);
    if (failed) {
        ::close(raw);
    }
    return failed;
}

error_code open_acceptor(tcp::acceptor& acceptor, const tcp::endpoint& at) {
    error_code failed = open_for_this_program(acceptor, at.protocol());
    if (!failed) {
        acceptor.set_option(tcp::acceptor::reuse_address{true}, failed);
    }
    if (!failed) {
        acceptor.bind(at, failed);
    }
    if (!failed) {
        acceptor.listen(boost::asio::socket_base::max_listen_connections, failed);
    }
    if (!failed) {
        acceptor.non_blocking(true, failed);
    }
    return failed;
}

/// Where nobody listens on a port of this machine, the kernel may choose that very port for this
/// end too, and TCP then connects the socket to itself: all that is sent comes back.
bool is_own_other_end(const tcp::socket& socket) {
    error_code failed;
    const tcp::endpoint ours = socket.local_endpoint(failed);
    return !failed && ours == socket.remote_endpoint(failed) && !failed;
}

}  // namespace

std::unique_ptr<operation> start_connect(const std::shared_ptr<loop_core>& home,
                                         const endpoint& to,
                                         instant deadline,
                                         callback<result<std::unique_ptr<stream>>> done) {
    using opened = std::unique_ptr<stream>;
    auto what = std::make_shared<pending<opened>>(home, std::move(done));
    auto handle = std::make_unique<pending_operation<opened>>(home, what);
    const auto address = to_asio(to);
    if (!address) {
        finish_soon<opened>(*home, std::move(what), std::unexpected{address.error()});
        return handle;
    }
    auto socket = std::make_shared<tcp::socket>(home->context());
    what->on_end([socket] {
        error_code ignored;
        socket->close(ignored);
    });
    if (const error_code failed = open_for_this_program(*socket, address->protocol())) {
        finish_soon<opened>(
            *home,
            std::move(what),
            fail(errc::unavailable, "cannot connect to " + to.text() + ": " + failed.message()));
        return handle;
    }
    what->fail_at(deadline, "connecting to " + to.text() + " took too long");
    socket->async_connect(
        *address, [home = std::weak_ptr{home}, what, socket, to](const error_code& failed) {
            const auto alive = home.lock();
            if (!alive || failed == boost::asio::error::operation_aborted) {
                return;
            }
            if (failed) {
                what->finish(fail(errc::unavailable,
                                  "cannot connect to " + to.text() + ": " + failed.message()));
                return;
            }
            if (is_own_other_end(*socket)) {
                what->finish(fail(errc::unavailable,
                                  "cannot connect to " + to.text() + ": nobody listens there"));
                return;
            }
            what->finish(std::make_unique<real_stream>(alive, std::move(*socket)));
        });
    return handle;
}

result<std::unique_ptr<listener>> start_listen(
    const std::shared_ptr<loop_core>& home,
    const endpoint& at,
    std::function<void(std::unique_ptr<stream>)> accepted,
    std::function<std::shared_ptr<loop>()> place) {
    const auto address = to_asio(at);
    if (!address) {
        return std::unexpected{address.error()};
    }
    tcp::acceptor acceptor{home->context()};
    if (const error_code failed = open_acceptor(acceptor, *address)) {
        return fail(errc::unavailable, "cannot listen on " + at.text() + ": " + failed.message());
    }
    auto core = std::make_shared<listener_core>(
        home, std::move(acceptor), std::move(accepted), std::move(place));
    core->await();
    return std::make_unique<real_listener>(home, std::move(core));
}

std::unique_ptr<operation> start_resolve(const std::shared_ptr<loop_core>& home,
                                         const host_port& name,
                                         instant deadline,
                                         callback<result<std::vector<endpoint>>> done) {
    using found = std::vector<endpoint>;
    auto what = std::make_shared<pending<found>>(home, std::move(done));
    auto handle = std::make_unique<pending_operation<found>>(home, what);
    error_code not_numeric;
    boost::asio::ip::make_address(name.host, not_numeric);
    if (!not_numeric) {
        finish_soon<found>(*home, std::move(what), found{endpoint{name.host, name.port}});
        return handle;
    }
    auto job = std::make_shared<look_up>();
    job->name = name;
    job->done = [home = std::weak_ptr{home}, weak = std::weak_ptr{what}](resolved answer) {
        if (const auto alive = home.lock()) {
            alive->post([weak, answer = std::move(answer)]() mutable {
                if (const auto wanted = weak.lock()) {
                    wanted->finish(std::move(answer));
                }
            });
        }
    };
    what->on_end([job] { job->abandoned = true; });
    what->fail_at(deadline, "the resolver did not answer for '" + name.host + "' in time");
    home->names().start(std::move(job));
    return handle;
}

}  // namespace muster::runtime::real
