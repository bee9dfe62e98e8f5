#include "run.hpp"

#include "help.hpp"
#include "parse.hpp"

#include <algorithm>

namespace muster::cli {
namespace {

bool wants_json(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "-ojson" || words[i] == "-o=json" || words[i] == "--output=json" ||
            (i > 0 && words[i] == "json" && (words[i - 1] == "-o" || words[i - 1] == "--output"))) {
            return true;
        }
    }
    return false;
}

bool colours(const settings& common, bool terminal, const environment& variables) {
    if (common.colour.value != "auto") {
        return common.colour.value == "always";
    }
    const auto forbidden = variables("NO_COLOR");
    return terminal && !(forbidden && !forbidden->empty());
}

std::expected<settings, failure> settings_of(const given& words, const environment& variables) {
    std::vector<layer> layers{from_environment(variables)};
    auto files = read_files(variables, words.text("--config"));
    if (!files) {
        return std::unexpected(files.error());
    }
    std::ranges::move(*files, std::back_inserter(layers));
    return settle(words.flags, layers);
}

}  // namespace

exit_code run(const std::vector<std::string>& words,
              std::ostream& out,
              std::ostream& err,
              const surroundings& around) {
    context at{.common = {},
               .out = out,
               .err = err,
               .colours = false,
               .err_colours = colours({}, around.err_is_terminal, around.variables),
               .screen = around.out_is_terminal,
               .ground = around.ground};
    if (words.size() == 1 && words.front() == "--version") {
        return find_command("version")->run({}, at);
    }
    const auto parsed = parse_words(words);
    if (!parsed) {
        at.common.as = wants_json(words) ? format::json : format::table;
        return complain(at, parsed.error());
    }
    if (parsed->verb == nullptr) {
        print_help(parsed->help ? out : err);
        return parsed->help ? exit_code::done : exit_code::usage;
    }
    if (parsed->help) {
        print_help(out, *parsed->verb);
        return exit_code::done;
    }
    auto common = settings_of(parsed->words, around.variables);
    if (!common) {
        at.common.as = wants_json(words) ? format::json : format::table;
        return complain(at, common.error());
    }
    at.common = std::move(*common);
    at.colours = colours(at.common, around.out_is_terminal, around.variables);
    at.err_colours = colours(at.common, around.err_is_terminal, around.variables);
    return parsed->verb->run(parsed->words, at);
}

}  // namespace muster::cli
