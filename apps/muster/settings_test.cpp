#include "command.hpp"
#include "settings.hpp"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

using flags = std::map<std::string, std::string, std::less<>>;

layer environment_with(const std::string& variable, const std::string& value) {
    return from_environment([=](std::string_view name) -> std::optional<std::string> {
        return name == variable ? std::optional{value} : std::nullopt;
    });
}

TEST(settings, are_the_defaults_where_nothing_is_said) {
    const auto made = settle({}, {});
    ASSERT_TRUE(made);
    EXPECT_EQ(made->zookeeper.value, "127.0.0.1:2181");
    EXPECT_EQ(made->cluster.value, "default");
    EXPECT_EQ(made->zookeeper.origin, "the default");
}

TEST(settings, come_from_the_flag_before_the_environment_before_the_file) {
    const auto file = parse_file("# mine\ncluster = \"of_file\"\n", "./muster.toml");
    ASSERT_TRUE(file);
    const layer variables = environment_with("MUSTER_CLUSTER", "of_environment");
    EXPECT_EQ(settle({}, {layer{}, *file})->cluster.value, "of_file");
    EXPECT_EQ(settle({}, {layer{}, *file})->cluster.origin, "./muster.toml:2");
    EXPECT_EQ(settle({}, {variables, *file})->cluster.value, "of_environment");
    EXPECT_EQ(settle({}, {variables, *file})->cluster.origin, "MUSTER_CLUSTER in the environment");
    EXPECT_EQ(settle(flags{{"--cluster", "of_flag"}}, {variables, *file})->cluster.value,
              "of_flag");
}

TEST(settings, take_credentials_from_the_environment_before_the_file) {
    EXPECT_EQ(settle({}, {})->digest.value, "");
    const auto file = parse_file("digest = \"shop:secret\"\n", "./muster.toml");
    ASSERT_TRUE(file);
    EXPECT_EQ(settle({}, {*file})->digest.value, "shop:secret");
    const layer variables = environment_with("MUSTER_DIGEST", "shop:other");
    EXPECT_EQ(settle({}, {variables, *file})->digest.value, "shop:other");
}

TEST(settings, that_are_no_credentials_are_refused_without_being_shown) {
    const auto made = settle({}, {environment_with("MUSTER_DIGEST", "verysecret")});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, "MUS0606");
    EXPECT_EQ(made.error().message, "digest is not user:password");
    EXPECT_EQ(made.error().facts.at(0).second, "MUSTER_DIGEST in the environment");
    EXPECT_FALSE(made.error().hint.contains("verysecret"));
}

TEST(settings, leave_the_keys_of_applications_alone) {
    EXPECT_TRUE(parse_file("name = 3\n[grid]\ncluster = 4\n", "f"));
}

TEST(settings, that_are_wrong_name_the_line) {
    const auto type = parse_file("\n\ncluster = 3\n", "f.toml");
    ASSERT_FALSE(type);
    EXPECT_EQ(type.error().message, "f.toml:3: cluster has to be a string");
    const auto syntax = parse_file("cluster = \n", "f.toml");
    ASSERT_FALSE(syntax);
    EXPECT_EQ(syntax.error().code, "MUS0606");
    EXPECT_EQ(syntax.error().message.substr(0, 9), "f.toml:1:");
}

TEST(settings, that_are_wrong_name_where_they_came_from) {
    const auto flag = settle(flags{{"--timeout", "soon"}}, {});
    ASSERT_FALSE(flag);
    EXPECT_EQ(flag.error().code, "MUS0605");
    const auto variable = settle({}, {environment_with("MUSTER_TIMEOUT", "soon")});
    ASSERT_FALSE(variable);
    EXPECT_EQ(variable.error().code, "MUS0606");
    EXPECT_EQ(variable.error().facts.at(0).second, "MUSTER_TIMEOUT in the environment");
}

TEST(settings, of_a_named_file_that_is_not_there_are_an_error) {
    const auto none = [](std::string_view) -> std::optional<std::string> { return std::nullopt; };
    EXPECT_FALSE(read_files(none, "no-such-file.toml"));
}

TEST(durations, have_a_unit) {
    EXPECT_EQ(parse_duration("500ms"), std::chrono::milliseconds{500});
    EXPECT_EQ(parse_duration("4s"), std::chrono::milliseconds{4'000});
    EXPECT_EQ(parse_duration("1.5s"), std::chrono::milliseconds{1'500});
    EXPECT_EQ(parse_duration("2m"), std::chrono::milliseconds{120'000});
    EXPECT_EQ(parse_duration("1h"), std::chrono::milliseconds{3'600'000});
    for (const char* wrong : {"", "4", "s", "-1s", "4 s", "1e3s", "1.s", "9999999999999s"}) {
        EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
    }
}

}  // namespace
}  // namespace muster::cli
