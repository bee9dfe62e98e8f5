#include "log_lines.hpp"

#include <boost/json.hpp>
#include <unistd.h>

#include <array>

namespace muster::cli {
namespace {

constexpr duration quiet = 30s;

constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> colours{"\033[2m", "\033[32m", "\033[33m", "\033[31m"};

std::string line_of(bool pretty,
                    const runtime::platform& ground,
                    verbosity level,
                    std::string_view event,
                    std::string_view text) {
    const auto place = static_cast<std::size_t>(level);
    if (pretty) {
        return std::string{colours[place]} + std::string{names[place]} + "\033[0m " +
               std::string{event} + ": " + std::string{text} + "\n";
    }
    boost::json::object object;
    object["unix_ms"] = ground.unix_ms();
    object["level"] = names[place];
    object["event"] = event;
    object["text"] = text;
    return boost::json::serialize(object) + "\n";
}

}  // namespace

log_lines::log_lines(const context& at)
    : least_{at.common.log_level.value},
      pretty_{at.err_colours},
      ground_{at.ground},
      // Nothing of this object: the writer's thread may outlive it.
      out_{STDERR_FILENO, [pretty = pretty_, ground = ground_](std::size_t count) {
               return line_of(pretty,
                              *ground,
                              verbosity::warning,
                              "log.dropped",
                              std::to_string(count) + " lines: stderr was not read fast enough");
           }} {}

void log_lines::write(verbosity level, std::string_view event, std::string_view text) {
    if (level < least_) {
        return;
    }
    {
        const std::lock_guard lock{mutex_};
        const instant now = ground_->now();
        std::string said = std::string{event} + ": " + std::string{text};
        if (said == last_ && now - last_at_ < quiet) {
            return;
        }
        last_ = std::move(said);
        last_at_ = now;
    }
    raw(line_of(pretty_, *ground_, level, event, text));
}

cluster::log_sink log_lines::sink() {
    return [this](cluster::log_level level, std::string_view event, const std::string& text) {
        write(static_cast<verbosity>(level), event, text);
    };
}

}  // namespace muster::cli
