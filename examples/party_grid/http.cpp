#include "http.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace party_grid {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

using muster::errc;
using muster::fail;
using muster::result;

constexpr auto farewell = std::chrono::seconds{1};  // For answers under way when the server stops.

using message = http::response<http::string_body>;

/// Whether the message may have a body at all (RFC 9110, 6.4.1).
bool has_body(unsigned status) {
    return status >= 200 && status != 204 && status != 304;
}

message message_of(http_response answer, unsigned version, bool keep_alive) {
    message made;
    made.result(answer.status);
    made.version(version);
    made.keep_alive(keep_alive);
    if (has_body(answer.status)) {
        made.set(http::field::content_type, answer.content_type);
        made.body() = std::move(answer.body);
        made.prepare_payload();
    }
    for (const auto& [name, value] : answer.headers) {
        made.set(name, value);
    }
    return made;
}

/// A line break inside a header would let a value end it and begin another.
bool is_sendable(const http_response& answer) {
    const auto clean = [](const std::string& text) {
        return text.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos;
    };
    for (const auto& [name, value] : answer.headers) {
        if (!clean(name) || name.empty() || !clean(value)) {
            return false;
        }
    }
    return clean(answer.content_type) && answer.status >= 200 && answer.status <= 999;
}

std::string lower_case(std::string_view text) {
    std::string lowered{text};
    for (char& c : lowered) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return lowered;
}

class connection;

/// What all connections share.
struct shared_state {
    http_options options;
    http_handler handler;

    // Held by replies: once it is closed, none of them touches a connection any more.
    std::mutex gate;
    bool open = true;

    std::mutex live_mutex;
    std::set<std::shared_ptr<connection>> live;  ///< Each until it has closed.
};

/// One connection: read a request, hand it over, send the answer, again.
/// Threads: its strand, but for `start`, `stop` and what `reply_to` makes.
class connection : public std::enable_shared_from_this<connection> {
public:
    connection(tcp::socket socket, std::shared_ptr<shared_state> all)
        : all_{std::move(all)}, stream_{std::move(socket)} {}
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Enters the list of live connections, so that a stop from now on reaches it, and begins.
    void start() {
        bool crowded = false;
        {
            const std::lock_guard lock{all_->live_mutex};
            crowded = all_->live.size() >= all_->options.connections;
            all_->live.insert(shared_from_this());
        }
        asio::post(stream_.get_executor(), [self = shared_from_this(), crowded] {
            beast::error_code ignored;
            self->stream_.socket().set_option(tcp::no_delay{true}, ignored);
            if (crowded) {
                self->refuse(503, "too many connections");
            } else {
                self->read_head();
            }
        });
    }

    /// Ends the connection unless an answer is being sent, which ends it afterwards.
    void stop() {
        asio::post(stream_.get_executor(), [self = shared_from_this()] {
            self->closing_ = true;
            if (!self->sending_) {
                self->close();
            }
        });
    }

private:
    using parser = http::request_parser<http::string_body>;

    void read_head() {
        if (closing_) {
            close();
            return;
        }
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(all_->options.header_bytes));
        parser_->body_limit(all_->options.body_bytes);
        // The head may be waited for long, the first one included; its bytes may then not dawdle
        // beyond that either, as one deadline covers both.
        stream_.expires_after(all_->options.idle);
        http::async_read_header(stream_,
                                buffer_,
                                *parser_,
                                [self = shared_from_this()](beast::error_code code, std::size_t) {
                                    if (code) {
                                        self->read_failed(code);
                                    } else {
                                        self->read_body();
                                    }
                                });
    }

    void read_body() {
        stream_.expires_after(all_->options.transfer);
        if (!parser_->is_done() &&
            beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
            interim_ = message{http::status::continue_, parser_->get().version()};
            http::async_write(stream_,
                              *interim_,
                              [self = shared_from_this()](beast::error_code code, std::size_t) {
                                  if (code) {
                                      self->close();
                                  } else {
                                      self->read_rest();
                                  }
                              });
            return;
        }
        read_rest();
    }

    void read_rest() {
        http::async_read(stream_,
                         buffer_,
                         *parser_,
                         [self = shared_from_this()](beast::error_code code, std::size_t) {
                             if (code) {
                                 self->read_failed(code);
                             } else {
                                 self->hand_over();
                             }
                         });
    }

    void read_failed(beast::error_code code) {
        if (code == http::error::header_limit || code == http::error::buffer_overflow) {
            refuse(431, "the header is too large");
        } else if (code == http::error::body_limit) {
            refuse(
                413,
                "the body is larger than " + std::to_string(all_->options.body_bytes) + " bytes");
        } else if (code.category() == http::make_error_code(http::error::bad_method).category() &&
                   code != http::error::end_of_stream && code != http::error::partial_message) {
            refuse(400, "malformed request: " + code.message());
        } else {
            close();  // The other side has left, or let the deadline pass.
        }
    }

    void hand_over() {
        stream_.expires_never();  // How long an answer may take is the handler's matter.
        const auto& head = parser_->get();
        version_ = head.version();
        keep_alive_ = head.keep_alive();
        head_only_ = head.method() == http::verb::head;
        http_request asked;
        asked.method = std::string{head.method_string()};
        asked.target = std::string{head.target()};
        for (const auto& field : head) {
            asked.headers.emplace_back(lower_case(field.name_string()), field.value());
        }
        if (!decode_target(asked.target, asked)) {
            refuse(400, "malformed target: " + asked.target.substr(0, 200));
            return;
        }
        asked.body = std::move(parser_->get().body());
        parser_.reset();
        try {
            all_->handler(std::move(asked), reply_to());
        } catch (...) {
            // The reply was destroyed while the exception passed, and has answered 500.
        }
    }

    /// The reply knows the connection but does not keep it: it may outlive the server, and a
    /// socket must not. Whoever looks the connection up holds the gate until done with it.
    http_reply reply_to() {
        return http_reply{[all = all_, weak = weak_from_this()](http_response answer) {
            const std::lock_guard lock{all->gate};
            const auto self = all->open ? weak.lock() : nullptr;
            if (self) {
                asio::post(self->stream_.get_executor(),
                           [self, answer = std::move(answer)]() mutable {
                               self->send(std::move(answer));
                           });
            }
        }};
    }

    /// Answers what is not a request, and closes: where the next one begins is not known.
    void refuse(unsigned status, std::string why) {
        keep_alive_ = false;
        send({status, std::move(why) + "\n", "text/plain; charset=utf-8", {}});
    }

    void send(http_response answer) {
        if (!is_sendable(answer)) {
            answer = {500, "the answer had a malformed header\n", "text/plain", {}};
        }
        outgoing_ = message_of(std::move(answer), version_, keep_alive_ && !closing_);
        if (head_only_) {  // The length of the body, but not the body.
            outgoing_->body().clear();
        }
        sending_ = true;
        stream_.expires_after(all_->options.transfer);
        http::async_write(
            stream_, *outgoing_, [self = shared_from_this()](beast::error_code code, std::size_t) {
                self->sending_ = false;
                if (code || !self->outgoing_->keep_alive()) {
                    self->finish();
                } else {
                    self->read_head();
                }
            });
    }

    /// Closes so that the other side can still read the answer: bytes of it that arrive at a
    /// closed socket would make the kernel throw the answer away.
    void finish() {
        beast::error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        if (ignored || closing_) {
            close();
            return;
        }
        stream_.expires_after(farewell);
        drain();
    }

    void drain() {
        buffer_.clear();
        stream_.async_read_some(buffer_.prepare(16 * 1024),
                                [self = shared_from_this()](beast::error_code code, std::size_t) {
                                    if (code) {
                                        self->close();
                                    } else {
                                        self->drain();
                                    }
                                });
    }

    void close() {
        beast::error_code ignored;
        stream_.socket().close(ignored);
        stream_.cancel();
        const std::lock_guard lock{all_->live_mutex};
        all_->live.erase(shared_from_this());
    }

    std::shared_ptr<shared_state> all_;
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    std::optional<parser> parser_;
    std::optional<message> interim_;
    std::optional<message> outgoing_;
    unsigned version_ = 11;
    bool keep_alive_ = true;
    bool head_only_ = false;
    bool sending_ = false;
    bool closing_ = false;
};

}  // namespace

http_reply::~http_reply() {
    if (send_) {
        send_({500, "no answer\n", "text/plain; charset=utf-8", {}});
    }
}

http_reply& http_reply::operator=(http_reply&& other) noexcept {
    std::swap(send_, other.send_);  // The other's destructor answers what this one owed.
    return *this;
}

void http_reply::operator()(http_response answer) {
    if (auto send = std::exchange(send_, nullptr)) {
        send(std::move(answer));
    }
}

/// The listener and its threads.
class http_server::engine {
public:
    engine(http_options options, http_handler handler)
        : all_{std::make_shared<shared_state>()}, acceptor_{asio::make_strand(io_)}, pause_{io_} {
        all_->options = std::move(options);
        all_->handler = std::move(handler);
    }
    ~engine() { stop(); }
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;

    result<void> start() {
        const http_options& options = all_->options;
        const std::string where = options.address + ":" + std::to_string(options.port);
        beast::error_code code;
        const asio::ip::address address = asio::ip::make_address(options.address, code);
        if (code) {
            return fail(errc::invalid_argument,
                        "'" + options.address + "' is not an IP address to listen on");
        }
        const tcp::endpoint wanted{address, options.port};
        acceptor_.open(wanted.protocol(), code);
        if (!code) {
            acceptor_.set_option(tcp::acceptor::reuse_address{true}, code);
            acceptor_.bind(wanted, code);
        }
        if (!code) {
            acceptor_.listen(asio::socket_base::max_listen_connections, code);
        }
        if (code) {
            return fail(errc::unavailable,
                        "cannot listen on " + where + ": " + code.message() +
                            "; give another port, or 0 for any that is free");
        }
        port_ = acceptor_.local_endpoint(code).port();
        accept();
        running_ = std::max<std::size_t>(1, options.threads);
        for (std::size_t i = running_; i > 0; --i) {
            threads_.emplace_back([this] { run(); });
        }
        return {};
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

    void stop() {
        if (threads_.empty()) {
            return;
        }
        asio::post(acceptor_.get_executor(), [this] {
            beast::error_code ignored;
            acceptor_.close(ignored);
            pause_.cancel();
            const std::lock_guard lock{all_->live_mutex};
            for (const auto& one : all_->live) {
                one->stop();
            }
        });
        {
            std::unique_lock lock{done_mutex_};
            done_.wait_for(lock, farewell, [this] { return running_ == 0; });
        }
        io_.stop();
        for (std::thread& one : threads_) {
            one.join();
        }
        threads_.clear();
        {
            const std::lock_guard lock{all_->gate};
            all_->open = false;
        }
        const std::lock_guard lock{all_->live_mutex};
        all_->live.clear();
    }

private:
    /// Ends when there is neither listener nor connection left, or `stop` loses its patience.
    void run() {
        io_.run();
        {
            const std::lock_guard lock{done_mutex_};
            --running_;
        }
        done_.notify_one();
    }

    void accept() {
        acceptor_.async_accept(asio::make_strand(io_),
                               [this](beast::error_code code, tcp::socket socket) {
                                   if (!acceptor_.is_open()) {
                                       return;
                                   }
                                   if (code) {
                                       accept_later();
                                       return;
                                   }
                                   begin(std::move(socket));
                                   accept();
                               });
    }

    void begin(tcp::socket socket) {
        std::make_shared<connection>(std::move(socket), all_)->start();
    }

    /// Out of descriptors, most likely: some will be closed in a moment.
    void accept_later() {
        pause_.expires_after(std::chrono::milliseconds{50});
        pause_.async_wait(asio::bind_executor(acceptor_.get_executor(), [this](beast::error_code) {
            if (acceptor_.is_open()) {
                accept();
            }
        }));
    }

    asio::io_context io_;  // Before everything that uses it.
    std::shared_ptr<shared_state> all_;
    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::uint16_t port_ = 0;
    std::vector<std::thread> threads_;

    std::mutex done_mutex_;
    std::condition_variable done_;
    std::size_t running_ = 0;
};

result<std::unique_ptr<http_server>> http_server::start(http_options options,
                                                        http_handler handler) {
    auto made = std::make_unique<engine>(std::move(options), std::move(handler));
    if (auto started = made->start(); !started) {
        return std::unexpected{started.error()};
    }
    return std::unique_ptr<http_server>{new http_server{std::move(made)}};
}

http_server::http_server(std::unique_ptr<engine> inner) : engine_{std::move(inner)} {}

http_server::~http_server() = default;

std::uint16_t http_server::port() const {
    return engine_->port();
}

void http_server::stop() {
    engine_->stop();
}

}  // namespace party_grid
