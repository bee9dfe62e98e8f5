/// @file
/// What another member can write about processes: the address before each message, calls and
/// signals. Whatever can be read can be written and read again, and is the same.

#include "muster/message.hpp"

#include "process/far_wire.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace muster::process_detail;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <class T>
void read_and_write(std::string_view input) {
    if (const auto read = muster::decode<T>(input)) {
        const std::string once = muster::encode(*read);
        const auto again = muster::decode<T>(once);
        check(again.has_value() && muster::encode(*again) == once);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    std::string_view rest;
    if (const auto line = address_line::read(input, rest)) {
        check(line->type.size() + rest.size() + address_line::fixed_size == size);
        check(rest.data() + rest.size() == input.data() + size);
        std::string again;
        line->append_to(again);
        again.append(rest);
        check(again == input);
        const auto note = address_line::read_note(input.substr(0, 32));
        check(note.life == line->life && note.to_index == line->to_index &&
              note.from_generation == line->from_generation);
    }
    read_and_write<far_call>(input);
    read_and_write<far_state>(input);
    read_and_write<far_signal>(input);
    return 0;
}
