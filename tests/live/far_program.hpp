#pragma once

/// @file
/// What the members of process_live_test say to each other: the test's own node, and the program
/// `far_program` as processes of their own.

#include <muster/muster.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace muster::live {

struct crash {
    std::string why;
};
struct leave {};
struct note {
    std::int64_t number = 0;
};
struct noted {
    using reply = std::vector<std::int64_t>;
};
struct whoami {
    using reply = std::string;
};

/// Notes what it is told, and ends as it is told.
inline process obedient(self me) {
    std::vector<std::int64_t> all;
    while (auto in = co_await me.receive<crash, leave, note, noted, whoami>()) {
        if (auto* one = in->get_if<crash>()) {
            throw std::runtime_error{one->body.why};
        }
        if (in->get_if<leave>() != nullptr) {
            co_return;
        }
        if (auto* one = in->get_if<note>()) {
            all.push_back(one->body.number);
        } else if (auto* asked = in->get_if<noted>()) {
            asked->reply(all);
        } else if (auto* who = in->get_if<whoami>()) {
            who->reply(me.member().name);
        }
    }
}

/// The process of the leader: says under which epoch it runs.
inline process leading(self me) {
    while (auto in = co_await me.receive<whoami>()) {
        in->reply(me.member().name + " " + std::to_string(me.ownership().fence().value()));
    }
}

}  // namespace muster::live
