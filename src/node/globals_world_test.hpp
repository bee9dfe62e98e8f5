#pragma once

/// @file
/// Global processes for the tests: one that says who it is, and a book of all that ever began.

#include "node/node_world_test.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace muster {

struct who_are_you {
    using reply = std::string;
};
struct note_down {
    std::string text;
};
struct end_now {};
struct crash_now {};

/// What the test's global processes have done, on whichever node.
struct boss_book {
    struct life {
        std::string member;
        fence_token fence;
        pid who;
    };
    std::vector<life> begun;
    std::vector<std::string> noted;
    int running = 0;
    int most = 0;  ///< at a time
};

/// Counts a process for as long as it is there.
class presence {
public:
    presence(boss_book* book, self me) : book_{book} {
        book_->begun.push_back({me.member().name, me.ownership().fence(), me.pid()});
        book_->most = std::max(book_->most, ++book_->running);
    }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() { --book_->running; }

private:
    boss_book* book_;
};

inline process boss(self me, boss_book* book) {
    const presence here{book, me};
    while (auto in = co_await me.receive<who_are_you, note_down, end_now, crash_now>()) {
        if (auto* asked = in->get_if<who_are_you>()) {
            asked->reply(me.member().name);
        } else if (auto* told = in->get_if<note_down>()) {
            book->noted.push_back(told->body.text);
        } else if (in->get_if<crash_now>() != nullptr) {
            throw std::runtime_error{"as it was told"};
        } else {
            co_return;
        }
    }
}

/// Takes its time to end: it asks somebody who never answers.
inline process slow_to_end(self me, pid silent, boss_book* book) {
    const presence here{book, me};
    while (auto in = co_await me.receive<who_are_you>()) {
        in->reply(me.member().name);
    }
    const auto nothing = co_await me.within(1h).ask<who_are_you>(silent);
    static_cast<void>(nothing);
}

/// The fences of those lives grow from one to the next.
inline bool fences_grow(const boss_book& book) {
    return std::ranges::adjacent_find(book.begun, [](const auto& a, const auto& b) {
               return a.fence.value() >= b.fence.value();
           }) == book.begun.end();
}

}  // namespace muster
