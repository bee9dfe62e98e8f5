#include "help.hpp"

#include "verbs.hpp"

#include <algorithm>

namespace muster::cli {
namespace {

constexpr std::size_t column = 28;

void row(std::ostream& out, const std::string& left, std::string_view right) {
    out << "  " << left << std::string(left.size() < column ? column - left.size() : 1, ' ')
        << right << '\n';
}

void print_flag(std::ostream& out, const flag_spec& flag) {
    if (flag.text.empty()) {
        return;  // Told of in the line of another.
    }
    std::string left = flag.letter.empty() ? "" : std::string{flag.letter} + ", ";
    left += flag.name;
    if (flag.name == "--watch") {
        left += "[=" + std::string{flag.value} + "]";
    } else if (!flag.value.empty()) {
        left += " " + std::string{flag.value};
    }
    row(out, left, flag.text);
}

}  // namespace

void print_help(std::ostream& out) {
    out << "Usage: muster VERB [ARGUMENT...] [FLAG...]\n\n"
           "Looks at a Muster cluster, and makes processes members of one.\n\nVerbs:\n";
    for (const command& one : commands()) {
        row(out, std::string{one.name}, one.summary);
    }
    out << "\nFlags of all verbs, before or behind the verb:\n";
    for (const flag_spec& flag : common_flags()) {
        print_flag(out, flag);
    }
    out << "\nCredentials, where the members have some: `digest` (user:password) in the file, or\n"
           "MUSTER_DIGEST.\n";
    out << "\nExit codes: 0 done or healthy, 1 no, 2 usage, 3 could not reach ZooKeeper,\n"
           "4 timed out, 5 refused, 6 conflict, 130 interrupted.\n\n"
           "Example:\n  muster dev                     # in one terminal\n"
           "  muster status                  # in another\n\n"
           "muster help VERB tells more of a verb, muster help CODE of an error.\n";
}

void print_help(std::ostream& out, const command& verb) {
    out << "Usage: muster " << verb.name;
    for (const argument_spec& one : verb.arguments) {
        out << ' ' << (one.required ? "" : "[") << one.name << (one.required ? "" : "]");
    }
    out << " [FLAG...]" << (verb.takes_command ? " -- CMD..." : "") << "\n\n"
        << verb.name << ": " << verb.summary << ".\n";
    if (!verb.more.empty()) {
        out << verb.more << '\n';
    }
    if (!verb.arguments.empty()) {
        out << "\nArguments:\n";
        for (const argument_spec& one : verb.arguments) {
            row(out, std::string{one.name}, one.text);
        }
    }
    out << "\nFlags:\n";
    for (const flag_spec& flag : verb.flags) {
        print_flag(out, flag);
    }
    for (const flag_spec& flag : common_flags()) {
        if (applies(flag, verb)) {
            print_flag(out, flag);
        }
    }
    out << (verb.examples.size() > 1 ? "\nExamples:\n" : "\nExample:\n");
    for (const std::string_view line : verb.examples) {
        out << "  " << line << '\n';
    }
}

exit_code run_help(const given& words, context& at) {
    if (words.arguments.empty()) {
        print_help(at.out);
        return exit_code::done;
    }
    const std::string& topic = words.arguments.front();
    if (const command* const verb = find_command(topic)) {
        print_help(at.out, *verb);
        return exit_code::done;
    }
    if (const known_error* const known = find_error(topic)) {
        at.out << known->code << ": " << known->title << "\n\n"
               << known->explain << "\n\nExit code: " << static_cast<int>(known->exit) << '\n';
        return exit_code::done;
    }
    return complain(at,
                    {.code = "MUS0605",
                     .message = "there is no verb and no error code '" + topic + "'",
                     .facts = {},
                     .hint = "muster help lists the verbs; a code looks like MUS0203"});
}

}  // namespace muster::cli
