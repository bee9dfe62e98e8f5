#include "live/outsider.hpp"

#include <future>
#include <utility>

namespace muster::live {
namespace {

using zookeeper::client;
using zookeeper::session_change;
using zookeeper::session_state;

constexpr duration patience = 30s;
constexpr duration one_try = 3s;

}  // namespace

std::string session_password(std::int64_t session) {
    // java.util.Random, seeded with the number xor a constant of the server, fills 16 bytes.
    constexpr std::uint64_t multiplier = 0x5DEECE66DU;
    constexpr std::uint64_t mask = (std::uint64_t{1} << 48U) - 1;
    constexpr std::uint64_t super_secret = 0xB3415C00U;
    std::uint64_t seed = ((static_cast<std::uint64_t>(session) ^ super_secret) ^ multiplier) & mask;
    std::string password;
    for (int word = 0; word < 4; ++word) {
        seed = (seed * multiplier + 0xBU) & mask;
        auto bits = static_cast<std::uint32_t>(seed >> 16U);
        for (int byte = 0; byte < 4; ++byte, bits >>= 8U) {
            password.push_back(static_cast<char>(bits & 0xffU));
        }
    }
    return password;
}

outsider::outsider(std::string servers) : servers_{std::move(servers)} {
    room_.on([&] {
        zk_ = client::start(room_.loop(),
                            {.servers = zookeeper::connect_string::parse(servers_).value()},
                            [this](const session_change& change) {
                                if (change.state == session_state::expired) {
                                    zk_->renew();
                                }
                            });
    });
}

outsider::~outsider() {
    room_.on([&] { zk_.reset(); });
}

template <class T, class Begin>
std::optional<zookeeper::reply<T>> outsider::ask(Begin begin, duration limit) {
    for (const instant end = room_.in(limit); room_.in(0s) < end;) {
        std::promise<zookeeper::reply<T>> made;
        auto answer = made.get_future();
        room_.on([&] {
            begin(*zk_, room_.in(one_try), [&](zookeeper::reply<T> got) {
                made.set_value(std::move(got));
            });
        });
        auto got = answer.get();
        if (got.ok() || got.how == zookeeper::outcome::refused) {
            return got;
        }
    }
    return std::nullopt;
}

std::optional<std::int64_t> outsider::owner_of(const std::string& path) {
    const auto got = ask<zookeeper::stat>(
        [&](client& c, instant by, auto done) { c.exists(path, {}, by, std::move(done)); });
    return got && got->ok() ? std::optional{got->value.ephemeral_owner} : std::nullopt;
}

std::vector<std::string> outsider::children(const std::string& path) {
    auto got = ask<zookeeper::node_children>(
        [&](client& c, instant by, auto done) { c.children(path, {}, by, std::move(done)); });
    return got ? std::move(got->value.names) : std::vector<std::string>{};
}

bool outsider::can_write(std::chrono::milliseconds limit) {
    const auto got = ask<zookeeper::created>(
        [](client& c, instant by, auto done) {
            c.create({.path = "/outsider-", .mode = zookeeper::create_mode::ephemeral_sequential},
                     by,
                     std::move(done));
        },
        limit);
    return got && got->ok();
}

bool outsider::remove(const std::string& path) {
    const auto got = ask<zookeeper::nothing>([&](client& c, instant by, auto done) {
        c.remove(path, zookeeper::any_version, by, std::move(done));
    });
    return got && (got->ok() || got->refused_with(zookeeper::zk_error::no_node));
}

bool outsider::end_session(std::int64_t session) {
    std::unique_ptr<client> thief;
    bool attached = false;
    room_.on([&] {
        zookeeper::client_options options{.servers =
                                              zookeeper::connect_string::parse(servers_).value()};
        options.resume = zookeeper::session_ticket{
            session, session_password(session), std::chrono::milliseconds{7000}};
        thief = client::start(room_.loop(), std::move(options), [&](const session_change& change) {
            attached = change.state == session_state::connected && change.session == session;
        });
    });
    bool closed = false;
    if (room_.wait([&] { return attached; }, patience)) {
        std::promise<bool> confirmed;
        auto answer = confirmed.get_future();
        room_.on([&] {
            thief->close(room_.in(one_try), [&](const zookeeper::reply<zookeeper::nothing>& how) {
                confirmed.set_value(how.ok());
            });
        });
        closed = answer.get();
    }
    room_.on([&] { thief.reset(); });
    return closed;
}

}  // namespace muster::live
