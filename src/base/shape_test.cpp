// What messages say of themselves to programs that do not have their types.

#include "muster/detail/shape.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace shop {

enum class colour : std::uint8_t { red, green };

struct put {
    using reply = void;
    std::string key;
    std::string value;
};

struct tree {
    std::string name;
    std::vector<tree> branches;
};

struct all_kinds {
    using reply = std::optional<std::string>;
    bool yes = false;
    std::int64_t number = 0;
    std::uint16_t count = 0;
    double ratio = 0;
    colour paint = colour::red;
    std::chrono::milliseconds time{0};
    std::vector<std::byte> raw;
    muster::pid who;
    muster::member_id member;
    std::optional<std::optional<int>> maybe;
    std::variant<std::monostate, std::string> either;
    std::map<std::string, std::vector<int>> table;
    std::pair<int, std::string> two;
    std::array<float, 2> place{};
    put inside;
};

struct renamed {
    static constexpr std::string_view wire_name = "shop/renamed/2";
    int one_ = 0;
};

struct nothing {};

}  // namespace shop

namespace muster::detail {
namespace {

template <class T>
std::string described() {
    std::string out;
    describe_message<T>(out);
    return out;
}

TEST(a_message, says_the_names_of_its_fields_and_what_answers_it) {
    EXPECT_EQ(described<shop::put>(),
              R"({"type":"shop::put","body":{"fields":[["key","text"],["value","text"]]},)"
              R"("reply":null})");
    EXPECT_EQ(described<shop::renamed>(),
              R"({"type":"shop/renamed/2","body":{"fields":[["one_","int"]]}})");
    EXPECT_EQ(described<shop::nothing>(), R"({"type":"shop::nothing","body":{"fields":[]}})");
}

TEST(a_message, says_of_every_kind_of_field_how_it_travels) {
    EXPECT_EQ(
        described<shop::all_kinds>(),
        R"({"type":"shop::all_kinds","body":{"fields":[["yes","bool"],["number","int"],)"
        R"(["count","uint"],["ratio","real"],["paint","uint"],["time","int"],["raw","bytes"],)"
        R"(["who","pid"],["member","id"],["maybe",{"boxed":{"optional":"int"}}],)"
        R"(["either",{"variant":["null","text"]}],["table",{"map":["text",{"list":"int"}]}],)"
        R"(["two",{"tuple":["int","text"]}],["place",{"tuple":["real","real"]}],)"
        R"(["inside",{"fields":[["key","text"],["value","text"]]}]]},)"
        R"("reply":{"optional":"text"}})");
}

TEST(a_message, that_holds_its_own_kind_refers_to_the_outer_one) {
    EXPECT_EQ(described<shop::tree>(),
              R"({"type":"shop::tree","body":{"fields":[["name","text"],)"
              R"(["branches",{"list":{"outer":0}}]]}})");
}

struct hidden {
    int field_of_an_unnamed_namespace = 0;
};

TEST(a_message, of_an_unnamed_namespace_or_a_function_says_its_fields_too) {
    struct local {
        int field_of_a_local_type = 0;
    };
    EXPECT_EQ((field_name<hidden, 0>()), "field_of_an_unnamed_namespace");
    EXPECT_EQ((field_name<local, 0>()), "field_of_a_local_type");
}

}  // namespace
}  // namespace muster::detail
