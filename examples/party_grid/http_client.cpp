#include "http_client.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace party_grid {
namespace {

using muster::errc;
using muster::error;
using muster::fail;
using muster::result;

using steady = std::chrono::steady_clock;

constexpr std::size_t longest_head = 64 * 1024;
constexpr std::size_t longest_body = 256U << 20U;

/// Waits until one of `events` is ready; false at the deadline.
bool wait_for(int socket, short& events, steady::time_point deadline) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady::now()).count();
        pollfd one{socket, events, 0};
        const int count = left <= 0 ? 0 : ::poll(&one, 1, static_cast<int>(left));
        if (count > 0) {
            events = one.revents;
            return true;
        }
        if (count == 0) {
            return false;
        }
    }
}

struct free_addresses {
    void operator()(addrinfo* first) const { ::freeaddrinfo(first); }
};
using addresses = std::unique_ptr<addrinfo, free_addresses>;

/// A connected socket, or -errno.
int connect_to(const addrinfo& where, steady::time_point deadline) {
    const int made =
        ::socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, where.ai_protocol);
    if (made < 0) {
        return -errno;
    }
    int code = 0;
    if (::connect(made, where.ai_addr, where.ai_addrlen) != 0) {
        code = errno;
        short events = POLLOUT;
        if (code == EINPROGRESS) {
            socklen_t size = sizeof code;
            if (!wait_for(made, events, deadline)) {
                code = ETIMEDOUT;
            } else if (::getsockopt(made, SOL_SOCKET, SO_ERROR, &code, &size) != 0) {
                code = errno;
            }
        }
    }
    if (code != 0) {
        ::close(made);
        return -code;
    }
    const int on = 1;
    ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return made;
}

std::string lower_case(std::string_view text) {
    std::string lowered{text};
    for (char& c : lowered) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return lowered;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), into);
    return code == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// What the head says; the body follows it.
struct answer_head {
    http_response answer;
    std::size_t body_length = 0;
    bool has_length = false;
    bool closes = false;
};

result<answer_head> parse_head(std::string_view text) {
    answer_head head;
    const std::string_view status = text.substr(0, text.find("\r\n"));
    if (!status.starts_with("HTTP/1.") || status.size() < 12 ||
        !read_number(status.substr(9, 3), head.answer.status)) {
        return fail(errc::incompatible,
                    "not an HTTP/1 answer: " + std::string{status.substr(0, 80)});
    }
    head.closes = status.starts_with("HTTP/1.0");
    head.answer.content_type.clear();
    text.remove_prefix(std::min(status.size() + 2, text.size()));
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find("\r\n"));
        text.remove_prefix(std::min(line.size() + 2, text.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) {
            return fail(errc::incompatible,
                        "not an HTTP header: " + std::string{line.substr(0, 80)});
        }
        const std::string name = lower_case(line.substr(0, colon));
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (name == "content-length") {
            if (!read_number(value, head.body_length) || head.body_length > longest_body) {
                return fail(errc::incompatible, "a Content-Length of " + std::string{value});
            }
            head.has_length = true;
        } else if (name == "transfer-encoding") {
            return fail(errc::incompatible,
                        "the answer is " + std::string{value} +
                            ", and only those with a length are understood");
        } else if (name == "connection") {
            head.closes = lower_case(value) == "close";
        } else if (name == "content-type") {
            head.answer.content_type = value;
        }
        head.answer.headers.emplace_back(name, value);
    }
    return head;
}

std::string bytes_of(const http_question& question, const std::string& host) {
    std::string text =
        question.method + " " + question.target + " HTTP/1.1\r\nHost: " + host + "\r\n";
    if (!question.body.empty() || question.method == "PUT" || question.method == "POST") {
        text += "Content-Length: " + std::to_string(question.body.size()) + "\r\n";
    }
    text += "\r\n";
    text += question.body;
    return text;
}

/// One round of questions over one connection.
class conversation {
public:
    conversation(int socket, std::string out, std::string& received, steady::time_point deadline)
        : socket_{socket}, out_{std::move(out)}, received_{received}, deadline_{deadline} {}

    /// The next answer. Sends whatever is left to send meanwhile, so that neither side waits for
    /// the other with full buffers.
    result<parsed_answer> next(bool bodiless) {
        for (;;) {
            auto parsed = parse_answer(std::string_view{received_}.substr(taken_), bodiless);
            if (!parsed) {
                return std::unexpected{parsed.error()};
            }
            if (*parsed) {
                taken_ += (*parsed)->length;
                return std::move(**parsed);
            }
            if (auto moved = transfer(); !moved) {
                return std::unexpected{moved.error()};
            }
        }
    }

    /// Keeps what came beyond the last answer.
    void finish() { received_.erase(0, taken_); }

private:
    result<void> transfer() {
        short events = static_cast<short>(sent_ < out_.size() ? POLLIN | POLLOUT : POLLIN);
        if (!wait_for(socket_, events, deadline_)) {
            return broken("no answer in time");
        }
        if ((events & POLLOUT) != 0) {
            const ssize_t count =
                ::send(socket_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
            if (count < 0 && errno != EAGAIN && errno != EINTR) {
                return broken(std::strerror(errno));
            }
            sent_ += count > 0 ? static_cast<std::size_t>(count) : 0;
        }
        if ((events & (POLLIN | POLLHUP | POLLERR)) == 0) {
            return {};
        }
        std::array<char, 65'536> buffer;  // Filled by recv().
        const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
        if (count == 0) {
            return broken("the server closed the connection before it had answered");
        }
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
            return broken(std::strerror(errno));
        }
        received_.append(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
        return {};
    }

    [[nodiscard]] std::unexpected<error> broken(const std::string& why) const {
        return sent_ == 0 ? fail(errc::unavailable, why + "; nothing was sent")
                          : fail(errc::outcome_unknown, why);
    }

    int socket_;
    std::string out_;
    std::string& received_;
    steady::time_point deadline_;
    std::size_t sent_ = 0;
    std::size_t taken_ = 0;
};

}  // namespace

result<std::optional<parsed_answer>> parse_answer(std::string_view bytes, bool bodiless) {
    std::size_t interim = 0;
    for (;;) {
        const std::string_view rest = bytes.substr(interim);
        const std::size_t end = rest.find("\r\n\r\n");
        if (end == std::string_view::npos) {
            if (rest.size() > longest_head) {
                return fail(errc::incompatible, "the answer's head has no end");
            }
            return std::nullopt;
        }
        auto head = parse_head(rest.substr(0, end));
        if (!head) {
            return std::unexpected{head.error()};
        }
        const std::size_t head_length = end + 4;
        const unsigned status = head->answer.status;
        if (status < 200) {
            interim += head_length;
            continue;
        }
        const bool empty = bodiless || status == 204 || status == 304;
        if (!empty && !head->has_length) {
            return fail(errc::incompatible, "the answer does not say how long it is");
        }
        const std::size_t body_length = empty ? 0 : head->body_length;
        if (rest.size() - head_length < body_length) {
            return std::nullopt;
        }
        head->answer.body = rest.substr(head_length, body_length);
        return parsed_answer{
            std::move(head->answer), interim + head_length + body_length, head->closes};
    }
}

http_client::http_client(std::string host, std::uint16_t port, std::chrono::milliseconds timeout)
    : host_{std::move(host)}, port_{port}, timeout_{timeout} {}

http_client::~http_client() {
    close();
}

http_client::http_client(http_client&& other) noexcept
    : socket_{std::exchange(other.socket_, -1)},
      host_{std::move(other.host_)},
      port_{other.port_},
      timeout_{other.timeout_},
      received_{std::move(other.received_)} {}

http_client& http_client::operator=(http_client&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(host_, other.host_);
    std::swap(port_, other.port_);
    std::swap(timeout_, other.timeout_);
    std::swap(received_, other.received_);
    return *this;
}

void http_client::close() {
    if (socket_ >= 0) {
        ::close(std::exchange(socket_, -1));
    }
    received_.clear();
}

/// Whether the server has closed the idle connection, or sent what nobody asked for.
bool http_client::is_stale() const {
    pollfd one{socket_, POLLIN, 0};
    return ::poll(&one, 1, 0) != 0 || !received_.empty();
}

result<void> http_client::connect(instant deadline) {
    const std::string where = host_ + ":" + std::to_string(port_);
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    const int code = ::getaddrinfo(host_.c_str(), std::to_string(port_).c_str(), &wanted, &first);
    if (code != 0) {
        return fail(errc::unavailable, "cannot find " + where + ": " + ::gai_strerror(code));
    }
    const addresses found{first};
    int last = -ECONNREFUSED;
    for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
        last = connect_to(*one, deadline);
        if (last >= 0) {
            socket_ = last;
            return {};
        }
    }
    return fail(errc::unavailable,
                "cannot connect to " + where + ": " + std::strerror(-last) + "; does it run?");
}

result<http_response> http_client::ask(const http_question& question) {
    return std::move(ask_all({&question, 1}).front());
}

result<http_response> http_client::get(std::string target) {
    return ask({"GET", std::move(target), {}});
}

result<http_response> http_client::put(std::string target, std::string body) {
    return ask({"PUT", std::move(target), std::move(body)});
}

result<http_response> http_client::remove(std::string target) {
    return ask({"DELETE", std::move(target), {}});
}

std::vector<result<http_response>> http_client::ask_all(std::span<const http_question> questions) {
    const auto deadline = steady::now() + timeout_;
    std::vector<result<http_response>> answers;
    const auto fail_rest = [&](const error& why) {
        close();
        answers.resize(questions.size(), std::unexpected{why});
        return std::move(answers);
    };
    if (socket_ >= 0 && is_stale()) {
        close();
    }
    if (socket_ < 0) {
        if (auto connected = connect(deadline); !connected) {
            return fail_rest(connected.error());
        }
    }
    std::string out;
    for (const http_question& one : questions) {
        out += bytes_of(one, host_);
    }
    conversation talk{socket_, std::move(out), received_, deadline};
    bool closes = false;
    for (const http_question& one : questions) {
        if (closes) {
            return fail_rest({errc::outcome_unknown, "the server closed after an earlier answer"});
        }
        auto answer = talk.next(one.method == "HEAD");
        if (!answer) {
            return fail_rest(answer.error());
        }
        closes = answer->closes;
        answers.emplace_back(std::move(answer->answer));
    }
    talk.finish();
    if (closes) {
        close();
    }
    return answers;
}

}  // namespace party_grid
