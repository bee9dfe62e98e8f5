#include "cluster/view/parts.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <vector>

namespace muster::cluster {
namespace {

member_id id_of(std::uint64_t number) {
    // Spread, so that neighbours by number are none by id.
    return member_id{number * 0x9e3779b97f4a7c15U, number};
}

view_member online(std::uint64_t number) {
    return {.id = id_of(number), .state = lifecycle::online};
}

/// What ZooKeeper holds, and how a leader writes there.
struct store {
    view_head head;
    std::map<std::size_t, view_chunk> chunks;
    view_parts book;
    bool complete = true;  ///< the last one was

    view_record write(std::vector<view_member> members, std::size_t most_chunks = 4) {
        std::ranges::sort(members, {}, &view_member::id);
        view_record next{.number = head.number + 1,
                         .leader = id_of(1),
                         .epoch = 7,
                         .since_unix_ms = 5,
                         .members = std::move(members)};
        view_change change = change_view(book, std::move(next), most_chunks);
        EXPECT_LE(change.chunks.size(), most_chunks);
        head = change.head;
        book.take(change);
        for (const auto& [index, chunk] : change.chunks) {
            chunks[index] = chunk;
        }
        complete = change.complete;
        EXPECT_TRUE(book.whole());
        return change.next;
    }

    std::vector<view_member> members(std::uint64_t from, std::uint64_t to) const {
        std::vector<view_member> some;
        for (std::uint64_t i = from; i < to; ++i) {
            some.push_back(online(i));
        }
        return some;
    }

    /// Reads what has to be read. Returns how many chunks those were.
    std::size_t read_into(view_parts& reader) const {
        const auto to_read = reader.take(head);
        for (const std::size_t index : to_read) {
            reader.take(index, chunks.at(index));
        }
        return to_read.size();
    }
};

TEST(view_parts, a_view_comes_back_as_it_was_written) {
    store zk;
    const view_record written = zk.write(zk.members(1, 40));
    EXPECT_EQ(written.members.size(), 39U);
    view_parts reader;
    EXPECT_EQ(zk.read_into(reader), 1U);
    ASSERT_TRUE(reader.whole());
    EXPECT_EQ(*reader.whole(), written);
    EXPECT_EQ(*zk.book.whole(), written);
}

TEST(view_parts, whoever_is_a_little_behind_reads_the_head_alone) {
    store zk;
    zk.write(zk.members(1, 1000));
    view_parts reader;
    zk.read_into(reader);
    for (std::uint64_t more = 1; more <= changes_in_head; ++more) {
        zk.write(zk.members(1 + more / 2, 1000 + more / 2));
    }
    EXPECT_EQ(zk.head.changes.size(), changes_in_head);
    EXPECT_EQ(zk.read_into(reader), 0U);
    EXPECT_EQ(*reader.whole(), *zk.book.whole());
}

TEST(view_parts, whoever_is_far_behind_reads_the_chunks_that_moved) {
    store zk;
    for (int i = 0; i < 3; ++i) {
        zk.write(zk.members(1, 3000));
    }
    ASSERT_EQ(zk.chunks.size(), 3U);
    view_parts reader;
    EXPECT_EQ(zk.read_into(reader), 3U);
    std::vector<view_member> now = zk.book.whole()->members;
    const view_chunk first = zk.chunks.at(0);
    for (std::size_t i = 0; i < changes_in_head + 1; ++i) {  // of one chunk
        std::ranges::find(now, first.members[i].id, &view_member::id)->drain = true;
    }
    zk.write(now);
    EXPECT_TRUE(zk.head.changes.empty()) << "one view has more changes than the head holds";
    EXPECT_EQ(zk.head.after, zk.head.number);
    EXPECT_EQ(zk.read_into(reader), 1U);
    EXPECT_EQ(*reader.whole(), *zk.book.whole());
}

TEST(view_parts, changes_are_forgotten_by_whole_views) {
    store zk;
    zk.write(zk.members(1, 3));
    zk.write(zk.members(1, 33));  // 30 changes
    const std::int64_t second = zk.head.number;
    zk.write(zk.members(1, 73));  // 40 more
    EXPECT_EQ(zk.head.changes.size(), 40U);
    EXPECT_EQ(zk.head.after, second);
    zk.write(zk.members(1, 74));
    EXPECT_EQ(zk.head.changes.size(), 41U);
    EXPECT_EQ(zk.head.after, second);
}

TEST(view_parts, twenty_thousand_members_come_and_go_a_few_chunks_at_a_time) {
    store zk;
    const auto all = zk.members(1, 20'001);
    view_record now;
    int views = 0;
    for (; now.members.size() < all.size() && views < 100; ++views) {
        now = zk.write(all);
    }
    EXPECT_EQ(now.members.size(), all.size());
    EXPECT_EQ(views, 5) << "of 4096 each";
    EXPECT_EQ(zk.chunks.size(), 20U) << "each is full before there is another";
    for (views = 0; now.members.size() > 1 && views < 100; ++views) {
        now = zk.write({online(1)});
    }
    EXPECT_EQ(now.members, std::vector{online(1)});
    EXPECT_EQ(views, 5);
    now = zk.write(zk.members(1, 4));
    EXPECT_EQ(now.members.size(), 3U);
    EXPECT_EQ(zk.chunks.size(), 20U) << "there was room";
    view_parts reader;
    zk.read_into(reader);
    EXPECT_EQ(*reader.whole(), now);
}

TEST(view_parts, where_not_all_fits_nobody_comes_before_all_that_are_gone_have_gone) {
    store zk;
    zk.write(zk.members(2, 1026));  // chunk 0 is full
    zk.write(zk.members(2, 1500));
    ASSERT_EQ(zk.chunks.size(), 2U);
    auto next = zk.members(1, 1501);  // 1 and 1500 are new: chunk 1 has room
    const std::set<member_id> gone{zk.chunks.at(0).members.front().id,
                                   zk.chunks.at(1).members.front().id};
    std::erase_if(next, [&](const view_member& one) { return gone.contains(one.id); });
    const auto count = [](const view_record& view, const auto& which) {
        return std::ranges::count_if(view.members,
                                     [&](const view_member& one) { return which(one.id); });
    };
    const auto is_gone = [&](member_id id) { return gone.contains(id); };
    const auto is_new = [](member_id id) { return id == id_of(1) || id == id_of(1500); };
    const view_record first = zk.write(next, 1);
    EXPECT_FALSE(zk.complete);
    EXPECT_EQ(count(first, is_gone), 1);
    EXPECT_EQ(count(first, is_new), 0);
    const view_record second = zk.write(next, 1);
    EXPECT_EQ(count(second, is_gone), 0);
    EXPECT_EQ(count(second, is_new), 2) << "in the room that came to be";
    EXPECT_TRUE(zk.complete);
    EXPECT_EQ(second.members.size(), next.size());
}

TEST(view_parts, a_view_made_anew_is_no_continuation_of_a_lost_one) {
    store zk;
    zk.write(zk.members(1, 5));
    zk.write(zk.members(1, 6));
    view_parts reader;
    zk.read_into(reader);
    const std::int64_t lost = zk.head.number;
    store anew;
    anew.head.number = lost;  // By the transaction number it is larger all the same.
    anew.write(anew.members(1, 3));
    EXPECT_EQ(anew.read_into(reader), 1U) << "who went meanwhile stands in no change";
    EXPECT_EQ(reader.whole()->members.size(), 2U);
}

TEST(view_parts, a_view_made_anew_in_fewer_chunks_is_read_by_whoever_still_waits_for_more) {
    store zk;
    zk.write(zk.members(1, 1500));
    view_parts reader;
    const auto to_read = reader.take(zk.head);
    ASSERT_EQ(to_read.size(), 2U);
    store anew;
    anew.head.number = zk.head.number;
    const view_record now = anew.write(anew.members(1, 3));
    reader.take(anew.head);
    for (const std::size_t index : to_read) {
        reader.take(index, zk.chunks.at(index));  // Late.
    }
    reader.take(0, anew.chunks.at(0));
    ASSERT_TRUE(reader.whole()) << reader.whole().error().text;
    EXPECT_EQ(*reader.whole(), now);
}

TEST(view_parts, a_chunk_from_beyond_the_head_is_read_again) {
    store zk;
    zk.write(zk.members(1, 100));
    zk.write(zk.members(1, 101));
    view_parts reader;
    reader.take(zk.head);
    view_chunk wrong = zk.chunks.at(0);
    wrong.number = 1'000'000;
    reader.take(0, wrong);
    EXPECT_FALSE(reader.whole());
    EXPECT_EQ(zk.read_into(reader), 1U);
    ASSERT_TRUE(reader.whole());
    EXPECT_EQ(*reader.whole(), *zk.book.whole());
}

TEST(view_parts, a_member_in_two_chunks_is_damage) {
    view_head head;
    head.number = 3;
    head.chunks = {3, 3};
    head.after = 3;
    view_parts reader;
    reader.take(head);
    reader.take(0, {.number = 3, .members = {online(1)}});
    EXPECT_EQ(reader.whole().error().code, errc::unavailable);
    reader.take(1, {.number = 3, .members = {online(1)}});
    EXPECT_EQ(reader.whole().error().code, errc::invalid_argument);
}

/// A reader whose reads of head and chunks come in at any time sees no view but those written.
RC_GTEST_PROP(view_parts, readers_see_what_was_written_whatever_they_miss, ()) {
    store zk;
    std::map<std::int64_t, view_record> written;
    std::set<std::uint64_t> here;
    view_parts reader;
    std::deque<std::size_t> asked;
    std::size_t seen = 0;
    const auto steps = *rc::gen::inRange(10, 80);
    for (int step = 0; step < steps; ++step) {
        switch (*rc::gen::inRange(0, 9)) {
            case 0:
                zk.book = {};  // It was damaged, and is made anew: in fewer chunks, perhaps.
                break;
            case 1:
            case 2: {
                const auto size = *rc::gen::element<std::uint64_t>(1, 1, 3, 70, 900);
                const auto from = *rc::gen::inRange<std::uint64_t>(1, 3000);
                for (std::uint64_t i = from; i < from + size; ++i) {
                    if (!here.erase(i)) {
                        here.insert(i);
                    }
                }
                std::vector<view_member> members;
                for (const std::uint64_t one : here) {
                    members.push_back(online(one));
                    members.back().drain = (one + static_cast<std::uint64_t>(step)) % 50 == 0;
                }
                const view_record now = zk.write(std::move(members), 2);
                written.emplace(now.number, now);
                break;
            }
            case 3:
            case 4:
                for (const std::size_t index : reader.take(zk.head)) {
                    asked.push_back(index);
                }
                break;
            default:
                if (!asked.empty()) {
                    reader.take(asked.front(), zk.chunks.at(asked.front()));
                    asked.pop_front();
                }
        }
        if (const auto view = reader.whole(); view && view->number > 0) {
            RC_ASSERT(*view == written.at(view->number));
            ++seen;
        }
    }
    zk.read_into(reader);
    const bool whole = written.empty() || *reader.whole() == written.rbegin()->second;
    RC_ASSERT(whole);
    RC_CLASSIFY(seen > 0);
}

}  // namespace
}  // namespace muster::cluster
