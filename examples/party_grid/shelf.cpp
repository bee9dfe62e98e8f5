#include "shelf.hpp"

#include "muster/node.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;

constexpr std::chrono::milliseconds pause{100};

ground& below() {
    static ground one;
    return one;
}

/// Claims and loads; a claim whose outcome is not known is made again, which is harmless.
muster::result<std::vector<record>> claim_and_load(const muster::ownership& mine) {
    const auto& name = mine.partition();
    for (;;) {
        auto got = below().records->acquire(name.resource, name.name, mine.fence().value());
        const bool again = !got && (got.error().code == errc::outcome_unknown ||
                                    got.error().next() == muster::next_step::wait);
        if (!again || !mine.valid()) {
            return got;
        }
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace

void stand_on(ground what) {
    below() = what;
}

std::shared_ptr<shelf_figures> shelf_register::enter(const muster::ownership& what) {
    auto made = std::make_shared<shelf_figures>();
    made->resource = what.partition().resource;
    made->partition = what.partition().name;
    made->fence = what.fence().value();
    const std::lock_guard lock{mutex_};
    all_.push_back(made);
    return made;
}

void shelf_register::leave(const std::shared_ptr<shelf_figures>& which) {
    const std::lock_guard lock{mutex_};
    std::erase(all_, which);
}

std::vector<std::shared_ptr<const shelf_figures>> shelf_register::all() const {
    const std::lock_guard lock{mutex_};
    return {all_.begin(), all_.end()};
}

shelf::shelf(muster::ownership mine) : mine_{std::move(mine)} {
    auto got = claim_and_load(mine_);
    if (!got) {
        throw std::runtime_error{got.error().text};
    }
    figures_ = below().owned->enter(mine_);
    keep(std::move(*got));
    below().diary->acquire(mine_);
}

shelf::~shelf() {
    below().owned->leave(figures_);
    below().diary->let_go(mine_);
}

// --- Reads: from memory --------------------------------------------------------------------------

muster::result<std::optional<std::string>> shelf::on(const get_record& asked) const {
    if (deposed_) {
        return std::unexpected(*deposed_);
    }
    const auto found = records_.find(asked.name);
    return found == records_.end() ? std::nullopt : std::optional{found->second};
}

muster::result<std::vector<std::optional<std::string>>> shelf::on(const get_records& asked) const {
    if (deposed_) {
        return std::unexpected(*deposed_);
    }
    std::vector<std::optional<std::string>> values;
    values.reserve(asked.names.size());
    for (const std::string& name : asked.names) {
        const auto found = records_.find(name);
        values.push_back(found == records_.end() ? std::nullopt : std::optional{found->second});
    }
    return values;
}

muster::result<page> shelf::on(const list_records& asked) const {
    if (deposed_) {
        return std::unexpected(*deposed_);
    }
    page out;
    for (auto one = records_.lower_bound(asked.prefix);
         one != records_.end() && one->first.starts_with(asked.prefix);
         ++one) {
        if (out.records.size() == asked.limit) {
            out.more = true;
            break;
        }
        out.records.push_back({one->first, one->second});
    }
    out.dates = partitions_for(dates_, asked.prefix);
    return out;
}

muster::result<std::uint64_t> shelf::on(const count_records& /*asked*/) const {
    if (deposed_) {
        return std::unexpected(*deposed_);
    }
    return records_.size();
}

// --- Writes: the store, then memory, then the answer ---------------------------------------------

muster::task<muster::result<void>> shelf::on(change_records asked) {
    auto writing = write(std::move(asked.changes));
    muster::result<void> written = co_await writing;
    co_return written;
}

muster::task<muster::result<std::vector<std::string>>> shelf::on(place_dated asked) {
    if (deposed_) {
        co_return std::unexpected(*deposed_);
    }
    placed found = place(dates_, asked.day, asked.wished, asked.what);
    if (!found.changes.empty()) {
        auto writing = write(std::move(found.changes));
        const muster::result<void> written = co_await writing;
        if (!written) {
            co_return std::unexpected(written.error());
        }
    }
    co_return std::move(found.partitions);
}

muster::task<muster::result<void>> shelf::write(std::vector<change> changes) {
    if (deposed_) {
        co_return std::unexpected(*deposed_);
    }
    auto saving = save(changes);
    const muster::result<void> saved = co_await saving;
    if (saved) {
        apply(std::move(changes));
        co_return muster::result<void>{};
    }
    if (saved.error().code == errc::fenced) {
        depose();
        co_return std::unexpected(*deposed_);
    }
    if (saved.error().code != errc::outcome_unknown) {
        co_return std::unexpected(saved.error());
    }
    // It may be in the store or not, so memory may be wrong. Nobody reads until the store has told:
    // calls wait while this one runs. The new claim comes after whatever was still under way.
    reloaded now;
    const auto load = [this, &now] { now = load_again(); };
    auto loading = mine_.node().blocking(load);
    const muster::result<void> loaded = co_await loading;
    if (!loaded || !now.done) {
        depose();
        co_return std::unexpected(saved.error());
    }
    keep(std::move(now.records));
    if (!holds(changes)) {
        co_return muster::fail(errc::unavailable,
                               "the store lost its connection and did not take "
                               "the change: " +
                                   saved.error().text);
    }
    co_return muster::result<void>{};
}

muster::pending<void> shelf::save(std::vector<change> changes) const {
    auto made = muster::make_pending<void>();
    below().records->submit({.resource = mine_.partition().resource,
                             .partition = mine_.partition().name,
                             .fence = mine_.fence().value(),
                             .changes = std::move(changes)},
                            std::move(made.second));
    return std::move(made.first);
}

/// Not done where somebody else owns the partition by now.
shelf::reloaded shelf::load_again() const {
    auto got = claim_and_load(mine_);
    return got ? reloaded{.done = true, .records = std::move(*got)} : reloaded{};
}

void shelf::depose() {
    deposed_ =
        muster::error{errc::fenced,
                      "partition " + mine_.partition().name + " of '" + mine_.partition().resource +
                          "' has a newer owner than fence " +
                          std::to_string(mine_.fence().value()) + ": nothing was done; ask again"};
    records_.clear();
    dates_.clear();
    figures_->records.store(0, std::memory_order_relaxed);
}

shelf::rows& shelf::rows_of(std::string_view key) {
    return is_dated(key) && mine_.partition().resource == "parties" ? dates_ : records_;
}

const shelf::rows& shelf::rows_of(std::string_view key) const {
    return is_dated(key) && mine_.partition().resource == "parties" ? dates_ : records_;
}

void shelf::keep(std::vector<record> records) {
    records_.clear();
    dates_.clear();
    for (record& one : records) {
        rows& into = rows_of(one.key);
        into.emplace_hint(into.end(), std::move(one.key), std::move(one.value));
    }
    figures_->records.store(records_.size(), std::memory_order_relaxed);
}

void shelf::apply(std::vector<change> changes) {
    for (change& one : changes) {
        rows& into = rows_of(one.key);
        if (one.value) {
            into.insert_or_assign(std::move(one.key), std::move(*one.value));
        } else {
            into.erase(one.key);
        }
    }
    figures_->records.store(records_.size(), std::memory_order_relaxed);
}

bool shelf::holds(const std::vector<change>& changes) const {
    // The last change of a key counts.
    std::map<std::string_view, const change*> last;
    for (const change& one : changes) {
        last[one.key] = &one;
    }
    return std::ranges::all_of(last, [this](const auto& one) {
        const rows& all = rows_of(one.first);
        const auto found = all.find(one.first);
        return one.second->value ? found != all.end() && found->second == *one.second->value
                                 : found == all.end();
    });
}

}  // namespace party_grid
