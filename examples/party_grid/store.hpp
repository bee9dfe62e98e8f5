#pragma once

/// @file
/// Where the party grid keeps its records: a database that refuses a former owner's writes.
///
/// A write carries the fence of the ownership it was made under. The store compares it with the
/// largest fence it has seen for that partition *inside the transaction that writes*, so no former
/// owner can slip a write in between: the row `fences(resource, partition, fence)` is read, raised
/// and held by the same transaction as the records themselves.
///
///     worker threads          one writer thread                     database
///     write(...) ---+                                                BEGIN
///     write(...) ---+--> [ queue ] --> everything that waits -->     fences: compare, raise
///     claim(...) ---+                  becomes one transaction       records
///     load(...) -------------------> a reader of its own             COMMIT --> answers
///
/// *Group commit.* A commit costs far more than a row. While one transaction commits, the writes
/// of all other partitions gather in the queue and become the next one: under load a commit is
/// shared by hundreds, and a lone write still waits for nothing.
///
/// *What an acknowledged write survives.* SQLite runs in WAL mode with `synchronous=NORMAL`: a
/// commit is in the kernel before it is acknowledged, so it survives SIGKILL of any or all
/// processes; a power cut may take the last commits (never the file). PostgreSQL keeps its own
/// promise (`synchronous_commit`, on by default), power cuts included.

#include "muster/error.hpp"

#include "records.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// One record to be written, or removed where `value` is empty.
struct change {
    std::string key;
    std::optional<std::string> value;

    friend bool operator==(const change&, const change&) = default;
};

/// Changes to one partition, made under one fence: all of them happen, or none.
/// Without changes it is a claim: it raises the fence and nothing else.
struct store_write {
    std::string resource;
    std::string partition;
    std::int64_t fence = 0;
    std::vector<change> changes;
};

/// One connection to a database.
///
/// Threads:  one thread at a time.
/// Blocks:   every function, for at most some 30 seconds (a server that has stopped answering).
/// Errors:   unavailable (the database cannot be reached, or is locked; nothing was done),
///           outcome_unknown (the connection broke during the commit), incompatible (the database
///           holds something else), invalid_argument (it refuses the values).
class store_connection {
public:
    store_connection() = default;
    virtual ~store_connection() = default;
    store_connection(const store_connection&) = delete;
    store_connection& operator=(const store_connection&) = delete;

    /// All records of a partition, in the order of their keys.
    [[nodiscard]] virtual muster::result<std::vector<record>> load(std::string_view resource,
                                                                   std::string_view partition) = 0;

    /// How many records `resource` has, or all resources have where it is empty.
    [[nodiscard]] virtual muster::result<std::uint64_t> count(std::string_view resource) = 0;

    /// Performs `writes` in order in one transaction, and gives one outcome for each.
    ///
    /// A write with an older fence than the store has seen gets `fenced` and leaves the others
    /// alone; any other error is the same for all that were not fenced.
    [[nodiscard]] virtual std::vector<muster::result<void>> commit(
        std::span<const store_write> writes) = 0;
};

/// How much a store takes on.
struct store_limits {
    std::size_t queued_writes = 65'536;    ///< More than this: `overloaded`.
    std::size_t group_writes = 512;        ///< Writes that share a transaction, at most;
    std::size_t group_bytes = 4U << 20U;   ///< and bytes, unless one write alone is larger.
    std::size_t value_bytes = 16U << 20U;  ///< Of one record.
};

/// What the store has done so far.
struct store_figures {
    std::uint64_t writes = 0;   ///< Writes that were acknowledged.
    std::uint64_t fenced = 0;   ///< Writes that were refused to a former owner.
    std::uint64_t commits = 0;  ///< Transactions; `writes / commits` is the gain of group commit.
};

/// A database of records, open to many threads here and to many processes elsewhere.
///
/// Threads:  any thread. Callbacks of `submit` run on the store's writer thread, in the order of
///           their writes' commits: they must be short and must not call the blocking functions.
/// Lifetime: the destructor finishes the writes already submitted and answers every one of them.
///           Do not fork a process that has one.
/// Blocks:   `load`, `count`, `claim`, `write`, `write_all` and `acquire` until the database
///           has answered; `submit` never.
class store {
public:
    using opener = std::move_only_function<muster::result<std::unique_ptr<store_connection>>()>;
    using on_done = std::move_only_function<void(muster::result<void>)>;

    /// Opens what `url` names: `sqlite:PATH`, a plain path (SQLite), or
    /// `postgres://[user[:password]@][host[:port]]/[database][?option=value&…]`.
    /// Creates the tables where there are none.
    ///
    /// Errors: invalid_argument (no such kind of store), unavailable (cannot be opened or reached),
    /// incompatible (a database that is not the grid's).
    [[nodiscard]] static muster::result<std::unique_ptr<store>> open(std::string_view url,
                                                                     store_limits limits = {});

    /// A store over connections of another make; `connect` is called once here, and again on any
    /// thread, one call at a time, whenever more readers are wanted than there are.
    [[nodiscard]] static muster::result<std::unique_ptr<store>> over(opener connect,
                                                                     store_limits limits = {});

    ~store();
    store(const store&) = delete;
    store& operator=(const store&) = delete;

    /// All records of a partition, in the order of their keys.
    /// Errors: unavailable, invalid_argument (a name).
    [[nodiscard]] muster::result<std::vector<record>> load(std::string_view resource,
                                                           std::string_view partition);

    /// How many records `resource` has, or all resources have where it is empty.
    [[nodiscard]] muster::result<std::uint64_t> count(std::string_view resource = {});

    /// Records `fence` for the partition: from now on every older one is refused.
    ///
    /// Call it when a partition is acquired, *before* `load`: a former owner's write is then
    /// either in what `load` returns, or refused for ever.
    /// Errors: fenced (the store has seen a larger one), unavailable, outcome_unknown (the
    /// commit was sent and its answer lost; claiming again is harmless), overloaded, closed.
    [[nodiscard]] muster::result<void> claim(std::string_view resource,
                                             std::string_view partition,
                                             std::int64_t fence);

    /// `claim`, then `load`.
    [[nodiscard]] muster::result<std::vector<record>> acquire(std::string_view resource,
                                                              std::string_view partition,
                                                              std::int64_t fence);

    /// Writes one record, or removes it where `value` is empty.
    /// Errors: as `claim`; invalid_argument (an empty or too long key, a NUL in it, a fence < 1).
    [[nodiscard]] muster::result<void> write(std::string_view resource,
                                             std::string_view partition,
                                             std::int64_t fence,
                                             std::string key,
                                             std::optional<std::string> value);

    /// Performs one write: all of its changes, or none.
    [[nodiscard]] muster::result<void> write_all(store_write wanted);

    /// Performs one write some time soon and calls `done` exactly once; from inside this call
    /// where it is refused at once (invalid_argument, overloaded, closed).
    ///
    /// Writes of one partition are performed in the order in which they were submitted.
    void submit(store_write wanted, on_done done);

    [[nodiscard]] store_figures figures() const;

private:
    class engine;
    explicit store(std::unique_ptr<engine> inner);
    std::unique_ptr<engine> engine_;
};

}  // namespace party_grid
