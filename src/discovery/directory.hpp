#pragma once

/// @file
/// The names of a cluster as one node knows them: its own, by a table, and everybody's, by
/// look-ups.

#include "muster/instances.hpp"

#include "base/instant.hpp"
#include "discovery/lookup_agent.hpp"
#include "discovery/registry.hpp"
#include "discovery/service_entry.hpp"
#include "runtime/loop.hpp"
#include "runtime/per_thread.hpp"
#include "runtime/published.hpp"
#include "zookeeper/client.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace muster::discovery {

/// Services looked up and kept current; the least recently used go first.
inline constexpr std::size_t most_services = 4096;

/// Whose processes are registered here.
struct home_facts {
    member_id life;
    std::string member;
    std::string zone;
};

struct directory_settings {
    std::string services;   ///< the path of all services
    std::string prefix;     ///< of names that leave the node
    std::string advertise;  ///< where others reach this node, if that is known before it starts
    home_facts home;
    duration patience = 5s;  ///< of a look-up that ZooKeeper does not answer
    std::size_t most = most_services;
    std::size_t most_bytes = most_path_bytes;
    std::function<void(const std::string& text)> warn;
    /// Whether that life can be reached from here: instances of others are not found yet, or no
    /// more. Null: all are.
    std::function<bool(const member_id& life)> is_here{};
};

enum class reach : std::uint8_t { by_prefix, everywhere };

/// Threads:  any, but where it says the control loop.
/// Lifetime: shared with what still looks names up; `detach` ends what it does.
class directory final : public detail::name_service,
                        public std::enable_shared_from_this<directory> {
public:
    /// `by`: clock and random numbers.
    directory(std::shared_ptr<runtime::loop> by, directory_settings how);

    /// Registers a process of this node; `find` here includes it from now on.
    /// Errors: invalid_argument, overloaded.
    result<added> add(const std::string& name, const pid& who, reach how);
    /// Takes it back; `find` here is without it from now on. Whether it was there.
    bool remove(const std::string& name, const pid& who);
    /// The process has ended.
    void forget(const pid& who);
    /// What `is_here` says may have changed.
    void lives_changed();
    [[nodiscard]] bool holds(std::string_view name, const pid& who) const {
        return own_.read()->holds(name, who);
    }

    [[nodiscard]] pending<instances> find(std::string_view name) override;
    [[nodiscard]] const member_id& life() const noexcept override { return how_.home.life; }
    [[nodiscard]] std::chrono::nanoseconds now() const noexcept override {
        return by_->now().time_since_epoch();
    }

    /// From here on names are looked up, and `publish` is told the paths of this node's own when
    /// they change. `address`: where others reach it. Any thread, once.
    void attach(std::shared_ptr<runtime::loop> control,
                std::string address,
                std::function<void(std::set<std::string>)> publish);

    // --- On the control loop -------------------------------------------------------------------

    /// Tells `publish`.
    void publish_own();
    /// Nothing is looked up or published any more. Also once the control loop has stopped.
    void detach();
    void session_began(zookeeper::client& zk, bool is_new);
    void session_lost();

private:
    using entry_map = std::map<std::string, std::shared_ptr<service_entry>, std::less<>>;
    struct link {
        std::shared_ptr<runtime::loop> control;
        std::string address;
    };

    [[nodiscard]] std::vector<instance> own_of(const std::string& name) const;
    [[nodiscard]] std::size_t bytes_of(const std::string& name, const pid& who) const;
    void begin(std::shared_ptr<runtime::loop> control,
               std::function<void(std::set<std::string>)> publish);
    void own_changed(const std::string& name);
    void on_control(task_fn job);
    std::shared_ptr<service_entry> make_entry(const std::string& name);
    [[nodiscard]] std::shared_ptr<const detail::service_picture> find_known(std::string_view name,
                                                                            std::uint64_t shown);
    pending<instances> look_up(std::string_view name);

    const std::shared_ptr<runtime::loop> by_;
    const directory_settings how_;
    runtime::published<registry> own_;
    runtime::published<entry_map> entries_{std::make_shared<const entry_map>()};
    /// Changes with each change of what `find` answers at once, of whatever name.
    const std::shared_ptr<runtime::edition> shown_ = std::make_shared<runtime::edition>();
    runtime::published<link> link_{std::make_shared<const link>()};
    std::atomic<std::uint64_t> names_made_{0};
    std::atomic<bool> publish_asked_{false};
    // On the control loop:
    std::unique_ptr<lookup_agent> agent_;
    std::function<void(std::set<std::string>)> publish_;
};

}  // namespace muster::discovery
