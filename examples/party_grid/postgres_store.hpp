#pragma once

/// @file
/// The party grid's records in PostgreSQL, for members on many machines.
///
/// A transaction locks the fence rows of its partitions in the order of their names, so groups of
/// several members cannot deadlock, and a member waits only for those that write to the same
/// partitions: at a change of owner, that is, when the newer fence has to wait for the last
/// transaction of the older.
///
/// A connection that breaks *before* COMMIT was sent has done nothing: it is opened again and the
/// transaction repeated, once. One that breaks after is the case that nobody can decide from here:
/// `outcome_unknown`. Every exchange has a deadline, so a stopped server is an error too.
///
/// Sources: PostgreSQL 15 manual, chapters 34 (libpq), 55.2 (message flow); error codes from
/// appendix A.

#include "muster/error.hpp"

#include "store.hpp"

#include <memory>
#include <string>

namespace party_grid {

/// Connects to `url` (`postgres://…`, as libpq reads it) and creates the tables where there are
/// none.
/// Errors: unavailable (refused or unreachable), not_authorized, invalid_argument (the URL).
[[nodiscard]] muster::result<std::unique_ptr<store_connection>> open_postgres(
    const std::string& url);

}  // namespace party_grid
