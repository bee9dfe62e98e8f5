/// @file
/// What a stranger can write to a mesh's port: frames, and the notes in them.

#include "muster/message.hpp"

#include "mesh/frame.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

constexpr std::size_t limit = 65'536;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// What is read as a run is one, to its last byte.
void take_apart(std::string_view body, std::uint64_t count) {
    using namespace muster::mesh;
    const auto run = read_run(body, count);
    if (!run) {
        return;
    }
    check(!run->rest.empty());
    for (std::string_view rest = run->rest; !rest.empty(); --count) {
        const std::string_view one = next_of_run(rest);
        check(one.data() >= body.data() && one.data() + one.size() <= body.data() + body.size());
    }
    check(count == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace muster::mesh;
    std::string_view input{reinterpret_cast<const char*>(data), size};
    // As frames, one after the other.
    while (!input.empty()) {
        frame one;
        const parse_outcome outcome = parse_frame(input, limit, one);
        if (outcome.what != parsed::whole) {
            check(outcome.what == parsed::broken
                      ? outcome.why != nullptr
                      : outcome.size > input.size() && outcome.size <= limit + header_size);
            break;
        }
        check(outcome.size == header_size + one.body.size() && outcome.size <= input.size());
        std::string again;
        append_frame(again, one.type, one.id, one.body, {}, one.flags);
        check(again == input.substr(0, outcome.size));
        if ((one.flags & flag_run) != 0) {
            take_apart(one.body, one.id);
        }
        input.remove_prefix(outcome.size);
    }
    // As the body of a valid frame, which a checksum would keep the fuzzer from.
    const std::string_view body{reinterpret_cast<const char*>(data), size};
    if (const auto read = muster::decode<hello>(body)) {
        check(muster::decode<hello>(muster::encode(*read)).has_value());
    }
    if (const auto read = muster::decode<challenge_note>(body)) {
        static_cast<void>(muster::decode<hello>(read->greeting));
    }
    take_apart(body, 2);
    static_cast<void>(muster::decode<failure_note>(body));
    static_cast<void>(muster::decode<refusal_note>(body));
    return 0;
}
