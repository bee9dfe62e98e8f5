/// @file
/// What a server, or whatever listens on its port, can send to the client: the first byte chooses
/// the request that is answered, the rest arrives in pieces as a stream of frames.

#include "zookeeper/frame_reader.hpp"
#include "zookeeper/handshake.hpp"
#include "zookeeper/protocol.hpp"
#include "zookeeper/request.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using namespace muster::zookeeper;

constexpr std::size_t limit = 65'536;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// A request whose waiting callback must be called exactly once if the body is taken.
template <class T>
void answer(std::string_view body, bool with_notes) {
    int told = 0;
    request what;
    what.changes = true;
    what.done = client::done<T>{[&told](reply<T> got) {
        ++told;
        check(got.how == outcome::done || got.how == outcome::refused);
    }};
    if (with_notes) {
        what.notes = std::make_unique<request_notes>();
        what.notes->multi_ops = {protocol::op_code::create2,
                                 protocol::op_code::check,
                                 protocol::op_code::set_data};
    }
    jute_reader in{body};
    reply_facts facts;
    facts.how = outcome::done;
    auto tell = read_reply(in, what, std::move(facts), "/app");
    if (tell) {
        tell();
    }
    check(told == (tell ? 1 : 0));
}

void take(std::uint8_t kind, std::string_view frame) {
    static_cast<void>(judge_handshake(frame, kind, true));
    static_cast<void>(describe_stranger(frame));
    jute_reader in{frame};
    protocol::reply_header header;
    if (!decode(in, header)) {
        return;
    }
    const std::string_view body = frame.substr(protocol::reply_header_size);
    switch (kind % 8) {
        case 0:
            answer<muster::zookeeper::stat>(body, false);
            break;
        case 1:
            answer<created>(body, false);
            break;
        case 2:
            answer<node_data>(body, false);
            break;
        case 3:
            answer<node_children>(body, false);
            break;
        case 4:
            answer<std::vector<op_result>>(body, true);
            break;
        case 5:
            answer<std::pair<acl, muster::zookeeper::stat>>(body, false);
            break;
        case 6:
            answer<nothing>(body, false);
            break;
        default: {
            protocol::watcher_event event;
            static_cast<void>(decode(in, event));
            std::vector<protocol::client_identity> who;
            jute_reader again{body};
            static_cast<void>(decode(again, who));
            break;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::uint8_t kind = data[0];
    const std::size_t piece = std::size_t{1} + data[1];
    std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
    frame_reader reader{limit};
    std::size_t framed = 0;
    while (!input.empty()) {
        const auto space = reader.space();
        const std::size_t some = std::min({piece, space.size(), input.size()});
        check(some > 0);
        std::memcpy(space.data(), input.data(), some);
        reader.filled(some);
        input.remove_prefix(some);
        for (;;) {
            const auto step = reader.next();
            if (step.what == frame_reader::found::frame) {
                framed += step.bytes.size() + 4;
                check(step.bytes.size() <= limit && framed <= size);
                take(kind, step.bytes);
            } else if (step.what == frame_reader::found::too_long) {
                check(step.bytes.size() == 16 && step.size > static_cast<std::int64_t>(limit));
                reader.skip();
            } else if (step.what == frame_reader::found::nonsense) {
                return 0;
            } else {
                break;
            }
        }
    }
    return 0;
}
