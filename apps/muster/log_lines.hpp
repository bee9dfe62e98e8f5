#pragma once

/// @file
/// Log lines of a long-running verb on stderr: pretty on a terminal, JSON otherwise.

#include "cluster/settings.hpp"
#include "command.hpp"
#include "line_writer.hpp"

#include <mutex>
#include <string>
#include <string_view>

namespace muster::cli {

/// Threads: any. Blocks: never; lines that find no place, because nobody reads stderr, are dropped
/// and counted.
/// Lifetime: the destructor waits up to a second for what is not written yet.
class log_lines {
public:
    explicit log_lines(const context& at);

    /// `event` is a stable name such as "session.lost". The same line is not repeated within 30 s.
    void write(verbosity level, std::string_view event, std::string_view text);
    /// Whole lines as they are.
    void raw(std::string_view lines) { out_.write(lines); }
    /// False: who can wait with its lines should.
    [[nodiscard]] bool has_room() const { return out_.has_room(); }
    /// For `cluster::member_settings`. Lives as long as this.
    [[nodiscard]] cluster::log_sink sink();

private:
    verbosity least_;
    bool pretty_;
    std::shared_ptr<runtime::platform> ground_;
    std::mutex mutex_;
    std::string last_;  ///< not said again while it is new
    instant last_at_ = instant::min();
    line_writer out_;
};

}  // namespace muster::cli
