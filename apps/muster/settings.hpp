#pragma once

/// @file
/// What holds for every verb, and where each value came from: flag, environment, file or default,
/// the first that is there.

#include "errors.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

/// A value, and where it came from, for people: "--zookeeper on the command line".
template <class T>
struct setting {
    T value{};
    std::string origin;
};

enum class format : std::uint8_t { table, wide, json, name };
enum class verbosity : std::uint8_t { debug, info, warning, error };

struct settings {
    setting<std::string> zookeeper{"127.0.0.1:2181", "the default"};
    setting<std::string> cluster{"default", "the default"};
    setting<std::string> digest{"", "the default"};  ///< "user:password", or ""
    setting<std::chrono::milliseconds> timeout{std::chrono::seconds{5}, "the default"};
    setting<verbosity> log_level{verbosity::info, "the default"};
    setting<std::string> colour{"auto", "the default"};  ///< auto, always, never
    format as = format::table;
    std::optional<std::chrono::milliseconds> watch;
};

/// One layer below the command line: `key` to text, and where it stands ("./muster.toml:3").
struct layer {
    std::map<std::string, setting<std::string>, std::less<>> values;
};

using environment = std::function<std::optional<std::string>(std::string_view name)>;

/// The keys that muster reads from a file. Others belong to applications and are left alone.
/// Errors: MUS0606, with file and line.
[[nodiscard]] std::expected<layer, failure> parse_file(std::string_view text,
                                                       const std::string& path);
/// MUSTER_ZOOKEEPER and so on.
[[nodiscard]] layer from_environment(const environment& of);
/// ./muster.toml, the user's, the system's: those that are there, the first beats the next. With
/// `only`, that file alone, which then must be there.
[[nodiscard]] std::expected<std::vector<layer>, failure> read_files(
    const environment& of, const std::optional<std::string>& only);

/// Flags (by long name, such as "--cluster"), then layers in order, then defaults.
/// Errors: MUS0605 for a flag, MUS0606 for the rest.
[[nodiscard]] std::expected<settings, failure> settle(
    const std::map<std::string, std::string, std::less<>>& flags, const std::vector<layer>& layers);

}  // namespace muster::cli
