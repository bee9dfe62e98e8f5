#include "http.hpp"

#include "http_client.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

namespace party_grid {
namespace {

using namespace std::chrono_literals;
using muster::errc;

/// Answers with what it was asked: `PUT /a/b body` gives "PUT a|b body".
void echo(http_request asked, http_reply reply) {
    std::string text = asked.method;
    for (const std::string& part : asked.path) {
        text += "|" + part;
    }
    reply({200, text + " " + asked.body, "text/plain", {{"X-Seen", "yes"}}});
}

std::unique_ptr<http_server> serve(http_handler handler, http_options options = {}) {
    auto made = http_server::start(std::move(options), std::move(handler));
    EXPECT_TRUE(made.has_value()) << made.error().text;
    return std::move(made).value();
}

/// A bare connection, for what a good client never sends.
class raw_client {
public:
    explicit raw_client(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    }
    ~raw_client() { ::close(socket_); }
    raw_client(const raw_client&) = delete;
    raw_client& operator=(const raw_client&) = delete;

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) {
                return;  // The server has had enough.
            }
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    /// What comes until `text` was seen, the server closes, or nothing comes for 5 s.
    std::string read_until(std::string_view text) const {
        std::string found;
        char byte = 0;
        pollfd one{socket_, POLLIN, 0};
        while (!found.ends_with(text) && ::poll(&one, 1, 5000) == 1 &&
               ::recv(socket_, &byte, 1, 0) == 1) {
            found += byte;
        }
        return found;
    }

    /// Whether the server closes within 5 s; reads away whatever it still says.
    bool is_closed() const {
        char bytes[1024];
        pollfd one{socket_, POLLIN, 0};
        while (::poll(&one, 1, 5000) == 1) {
            if (::recv(socket_, bytes, sizeof bytes, 0) <= 0) {
                return true;
            }
        }
        return false;
    }

private:
    int socket_;
};

TEST(http_server, answers_requests_on_one_connection) {
    const auto server = serve(echo);
    http_client client{"127.0.0.1", server->port()};
    const auto first = client.put("/parties/ann%20lee", "42");
    ASSERT_TRUE(first.has_value()) << first.error().text;
    EXPECT_EQ(first->status, 200U);
    EXPECT_EQ(first->body, "PUT|parties|ann lee 42");
    EXPECT_EQ(client.get("/").value().body, "GET ");
    EXPECT_EQ(client.remove("/x").value().body, "DELETE|x ");
    const auto head = client.ask({"HEAD", "/x", {}});
    ASSERT_TRUE(head.has_value()) << head.error().text;
    EXPECT_EQ(head->body, "");
    EXPECT_EQ(client.get("/after").value().body, "GET|after ");
}

TEST(http_server, answers_pipelined_requests_in_order) {
    // Answered later and by other threads, the later ones sooner.
    std::mutex mutex;
    std::vector<std::thread> workers;
    const auto server = serve([&](http_request asked, http_reply reply) {
        const std::lock_guard lock{mutex};
        workers.emplace_back([asked = std::move(asked), reply = std::move(reply)]() mutable {
            echo(std::move(asked), std::move(reply));
        });
    });
    std::vector<http_question> questions;
    for (int i = 0; i < 200; ++i) {
        questions.push_back({"PUT", "/" + std::to_string(i), std::string(10'000, 'x')});
    }
    http_client client{"localhost", server->port()};
    const auto answers = client.ask_all(questions);
    ASSERT_EQ(answers.size(), 200U);
    int wrong = 0;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const std::string begin = "PUT|" + std::to_string(i) + " ";
        wrong += answers[i] && answers[i]->body == begin + questions[i].body ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0);
    for (std::thread& one : workers) {
        one.join();
    }
}

TEST(http_server, serves_many_connections_at_once) {
    const auto server = serve(echo, {.threads = 2});
    std::vector<std::thread> clients;
    std::atomic<int> wrong{0};
    for (int c = 0; c < 8; ++c) {
        clients.emplace_back([&, c] {
            http_client client{"127.0.0.1", server->port()};
            for (int i = 0; i < 100; ++i) {
                const std::string text = std::to_string(c * 1000 + i);
                const auto answer = client.put("/" + text, text);
                wrong += answer && answer->body == "PUT|" + text + " " + text ? 0 : 1;
            }
        });
    }
    for (std::thread& one : clients) {
        one.join();
    }
    EXPECT_EQ(wrong, 0);
}

TEST(http_server, refuses_what_is_too_large) {
    const auto server = serve(echo, {.header_bytes = 2000, .body_bytes = 1000});
    http_client client{"127.0.0.1", server->port()};
    EXPECT_EQ(client.put("/x", std::string(1000, 'b')).value().status, 200U);
    EXPECT_EQ(client.put("/x", std::string(1001, 'b')).value().status, 413U);
    EXPECT_EQ(client.get("/" + std::string(3000, 'h')).value().status, 431U);
    EXPECT_EQ(client.get("/x").value().status, 200U);
    const raw_client endless{server->port()};
    endless.send("PUT /x HTTP/1.1\r\nContent-Length: 999999999999999\r\n\r\n");
    EXPECT_NE(endless.read_until("\r\n").find(" 413 "), std::string::npos);
    EXPECT_TRUE(endless.is_closed());
}

TEST(http_server, refuses_what_is_malformed_and_closes) {
    const auto server = serve(echo);
    for (const char* bytes : {"garbage\r\n\r\n",
                              "GET /% HTTP/1.1\r\n\r\n",
                              "GET x HTTP/1.1\r\n\r\n",
                              "GET / HTTP/9.9\r\n\r\n",
                              "PUT / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                              "PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                              "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        const raw_client client{server->port()};
        client.send(bytes);
        EXPECT_NE(client.read_until("\r\n").find(" 400 "), std::string::npos) << bytes;
        EXPECT_TRUE(client.is_closed()) << bytes;
    }
    http_client client{"127.0.0.1", server->port()};
    EXPECT_EQ(client.get("/x").value().status, 200U);
}

TEST(http_server, understands_chunks_and_expectations) {
    const auto server = serve(echo);
    const raw_client chunked{server->port()};
    chunked.send(
        "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    EXPECT_NE(chunked.read_until("PUT|x abcde").find("200 OK"), std::string::npos);
    const raw_client careful{server->port()};
    careful.send(
        "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Length: 2\r\n\r\n");
    EXPECT_NE(careful.read_until("\r\n\r\n").find("100 Continue"), std::string::npos);
    careful.send("ok");
    EXPECT_NE(careful.read_until("PUT|x ok").find("200 OK"), std::string::npos);
}

TEST(http_server, closes_where_it_is_asked_to) {
    const auto server = serve(echo);
    const raw_client modern{server->port()};
    modern.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(modern.is_closed());
    const raw_client old{server->port()};
    old.send("GET /x HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(old.is_closed());
}

TEST(http_server, does_not_wait_for_ever) {
    const auto server = serve(echo, {.idle = 100ms, .transfer = 100ms});
    const raw_client silent{server->port()};
    const raw_client half_head{server->port()};
    half_head.send("GET /x HT");
    const raw_client half_body{server->port()};
    half_body.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    EXPECT_TRUE(silent.is_closed());
    EXPECT_TRUE(half_head.is_closed());
    EXPECT_TRUE(half_body.is_closed());
}

TEST(http_server, turns_failures_of_the_handler_into_500) {
    const auto server = serve([](const http_request& asked, http_reply reply) {
        if (asked.target == "/throw") {
            throw std::runtime_error{"on purpose"};
        }
        if (asked.target == "/inject") {
            reply({200, "x", "text/plain", {{"X", "a\r\nSet-Cookie: b"}}});
        }
    });
    http_client client{"127.0.0.1", server->port()};
    EXPECT_EQ(client.get("/throw").value().status, 500U);
    EXPECT_EQ(client.get("/forget").value().status, 500U);
    EXPECT_EQ(client.get("/inject").value().status, 500U);
}

TEST(http_server, refuses_more_connections_than_it_was_told) {
    const auto server = serve(echo, {.connections = 2});
    http_client first{"127.0.0.1", server->port()};
    http_client second{"127.0.0.1", server->port()};
    EXPECT_EQ(first.get("/").value().status, 200U);
    EXPECT_EQ(second.get("/").value().status, 200U);
    const raw_client third{server->port()};
    EXPECT_NE(third.read_until("\r\n").find(" 503 "), std::string::npos);
    EXPECT_EQ(first.get("/").value().status, 200U);
}

TEST(http_server, stops_while_answers_are_owed) {
    std::promise<http_reply> held;
    auto server =
        serve([&held](const http_request&, http_reply reply) { held.set_value(std::move(reply)); });
    const raw_client idle{server->port()};
    const raw_client waiting{server->port()};
    waiting.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    http_reply owed = held.get_future().get();
    const auto started = std::chrono::steady_clock::now();
    server->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
    EXPECT_TRUE(idle.is_closed());
    EXPECT_TRUE(waiting.is_closed());
    server.reset();
    owed({200, "too late", "text/plain", {}});  // Goes nowhere, and harms nobody.
}

TEST(http_server, says_which_port_is_taken) {
    const auto server = serve(echo);
    const auto second = http_server::start({.port = server->port()}, echo);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, errc::unavailable);
    EXPECT_NE(second.error().text.find(std::to_string(server->port())), std::string::npos);
    EXPECT_EQ(http_server::start({.address = "nowhere"}, echo).error().code,
              errc::invalid_argument);
}

TEST(http_client, tells_not_sent_from_unknown) {
    std::uint16_t port = 0;
    {
        const auto server = serve(echo);
        port = server->port();
        http_client client{"127.0.0.1", port};
        EXPECT_TRUE(client.get("/").has_value());
    }
    http_client nobody{"127.0.0.1", port};
    EXPECT_EQ(nobody.get("/").error().code, errc::unavailable);

    std::mutex mutex;
    std::vector<http_reply> kept;
    const auto silent = serve([&](const http_request&, http_reply reply) {
        const std::lock_guard lock{mutex};
        kept.push_back(std::move(reply));
    });
    http_client patient{"127.0.0.1", silent->port(), 100ms};
    EXPECT_EQ(patient.put("/x", "1").error().code, errc::outcome_unknown);
    const std::lock_guard lock{mutex};
    EXPECT_EQ(kept.size(), 1U);
}

TEST(http_client, connects_again_after_an_idle_connection_was_closed) {
    const auto server = serve(echo, {.idle = 50ms});
    http_client client{"127.0.0.1", server->port()};
    EXPECT_TRUE(client.get("/1").has_value());
    std::this_thread::sleep_for(300ms);
    const auto second = client.get("/2");
    ASSERT_TRUE(second.has_value()) << second.error().text;
    EXPECT_EQ(second->body, "GET|2 ");
}

}  // namespace
}  // namespace party_grid
