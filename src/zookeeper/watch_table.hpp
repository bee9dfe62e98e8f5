#pragma once

/// @file
/// Who watches which path at the keeper: one table for data watches, one for children's.
///
/// Facts: WatchManager, WatcherModeManager and PathParentIterator of Apache ZooKeeper 3.8. A
/// connection has at most one watch on a path in each table; setting another replaces its mode.

#include "zookeeper/types.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

/// A connection, as the keeper numbers them; never reused.
using connection_id = std::uint64_t;

/// Threads: one at a time. Pure: who is told what is returned, not done.
class watch_table {
public:
    enum class mode : std::uint8_t { once, persistent, recursive };

    void add(std::string_view path, connection_id who, mode how);

    /// Everybody who is to hear of `type` at `path`, in ascending order; their one-shot watches are
    /// gone afterwards. Recursive watches hear of everything at and below their path but
    /// children_changed.
    [[nodiscard]] std::vector<connection_id> trigger(std::string_view path, event_type type);

    /// False if there was none.
    bool remove(std::string_view path, connection_id who);
    /// Whether anybody watches `path`: what 3.8 answers to check_watches, whoever asks.
    [[nodiscard]] bool contains(std::string_view path) const { return by_path_.contains(path); }
    /// The connection has ended.
    void forget(connection_id who);

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t paths() const noexcept { return by_path_.size(); }
    [[nodiscard]] std::size_t watchers() const noexcept { return by_watcher_.size(); }

    using path_watchers = std::map<std::string, std::map<connection_id, mode>, std::less<>>;
    using watcher_paths = std::map<connection_id, std::set<std::string_view>>;
    [[nodiscard]] const path_watchers& by_path() const noexcept { return by_path_; }
    [[nodiscard]] const watcher_paths& by_watcher() const noexcept { return by_watcher_; }

private:
    void drop_index(connection_id who, std::string_view path);
    void collect_above(std::string_view path, std::vector<connection_id>& told) const;

    path_watchers by_path_;
    /// Views into the keys of `by_path_`.
    watcher_paths by_watcher_;
    std::size_t size_ = 0;
    std::size_t recursive_ = 0;
};

}  // namespace muster::zookeeper
