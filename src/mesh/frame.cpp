#include "mesh/frame.hpp"

#include "mesh/crc32c.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace muster::mesh {
namespace {

template <class Number>
Number little_endian(Number value) {
    return std::endian::native == std::endian::little ? value : std::byteswap(value);
}

template <class Number>
void put(char* at, Number value) {
    value = little_endian(value);
    std::memcpy(at, &value, sizeof value);
}

template <class Number>
Number get(const char* at) {
    Number value;
    std::memcpy(&value, at, sizeof value);
    return little_endian(value);
}

constexpr std::size_t checksum_at = 16;
constexpr std::size_t lead_at = header_size + sizeof(std::uint16_t);  ///< In a run.

void append_rest(std::string& out, std::string_view body) {
    const std::size_t start = out.size();
    const std::size_t size = start + sizeof(std::uint32_t) + body.size();
    out.resize_and_overwrite(size, [&](char* data, std::size_t) {
        put(data + start, static_cast<std::uint32_t>(body.size()));
        if (!body.empty()) {
            std::memcpy(data + start + sizeof(std::uint32_t), body.data(), body.size());
        }
        return size;
    });
}

}  // namespace

void append_frame(std::string& out,
                  frame_type type,
                  std::uint64_t id,
                  std::string_view body,
                  std::string_view lead,
                  std::uint8_t flags) {
    const std::size_t start = out.size();
    const std::size_t length = lead.size() + body.size();
    const std::size_t size = start + header_size + length;
    // The size that the operation is told is the capacity in GCC 12's library.
    out.resize_and_overwrite(size, [&](char* data, std::size_t) {
        char* at = data + start;
        // By whole words, and the body's checksum from where it comes from: bytes read back right
        // after narrower writes wait for them.
        put(at,
            std::uint64_t{length} | std::uint64_t{static_cast<std::uint8_t>(type)} << 32U |
                std::uint64_t{flags} << 40U);
        put(at + 8, id);
        char* content = at + header_size;
        if (!lead.empty()) {
            std::memcpy(content, lead.data(), lead.size());
        }
        if (!body.empty()) {
            std::memcpy(content + lead.size(), body.data(), body.size());
        }
        put(at + checksum_at, crc32c(body, crc32c(lead, crc32c({at, checksum_at}))));
        return size;
    });
}

posted note_of(std::uint8_t type, std::string_view lead, std::string_view body) noexcept {
    posted one{.type = type, .note = {}};
    if (lead.size() >= one.note.size()) {
        std::memcpy(one.note.data(), lead.data(), one.note.size());
        return one;
    }
    std::ranges::copy(lead, one.note.begin());
    std::ranges::copy(body.substr(0, one.note.size() - lead.size()),
                      one.note.begin() + static_cast<std::ptrdiff_t>(lead.size()));
    return one;
}

std::uint64_t total_of(const std::vector<posted>& frames) noexcept {
    std::uint64_t all = 0;
    for (const posted& one : frames) {
        all += one.count;
    }
    return all;
}

bool open_run::append(std::string& out,
                      std::uint8_t type,
                      std::string_view lead,
                      std::string_view body) {
    if (count_ == 0 || type != type_ || lead.size() != lead_ ||
        out.size() - begin_ + sizeof(std::uint32_t) + body.size() > longest_run ||
        std::memcmp(out.data() + begin_ + lead_at, lead.data(), lead_) != 0) {
        return false;
    }
    append_rest(out, body);
    ++count_;
    return true;
}

void open_run::begin(std::string& out,
                     std::uint8_t type,
                     std::string_view lead,
                     std::string_view body) {
    begin_ = out.size();
    lead_ = lead.size();
    count_ = 1;
    type_ = type;
    out.append(lead_at, '\0');
    put(out.data() + begin_ + header_size, static_cast<std::uint16_t>(lead.size()));
    out.append(lead);
    append_rest(out, body);
}

void open_run::close(std::string& out) {
    if (count_ == 0) {
        return;
    }
    char* const at = out.data() + begin_;
    const std::string_view body = std::string_view{out}.substr(begin_ + header_size);
    put(at,
        std::uint64_t{body.size()} | std::uint64_t{type_} << 32U | std::uint64_t{flag_run} << 40U);
    put(at + 8, std::exchange(count_, 0));
    put(at + checksum_at, crc32c(body, crc32c({at, checksum_at})));
}

std::optional<run_body> read_run(std::string_view body, std::uint64_t count) noexcept {
    if (count == 0 || body.size() < sizeof(std::uint16_t) || body.size() > longest_run) {
        return std::nullopt;
    }
    const std::size_t lead = get<std::uint16_t>(body.data());
    body.remove_prefix(sizeof(std::uint16_t));
    if (lead == 0 || body.size() < lead) {
        return std::nullopt;
    }
    const run_body run{body.substr(0, lead), body.substr(lead)};
    for (std::string_view rest = run.rest; !rest.empty(); --count) {
        if (count == 0 || rest.size() < sizeof(std::uint32_t) ||
            rest.size() - sizeof(std::uint32_t) < get<std::uint32_t>(rest.data())) {
            return std::nullopt;
        }
        static_cast<void>(next_of_run(rest));
    }
    return count == 0 ? std::optional{run} : std::nullopt;
}

std::string_view next_of_run(std::string_view& rest) noexcept {
    const std::size_t size = get<std::uint32_t>(rest.data());
    const std::string_view one = rest.substr(sizeof(std::uint32_t), size);
    rest.remove_prefix(sizeof(std::uint32_t) + size);
    return one;
}

parse_outcome parse_frame(std::string_view input, std::size_t max_body, frame& into) {
    if (input.size() < header_size) {
        // What is wrong already need not wait for the rest.
        if (input.size() >= 4 && get<std::uint32_t>(input.data()) > max_body) {
            return {parsed::broken, 0, "a frame longer than allowed"};
        }
        return {parsed::partial, header_size, nullptr};
    }
    const char* at = input.data();
    const std::size_t length = get<std::uint32_t>(at);
    const auto flags = static_cast<std::uint8_t>(at[5]);
    if (length > max_body) {
        return {parsed::broken, 0, "a frame longer than allowed"};
    }
    const bool may_run = static_cast<std::uint8_t>(at[4]) >= first_free_type;
    const unsigned known = may_run ? flag_optional | flag_run : flag_optional;
    if ((flags & ~known) != 0 || get<std::uint16_t>(at + 6) != 0) {
        return {parsed::broken, 0, "reserved bits are set"};
    }
    const std::size_t size = header_size + length;
    if (input.size() < size) {
        return {parsed::partial, size, nullptr};
    }
    const std::string_view body = input.substr(header_size, length);
    if (get<std::uint32_t>(at + checksum_at) != crc32c(body, crc32c({at, checksum_at}))) {
        return {parsed::broken, 0, "a wrong checksum"};
    }
    into = {static_cast<frame_type>(at[4]), flags, get<std::uint64_t>(at + 8), body};
    return {parsed::whole, size, nullptr};
}

errc code_named(std::string_view name) noexcept {
    for (int i = 0; i <= static_cast<int>(errc::closed); ++i) {
        if (name_of(static_cast<errc>(i)) == name) {
            return static_cast<errc>(i);
        }
    }
    return errc::incompatible;
}

}  // namespace muster::mesh
