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
    static_cast<void>(muster::decode<failure_note>(body));
    static_cast<void>(muster::decode<refusal_note>(body));
    return 0;
}
