#pragma once

/// @file
/// A small HTTP/1.1 front: keep-alive, limits, deadlines, and answers that may come later.
///
/// Requests of one connection are answered in order, one at a time, so a pipelining client is
/// served too. Nothing of Boost shows here; the server is one .cpp on Boost.Beast.

#include "muster/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace party_grid {

/// Names and values in the order of the message.
using http_fields = std::vector<std::pair<std::string, std::string>>;

/// One request, decoded.
struct http_request {
    std::string method;  ///< `GET`, `PUT`, …
    std::string target;  ///< As sent: `/parties/ann%2Fbob?x=1`.

    /// The decoded parts between slashes: `{"parties", "ann/bob"}`. `/` has none, `/parties/` has
    /// `parties` and an empty one.
    std::vector<std::string> path;
    http_fields query;    ///< Decoded; `+` stands for itself, so that `prefix=g++` means g++.
    http_fields headers;  ///< Names in lower case.
    std::string body;

    /// The first value of that name in the query.
    [[nodiscard]] std::optional<std::string> asked(std::string_view name) const;
    /// The first value of that header, its name in lower case; empty where there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// What a request is answered with. Length, connection and date headers are added.
struct http_response {
    unsigned status = 200;
    std::string body;
    std::string content_type = "text/plain; charset=utf-8";
    http_fields headers;
};

/// The duty to answer one request. Move-only.
///
/// Threads:  any thread, now or later. Calling it a second time does nothing.
/// Lifetime: may outlive the server; the answer then goes nowhere. If it is destroyed without an
///           answer, the client gets 500: no request waits for ever because a handler forgot it.
class http_reply {
public:
    using sender = std::move_only_function<void(http_response)>;

    explicit http_reply(sender send) : send_{std::move(send)} {}
    ~http_reply();
    http_reply(http_reply&& other) noexcept : send_{std::exchange(other.send_, nullptr)} {}
    http_reply& operator=(http_reply&& other) noexcept;

    void operator()(http_response answer);

private:
    sender send_;
};

/// Gets every well-formed request, on a thread of the server, which it must not block.
/// An exception that leaves it becomes 500.
using http_handler = std::move_only_function<void(http_request, http_reply)>;

struct http_options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;                      ///< 0 picks a free one.
    std::size_t threads = 1;                     ///< More than one: the handler runs concurrently.
    std::size_t header_bytes = 16 * 1024;        ///< More: 431.
    std::size_t body_bytes = 1024 * 1024;        ///< More: 413.
    std::size_t connections = 1024;              ///< More: 503 and closed.
    std::chrono::milliseconds idle{60'000};      ///< Between requests; then closed.
    std::chrono::milliseconds transfer{10'000};  ///< For one request, or one answer, to pass.
};

/// A listening HTTP server with threads of its own.
///
/// Threads:  any thread, but not a handler for `stop` and the destructor.
/// Lifetime: after `stop` has returned no handler runs; replies still held elsewhere are harmless.
/// Blocks:   `stop`, until running handlers have returned. Answers that are being sent get a
///           moment (1 s) to pass; connections that wait for an answer or a request are closed.
class http_server {
public:
    /// Errors: unavailable (the port is taken), invalid_argument (the address).
    [[nodiscard]] static muster::result<std::unique_ptr<http_server>> start(http_options options,
                                                                            http_handler handler);

    ~http_server();
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    [[nodiscard]] std::uint16_t port() const;

    void stop();

private:
    class engine;
    explicit http_server(std::unique_ptr<engine> inner);
    std::unique_ptr<engine> engine_;
};

/// Undoes percent-encoding; nothing where a `%` is not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// Encodes everything but letters, digits and `-._~`: fit for one part of a path or of a query.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// Fills in path and query from a target such as `/parties/ann?x=1`; false where it is malformed.
[[nodiscard]] bool decode_target(std::string_view target, http_request& into);

}  // namespace party_grid
