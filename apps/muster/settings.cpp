#include "settings.hpp"

#include "command.hpp"

#include <toml++/toml.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace muster::cli {
namespace {

struct key_spec {
    std::string_view key;  ///< in a file
    std::string_view flag;  ///< "" for none
    std::string_view variable;
};

constexpr std::array keys{
    key_spec{"zookeeper", "--zookeeper", "MUSTER_ZOOKEEPER"},
    key_spec{"cluster", "--cluster", "MUSTER_CLUSTER"},
    key_spec{"digest", "", "MUSTER_DIGEST"},  // no flag: others could read it
    key_spec{"timeout", "--timeout", "MUSTER_TIMEOUT"},
    key_spec{"log_level", "--log-level", "MUSTER_LOG_LEVEL"},
    key_spec{"color", "--color", "MUSTER_COLOR"},
};

failure wrong(const setting<std::string>& what, std::string_view key, std::string_view wanted) {
    const bool flag = what.origin.ends_with("on the command line");
    failure made{.code = flag ? "MUS0605" : "MUS0606",
                 .message = std::string{key} + " cannot be '" + what.value + "'",
                 .facts = {{"from", what.origin}},
                 .hint = "it has to be " + std::string{wanted}};
    return made;
}

std::optional<verbosity> parse_verbosity(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, verbosity>, 4> names{{
        {"debug", verbosity::debug},
        {"info", verbosity::info},
        {"warning", verbosity::warning},
        {"error", verbosity::error},
    }};
    for (const auto& [name, level] : names) {
        if (name == text) {
            return level;
        }
    }
    return std::nullopt;
}

std::optional<format> parse_format(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, format>, 4> names{{
        {"table", format::table},
        {"wide", format::wide},
        {"json", format::json},
        {"name", format::name},
    }};
    for (const auto& [name, form] : names) {
        if (name == text) {
            return form;
        }
    }
    return std::nullopt;
}

using flag_map = std::map<std::string, std::string, std::less<>>;

std::optional<setting<std::string>> lookup(const key_spec& spec,
                                           const flag_map& flags,
                                           const std::vector<layer>& layers) {
    if (const auto at = flags.find(spec.flag); at != flags.end()) {
        return setting<std::string>{at->second, std::string{spec.flag} + " on the command line"};
    }
    for (const layer& one : layers) {
        if (const auto at = one.values.find(spec.key); at != one.values.end()) {
            return at->second;
        }
    }
    return std::nullopt;
}

std::optional<failure> take(settings& into, std::string_view key, setting<std::string> found) {
    if (key == "zookeeper" || key == "cluster") {
        if (found.value.empty()) {
            return wrong(found, key, "a name that is not empty");
        }
        (key == "cluster" ? into.cluster : into.zookeeper) = std::move(found);
    } else if (key == "digest") {
        if (!found.value.contains(':')) {
            return failure{.code = "MUS0606",
                           .message = "digest is not user:password",
                           .facts = {{"from", found.origin}},
                           .hint = "it has to be the one that the members have"};
        }
        into.digest = std::move(found);
    } else if (key == "timeout") {
        const auto time = parse_duration(found.value);
        if (!time || time->count() == 0) {
            return wrong(found, key, "a duration such as 5s or 500ms");
        }
        into.timeout = {*time, found.origin};
    } else if (key == "log_level") {
        const auto level = parse_verbosity(found.value);
        if (!level) {
            return wrong(found, key, "debug, info, warning or error");
        }
        into.log_level = {*level, found.origin};
    } else if (key == "color") {
        if (found.value != "auto" && found.value != "always" && found.value != "never") {
            return wrong(found, key, "auto, always or never");
        }
        into.colour = std::move(found);
    }
    return std::nullopt;
}

}  // namespace

std::expected<layer, failure> parse_file(std::string_view text, const std::string& path) {
    layer made;
    try {
        const toml::table table = toml::parse(text, path);
        for (const key_spec& spec : keys) {
            const toml::node* const found = table.get(spec.key);
            if (found == nullptr) {
                continue;
            }
            const std::string where = path + ":" + std::to_string(found->source().begin.line);
            const auto* const value = found->as_string();
            if (value == nullptr) {
                return std::unexpected(
                    failure{.code = "MUS0606",
                            .message = where + ": " + std::string{spec.key} + " has to be a string",
                            .facts = {},
                            .hint = "write " + std::string{spec.key} + " = \"…\""});
            }
            made.values[std::string{spec.key}] = {value->get(), where};
        }
    } catch (const toml::parse_error& trouble) {
        return std::unexpected(failure{.code = "MUS0606",
                                       .message = path + ":" +
                                                  std::to_string(trouble.source().begin.line) +
                                                  ": " + std::string{trouble.description()},
                                       .facts = {},
                                       .hint = "correct the file, or name another with --config"});
    }
    return made;
}

layer from_environment(const environment& of) {
    layer made;
    for (const key_spec& spec : keys) {
        if (auto value = of(spec.variable); value && !value->empty()) {
            made.values[std::string{spec.key}] = {
                std::move(*value), std::string{spec.variable} + " in the environment"};
        }
    }
    return made;
}

std::expected<std::vector<layer>, failure> read_files(const environment& of,
                                                      const std::optional<std::string>& only) {
    std::vector<std::string> candidates;
    if (only) {
        candidates.push_back(*only);
    } else {
        candidates.emplace_back("./muster.toml");
        const auto home = of("XDG_CONFIG_HOME");
        if (home && !home->empty()) {
            candidates.push_back(*home + "/muster/muster.toml");
        } else if (const auto user = of("HOME")) {
            candidates.push_back(*user + "/.config/muster/muster.toml");
        }
        candidates.emplace_back("/etc/muster/muster.toml");
    }
    std::vector<layer> made;
    for (const std::string& path : candidates) {
        std::ifstream file{path};
        if (!file) {
            if (only) {
                return std::unexpected(failure{.code = "MUS0606",
                                               .message = path + " cannot be read",
                                               .facts = {{"from", "--config on the command line"}},
                                               .hint = "name a file that exists"});
            }
            continue;
        }
        std::stringstream text;
        text << file.rdbuf();
        auto one = parse_file(text.str(), path);
        if (!one) {
            return std::unexpected(one.error());
        }
        made.push_back(std::move(*one));
    }
    return made;
}

std::expected<settings, failure> settle(const flag_map& flags, const std::vector<layer>& layers) {
    settings made;
    for (const key_spec& spec : keys) {
        if (auto found = lookup(spec, flags, layers)) {
            if (auto trouble = take(made, spec.key, std::move(*found))) {
                return std::unexpected(std::move(*trouble));
            }
        }
    }
    if (flags.contains("-q")) {
        made.log_level = {verbosity::error, "-q on the command line"};
    } else if (flags.contains("-v")) {
        made.log_level = {verbosity::debug, "-v on the command line"};
    }
    if (const auto at = flags.find("--output"); at != flags.end()) {
        const auto form = parse_format(at->second);
        if (!form) {
            return std::unexpected(bad_value("-o", at->second, "table, wide, json or name"));
        }
        made.as = *form;
    }
    if (const auto at = flags.find("--watch"); at != flags.end()) {
        made.watch = parse_duration(at->second);
        if (!made.watch || made.watch->count() == 0) {
            return std::unexpected(bad_value("--watch", at->second, "a duration such as 2s"));
        }
    }
    return made;
}

}  // namespace muster::cli
