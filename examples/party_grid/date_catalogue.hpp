#pragma once

/// @file
/// Which date partitions there are, and how each day is cut into them.
///
/// A dated record must be found again by its key alone, whatever plan of `dates` a member has read
/// so far, and whatever came first: a record by hand, or an import by minutes. So the plan of
/// `dates` says only who owns a partition. That it exists, and how its day is cut, stands in the
/// catalogue: entries among the records of `parties`, kept by the owner of the day's hash partition
/// and written through to the store with its fence like any record. The first record of a day
/// decides how the day is cut; after that nothing changes it.
///
///     2024-05-02        hour      how the day is cut (and where it is "day": its one partition)
///     2024-05-02T14     hour      a partition
///
/// Dated keys never name records of `parties`, so entries and records do not meet.

#include "records.hpp"
#include "store.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// A dated key to be found its partition; `adds`: which is made where there is none.
struct placing {
    std::string key;
    bool adds = false;
};

/// The entries that one partition of `parties` holds.
using date_entries = std::map<std::string, std::string, std::less<>>;

struct placed {
    std::vector<std::string> partitions;  ///< For each key; "": there is none.
    std::vector<change> changes;          ///< Entries to be written before anybody is told.
};

/// Where the keys of `day` belong; it is cut by `wished` where nothing has decided yet.
[[nodiscard]] placed place(const date_entries& known,
                           const std::string& day,
                           date_step wished,
                           const std::vector<placing>& what);

/// The partitions that may hold keys with that prefix, in order.
[[nodiscard]] std::vector<std::string> partitions_for(const date_entries& known,
                                                      std::string_view prefix);

}  // namespace party_grid
