#pragma once

/// @file
/// What the grid's members ask each other: questions to the owner of a partition.
///
/// `where` says which partition is meant: any key of it for a hash resource, its name for a list.

#include "muster/message.hpp"

#include "records.hpp"
#include "store.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace party_grid {

struct get_record {
    using reply = std::optional<std::string>;
    std::string where;
    std::string name;
    [[nodiscard]] const std::string& key() const { return where; }
};

/// One value for each key, in the order of `names`.
struct get_records {
    using reply = std::vector<std::optional<std::string>>;
    std::string where;
    std::vector<std::string> names;
    [[nodiscard]] const std::string& key() const { return where; }
};

/// Writes, or removes where there is no value: all of it, or nothing.
struct change_records {
    using reply = void;
    std::string where;
    std::vector<change> changes;
    [[nodiscard]] const std::string& key() const { return where; }
};

struct page {
    std::vector<record> records;  ///< In the order of their keys.
    bool more = false;            ///< There are further ones.
};

struct list_records {
    using reply = page;
    std::string where;
    std::string prefix;
    std::uint32_t limit = 1000;
    [[nodiscard]] const std::string& key() const { return where; }
};

struct count_records {
    using reply = std::uint64_t;
    std::string where;
    [[nodiscard]] const std::string& key() const { return where; }
};

}  // namespace party_grid
