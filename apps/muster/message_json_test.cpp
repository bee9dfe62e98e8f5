#include "message_json.hpp"

#include "muster/detail/shape.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace shop {

struct put {
    using reply = void;
    std::string key;
    std::string value;
    int copies = 1;
};
struct get {
    using reply = std::optional<std::string>;
    std::string key;
};
struct tree {
    std::string name;
    std::vector<tree> branches;

    friend bool operator==(const tree&, const tree&) = default;
};
struct all_kinds {
    bool yes = false;
    std::int64_t number = 0;
    std::uint64_t count = 0;
    double ratio = 0;
    std::vector<std::byte> raw;
    muster::member_id member;
    std::optional<std::optional<int>> maybe;
    std::variant<std::monostate, std::string> either;
    std::map<std::string, std::vector<int>> table;
    std::pair<int, std::string> two;

    friend bool operator==(const all_kinds&, const all_kinds&) = default;
};

}  // namespace shop

namespace muster::cli {
namespace {

using boost::json::parse;
using boost::json::serialize;

template <class... Messages>
std::vector<message_shape> shapes() {
    auto all = read_shapes(detail::describe_all({&detail::describe_message<Messages>...}));
    EXPECT_TRUE(all) << all.error().text;
    return all.value_or(std::vector<message_shape>{});
}

/// What the receiver reads of it.
template <class Message>
result<Message> sent(const std::string& json) {
    const auto bytes = message_bytes(shapes<Message>().front().body, parse(json));
    if (!bytes) {
        return std::unexpected{bytes.error()};
    }
    return decode<Message>(*bytes);
}

template <class Message>
std::string why_not(const std::string& json) {
    const auto got = sent<Message>(json);
    return got ? "" : got.error().text;
}

TEST(a_message_in_json, is_read_by_the_type_it_is_for) {
    const auto whole = sent<shop::put>(R"({"value":"42","key":"ann","copies":3})");
    ASSERT_TRUE(whole) << whole.error().text;
    EXPECT_EQ(whole->key, "ann");
    EXPECT_EQ(whole->value, "42");
    EXPECT_EQ(whole->copies, 3);
    const auto in_order = sent<shop::put>(R"(["ann","42"])");
    ASSERT_TRUE(in_order) << in_order.error().text;
    EXPECT_EQ(in_order->value, "42");
    EXPECT_EQ(in_order->copies, 1);
}

TEST(a_message_in_json, may_lack_fields_at_the_end_and_no_others) {
    const auto short_one = sent<shop::put>(R"({"key":"ann","value":"42"})");
    ASSERT_TRUE(short_one) << short_one.error().text;
    EXPECT_EQ(short_one->copies, 1);
    EXPECT_EQ(why_not<shop::put>(R"({"key":"ann","copies":2})"),
              "the message: the field 'value' is missing: only fields at the end may be left out");
}

TEST(a_message_in_json, says_where_it_is_wrong_and_what_is_expected) {
    EXPECT_EQ(why_not<shop::put>(R"({"key":7})"), "'key': expected a text, not 7");
    EXPECT_EQ(why_not<shop::put>(R"({"kee":"ann"})"),
              "the message: there is no field 'kee', but 'key', 'value', 'copies'");
    EXPECT_EQ(why_not<shop::put>(R"("ann")"),
              "the message: expected an object with the fields 'key', 'value', 'copies', not "
              "\"ann\"");
    EXPECT_EQ(why_not<shop::tree>(R"({"name":"a","branches":[{"name":"b"},{"name":null}]})"),
              "'branches.1.name': expected a text, not null");
    EXPECT_EQ(why_not<shop::all_kinds>(R"({"yes":true,"number":0,"count":-1})"),
              "'count': expected a whole number that is not negative, not -1");
}

TEST(a_message_in_json, has_every_kind_of_value_and_comes_back_as_it_was) {
    const std::string json =
        R"({"yes":true,"number":"-9223372036854775808","count":"18446744073709551615",)"
        R"("ratio":2.5E-1,"raw":"00ff","member":"000000000000000100000000000000ff",)"
        R"("maybe":null,"either":[1,"x"],"table":{"a":[1,2],"b":[]},"two":[7,"y"]})";
    const auto got = sent<shop::all_kinds>(json);
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->number, std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(got->count, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(got->raw, (std::vector<std::byte>{std::byte{0}, std::byte{255}}));
    EXPECT_EQ(got->member, (member_id{1, 255}));
    EXPECT_EQ(std::get<std::string>(got->either), "x");
    EXPECT_EQ(got->table.at("a"), (std::vector<int>{1, 2}));
    const auto back = message_value(shapes<shop::all_kinds>().front().body, encode(*got));
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(serialize(*back), json);
}

TEST(a_message_in_json, holds_its_own_kind_as_deep_as_it_says) {
    const auto got = sent<shop::tree>(
        R"({"name":"a","branches":[{"name":"b","branches":[{"name":"c"}]},{"name":"d"}]})");
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(*got, (shop::tree{"a", {{"b", {{"c", {}}}}, {"d", {}}}}));
    const auto back = message_value(shapes<shop::tree>().front().body, encode(*got));
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(serialize(*back),
              R"({"name":"a","branches":[{"name":"b","branches":[{"name":"c","branches":[]}]},)"
              R"({"name":"d","branches":[]}]})");
}

TEST(an_answer, is_null_where_it_has_no_content_and_refused_where_it_is_another) {
    const auto all = shapes<shop::put, shop::get>();
    EXPECT_EQ(serialize(*message_value(*all[0].reply, "")), "null");
    EXPECT_EQ(serialize(*message_value(*all[1].reply, encode(std::optional<std::string>{"42"}))),
              R"("42")");
    EXPECT_EQ(message_value(*all[1].reply, encode(7)).error().code, errc::incompatible);
    EXPECT_EQ(message_value(*all[1].reply, "").error().code, errc::incompatible);
}

TEST(a_type, is_found_by_its_whole_name_or_the_end_of_it) {
    const auto all = shapes<shop::put, shop::get>();
    EXPECT_EQ(find_shape(all, "shop::get")->type, "shop::get");
    EXPECT_EQ(find_shape(all, "get")->type, "shop::get");
    EXPECT_EQ(find_shape(all, "et").error().text,
              "it does not take 'et', but shop::put, shop::get");
}

TEST(what_a_receiver_says, is_refused_where_it_is_no_description) {
    for (const char* json : {"",
                             "{}",
                             "[7]",
                             R"([{"type":"a"}])",
                             R"([{"type":7,"body":"int"}])",
                             R"([{"type":"a","body":{"fields":[["x"]]}}])",
                             R"([{"type":"a","body":{"fields":7}}])"}) {
        EXPECT_FALSE(read_shapes(json)) << json;
    }
}

}  // namespace
}  // namespace muster::cli
