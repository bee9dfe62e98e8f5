#pragma once

/// @file
/// The grid over HTTP: any member takes any request and asks the owners.
///
///     PUT, GET, DELETE /parties/KEY      one record; keys like `2024-05-02T…` are dated records
///     GET  /parties?prefix=P&limit=N     records by prefix, from all partitions; what did not
///                                        answer is named in `missing`, and the status is 207
///     GET  /parties/latest               the records of the newest date partition
///     POST /parties                      many at once: a line `{"key":K,"value":V}` each, V null
///                                        removes, "partition":D says how to cut a new day
///     POST /parties/read                 many at once: a line `{"key":K}` each; answered alike
///     GET  /stats, /members, /livez, /readyz
///
/// Errors carry `{"error":{"code","message"}}`, and their status says what to do: 503 with
/// Retry-After nothing was done, try again; 504 it may have been done; 4xx repeating cannot help.

#include "muster/error.hpp"
#include "muster/node.hpp"

#include "front_dates.hpp"
#include "http.hpp"
#include "shelf.hpp"
#include "store.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace party_grid {

/// What a front asks and tells about.
struct grid {
    muster::node* node = nullptr;
    muster::resource<shelf> parties;
    muster::resource<shelf> dates;
    const shelf_register* owned = nullptr;
    const store* records = nullptr;
    std::chrono::milliseconds deadline{5'000};  ///< Of one request; a member's own.
};

/// Threads:  any; `handle` and what it answers never block.
/// Lifetime: `grid` must outlive it and every request it has taken: `wait_idle` first.
class front {
public:
    /// Requests before this get 503.
    void open(grid on);
    /// From now on /readyz says no; everything else goes on.
    void drain() { draining_.store(true); }

    void handle(http_request request, http_reply reply);

    /// Blocks until every request taken so far is answered, at most for `patience`.
    void wait_idle(std::chrono::milliseconds patience) const;

private:
    class counted;
    enum class batch_kind : unsigned char { write, read };

    void one_record(const http_request& request, http_reply reply);
    void read_one(const std::string& key, http_reply reply);
    void change_one(const std::string& key, std::vector<change> changes, http_reply reply);
    void list(const http_request& request, http_reply reply);
    void latest(const http_request& request, http_reply reply);
    void many(const http_request& request, batch_kind what, http_reply reply);
    void stats(http_reply reply) const;
    void members(http_reply reply) const;

    [[nodiscard]] answer_by from_now() const;

    std::shared_ptr<grid> grid_;
    std::shared_ptr<date_finder> dates_;
    std::atomic<bool> opened_{false};
    std::atomic<bool> draining_{false};
    std::shared_ptr<std::atomic<std::size_t>> running_ =
        std::make_shared<std::atomic<std::size_t>>(0);
    std::atomic<std::uint64_t> requests_{0};
};

}  // namespace party_grid
