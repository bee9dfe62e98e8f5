#pragma once

/// @file
/// The names of this node's own processes, and which of them leave it. Pure.

#include "muster/error.hpp"
#include "muster/pid.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::discovery {

/// What the paths of one session's ephemeral znodes may sum up to: all of them stand in the one
/// transaction that ends the session, and a whole ensemble fails by one that is too large.
inline constexpr std::size_t most_path_bytes = std::size_t{256} << 10U;

/// Whether the process of a registration is new here, or had a name before, taken back or not.
enum class added : std::uint8_t { anew, before };

/// Threads: a plain value.
class registry {
public:
    explicit registry(std::size_t most_bytes = most_path_bytes) : most_{most_bytes} {}

    /// `bytes`: what it adds to the paths of the session; 0: it stays in this node. What is there
    /// already stays, and is published from then on if either says so.
    /// Errors: overloaded.
    result<added> add(const std::string& name, const pid& who, std::size_t bytes);
    /// Takes back one name. Whether it was there.
    bool remove(std::string_view name, const pid& who);
    /// The process has ended: the names that it had.
    std::vector<std::string> forget(const pid& who);

    [[nodiscard]] bool holds(std::string_view name, const pid& who) const;
    [[nodiscard]] std::vector<pid> of(std::string_view name) const;
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// Calls `each(name, pid)` for all that are published.
    void for_published(const std::function<void(const std::string&, const pid&)>& each) const;

private:
    /// By name and process, what it adds to the paths.
    std::map<std::string, std::map<pid, std::size_t>, std::less<>> all_;
    std::map<pid, std::set<std::string, std::less<>>> named_;  ///< Also those without a name now.
    std::size_t bytes_ = 0;
    std::size_t most_;
};

}  // namespace muster::discovery
