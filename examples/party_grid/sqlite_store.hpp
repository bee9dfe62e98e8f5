#pragma once

/// @file
/// The party grid's records in one SQLite file, shared by all members of one machine.
///
/// Each connection is in WAL mode: readers never wait, and one writer at a time holds the file
/// from BEGIN IMMEDIATE to COMMIT, so the fence it has compared cannot change before it commits.
/// Others ask again after a fraction of a millisecond (SQLite's own back-off of up to 100 ms costs
/// a busy second writer most of its turns) and give up after 5 s, having written nothing.
///
/// A member that is *stopped* (not killed) inside a transaction holds the file until it goes on
/// or is killed, and the other members' writes are refused with `unavailable` meanwhile: with one
/// file there is one lock. PostgreSQL holds back only the partitions concerned.

#include "muster/error.hpp"

#include "store.hpp"

#include <memory>
#include <string>

namespace party_grid {

/// Opens the file, or creates it.
/// Errors: unavailable (cannot be opened, or stays locked), incompatible (not the grid's file).
[[nodiscard]] muster::result<std::unique_ptr<store_connection>> open_sqlite(
    const std::string& path);

}  // namespace party_grid
