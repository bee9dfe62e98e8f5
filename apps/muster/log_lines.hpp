#pragma once

/// @file
/// Log lines of a long-running verb on stderr: pretty on a terminal, JSON otherwise.

#include "cluster/settings.hpp"
#include "command.hpp"

#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

namespace muster::cli {

/// Threads: any.
class log_lines {
public:
    explicit log_lines(const context& at)
        : err_{at.err},
          least_{at.common.log_level.value},
          pretty_{at.err_colours},
          ground_{at.ground} {}

    /// `event` is a stable name such as "session.lost". The same line is not repeated within 30 s.
    void write(verbosity level, std::string_view event, std::string_view text);
    /// A whole line as it is.
    void raw(std::string_view line);
    /// For `cluster::member_settings`. Lives as long as this.
    [[nodiscard]] cluster::log_sink sink();

private:
    std::ostream& err_;
    verbosity least_;
    bool pretty_;
    std::shared_ptr<runtime::platform> ground_;
    std::mutex mutex_;
    std::string last_;  ///< not said again while it is new
    instant last_at_ = instant::min();
};

}  // namespace muster::cli
