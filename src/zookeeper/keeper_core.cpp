#include "zookeeper/keeper_core.hpp"

#include "base/check.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

/// 2020-01-01. Transaction numbers begin with the milliseconds since, shifted so far that no
/// server can count faster than the clock goes: a keeper that was started again has larger ones,
/// and clients that remember the largest they saw are served. They stay below 2^56 until 2159,
/// since fencing tokens are made from them.
constexpr std::int64_t zxid_zero_ms = 1'577'836'800'000;
constexpr int zxid_shift = 14;

std::int64_t first_zxid(std::int64_t unix_ms) {
    return std::max<std::int64_t>(unix_ms - zxid_zero_ms, 0) << zxid_shift;
}

/// SessionTrackerImpl.initializeNextSessionId.
std::int64_t first_session(std::uint8_t server_id, std::int64_t unix_ms) {
    const std::uint64_t time = static_cast<std::uint64_t>(unix_ms) << 24 >> 8;
    return static_cast<std::int64_t>(time | static_cast<std::uint64_t>(server_id) << 56);
}

}  // namespace

keeper_core::keeper_core(core_settings settings, core_output& output, const moment& start)
    : settings_(settings),
      output_(output),
      sessions_(settings.tick),
      zxid_(first_zxid(start.unix_ms)),
      next_session_(first_session(settings.server_id, start.unix_ms)),
      next_reap_(start.now + settings.reap_interval) {
    MUSTER_ASSERT(settings.server_id < 0xff, "a session id must not look like a TTL");
    MUSTER_ASSERT(settings.tick > duration::zero(), "sessions end on ticks");
}

void keeper_core::opened(connection_id id,
                         std::string address,
                         std::uint16_t port,
                         const moment& at) {
    connection link;
    const bool is_v6 = address.find(':') != std::string::npos;
    link.facts.remote = (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
    link.facts.established_ms = at.unix_ms;
    link.who.push_back(identity{"ip", std::move(address)});
    connections_.insert_or_assign(id, std::move(link));
}

void keeper_core::closed(connection_id id) {
    const auto at = connections_.find(id);
    if (at == connections_.end()) {
        return;
    }
    auto* const session = sessions_.find(at->second.facts.session);
    if (session != nullptr && session->connection == id) {
        session->connection = 0;
    }
    data_watches_.forget(id);
    child_watches_.forget(id);
    connections_.erase(at);
}

void keeper_core::drop(connection_id id, connection& link) {
    link.closing = true;
    output_.close(id);
}

bool keeper_core::established(connection_id id) const {
    const auto at = connections_.find(id);
    return at != connections_.end() && at->second.established;
}

std::int64_t keeper_core::session_of(connection_id id) const {
    const auto at = connections_.find(id);
    return at == connections_.end() ? 0 : at->second.facts.session;
}

std::vector<connection_facts> keeper_core::connections() const {
    std::vector<std::pair<connection_id, const connection*>> sorted;
    for (const auto& [id, link] : connections_) {
        sorted.emplace_back(id, &link);
    }
    std::ranges::sort(sorted, {}, [](const auto& one) { return one.first; });
    std::vector<connection_facts> facts;
    for (const auto& [id, link] : sorted) {
        facts.push_back(link->facts);
    }
    return facts;
}

// --- The handshake ------------------------------------------------------------------------------

std::string keeper_core::password_of(std::int64_t session) const {
    std::array<char, 8> text{};
    store_int64(text.data(), session);
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    HMAC(EVP_sha256(),
         settings_.secret.data(),
         static_cast<int>(settings_.secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()),
         text.size(),
         mac.data(),
         &size);
    return {reinterpret_cast<const char*>(mac.data()), protocol::password_size};
}

void keeper_core::shake_hands(connection_id id,
                              connection& link,
                              std::string_view bytes,
                              const moment& at) {
    jute_reader in{bytes};
    protocol::connect_request asked;
    // A client that has seen a later transaction must find another server: no answer, as the
    // original does it.
    if (!decode(in, asked) || asked.last_zxid_seen > zxid_) {
        drop(id, link);
        return;
    }
    const auto timeout = std::clamp(
        std::chrono::milliseconds{asked.timeout_ms}, settings_.min_timeout, settings_.max_timeout);
    if (asked.session != 0) {
        resume_session(id, link, asked, timeout, at);
        return;
    }
    ++zxid_;
    const std::int64_t session = next_session_++;
    sessions_.open(session, timeout, at.now);
    sessions_.find(session)->connection = id;
    link.facts.session = session;
    link.facts.timeout = timeout;
    greet(id, link, true, asked.has_read_only);
}

void keeper_core::resume_session(connection_id id,
                                 connection& link,
                                 const protocol::connect_request& asked,
                                 std::chrono::milliseconds timeout,
                                 const moment& at) {
    const std::string password = password_of(asked.session);
    const bool knows = asked.password.size() == password.size() &&
                       CRYPTO_memcmp(asked.password.data(), password.data(), password.size()) == 0;
    if (!knows || !sessions_.touch(asked.session, timeout, at.now)) {
        greet(id, link, false, asked.has_read_only);
        drop(id, link);
        return;
    }
    // The session moves: its former connection, if it has one, is closed. Only after the password
    // has been seen, unlike the original, which lets anybody cut others off.
    auto& session = *sessions_.find(asked.session);
    if (const auto former = connections_.find(session.connection);
        former != connections_.end() && former->first != id) {
        former->second.facts.session = 0;
        data_watches_.forget(former->first);
        child_watches_.forget(former->first);
        drop(former->first, former->second);
    }
    session.connection = id;
    link.facts.session = asked.session;
    link.facts.timeout = timeout;
    greet(id, link, true, asked.has_read_only);
}

void keeper_core::greet(connection_id id, connection& link, bool valid, bool has_read_only) {
    protocol::connect_response answer;
    answer.has_read_only = has_read_only;
    answer.password.assign(protocol::password_size, '\0');
    if (valid) {
        answer.session = link.facts.session;
        answer.timeout_ms = static_cast<std::int32_t>(link.facts.timeout.count());
        answer.password = password_of(answer.session);
    }
    std::string& out = output_.out(id);
    jute_writer frame{out};
    const std::size_t mark = frame.begin_frame();
    protocol::encode(out, answer);
    frame.end_frame(mark);
    link.established = valid;
    ++sent_;
    ++link.facts.sent;
}

// --- Requests -----------------------------------------------------------------------------------

void keeper_core::frame(connection_id id, std::string_view bytes, const moment& at) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second.closing) {
        return;
    }
    connection& link = found->second;
    ++received_;
    ++link.facts.received;
    if (!link.established) {
        shake_hands(id, link, bytes, at);
        return;
    }
    jute_reader in{bytes};
    protocol::request_header header;
    if (!decode(in, header)) {
        drop(id, link);
        return;
    }
    link.facts.last_op = header.type;
    link.facts.last_xid = header.xid;
    const request of{id, link, header, in, at};
    if (header.type == op_code::auth) {
        authenticate(of);
        return;
    }
    if (!sessions_.touch(link.facts.session, link.facts.timeout, at.now)) {
        drop(id, link);
        return;
    }
    dispatch(of);
}

void keeper_core::dispatch(const request& of) {
    switch (of.header.type) {
        case op_code::create:
        case op_code::create2:
        case op_code::create_container:
        case op_code::create_ttl:
            return create(of);
        case op_code::remove:
            return remove(of);
        case op_code::set_data:
            return set_data(of);
        case op_code::set_acl:
            return set_acl(of);
        case op_code::multi:
            return multi(of);
        case op_code::exists:
            return exists(of);
        case op_code::get_data:
            return get_data(of);
        case op_code::get_children:
            return get_children(of, false);
        case op_code::get_children2:
            return get_children(of, true);
        case op_code::get_acl:
            return get_acl(of);
        case op_code::get_all_children_number:
            return count_children(of);
        case op_code::get_ephemerals:
            return list_ephemerals(of);
        case op_code::multi_read:
            return multi_read(of);
        case op_code::sync:
            return sync(of);
        case op_code::who_am_i:
            return who_am_i(of);
        case op_code::ping:
            return reply(of, zk_error::ok);
        case op_code::set_watches:
        case op_code::set_watches2:
            return set_watches(of);
        case op_code::add_watch:
            return add_watch(of);
        case op_code::remove_watches:
            return remove_watches(of);
        case op_code::check_watches:
            return check_watches(of);
        case op_code::close_session:
            return end_own_session(of);
        case op_code::reconfig:
            ++zxid_;
            return reply(of, zk_error::reconfig_disabled);
        default:
            break;
    }
    // The original answers a request that it does not know, and hangs up.
    reply(of, zk_error::unimplemented);
    drop(of.from, of.link);
}

void keeper_core::reply(const request& of, zk_error error) {
    reply(of, error, [](std::string&) {});
}

void keeper_core::authenticate(const request& of) {
    protocol::auth_request asked;
    const bool understood = decode(of.body, asked);
    identity shown;
    if (understood && asked.scheme == "digest") {
        shown = identity{"digest", digest_id(asked.credentials)};
    } else if (understood && asked.scheme == "ip") {
        shown = of.link.who.front();
    }
    auto& who = of.link.who;
    const bool is_known = std::ranges::find(who, shown) != who.end();
    if (shown.scheme.empty() || (!is_known && who.size() > settings_.max_identities)) {
        reply(of, zk_error::auth_failed);
        drop(of.from, of.link);
        return;
    }
    if (!is_known) {
        who.push_back(std::move(shown));
    }
    reply(of, zk_error::ok);
}

// --- Time ---------------------------------------------------------------------------------------

void keeper_core::advance(const moment& at) {
    for (const std::int64_t session : sessions_.expired(at.now)) {
        const connection_id served_by = sessions_.find(session)->connection;
        end_session(session);
        if (const auto link = connections_.find(served_by); link != connections_.end()) {
            drop(served_by, link->second);
        }
    }
    if (at.now < next_reap_) {
        return;
    }
    next_reap_ = at.now + settings_.reap_interval;
    for (const std::string& path : tree_.reapable(at.unix_ms)) {
        tree_.reap(path, ++zxid_);
        tell_watchers(0);
    }
}

instant keeper_core::next_deadline() const {
    return std::min(sessions_.next_expiry(), next_reap_);
}

}  // namespace muster::zookeeper
