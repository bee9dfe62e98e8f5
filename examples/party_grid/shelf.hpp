#pragma once

/// @file
/// One partition of the grid: its records in memory, written through to the store.

#include "muster/ownership.hpp"
#include "muster/pending.hpp"
#include "muster/resource.hpp"
#include "muster/task.hpp"

#include "journal.hpp"
#include "messages.hpp"
#include "store.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// What a shelf tells others while it lives.
struct shelf_figures {
    std::string resource;
    std::string partition;
    std::int64_t fence = 0;
    std::atomic<std::uint64_t> records{0};
};

/// The shelves that this process owns now.
/// Threads: any.
class shelf_register {
public:
    [[nodiscard]] std::shared_ptr<shelf_figures> enter(const muster::ownership& what);
    void leave(const std::shared_ptr<shelf_figures>& which);
    [[nodiscard]] std::vector<std::shared_ptr<const shelf_figures>> all() const;

private:
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<shelf_figures>> all_;
};

/// What all shelves of a process stand on. Set before the node starts, and outlives it.
struct ground {
    store* records = nullptr;
    const journal* diary = nullptr;
    shelf_register* owned = nullptr;
};
void stand_on(ground what);

/// A partition of `parties` or of `dates`, for as long as this member owns it.
///
/// Reads are answered from memory. A write goes to the store first, with the fence of this
/// ownership in the same transaction, then into memory, then it is acknowledged: whatever a caller
/// was told is in the store, and whoever owns the partition next loads it from there.
///
/// Threads:  Muster's rule: one call at a time, also while a write waits for the store.
/// Blocks:   the constructor, until the store has claimed and loaded the partition.
/// Errors:   fenced (the store has seen a newer owner: this one answers nothing any more),
///           unavailable (the store cannot be reached, nothing was done).
class shelf {
public:
    using handles = muster::
        requests<get_record, get_records, change_records, list_records, count_records, place_dated>;

    explicit shelf(muster::ownership mine);
    ~shelf();
    shelf(const shelf&) = delete;
    shelf& operator=(const shelf&) = delete;

    [[nodiscard]] muster::result<std::optional<std::string>> on(const get_record& asked) const;
    [[nodiscard]] muster::result<std::vector<std::optional<std::string>>> on(
        const get_records& asked) const;
    [[nodiscard]] muster::result<page> on(const list_records& asked) const;
    [[nodiscard]] muster::result<std::uint64_t> on(const count_records& asked) const;
    muster::task<muster::result<void>> on(change_records asked);
    muster::task<muster::result<std::vector<std::string>>> on(place_dated asked);

private:
    struct reloaded {
        bool done = false;
        std::vector<record> records;
    };

    using rows = std::map<std::string, std::string, std::less<>>;

    /// Acknowledges what is in the store and in memory, both.
    muster::task<muster::result<void>> write(std::vector<change> changes);
    /// Where a key lies: among the records, or, of `parties`, the entries about dates.
    [[nodiscard]] rows& rows_of(std::string_view key);
    [[nodiscard]] const rows& rows_of(std::string_view key) const;
    void keep(std::vector<record> records);
    void apply(std::vector<change> changes);
    void depose();
    [[nodiscard]] bool holds(const std::vector<change>& changes) const;
    [[nodiscard]] reloaded load_again() const;
    [[nodiscard]] muster::pending<void> save(std::vector<change> changes) const;

    muster::ownership mine_;
    rows records_;
    date_entries dates_;  ///< Of `parties`: a part of the catalogue, beside the records.
    std::shared_ptr<shelf_figures> figures_;
    std::optional<muster::error> deposed_;  ///< Why it answers nothing any more.
};

}  // namespace party_grid
