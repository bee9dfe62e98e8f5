#include "log_lines.hpp"

#include <boost/json.hpp>

#include <array>

namespace muster::cli {
namespace {

constexpr duration quiet = 30s;

constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> colours{"\033[2m", "\033[32m", "\033[33m", "\033[31m"};

}  // namespace

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
    const auto place = static_cast<std::size_t>(level);
    std::string line;
    if (pretty_) {
        line = std::string{colours[place]} + std::string{names[place]} + "\033[0m " +
               std::string{event} + ": " + std::string{text} + "\n";
    } else {
        boost::json::object object;
        object["unix_ms"] = ground_->unix_ms();
        object["level"] = names[place];
        object["event"] = event;
        object["text"] = text;
        line = boost::json::serialize(object) + "\n";
    }
    raw(line);
}

void log_lines::raw(std::string_view line) {
    const std::lock_guard lock{mutex_};
    err_ << line << std::flush;
}

cluster::log_sink log_lines::sink() {
    return [this](cluster::log_level level, std::string_view event, const std::string& text) {
        write(static_cast<verbosity>(level), event, text);
    };
}

}  // namespace muster::cli
