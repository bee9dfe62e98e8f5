#include "parse.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>

namespace muster::cli {
namespace {

/// Belong to muster, and do not work in this version.
constexpr std::array<std::string_view, 23> verbs_to_come{
    "services", "globals",  "ask",    "send",         "drain",   "resume",  "move",  "rebalance",
    "reshard",  "freeze",   "thaw",   "safe-to-stop", "explain", "history", "top",   "doctor",
    "guard",    "simulate", "config", "completion",   "bump",    "list",    "delete"};
constexpr std::array<std::string_view, 6> flags_to_come{
    "--data-dir", "--admin", "--yes", "--dry-run", "--origin", "--wait"};

failure unusable(std::string_view what, std::string_view hint) {
    return {.code = "MUS0607",
            .message = std::string{what} + " does not work yet in this version",
            .facts = {},
            .hint = std::string{hint}};
}

failure unknown(std::string_view kind,
                std::string_view word,
                std::string_view meant,
                std::string_view hint) {
    failure made{.code = "MUS0605",
                 .message = "there is no " + std::string{kind} + " '" + std::string{word} + "'",
                 .facts = {},
                 .hint = std::string{hint}};
    if (!meant.empty()) {
        made.facts.emplace_back("likely", "you meant '" + std::string{meant} + "'");
    }
    return made;
}

std::vector<const flag_spec*> flags_of(const command* verb) {
    std::vector<const flag_spec*> all;
    for (const flag_spec& one : common_flags()) {
        all.push_back(&one);
    }
    if (verb != nullptr) {
        for (const flag_spec& one : verb->flags) {
            all.push_back(&one);
        }
    }
    return all;
}

const flag_spec* find_flag(const command* verb, std::string_view word) {
    for (const flag_spec* one : flags_of(verb)) {
        if (one->name == word || (!one->letter.empty() && one->letter == word)) {
            return one;
        }
    }
    return nullptr;
}

/// The verb is the first word that is neither a flag nor the value of one of all verbs.
std::expected<const command*, failure> find_verb(const std::vector<std::string>& words,
                                                 std::size_t& at) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--") {
            break;
        }
        if (word.starts_with("-")) {
            const flag_spec* const flag = find_flag(nullptr, word);
            if (flag != nullptr && !flag->value.empty() && flag->name != "--watch") {
                ++i;
            }
            continue;
        }
        at = i;
        if (const command* const found = find_command(word)) {
            return found;
        }
        if (word == "cluster" || std::ranges::find(verbs_to_come, word) != verbs_to_come.end()) {
            return std::unexpected(unusable("muster " + word, "muster help lists what does"));
        }
        std::vector<std::string_view> names;
        for (const command& one : commands()) {
            names.push_back(one.name);
        }
        return std::unexpected(
            unknown("verb", word, nearest(word, names), "muster help lists the verbs"));
    }
    at = words.size();
    return nullptr;
}

failure unknown_flag(const command* verb, std::string_view word) {
    const std::string name{word.substr(0, word.find('='))};
    const std::string help =
        verb == nullptr ? "muster help" : "muster help " + std::string{verb->name};
    if (std::ranges::find(flags_to_come, name) != flags_to_come.end()) {
        return unusable(name, help + " lists what does");
    }
    std::vector<std::string_view> names{"--help"};
    for (const flag_spec* one : flags_of(verb)) {
        names.push_back(one->name);
    }
    return unknown("flag", name, nearest(name, names), help + " lists the flags");
}

void declare(CLI::App& app, const flag_spec& flag, given& into) {
    std::string names{flag.name};
    if (!flag.letter.empty()) {
        names = std::string{flag.letter} + "," + names;
    }
    const std::string key{flag.name};
    if (flag.value.empty()) {
        app.add_flag_callback(names, [&into, key] { into.flags[key] = "true"; });
    } else {
        app.add_option_function<std::string>(
               names, [&into, key](const std::string& text) { into.flags[key] = text; })
            ->take_last();
    }
}

/// What CLI11 complains of, in our words.
failure misused(const command& verb, const std::string& what) {
    return {.code = "MUS0605",
            .message = "muster " + std::string{verb.name} + ": " + what,
            .facts = {},
            .hint = "muster help " + std::string{verb.name} + " shows an example"};
}

std::optional<failure> check_arguments(const command& verb, const given& words) {
    for (std::size_t i = words.arguments.size(); i < verb.arguments.size(); ++i) {
        if (verb.arguments[i].required) {
            return misused(verb,
                           std::string{verb.arguments[i].name} +
                               " is missing: " + std::string{verb.arguments[i].text});
        }
    }
    if (words.arguments.size() > verb.arguments.size()) {
        return misused(verb, "'" + words.arguments[verb.arguments.size()] + "' is too much");
    }
    if (verb.takes_command && words.rest.empty()) {
        return misused(verb, "the command is missing; it stands behind --");
    }
    return std::nullopt;
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    std::string_view best;
    std::size_t least = 3;  // more than two slips are no slip
    for (const std::string_view one : known) {
        std::vector<std::size_t> row(one.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 0; i < word.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i + 1);
            for (std::size_t j = 0; j < one.size(); ++j) {
                const std::size_t change = diagonal + (word[i] == one[j] ? 0 : 1);
                diagonal = row[j + 1];
                row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
            }
        }
        if (row.back() < least && row.back() < one.size()) {
            least = row.back();
            best = one;
        }
    }
    return best;
}

std::expected<parsed, failure> parse_words(const std::vector<std::string>& words) {
    std::size_t at = 0;
    const auto verb = find_verb(words, at);
    if (!verb) {
        return std::unexpected(verb.error());
    }
    parsed made{.verb = *verb, .help = false, .words = {}};
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    app.add_flag("-h,--help", made.help);
    for (const flag_spec* one : flags_of(*verb)) {
        declare(app, *one, made.words);
    }
    std::vector<std::string> arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--" && made.verb != nullptr && made.verb->takes_command) {
            made.words.rest.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
            break;
        }
        if (i != at || made.verb == nullptr) {
            arguments.push_back(words[i] == "--watch" ? "--watch=2s" : words[i]);
        }
    }
    std::ranges::reverse(arguments);  // as CLI11 wants them
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& trouble) {
        if (made.verb == nullptr) {
            return std::unexpected(failure{
                .code = "MUS0605", .message = trouble.what(), .facts = {}, .hint = "muster help"});
        }
        return std::unexpected(misused(*made.verb, trouble.what()));
    }
    for (const std::string& extra : app.remaining()) {
        if (extra.starts_with("-") && extra.size() > 1 &&
            std::isdigit(static_cast<unsigned char>(extra[1])) == 0) {
            return std::unexpected(unknown_flag(made.verb, extra));
        }
        made.words.arguments.push_back(extra);
    }
    if (made.verb == nullptr || made.help) {
        return made;
    }
    for (const flag_spec& one : common_flags()) {
        // Those that say which cluster do no harm elsewhere; a form of output that is not there
        // would mislead.
        const bool form = one.name == "--output" || one.name == "--watch";
        if (form && made.words.has(one.name) && !applies(one, *made.verb)) {
            return std::unexpected(
                misused(*made.verb, std::string{one.name} + " means nothing here"));
        }
    }
    if (auto trouble = check_arguments(*made.verb, made.words)) {
        return std::unexpected(std::move(*trouble));
    }
    return made;
}

}  // namespace muster::cli
