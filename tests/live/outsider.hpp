#pragma once

/// @file
/// Somebody with access to ZooKeeper's port who is no member: an operator, or a stranger.

#include "live/loop_room.hpp"
#include "zookeeper/client.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster::live {

/// The password of a session, which every server computes from its number (ZooKeeper 3.8,
/// ZooKeeperServer.generatePasswd): whoever knows an `ephemeralOwner` knows it too.
[[nodiscard]] std::string session_password(std::int64_t session);

/// Threads: one at a time.
/// Blocks: yes; each call tries again, for up to 30 s, while ZooKeeper is away.
class outsider {
public:
    explicit outsider(std::string servers);
    ~outsider();
    outsider(const outsider&) = delete;
    outsider& operator=(const outsider&) = delete;

    /// The session that an ephemeral znode belongs to.
    [[nodiscard]] std::optional<std::int64_t> owner_of(const std::string& path);
    [[nodiscard]] std::vector<std::string> children(const std::string& path);
    /// Whether a write is committed before `limit` is over: an ephemeral znode of its own.
    bool can_write(std::chrono::milliseconds limit);
    /// True once the znode is gone.
    bool remove(const std::string& path);
    /// Attaches to somebody else's session and closes it. True once the server confirmed.
    bool end_session(std::int64_t session);

private:
    template <class T, class Begin>
    std::optional<zookeeper::reply<T>> ask(Begin begin, duration limit = 30s);

    std::string servers_;
    loop_room room_;
    std::unique_ptr<zookeeper::client> zk_;
};

}  // namespace muster::live
