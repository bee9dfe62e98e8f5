#include "help.hpp"
#include "parse.hpp"
#include "run.hpp"

#include "base/text.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace muster::cli {
namespace {

struct ran {
    int code = 0;
    std::string out;
    std::string err;
};

/// `muster` with these words, without terminal, files or environment.
ran run_words(const std::vector<std::string>& words) {
    std::ostringstream out;
    std::ostringstream err;
    const surroundings around{.variables = [](std::string_view) { return std::nullopt; },
                              .out_is_terminal = false,
                              .err_is_terminal = false,
                              .ground = nullptr};
    const auto code = run(words, out, err, around);
    return {static_cast<int>(code), out.str(), err.str()};
}

TEST(help, of_every_verb_shows_an_example_that_parses) {
    for (const command& verb : commands()) {
        const ran got = run_words({std::string{verb.name}, "--help"});
        EXPECT_EQ(got.code, 0) << verb.name;
        EXPECT_NE(got.out.find("\nExample"), std::string::npos) << verb.name;
        ASSERT_FALSE(verb.examples.empty()) << verb.name;
        for (const std::string_view line : verb.examples) {
            EXPECT_NE(got.out.find(line), std::string::npos) << line;
            std::string text{line.substr(0, line.find(" | "))};
            std::vector<std::string> words;
            bool quoted = false;
            std::string word;
            for (const char c : text + " ") {
                quoted = c == '\'' ? !quoted : quoted;
                if (c == ' ' && !quoted) {
                    words.push_back(word);
                    word.clear();
                } else {
                    word += c;
                }
            }
            words.erase(words.begin());
            const auto parsed = parse_words(words);
            EXPECT_TRUE(parsed) << line << ": " << (parsed ? "" : parsed.error().message);
        }
    }
}

TEST(help, lists_every_flag_that_is_taken_and_no_other) {
    for (const command& verb : commands()) {
        const std::string page = run_words({"help", std::string{verb.name}}).out;
        for (const flag_spec& flag : verb.flags) {
            EXPECT_NE(page.find(std::string{flag.name} + " "), std::string::npos) << flag.name;
        }
        for (const char* not_yet : {"--data-dir", "--admin", "--yes", "--dry-run"}) {
            EXPECT_EQ(page.find(not_yet), std::string::npos) << verb.name;
            const ran got = run_words({std::string{verb.name}, not_yet});
            EXPECT_EQ(got.code, 2) << verb.name;
            EXPECT_NE(got.err.find("does not work yet"), std::string::npos) << got.err;
        }
    }
}

TEST(help, of_the_whole_lists_every_verb) {
    const std::string page = run_words({"--help"}).out;
    for (const command& verb : commands()) {
        EXPECT_NE(page.find("\n  " + std::string{verb.name} + " "), std::string::npos);
    }
}

TEST(help, of_a_code_explains_it) {
    const ran got = run_words({"help", "mus0203"});
    EXPECT_EQ(got.code, 0);
    EXPECT_EQ(got.out.substr(0, 40), "MUS0203: no ZooKeeper server answered\n\nN");
    EXPECT_EQ(run_words({"help", "MUS9999"}).code, 2);
}

TEST(words, that_are_unknown_are_answered_with_the_nearest_one) {
    const ran verb = run_words({"stauts"});
    EXPECT_EQ(verb.code, 2);
    EXPECT_NE(verb.err.find("you meant 'status'"), std::string::npos) << verb.err;
    const ran flag = run_words({"agent", "--partition", "4"});
    EXPECT_EQ(flag.code, 2);
    EXPECT_NE(flag.err.find("you meant '--partitions'"), std::string::npos) << flag.err;
    EXPECT_EQ(flag.out, "");
}

TEST(words, of_verbs_to_come_say_so) {
    for (const char* verb : {"drain", "explain", "doctor", "cluster", "services"}) {
        const ran got = run_words({verb});
        EXPECT_EQ(got.code, 2);
        EXPECT_NE(got.err.find("does not work yet"), std::string::npos) << verb;
    }
}

TEST(words, without_a_verb_print_the_help_on_stderr) {
    const ran got = run_words({});
    EXPECT_EQ(got.code, 2);
    EXPECT_EQ(got.out, "");
    EXPECT_NE(got.err.find("Usage: muster"), std::string::npos);
}

TEST(words, may_name_flags_of_all_verbs_before_or_behind_the_verb) {
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"--cluster", "shop", "-o", "json", "route", "r", "k"},
          std::vector<std::string>{"route", "--cluster=shop", "r", "-o", "json", "k"}}) {
        const auto parsed = parse_words(words);
        ASSERT_TRUE(parsed);
        EXPECT_EQ(parsed->verb->name, "route");
        EXPECT_EQ(parsed->words.text("--cluster"), "shop");
        EXPECT_EQ(parsed->words.text("--output"), "json");
        EXPECT_EQ(parsed->words.arguments, (std::vector<std::string>{"r", "k"}));
    }
}

TEST(words, behind_two_dashes_are_the_command_and_nobody_elses) {
    const auto parsed = parse_words({"elect", "boss", "--once", "--", "ls", "-l", "--", "--watch"});
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->words.rest, (std::vector<std::string>{"ls", "-l", "--", "--watch"}));
    EXPECT_TRUE(parsed->words.has("--once"));
    EXPECT_EQ(run_words({"elect", "boss"}).code, 2);
}

TEST(words, take_watch_with_and_without_a_time) {
    EXPECT_EQ(parse_words({"status", "--watch"})->words.text("--watch"), "2s");
    EXPECT_EQ(parse_words({"--watch", "status"})->words.text("--watch"), "2s");
    EXPECT_EQ(parse_words({"status", "--watch=500ms"})->words.text("--watch"), "500ms");
    EXPECT_EQ(run_words({"version", "--watch"}).code, 2);
}

TEST(words, that_miss_an_argument_say_which) {
    const ran got = run_words({"route", "orders"});
    EXPECT_EQ(got.code, 2);
    EXPECT_NE(got.err.find("KEY is missing"), std::string::npos) << got.err;
}

TEST(complaints, are_json_where_json_was_asked_for) {
    const ran got = run_words({"-o", "json", "partitions"});
    EXPECT_EQ(got.code, 2);
    const auto error = boost::json::parse(got.err).at("error").as_object();
    EXPECT_EQ(error.at("code").as_string(), "MUS0605");
    EXPECT_TRUE(error.contains("message") && error.contains("hint"));
}

TEST(agents, refuse_what_cannot_be_right) {
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"agent", "--resource", "r", "--partitions", "4"},
          std::vector<std::string>{"agent", "--name", "a", "--partitions", "4"},
          std::vector<std::string>{"agent", "--name", "a", "--resource", "r"},
          std::vector<std::string>{"agent", "--name", "a", "--resource", "member", "--partitions",
                                   "4"},
          std::vector<std::string>{"agent", "--name", "a", "--resource", "r", "--partitions", "0"},
          std::vector<std::string>{"agent", "--name", "a", "--resource", "r", "--partitions", "4",
                                   "--weight", "-1"},
          std::vector<std::string>{"agent", "--name", "a", "--resource", "r", "--partitions", "4",
                                   "--effects", "some"},
          std::vector<std::string>{"agent", "--name", "a", "--resource", "r", "--partitions", "4",
                                   "--session-timeout", "4"}}) {
        const ran got = run_words(words);
        EXPECT_EQ(got.code, 2) << words.back();
        EXPECT_EQ(got.out, "");
    }
}

TEST(errors, have_distinct_codes_a_group_and_an_explanation) {
    std::set<std::string_view> codes;
    for (const known_error& one : known_errors()) {
        EXPECT_TRUE(codes.insert(one.code).second) << one.code;
        EXPECT_EQ(one.code.size(), 7U);
        const auto group = base::parse_uint64(one.code.substr(3, 2));
        EXPECT_TRUE(group && *group >= 1 && *group <= 7) << one.code;
        EXPECT_GT(one.explain.size(), 40U) << one.code;
        EXPECT_EQ(find_error(one.code), &one);
    }
}

TEST(errors, of_every_kind_below_have_a_code_of_their_group) {
    for (int i = 0; i <= static_cast<int>(errc::closed); ++i) {
        const auto code = static_cast<errc>(i);
        const failure made = failure_of({code, "why"});
        ASSERT_NE(find_error(made.code), nullptr);
        const auto group = static_cast<int>(*base::parse_uint64(made.code.substr(3, 2)));
        if (code != errc::closed) {
            EXPECT_EQ(group, static_cast<int>(next_of(code)) + 2) << made.code;
        }
    }
}

}  // namespace
}  // namespace muster::cli
