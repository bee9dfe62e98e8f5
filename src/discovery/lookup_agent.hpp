#pragma once

/// @file
/// Reads services from ZooKeeper and keeps them current.
///
/// A service is listed once it is asked for, and then kept current by one persistent recursive
/// watch, whose events name the child that came or went. Such a watch catches up with nothing:
/// after each lost connection all are listed again, a few at a time and after a random while, so
/// that the nodes of a cluster do not all come at once. A server that has no such watches
/// (before 3.6) gets one-shot ones, and is read again after each event. What was known stays known
/// all the while.

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "base/life_guard.hpp"
#include "discovery/rules.hpp"
#include "discovery/service_entry.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/client.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::discovery {

struct lookup_settings {
    std::string services;  ///< the path of all
    member_id life;        ///< this node's
    duration patience{};   ///< of a look-up that ZooKeeper does not answer
    std::size_t most = 0;  ///< services
};

/// Threads: the control loop's only.
class lookup_agent {
public:
    /// Null where the service was not found, and why.
    using found_fn = callback<const std::shared_ptr<service_entry>&, const error&>;
    struct hooks {
        std::function<std::shared_ptr<service_entry>(const std::string& name)> make;
        std::function<void(const std::string& name)> dropped;
        std::function<void(const std::string& text)> warn;
    };

    lookup_agent(std::shared_ptr<runtime::loop> control, lookup_settings how, hooks told);

    /// ZooKeeper can be asked, until `lost`.
    void began(zookeeper::client& zk, bool is_new);
    void lost();

    /// Once it is known, or cannot be.
    void find(const std::string& name, found_fn told);

private:
    struct service {
        service_facts facts;
        std::shared_ptr<service_entry> entry;
        bool watched = false;  ///< for good
        bool armed = false;    ///< by a one-shot watch
        bool fresh = false;    ///< listed on this connection
        std::vector<found_fn> waiters;
        std::unique_ptr<runtime::timer> patience;
    };

    service& made(const std::string& name);
    void make_room();
    void pump();
    void read(const std::string& name);
    void list(const std::string& name);
    void await_birth(const std::string& name);
    void heard(const std::string& name, const zookeeper::watch_event& what);
    void unarmed(const std::string& name);
    void listed(const std::string& name, const std::vector<std::string>& children);
    template <class Reply>
    void failed(const std::string& name, const Reply& got);
    void tell(const std::string& name, const error& why);
    enum class which : std::uint8_t { not_fresh, all };
    void read_after(duration least, duration spread, which to_read);
    [[nodiscard]] std::string path_of(const std::string& name) const;
    [[nodiscard]] error no_way(const std::string& name, const std::string& why) const;
    /// Calls `use(service, reply)` with the answer to a read of `name`, unless the connection has
    /// been another since.
    template <class Reply, class Use>
    [[nodiscard]] auto answered(const std::string& name, Use use);

    std::shared_ptr<runtime::loop> loop_;
    lookup_settings how_;
    hooks told_;
    zookeeper::client* zk_ = nullptr;
    std::uint64_t turn_ = 0;  ///< of connections
    bool one_shot_ = false;   ///< the server has no watches that stay
    std::map<std::string, service> services_;
    read_queue queue_;
    std::unique_ptr<runtime::timer> timer_;
    life_guard life_;
};

}  // namespace muster::discovery
