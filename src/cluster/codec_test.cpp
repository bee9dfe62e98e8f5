#include "cluster/codec.hpp"

#include "cluster/plan/rules.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster {
namespace {

const member_id a{0xa1, 1};
const member_id b{0xb2, 2};

specification hash(std::uint32_t partitions) {
    specification spec;
    spec.partitions = partitions;
    return spec;
}

specification list(std::uint32_t replicas = 1) {
    specification spec;
    spec.kind = resource_kind::list;
    spec.replicas = replicas;
    return spec;
}

entry owned(std::string partition, member_id owner, plan_number fence) {
    entry one;
    one.partition = std::move(partition);
    one.owner = owner;
    one.fence = fence;
    return one;
}

template <class Record>
result<Record> back(const Record& what) {
    return decode<Record>(encode(what), "/x");
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from << " in " << text;
    return text.replace(at, from.size(), to);
}

TEST(codec, records_come_back_as_they_were) {
    EXPECT_EQ(back(root_record{.incarnation = 127, .uuid = "u", .frozen = true}),
              (root_record{.incarnation = 127, .uuid = "u", .frozen = true}));
    const key_record key{std::string("\x00\xff", 2) + std::string(30, '\x9a')};
    EXPECT_EQ(back(key), key);

    descriptor member;
    member.name = "a/1";
    member.address = "host:1";
    member.metadata = {{"tel", "\"1\""}};
    member.weight = 2.5;
    member.roles = {"boss", "a b"};
    member.started_unix_ms = 1'700'000'000'000;
    EXPECT_EQ(back(member), member);

    status_record status;
    status.state = lifecycle::draining;
    status.resources["or/ders"] = {.through = most_plan_number,
                                   .except = {"17", "a%2fb#1"},
                                   .revoked = 3,
                                   .failed = {{"4", 5}},
                                   .ready = {"9"}};
    status.unreachable = {a, b};
    status.candidates = {"boss"};
    EXPECT_EQ(back(status), status);

    view_head view;
    view.number = most_plan_number;
    view.leader = a;
    view.epoch = 77;
    view.chunks = {5, most_plan_number};
    view.after = 4;
    view.changes = {{.number = 5, .member = {.id = a, .state = lifecycle::online, .drain = true}},
                    {.number = 9, .chunk = 1, .member = {.id = b}, .gone = true}};
    EXPECT_EQ(back(view), view);
    view_chunk part;
    part.number = 9;
    part.members = {{.id = a, .state = lifecycle::online, .drain = true}, {.id = b}};
    EXPECT_EQ(back(part), part);

    plan_head head;
    head.number = 12;
    head.chunks = {3, 12};
    head.since = {{b, 7}};
    EXPECT_EQ(back(head), head);
    head.fresh = true;
    EXPECT_EQ(back(head), head);
}

TEST(codec, specifications_come_back_as_they_were) {
    specification spec = hash(64);
    spec.replicas = 3;
    spec.when_stranded = stranded_policy::serve_stale;
    spec.effects = effects_policy::none;
    spec.on_stuck = stuck_policy::fence;
    spec.handover_delay = std::chrono::milliseconds{7};
    spec.prepare_deadline = std::chrono::milliseconds{900};
    spec.planner = "custom";
    spec.tombstone = true;
    EXPECT_EQ(back(spec), spec);

    specification range;
    range.kind = resource_kind::range;
    range.from = {"", "A", "\xff\x01/"};  // any bytes
    EXPECT_EQ(back(range), range);
    EXPECT_EQ(back(list(2)), list(2));
}

TEST(codec, the_stored_text_is_the_documented_one) {
    EXPECT_EQ(encode(hash(64)),
              R"({"format":1,"kind":"hash","partitions":64,"hash":"xxh64/1","replicas":1,)"
              R"("when_stranded":"exclusive","effects":"unfenced","handover_delay_ms":500,)"
              R"("on_stuck":"abort","acquire_deadline_ms":30000,"release_deadline_ms":5000,)"
              R"("planner":"balanced"})");
    plan_chunk chunk;
    chunk.number = 12;
    chunk.entries = {owned("0", a, 12), owned("1", {}, 0), owned("2", a, 3)};
    chunk.entries[0].waits = {b};
    EXPECT_EQ(encode(chunk, hash(3)),
              R"({"format":1,"number":"12","ids":["00000000000000a10000000000000001",)"
              R"("00000000000000b20000000000000002"],"fences":["12","0","3"],)"
              R"("owners":[0,-1,0],"fence":[0,1,2],"unfinished":[{"at":0,"waits":[1]}]})");
}

TEST(codec, chunks_come_back_as_they_were) {
    plan_chunk chunk;
    chunk.number = 12;
    chunk.entries = {owned("0", a, 12), owned("1", {}, 0), owned("2", b, 3)};
    chunk.entries[0].waits = {b};
    chunk.entries[1].next = a;
    EXPECT_EQ(decode_chunk(encode(chunk, hash(3)), "/x", hash(3), 0), chunk);

    plan_chunk names;
    names.number = 12;
    names.entries = {
        owned("2024/05", a, 12), owned("2024/05", b, 12), owned("", {}, 3), owned("", {}, 3)};
    names.entries[1].slot = names.entries[3].slot = 1;
    names.entries[2].removed = names.entries[3].removed = true;
    names.entries[3].waits = {a, b};
    EXPECT_EQ(decode_chunk(encode(names, list(2)), "/x", list(2), 5), names);
}

TEST(codec, entries_are_named_by_their_place) {
    specification range;
    range.kind = resource_kind::range;
    range.from = {"A", "H"};
    range.replicas = 2;
    const plan whole = first_plan(range, 1);
    EXPECT_EQ(decode_chunk(encode(whole.chunks[0], range), "/x", range, 0), whole.chunks[0]);

    const plan large = first_plan(hash(1500), 1);
    EXPECT_EQ(decode_chunk(encode(large.chunks[1], hash(1500)), "/x", hash(1500), 1),
              large.chunks[1]);
    EXPECT_FALSE(decode_chunk(encode(large.chunks[1], hash(1500)), "/x", hash(1500), 0));
}

TEST(codec, a_chunk_of_1024_entries_is_about_11_kilobytes) {
    plan_chunk chunk;
    chunk.number = 99'000'000'000;
    for (std::uint64_t i = 0; i < entries_per_chunk; ++i) {
        chunk.entries.push_back(owned(std::to_string(i),
                                      {7, 1 + i % 100},
                                      99'000'000'000 - static_cast<plan_number>(i % 20)));
    }
    EXPECT_LT(encode(chunk, hash(1024)).size(), 11'500U);
}

TEST(codec, a_higher_format_is_refused_and_says_where) {
    const auto read = decode<root_record>(R"({"format":2,"incarnation":1})", "/muster/shop");
    EXPECT_EQ(read.error().code, errc::incompatible);
    EXPECT_EQ(read.error().text.find("/muster/shop"), 0U);
}

TEST(codec, unknown_fields_are_ignored) {
    EXPECT_TRUE(decode<root_record>(R"({"format":1,"incarnation":1,"new":[{}]})", "/x"));
}

TEST(codec, what_is_no_object_of_a_format_is_refused) {  // row 123
    for (const std::string_view text : {std::string_view{},
                                        std::string_view{"\0", 1},
                                        std::string_view{"x"},
                                        std::string_view{"[]"},
                                        std::string_view{"{}"},
                                        std::string_view{"null"},
                                        std::string_view{R"({"format":"1"})"},
                                        std::string_view{R"({"format":0})"},
                                        std::string_view{R"({"format":1)"},
                                        std::string_view{"{\"format\":1,\"x\":\"\xff\"}"}}) {
        EXPECT_EQ(decode<root_record>(text, "/x").error().code, errc::invalid_argument) << text;
    }
    EXPECT_FALSE(decode<root_record>(std::string(2'000'000, ' '), "/x"));
    EXPECT_FALSE(decode<root_record>(std::string(500'000, '['), "/x"));
}

TEST(codec, impossible_values_are_refused) {  // rows 74, 123
    const auto root = [](std::string_view incarnation) {
        return decode<root_record>(R"({"format":1,"incarnation":)" + std::string{incarnation} + "}",
                                   "/x");
    };
    EXPECT_FALSE(root("0"));
    EXPECT_FALSE(root("128"));
    EXPECT_FALSE(root("\"1\""));

    const std::string spec = encode(hash(64));
    EXPECT_FALSE(decode<specification>(replaced(spec, "64,", "0,"), "/x"));
    EXPECT_FALSE(decode<specification>(replaced(spec, ":64,", ":-1,"), "/x"));
    EXPECT_FALSE(decode<specification>(replaced(spec, "xxh64/1", "md5"), "/x"));
    EXPECT_FALSE(decode<specification>(replaced(spec, "exclusive", "shared"), "/x"));
    EXPECT_FALSE(decode<specification>(replaced(spec, "\"replicas\":1", "\"replicas\":129"), "/x"));
    EXPECT_FALSE(decode<specification>(
        R"({"format":1,"kind":"range","from":["B","A"],"replicas":1})", "/x"));

    const std::string head = R"({"format":1,"number":"12","chunks":["3","12"]})";
    EXPECT_TRUE(decode<plan_head>(head, "/x"));
    EXPECT_FALSE(decode<plan_head>(replaced(head, "\"3\"", "\"13\""), "/x"));
    EXPECT_FALSE(decode<plan_head>(replaced(head, "\"3\"", "3"), "/x"));
    EXPECT_FALSE(decode<plan_head>(replaced(head, "\"12\"", "\"-12\""), "/x"));
    EXPECT_FALSE(decode<plan_head>(replaced(head, "\"12\"", "\"99999999999999999999\""), "/x"));

    view_chunk part;
    part.members = {{.id = b}, {.id = a}};
    EXPECT_FALSE(back(part)) << "not in order";
    part.members = {{.id = a}, {.id = a}};
    EXPECT_FALSE(back(part)) << "one twice";
    part.members.clear();
    for (std::uint64_t i = 0; i <= members_per_chunk; ++i) {
        part.members.push_back({.id = member_id{1, i}});
    }
    EXPECT_FALSE(back(part)) << "more than a chunk holds";
    part.members.pop_back();
    EXPECT_TRUE(back(part));

    view_head view;
    view.number = 9;
    view.chunks = {10};
    EXPECT_FALSE(back(view)) << "a chunk newer than the head";
    view.chunks = {9};
    view.after = 10;
    EXPECT_FALSE(back(view)) << "changes that are still to come";
    view.after = 7;
    view.changes = {{.number = 7, .member = {.id = a}}};
    EXPECT_FALSE(back(view)) << "a change that is not after " << view.after;
    view.changes = {{.number = 8, .chunk = 1, .member = {.id = a}}};
    EXPECT_FALSE(back(view)) << "a change in no chunk";
    view.changes = {{.number = 9, .member = {.id = a}}, {.number = 8, .member = {.id = b}}};
    EXPECT_FALSE(back(view)) << "changes not in order";
    view.changes = {{.number = 8, .member = {.id = a}}, {.number = 9, .member = {.id = a}}};
    EXPECT_TRUE(back(view));

    // Nothing a member makes a fence of may leave the room that a fence has for it.
    view = {};
    view.epoch = most_plan_number + 1;
    EXPECT_FALSE(back(view)) << "an epoch beyond what a fence holds";
    view = {};
    view.number = most_plan_number + 1;
    EXPECT_FALSE(back(view)) << "a number after which there would be no other";
}

TEST(codec, impossible_plans_are_refused) {  // rows 74, 79
    plan_chunk chunk;
    chunk.number = 12;
    chunk.entries = {owned("0", a, 12), owned("1", b, 3)};
    chunk.entries[0].waits = {b};
    const specification spec = hash(2);
    const std::string good = encode(chunk, spec);
    const auto refused = [&](std::string_view from, std::string_view to) {
        const auto read = decode_chunk(replaced(good, from, to), "/x/plan/0", spec, 0);
        return !read && read.error().code == errc::invalid_argument &&
               read.error().text.starts_with("/x/plan/0: ");
    };
    ASSERT_TRUE(decode_chunk(good, "/x", spec, 0));
    EXPECT_TRUE(refused("\"owners\":[0,1]", "\"owners\":[0,2]"));   // an unknown member
    EXPECT_TRUE(refused("\"owners\":[0,1]", "\"owners\":[0,-2]"));  // a negative one
    EXPECT_TRUE(refused("\"owners\":[0,1]", "\"owners\":[0]"));     // too few
    EXPECT_TRUE(refused("\"fence\":[0,1]", "\"fence\":[0,7]"));
    EXPECT_TRUE(refused("\"fences\":[\"12\"", "\"fences\":[\"13\""));  // above the plan's number
    EXPECT_TRUE(refused("\"fences\":[\"12\"", "\"fences\":[\"0\""));   // an owner without a fence
    EXPECT_TRUE(refused("\"waits\":[1]", "\"waits\":[1,1]"));
    EXPECT_TRUE(refused("\"waits\":[1]", "\"waits\":[0]"));  // the owner itself
    EXPECT_TRUE(refused("\"waits\":[1]", "\"waits\":[5]"));
    EXPECT_TRUE(refused("\"at\":0", "\"at\":2"));  // an unknown entry
    EXPECT_TRUE(refused("00000000000000b20000000000000002", "00000000000000a10000000000000001"));
    EXPECT_TRUE(refused("00000000000000b20000000000000002", "b2"));
    EXPECT_FALSE(decode_chunk(good, "/x", hash(3), 0)) << "too few for the specification";
    EXPECT_FALSE(decode_chunk(good, "/x", hash(1), 0)) << "too many";

    plan_chunk names;
    names.number = 12;
    names.entries = {owned("x", a, 12), owned("y", a, 12)};
    const std::string listed = encode(names, list());
    EXPECT_FALSE(decode_chunk(replaced(listed, "\"y\"", "\"x\""), "/x", list(), 0));
    EXPECT_FALSE(decode_chunk(replaced(listed, "\"y\"", "\"%zz\""), "/x", list(), 0));
    EXPECT_FALSE(decode_chunk(listed, "/x", list(2), 0)) << "one member in both slots, and names";
    names.entries = {owned("x", a, 12), owned("x", a, 12)};
    names.entries[1].slot = 1;
    EXPECT_FALSE(decode_chunk(encode(names, list(2)), "/x", list(2), 0)) << "one owner twice";
}

TEST(codec, text_that_is_no_utf8_is_stored_as_question_marks) {
    descriptor member;
    member.name = "\xfe";
    member.zone = "\xc3\xa9\xff\xed\xa0\x80";
    const auto read = back(member);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, "\xfe");
    EXPECT_EQ(read->zone, "\xc3\xa9????");
}

RC_GTEST_PROP(codec, any_bytes_are_refused_or_read_but_never_worse, ()) {
    plan_chunk chunk;
    chunk.number = 12;
    chunk.entries = {owned("0", a, 12), owned("1", b, 3)};
    chunk.entries[0].waits = {b};
    status_record status;
    status.resources["r"].failed["1"] = 7;
    status.unreachable = {a};
    view_chunk part;
    part.members = {{.id = a}, {.id = b}};
    view_head view;
    view.number = 2;
    view.chunks = {2};
    view.changes = {{.number = 1, .member = {.id = a}}, {.number = 2, .member = {.id = b}}};
    const std::vector<std::string> good{encode(chunk, hash(2)),
                                        encode(status),
                                        encode(view),
                                        encode(part),
                                        encode(hash(2)),
                                        encode(descriptor{})};
    std::string text = *rc::gen::elementOf(good);
    const int edits = *rc::gen::inRange(1, 4);
    for (int i = 0; i < edits; ++i) {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
        const std::string piece = *rc::gen::element<std::string>(
            "", "-", "9", "\"", "[", "]", "{}", ",", "null", "1e400", "\xff", ":", "true");
        text.replace(at, *rc::gen::inRange<std::size_t>(0, 4), piece);
    }
    const auto read = decode_chunk(text, "/x", hash(2), 0);
    const bool fine = !read || read->entries.size() == 2U;
    RC_ASSERT(fine);
    static_cast<void>(decode<status_record>(text, "/x"));
    static_cast<void>(decode<view_chunk>(text, "/x"));
    static_cast<void>(decode<view_head>(text, "/x"));
    static_cast<void>(decode<specification>(text, "/x"));
    static_cast<void>(decode<descriptor>(text, "/x"));
    static_cast<void>(decode<plan_head>(text, "/x"));
}

}  // namespace
}  // namespace muster::cluster
