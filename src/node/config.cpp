#include "muster/config.hpp"

#include "base/text.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>
#include <utility>

namespace muster {
namespace {

using setter = std::function<bool(config&, const std::string&)>;

/// One setting: its name in the file; --name-with-dashes and MUSTER_NAME_IN_CAPITALS follow.
struct setting {
    const char* name;
    const char* expects;
    setter set;
};

std::optional<std::chrono::milliseconds> parse_duration(const std::string& text) {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, trouble] = std::from_chars(text.data(), end, number);
    const std::string unit{stop, end};
    const double factor = unit == "ms"  ? 1
                          : unit == "s" ? 1000
                          : unit == "m" ? 60'000
                          : unit == "h" ? 3'600'000
                                        : -1;
    if (trouble != std::errc{} || factor < 0 || !(number >= 0 && number * factor <= 1e12)) {
        return std::nullopt;
    }
    return std::chrono::milliseconds{static_cast<std::int64_t>(number * factor)};
}

setter text_into(std::string config::* field) {
    return [field](config& into, const std::string& text) {
        into.*field = text;
        return true;
    };
}

setter span_into(std::chrono::milliseconds config::* field) {
    return [field](config& into, const std::string& text) {
        const auto parsed = parse_duration(text);
        if (parsed) {
            into.*field = *parsed;
        }
        return parsed.has_value();
    };
}

template <class Number>
setter count_into(Number config::* field) {
    return [field](config& into, const std::string& text) {
        const auto parsed = base::parse_uint64(text);
        if (!parsed || *parsed > std::numeric_limits<Number>::max()) {
            return false;
        }
        into.*field = static_cast<Number>(*parsed);
        return true;
    };
}

setter flag_into(bool config::* field) {
    return [field](config& into, const std::string& text) {
        into.*field = text == "true" || text == "1";
        return into.*field || text == "false" || text == "0";
    };
}

bool set_timeout(config& into, const std::string& text) {
    if (text == "auto") {
        into.session_timeout.reset();
        return true;
    }
    into.session_timeout = parse_duration(text);
    return into.session_timeout.has_value();
}

bool set_weight(config& into, const std::string& text) {
    const char* const end = text.data() + text.size();
    const auto [stop, trouble] = std::from_chars(text.data(), end, into.weight);
    return trouble == std::errc{} && stop == end && into.weight > 0;
}

bool set_roles(config& into, const std::string& text) {
    into.roles.clear();
    for (const std::string_view role : base::split(text, ',')) {
        into.roles.emplace_back(base::trimmed(role));
    }
    return true;
}

/// "phone=123,rack=7"
bool set_metadata(config& into, const std::string& text) {
    for (const std::string_view pair : base::split(text, ',')) {
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return false;
        }
        into.metadata[std::string{pair.substr(0, equals)}] = pair.substr(equals + 1);
    }
    return true;
}

constexpr const char* a_duration = "a duration such as 500ms, 4s or 2m";
constexpr const char* a_number = "a whole number";
constexpr const char* a_text = "a text";
constexpr const char* a_flag = "true or false";

const std::vector<setting>& settings() {
    static const std::vector<setting> all{
        {"cluster", a_text, text_into(&config::cluster)},
        {"zookeeper", "host:port,... with an optional /chroot", text_into(&config::zookeeper)},
        {"name", a_text, text_into(&config::name)},
        {"listen", "host:port", text_into(&config::listen)},
        {"advertise", "host:port", text_into(&config::advertise)},
        {"zone", a_text, text_into(&config::zone)},
        {"weight", "a number above 0", set_weight},
        {"roles", "names with commas between them", set_roles},
        {"metadata", "key=value,...", set_metadata},
        {"publish_prefix", a_text, text_into(&config::publish_prefix)},
        {"session_timeout", "auto, or a duration such as 4s", set_timeout},
        {"allow_unsafe_session_timeout", a_flag, flag_into(&config::allow_unsafe_session_timeout)},
        {"allow_unproven_server", a_flag, flag_into(&config::allow_unproven_server)},
        {"tick_time", a_duration, span_into(&config::tick_time)},
        {"sync_limit", a_number, count_into(&config::sync_limit)},
        {"max_clock_slew_ppm", a_number, count_into(&config::max_clock_slew_ppm)},
        {"digest", "user:password", text_into(&config::digest)},
        {"min_members", a_number, count_into(&config::min_members)},
        {"settle", a_duration, span_into(&config::settle)},
        {"init_deadline", a_duration, span_into(&config::init_deadline)},
        {"drain_deadline", a_duration, span_into(&config::drain_deadline)},
        {"ask_deadline", a_duration, span_into(&config::ask_deadline)},
        {"workers", a_number, count_into(&config::workers)},
    };
    return all;
}

std::unexpected<error> refused(const setting& one,
                               const std::string& value,
                               const std::string& origin) {
    return fail(errc::invalid_argument,
                "`" + std::string{one.name} + "` = \"" + value + "\" (from " + origin +
                    "): expected " + one.expects);
}

/// A value of the file as the same text that a flag would carry.
std::optional<std::string> text_of(const toml::node& value) {
    if (const auto text = value.value<std::string>()) {
        return *text;
    }
    if (const auto* const list = value.as_array()) {
        std::string joined;
        for (const auto& item : *list) {
            const auto text = item.value<std::string>();
            if (!text) {
                return std::nullopt;
            }
            joined += (joined.empty() ? "" : ",") + *text;
        }
        return joined;
    }
    if (const auto* const table = value.as_table()) {
        std::string joined;
        for (const auto& [key, item] : *table) {
            const auto text = text_of(item);
            if (!text) {
                return std::nullopt;
            }
            joined += (joined.empty() ? "" : ",") + std::string{key.str()} + "=" + *text;
        }
        return joined;
    }
    if (const auto whole = value.as_integer()) {
        return std::to_string(whole->get());
    }
    if (const auto flag = value.as_boolean()) {
        return flag->get() ? "true" : "false";
    }
    if (const auto real = value.as_floating_point()) {
        std::ostringstream out;
        out << real->get();
        return out.str();
    }
    return std::nullopt;
}

result<void> read_file(config& into, const std::string& path) {
    toml::table parsed;
    try {
        parsed = toml::parse_file(path);
    } catch (const toml::parse_error& trouble) {
        std::ostringstream where;
        where << trouble.source().begin;
        return fail(errc::invalid_argument,
                    path + ": " + std::string{trouble.description()} + " (" + where.str() + ")");
    }
    for (const auto& [key, value] : parsed) {
        const std::string origin = path + ", line " + std::to_string(value.source().begin.line);
        const auto found = std::ranges::find_if(
            settings(), [&](const setting& one) { return key.str() == one.name; });
        if (found == settings().end()) {
            return fail(errc::invalid_argument,
                        "`" + std::string{key.str()} + "` (from " + origin +
                            ") is not a setting of muster");
        }
        const auto text = text_of(value);
        if (!text || !found->set(into, *text)) {
            return refused(*found, text.value_or("…"), origin);
        }
    }
    return {};
}

result<void> read_environment(config& into) {
    for (const setting& one : settings()) {
        std::string name = "MUSTER_" + std::string{one.name};
        std::ranges::transform(name, name.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        const char* const value = std::getenv(name.c_str());
        if (value != nullptr && !one.set(into, value)) {
            return refused(one, value, "the environment, " + name);
        }
    }
    return {};
}

std::string flag_of(const setting& one) {
    std::string flag = "--" + std::string{one.name};
    std::ranges::replace(flag, '_', '-');
    return flag;
}

result<void> read_flags(config& into, const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--") {
            into.arguments.insert(into.arguments.end(),
                                  arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                  arguments.end());
            return {};
        }
        if (!argument.starts_with("--")) {
            into.arguments.push_back(argument);
            continue;
        }
        const auto equals = argument.find('=');
        const std::string flag = argument.substr(0, equals);
        const auto found = std::ranges::find_if(
            settings(), [&](const setting& one) { return flag == flag_of(one); });
        if (flag != "--config" && found == settings().end()) {
            return fail(errc::invalid_argument,
                        flag +
                            " is not a flag of muster; put arguments of the program's own "
                            "behind `--`");
        }
        if (equals == std::string::npos && i + 1 == arguments.size()) {
            return fail(errc::invalid_argument, flag + " needs a value");
        }
        const std::string value =
            equals == std::string::npos ? arguments[++i] : argument.substr(equals + 1);
        if (flag != "--config" && !found->set(into, value)) {
            return refused(*found, value, flag + " on the command line");
        }
    }
    return {};
}

/// The file named by --config or MUSTER_CONFIG; else ./muster.toml where it exists.
result<std::string> file_to_read(const std::vector<std::string>& arguments) {
    std::string named;
    if (const char* const path = std::getenv("MUSTER_CONFIG")) {
        named = path;
    }
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--") {
            break;
        }
        if (arguments[i] == "--config" && i + 1 < arguments.size()) {
            named = arguments[i + 1];
        } else if (arguments[i].starts_with("--config=")) {
            named = arguments[i].substr(9);
        }
    }
    std::error_code trouble;
    if (named.empty()) {
        return std::filesystem::exists("muster.toml", trouble) ? "muster.toml" : "";
    }
    if (!std::filesystem::exists(named, trouble)) {
        return fail(errc::invalid_argument, "the configuration file " + named + " does not exist");
    }
    return named;
}

result<config> load_with(std::string default_cluster, const std::vector<std::string>& arguments) {
    config out;
    out.cluster = std::move(default_cluster);
    const auto file = file_to_read(arguments);
    if (!file) {
        return std::unexpected(file.error());
    }
    if (!file->empty()) {
        if (const auto read = read_file(out, *file); !read) {
            return std::unexpected(read.error());
        }
    }
    if (const auto read = read_environment(out); !read) {
        return std::unexpected(read.error());
    }
    if (const auto read = read_flags(out, arguments); !read) {
        return std::unexpected(read.error());
    }
    return out;
}

}  // namespace

result<config> config::load(std::string default_cluster, int argc, char** argv) {
    return load_with(std::move(default_cluster),
                     std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}

result<config> config::load(std::string default_cluster) {
    return load_with(std::move(default_cluster), {});
}

}  // namespace muster
