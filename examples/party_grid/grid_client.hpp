#pragma once

/// @file
/// A caller of the grid that does what an error asks for: waits and tries again where nothing was
/// done, goes to another member where one is gone, and gives up at the call's deadline.

#include "muster/error.hpp"

#include "front_lines.hpp"
#include "http_client.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// For calls that may be made twice: reads, and writes of a whole value by their only writer.
///
/// Threads:  one thread at a time.
/// Blocks:   `call`, at most for its deadline and one attempt's time-out.
/// Errors:   of the last attempt, when the deadline has passed; then the call has failed.
class grid_client {
public:
    /// `members`: `host:port` each.
    explicit grid_client(const std::vector<std::string>& members,
                         std::chrono::milliseconds deadline = std::chrono::seconds{15});

    /// Asks member number `first` (modulo their number), then the others in turn. An answer of
    /// 4xx is an answer.
    [[nodiscard]] muster::result<http_response> call(const http_question& question,
                                                     std::size_t first = 0);

    /// How often a call needed another attempt.
    [[nodiscard]] std::uint64_t retries() const { return retries_; }

private:
    std::vector<http_client> clients_;
    std::chrono::milliseconds deadline_;
    std::uint64_t retries_ = 0;
};

/// How far something has come.
struct progress {
    std::size_t done = 0;
    std::size_t total = 0;
};
using on_progress = std::function<void(progress)>;  ///< Called by one thread at a time.

/// Writes all lines through the members, in batches over several connections.
/// Blocks: until all are acknowledged. Errors: those of the first batch that failed.
[[nodiscard]] muster::result<void> send_all(const std::vector<std::string>& members,
                                            const std::vector<batch_line>& lines,
                                            std::size_t connections,
                                            const on_progress& tell = {});

/// Asks one member for every line's key, and marks in `right` each line whose value came back as it
/// stands there; marks that were false before stay false.
/// Blocks: until all have answered. Errors: those of a batch that could not be read.
[[nodiscard]] muster::result<void> check_all(const std::string& member,
                                             const std::vector<batch_line>& lines,
                                             std::vector<char>& right);

}  // namespace party_grid
