#pragma once

/// @file
/// What is known of a service, folded from what ZooKeeper says, and which is read when. Pure.

#include "muster/instances.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::discovery {

/// The instances of one service on other nodes.
/// Threads: a plain value.
class service_facts {
public:
    /// Instances of `own` are left out: the node itself knows better.
    explicit service_facts(member_id own) : own_{own} {}

    /// All children, as they are now. Handed back: those that are no instances and are new.
    std::vector<std::string> listed(const std::vector<std::string>& children);
    /// A watch said so. Whether it changes anything.
    bool came(const std::string& child);
    bool went(const std::string& child);

    /// Whether all children were listed once.
    [[nodiscard]] bool known() const noexcept { return known_; }
    /// In the order of their pids.
    [[nodiscard]] std::vector<instance> others() const;

private:
    member_id own_;
    bool known_ = false;
    std::map<std::string, std::optional<instance>> children_;
};

/// How soon a service is to be read.
enum class urgency : std::uint8_t { awaited, in_turn };

/// Which services are read next: some at once, each by one read at a time.
/// Threads: a plain value.
class read_queue {
public:
    explicit read_queue(std::size_t at_once) : at_once_{at_once} {}

    /// One that is being read is read once more when that has ended.
    void want(const std::string& name, urgency how);
    /// The next to be read, if one may be; it is being read from then on.
    [[nodiscard]] std::optional<std::string> next();
    void ended(const std::string& name);
    void drop(const std::string& name);
    /// Nothing is being read, and nothing is wanted.
    void clear();

    [[nodiscard]] bool is_reading(const std::string& name) const { return reading_.contains(name); }

private:
    std::size_t at_once_;
    std::deque<std::string> awaited_, in_turn_;
    std::set<std::string> wanted_, reading_;
};

}  // namespace muster::discovery
