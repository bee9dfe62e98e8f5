#pragma once

/// @file
/// What the grid's members ask each other: questions to the owner of a partition.
///
/// `where` says which partition is meant: any key of it for a hash resource, its name for a list.

#include "muster/message.hpp"

#include "date_catalogue.hpp"
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

/// To `parties`: the date partition of each key, all of one day, and "" where there is none. Those
/// that are to be added stand in the catalogue once it has answered; the plan of `dates` may have
/// them later.
struct place_dated {
    using reply = std::vector<std::string>;
    std::string day;
    date_step wished = date_step::day;  ///< Counts where nothing has decided how it is cut.
    std::vector<placing> what;
    [[nodiscard]] const std::string& key() const { return day; }
};

struct page {
    std::vector<record> records;     ///< In the order of their keys.
    bool more = false;               ///< There are further ones.
    std::vector<std::string> dates;  ///< Of `parties`: date partitions that may have some, too.
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
