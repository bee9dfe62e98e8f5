#pragma once

/// @file
/// A blocking HTTP/1.1 client for loads, demos and tests: one connection, kept alive.
///
/// Understands answers with a Content-Length or without a body, which is what `http_server` sends.

#include "muster/error.hpp"

#include "http.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// One question.
struct http_question {
    std::string method = "GET";
    std::string target = "/";  ///< Already encoded; see `percent_encode`.
    std::string body;
};

/// One connection to one server, opened on first use and again after it was lost.
///
/// Threads:  one thread at a time.
/// Blocks:   `ask` and `ask_all`, at most for the time-out.
/// Errors:   unavailable (could not connect; nothing was sent), outcome_unknown (sent, but the
///           answer did not come whole: a change may have been done), incompatible (the answer is
///           not HTTP as understood here).
///           An idle connection that the server has closed is opened again without a word, as
///           long as nothing of the question can have been read.
class http_client {
public:
    /// `host` is an IP address or a name.
    http_client(std::string host,
                std::uint16_t port,
                std::chrono::milliseconds timeout = std::chrono::seconds{10});
    ~http_client();
    http_client(http_client&& other) noexcept;
    http_client& operator=(http_client&& other) noexcept;

    [[nodiscard]] muster::result<http_response> ask(const http_question& question);

    /// Shorthands; `target` already encoded.
    [[nodiscard]] muster::result<http_response> get(std::string target);
    [[nodiscard]] muster::result<http_response> put(std::string target, std::string body);
    [[nodiscard]] muster::result<http_response> remove(std::string target);

    /// Sends all questions without waiting in between, then reads the answers, which come in the
    /// same order. One result for each; after an error on the connection, that error for the rest.
    [[nodiscard]] std::vector<muster::result<http_response>> ask_all(
        std::span<const http_question> questions);

    void close();

private:
    using instant = std::chrono::steady_clock::time_point;

    [[nodiscard]] muster::result<void> connect(instant deadline);
    [[nodiscard]] bool is_stale() const;

    int socket_ = -1;
    std::string host_;
    std::uint16_t port_ = 0;
    std::chrono::milliseconds timeout_{};
    std::string received_;  ///< Bytes beyond the last answer.
};

/// An answer, and how many bytes it took.
struct parsed_answer {
    http_response answer;
    std::size_t length = 0;
    bool closes = false;  ///< The server will close the connection now.
};

/// Takes one answer from the front of `bytes`; nothing while it is not whole. `bodiless`: it
/// answers a HEAD. Interim answers (1xx) are passed over.
/// Errors: incompatible.
[[nodiscard]] muster::result<std::optional<parsed_answer>> parse_answer(std::string_view bytes,
                                                                        bool bodiless);

}  // namespace party_grid
