#pragma once

/// @file
/// Where things are stored in ZooKeeper. The layout is a contract: docs/format/layout.md.

#include "muster/ids.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::cluster {

/// The paths of one cluster. Names are percent-encoded where they must be.
class paths {
public:
    explicit paths(std::string_view cluster);

    [[nodiscard]] const std::string& root() const noexcept { return root_; }
    [[nodiscard]] std::string key() const { return root_ + "/key"; }
    [[nodiscard]] std::string members() const { return root_ + "/members"; }
    [[nodiscard]] std::string member(member_id id) const;
    [[nodiscard]] std::string statuses() const { return root_ + "/status"; }
    [[nodiscard]] std::string status(member_id id) const;
    [[nodiscard]] std::string succession() const { return root_ + "/succession"; }
    /// To which ZooKeeper appends ten digits.
    [[nodiscard]] std::string succession_prefix(member_id id) const;
    [[nodiscard]] std::string view() const { return root_ + "/view"; }
    [[nodiscard]] std::string view_chunk(std::size_t number) const;
    [[nodiscard]] std::string resources() const { return root_ + "/resources"; }
    [[nodiscard]] std::string resource(std::string_view name) const;
    [[nodiscard]] std::string plan(std::string_view resource_name) const;
    [[nodiscard]] std::string chunk(std::string_view resource_name, std::size_t number) const;
    [[nodiscard]] std::string services() const { return root_ + "/services"; }
    [[nodiscard]] std::string commands() const { return root_ + "/commands"; }
    [[nodiscard]] std::string history() const { return root_ + "/history"; }

private:
    std::string root_;
};

/// A child of `succession`, taken apart.
struct succession_name {
    member_id id;
    std::int32_t sequence = 0;
    friend bool operator==(const succession_name&, const succession_name&) = default;
};
/// Nothing for a foreign child.
[[nodiscard]] std::optional<succession_name> parse_succession(std::string_view child);

}  // namespace muster::cluster
