#include "muster/config.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster {
namespace {

using namespace std::chrono_literals;

/// An empty folder to stand in, and an environment without settings of Muster's.
class settings_of_a_program : public testing::Test {
protected:
    void SetUp() override {
        before_ = std::filesystem::current_path();
        std::string name = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        here_ = name;
        std::filesystem::current_path(here_);
    }
    void TearDown() override {
        for (const std::string& name : set_) {
            unsetenv(name.c_str());
        }
        std::filesystem::current_path(before_);
        std::filesystem::remove_all(here_);
    }
    void file(const std::string& text, const std::string& name = "muster.toml") {
        std::ofstream{here_ / name} << text;
    }
    void environment(const std::string& name, const std::string& value) {
        set_.push_back(name);
        setenv(name.c_str(), value.c_str(), 1);
    }
    static result<config> load(std::vector<std::string> flags = {}) {
        flags.insert(flags.begin(), "program");
        std::vector<char*> raw;
        for (std::string& one : flags) {
            raw.push_back(one.data());
        }
        return config::load("shop", static_cast<int>(raw.size()), raw.data());
    }
    static std::string trouble(std::vector<std::string> flags = {}) {
        const auto got = load(std::move(flags));
        if (got) {
            return "none";
        }
        EXPECT_EQ(got.error().code, errc::invalid_argument);
        return got.error().text;
    }

    std::filesystem::path before_, here_;
    std::vector<std::string> set_;
};

TEST_F(settings_of_a_program, are_the_defaults_where_nobody_says_anything) {
    const auto got = load();
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->cluster, "shop");
    EXPECT_EQ(got->zookeeper, "127.0.0.1:2181");
    EXPECT_EQ(got->ask_deadline, 5s);
    EXPECT_EQ(got->drain_deadline, 25s);
    EXPECT_EQ(got->session_timeout, std::nullopt);
}

TEST_F(settings_of_a_program, come_from_flags_before_environment_before_file_before_defaults) {
    file("cluster = \"file\"\nname = \"file\"\nzone = \"file\"\n");
    environment("MUSTER_NAME", "environment");
    environment("MUSTER_ZONE", "environment");
    const auto got = load({"--zone", "flag", "--weight=2.5"});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->cluster, "file");
    EXPECT_EQ(got->name, "environment");
    EXPECT_EQ(got->zone, "flag");
    EXPECT_EQ(got->weight, 2.5);
}

TEST_F(settings_of_a_program, have_durations_flags_numbers_lists_and_tables) {
    file(R"(ask_deadline = "250ms"
session_timeout = "4s"
allow_unproven_server = true
workers = 3
weight = 1.5
roles = ["reader", "writer"]
publish_prefix = "public."
[metadata]
rack = "7"
phone = "123"
)");
    const auto got = load({"--settle", "0ms", "--init-deadline=2m"});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->ask_deadline, 250ms);
    EXPECT_EQ(got->session_timeout, 4s);
    EXPECT_TRUE(got->allow_unproven_server);
    EXPECT_EQ(got->workers, 3U);
    EXPECT_EQ(got->weight, 1.5);
    EXPECT_EQ(got->publish_prefix, "public.");
    EXPECT_EQ(got->roles, (std::vector<std::string>{"reader", "writer"}));
    EXPECT_EQ(got->metadata, (std::map<std::string, std::string>{{"rack", "7"}, {"phone", "123"}}));
    EXPECT_EQ(got->settle, 0ms);
    EXPECT_EQ(got->init_deadline, 2min);
}

TEST_F(settings_of_a_program, leave_what_is_no_flag_to_the_program) {
    const auto got = load({"one", "--name", "ann", "--", "--zone", "mine"});
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->arguments, (std::vector<std::string>{"one", "--zone", "mine"}));
    EXPECT_EQ(got->zone, "");
}

TEST_F(settings_of_a_program, are_read_from_the_file_that_is_named) {
    file("cluster = \"here\"\n");
    file("cluster = \"there\"\n", "other.toml");
    EXPECT_EQ(load({"--config", "other.toml"})->cluster, "there");
    EXPECT_EQ(load({"--config=other.toml"})->cluster, "there");
    environment("MUSTER_CONFIG", "other.toml");
    EXPECT_EQ(load()->cluster, "there");
    EXPECT_NE(trouble({"--config", "none.toml"}).find("none.toml does not exist"),
              std::string::npos);
}

TEST_F(settings_of_a_program, say_what_is_wrong_where_and_what_is_expected) {
    file("cluster = \"a\"\n\nask_deadline = \"soon\"\n");
    EXPECT_EQ(trouble(),
              "`ask_deadline` = \"soon\" (from muster.toml, line 3): expected a "
              "duration such as 500ms, 4s or 2m");
    file("cluster = \"a\"\nclutser = \"b\"\n");
    EXPECT_EQ(trouble(), "`clutser` (from muster.toml, line 2) is not a setting of muster");
    file("cluster = \"a\nname = 1");
    EXPECT_NE(trouble().find("line 1"), std::string::npos) << trouble();
    file("workers = [1, 2]\n");
    EXPECT_NE(trouble().find("line 1"), std::string::npos) << trouble();
    file("");
    EXPECT_EQ(trouble({"--workers=many"}),
              "`workers` = \"many\" (from --workers on the command line): expected a whole number");
    EXPECT_EQ(trouble({"--clutser", "x"}).find("--clutser is not a flag of muster"), 0U);
    EXPECT_EQ(trouble({"--name"}), "--name needs a value");
    environment("MUSTER_WEIGHT", "heavy");
    EXPECT_EQ(trouble(),
              "`weight` = \"heavy\" (from the environment, MUSTER_WEIGHT): expected a "
              "number above 0");
}

TEST_F(settings_of_a_program, refuse_numbers_that_are_none_or_out_of_range) {
    for (const char* bad : {"nans", "infs", "-1s", "1e300h", "5", "5 s", "", "s"}) {
        EXPECT_NE(trouble({"--settle", bad}), "none") << bad;
    }
    for (const char* bad : {"0", "-1", "nan", "1x", ""}) {
        EXPECT_NE(trouble({"--weight", bad}), "none") << bad;
    }
    for (const char* bad : {"-1", "4294967296", "1.5", ""}) {
        EXPECT_NE(trouble({"--workers", bad}), "none") << bad;
    }
}

}  // namespace
}  // namespace muster
