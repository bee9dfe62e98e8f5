#pragma once

/// @file
/// All processes of one name, as `find` answers them.

#include "muster/detail/names.hpp"
#include "muster/error.hpp"
#include "muster/pid.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// One process that is registered under a name.
struct instance {
    pid who;
    std::string member;   ///< its member's name
    std::string address;  ///< where its member's mesh is reached, "host:port"
    std::string zone;     ///< its member's

    friend bool operator==(const instance&, const instance&) = default;
};

/// How `instances::pick` chooses.
enum class picking : std::uint8_t {
    round_robin,  ///< one after the other, in turn with all that this node looks up of that name
    random,       ///< any, each as likely
    nearest,      ///< round robin among those of this node's zone; among all if it has none there
    least_loaded  ///< the one that the picks of this node, by any rule, have chosen least often
};
inline constexpr picking round_robin = picking::round_robin;
inline constexpr picking random = picking::random;
inline constexpr picking nearest = picking::nearest;
inline constexpr picking least_loaded = picking::least_loaded;

/// What one instance said to an `ask_all`.
template <class Reply>
struct answer_of {
    pid who;
    result<Reply> answer;  ///< errors: as those of `ask`
};

/// The processes of one name, as this node knew them at some moment.
///
/// Threads:  any; a value, cheap to copy.
/// Lifetime: whenever; it does not change when the service does.
class instances {
public:
    using iterator = std::vector<instance>::const_iterator;

    /// None.
    instances() = default;
    explicit instances(std::shared_ptr<const detail::service_picture> seen)
        : seen_{std::move(seen)} {}

    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// In the order of their pids, the same on every node.
    [[nodiscard]] iterator begin() const noexcept;
    [[nodiscard]] iterator end() const noexcept;

    /// How long ago this was last known to be so: 0 while ZooKeeper keeps it current, and growing
    /// from when it was replaced, or from when ZooKeeper could not be asked any more. The largest
    /// duration where ZooKeeper has never been asked, and these are the node's own alone.
    [[nodiscard]] std::chrono::nanoseconds age() const noexcept;

    /// One of them; nothing where there is none. Counts for `least_loaded`, by which an instance
    /// that is new begins with the least count there is.
    [[nodiscard]] std::optional<pid> pick(picking how) const;

private:
    std::shared_ptr<const detail::service_picture> seen_;
};

}  // namespace muster
