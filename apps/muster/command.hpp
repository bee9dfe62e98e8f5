#pragma once

/// @file
/// What a verb of `muster` is: what it takes, an example, and the function that carries it out.

#include "errors.hpp"
#include "runtime/loop.hpp"
#include "settings.hpp"

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

template <class T>
using outcome = std::expected<T, failure>;

/// A flag of a verb, or one of all verbs.
struct flag_spec {
    std::string_view name;    ///< "--listen"
    std::string_view value;   ///< "HOST:PORT"; "" for a switch
    std::string_view text;    ///< one line of help
    std::string_view letter;  ///< "-o", or ""
};

struct argument_spec {
    std::string_view name;  ///< "R"
    std::string_view text;
    bool required = true;
};

/// What stands on the command line, still as text.
struct given {
    std::map<std::string, std::string, std::less<>>
        flags;  ///< "--listen" -> text; switch -> "true"
    std::vector<std::string> arguments;
    std::vector<std::string> rest;  ///< behind `--`

    [[nodiscard]] bool has(std::string_view flag) const { return flags.contains(flag); }
    [[nodiscard]] std::optional<std::string> text(std::string_view flag) const;
};

/// What a verb works with. Nothing else: no environment, no global state.
struct context {
    settings common;
    std::ostream& out;         ///< data
    std::ostream& err;         ///< complaints, logs, progress
    bool colours = false;      ///< on `out`
    bool err_colours = false;  ///< on `err`
    bool screen = false;       ///< `out` is a terminal
    std::shared_ptr<runtime::platform> ground;
};

struct command {
    std::string_view name;
    std::string_view summary;  ///< one line
    std::vector<argument_spec> arguments{};
    std::vector<flag_spec> flags{};
    std::vector<std::string_view> examples{};  ///< whole lines as typed
    bool takes_command = false;                ///< `-- CMD…`
    bool reads = false;                        ///< has -o and --watch
    exit_code (*run)(const given&, context&) = nullptr;
    std::string_view more{};  ///< a paragraph below the flags
};

/// Every verb that works, in the order of the help.
[[nodiscard]] std::span<const command> commands();
[[nodiscard]] const command* find_command(std::string_view name);
/// Flags of all verbs; those of reading verbs among them.
[[nodiscard]] std::span<const flag_spec> common_flags();
/// Whether a flag of all verbs means something to `verb`.
[[nodiscard]] bool applies(const flag_spec& flag, const command& verb);

/// Prints `what` the way the verb was asked to, and answers its exit code.
exit_code complain(context& at, const failure& what);

/// "4s", "500ms", "2m" as milliseconds; nothing where it is none, or negative.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// A failure that names the flag and the value. Helps every verb to say the same.
[[nodiscard]] failure bad_value(std::string_view flag,
                                std::string_view value,
                                std::string_view wanted);

}  // namespace muster::cli
