#pragma once

/// @file
/// The watches of one client: who hears which event, and how a new connection is told of them.
/// Pure. Paths are the server's, with the chroot.

#include "zookeeper/types.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

using shared_watch = std::shared_ptr<const std::function<void(const watch_event&)>>;

/// Threads: one at a time.
class client_watches {
public:
    void add_data(const std::string& path, shared_watch watch);
    void add_exist(const std::string& path, shared_watch watch);
    void add_child(const std::string& path, shared_watch watch);
    void add_persistent(const std::string& path, watch_mode mode, shared_watch watch);

    /// Whom an event concerns; its one-shot watches are gone afterwards.
    [[nodiscard]] std::vector<shared_watch> take(event_type type, const std::string& path);

    /// Forgets the watches on `path` that the server forgets with remove_watches: data watches
    /// stand on existing and on missing znodes, and only `any` takes persistent ones along. They
    /// are handed back, for whoever destroys them must be ready for what they own.
    std::vector<shared_watch> remove(const std::string& path, watcher_type which);

    [[nodiscard]] bool empty() const noexcept;
    /// Number of watched paths, by each kind.
    [[nodiscard]] std::size_t size() const noexcept;

    /// The frames (length and header included) that set every watch again. No frame holds more
    /// than `chunk` bytes of paths, or one path. One-shot watches go out as set_watches, which
    /// servers before 3.6 know too.
    [[nodiscard]] std::vector<std::string> encode_all(std::int64_t relative_zxid,
                                                      std::size_t chunk) const;

private:
    using table = std::map<std::string, std::vector<shared_watch>, std::less<>>;

    static void move_out(table& from, const std::string& path, std::vector<shared_watch>& to);

    table data_;
    table exist_;
    table child_;
    table persistent_;
    table recursive_;
};

}  // namespace muster::zookeeper
