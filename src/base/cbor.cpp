#include "muster/detail/cbor.hpp"

#include "muster/detail/message_codec.hpp"

#include "base/utf8.hpp"

#include <cbor.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace muster {
namespace {

// The common heads are read here; what is rare (floating-point numbers, simple values)
// goes through libcbor's streaming decoder, which calls one of these.
struct rare_item {
    enum class kind : std::uint8_t { other, number, refused };
    kind what = kind::other;
    double number = 0;
};

cbor_callbacks make_callbacks() {
    cbor_callbacks calls = cbor_empty_callbacks;
    const auto refuse = [](void* item) {
        static_cast<rare_item*>(item)->what = rare_item::kind::refused;
    };
    calls.byte_string_start = refuse;
    calls.string_start = refuse;
    calls.indef_array_start = refuse;
    calls.indef_map_start = refuse;
    calls.indef_break = refuse;
    const auto small = [](void* item, float value) {
        *static_cast<rare_item*>(item) = {rare_item::kind::number, static_cast<double>(value)};
    };
    calls.float2 = small;
    calls.float4 = small;
    calls.float8 = [](void* item, double value) {
        *static_cast<rare_item*>(item) = {rare_item::kind::number, value};
    };
    return calls;
}

const cbor_callbacks rare_callbacks = make_callbacks();

constexpr unsigned major_mask = 0xe0;

template <class Number>
Number big_endian(const char* at) {
    Number value;
    std::memcpy(&value, at, sizeof value);
    return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

}  // namespace

// --- Writing -----------------------------------------------------------------------------------

void cbor_writer::grow(std::size_t bytes) {
    const auto used = static_cast<std::size_t>(at_ - out_.data());
    // Not cleared first, so all the room that is there costs no more than some of it: whatever is
    // not written is cut off at the end.
    const std::size_t room =
        std::max<std::size_t>({64, bytes, used / 2, out_.capacity() - out_.size()});
    out_.resize_and_overwrite(used + room, [=](char*, std::size_t) { return used + room; });
    at_ = out_.data() + used;
    end_ = at_ + room;
}

void cbor_writer::write_float(float value) {
    need(5);
    at_ += cbor_encode_single(value, reinterpret_cast<unsigned char*>(at_), 5);
}

void cbor_writer::write_double(double value) {
    need(9);
    at_ += cbor_encode_double(value, reinterpret_cast<unsigned char*>(at_), 9);
}

void cbor_writer::write_string(std::string_view value) {
    head(base::is_utf8(value) ? 0x60U : 0x40U, value.size());
    append(value);
}

// --- Reading -----------------------------------------------------------------------------------

bool cbor_reader::fail(const char* why) noexcept {
    if (why_ == nullptr) {
        why_ = why;
    }
    end_ = at_;  // Nothing more is to be had, whatever the caller does next.
    return false;
}

bool cbor_reader::long_head(unsigned major, std::uint64_t& value) {
    if (at_ == end_) {
        return fail("cut short");
    }
    const unsigned first = static_cast<unsigned char>(*at_);
    const unsigned form = first - major;
    if (form - 24 < 4 && left() > sizeof value) {
        // A number of 1, 2, 4 or 8 bytes, with at least 8 there.
        const unsigned bytes = 1U << (form - 24);
        value = big_endian<std::uint64_t>(at_ + 1) >> (64 - 8 * bytes);
        at_ += 1 + bytes;
        return true;
    }
    if ((first & major_mask) != major) {
        return false;
    }
    if (form < 24 || form > 27) {
        return fail(form == 31 ? "indefinite length" : "malformed");
    }
    const std::size_t bytes = std::size_t{1} << (form - 24);
    if (left() < 1 + bytes) {
        return fail("cut short");
    }
    switch (form) {
        case 24:
            value = static_cast<unsigned char>(at_[1]);
            break;
        case 25:
            value = big_endian<std::uint16_t>(at_ + 1);
            break;
        case 26:
            value = big_endian<std::uint32_t>(at_ + 1);
            break;
        default:
            value = big_endian<std::uint64_t>(at_ + 1);
            break;
    }
    at_ += 1 + bytes;
    return true;
}

bool cbor_reader::read_int(std::int64_t& value) {
    std::uint64_t number = 0;
    const bool negative = at_ != end_ && (static_cast<unsigned char>(*at_) & major_mask) == 0x20;
    if (!head(negative ? 0x20 : 0x00, number)) {
        return fail("expected a whole number");
    }
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return fail("a number beyond 64 bits");
    }
    value = static_cast<std::int64_t>(negative ? ~number : number);
    return true;
}

bool cbor_reader::read_bool(bool& value) {
    if (at_ == end_) {
        return fail("cut short");
    }
    const auto byte = static_cast<unsigned char>(*at_);
    if (byte != 0xf4 && byte != 0xf5) {
        return fail("expected true or false");
    }
    value = byte == 0xf5;
    ++at_;
    return true;
}

bool cbor_reader::read_double(double& value) {
    if (at_ == end_) {
        return fail("cut short");
    }
    const unsigned major = static_cast<unsigned char>(*at_) & major_mask;
    if (major <= 0x20) {
        std::uint64_t number = 0;
        if (!head(major, number)) {
            return fail("malformed");
        }
        value = static_cast<double>(number);
        value = major == 0 ? value : -1.0 - value;
        return true;
    }
    rare_item item;
    const auto done = cbor_stream_decode(
        reinterpret_cast<const unsigned char*>(at_), left(), &rare_callbacks, &item);
    if (done.status != CBOR_DECODER_FINISHED || item.what != rare_item::kind::number) {
        return fail("expected a number");
    }
    value = item.number;
    at_ += done.read;
    return true;
}

bool cbor_reader::take(std::uint64_t length, std::string_view& value) {
    if (length > left()) {
        return fail("cut short");
    }
    value = {at_, static_cast<std::size_t>(length)};
    at_ += length;
    return true;
}

bool cbor_reader::read_long_string(std::string_view& value) {
    const bool text = at_ != end_ && (static_cast<unsigned char>(*at_) & major_mask) == 0x60;
    std::uint64_t length = 0;
    if (!head(text ? 0x60 : 0x40, length)) {
        return fail("expected a string");
    }
    return take(length, value);
}

bool cbor_reader::read_bytes(std::string_view& value) {
    std::uint64_t length = 0;
    if (!head(0x40, length)) {
        return fail("expected a byte string");
    }
    return take(length, value);
}

bool cbor_reader::enter(std::uint64_t items, std::uint64_t least_bytes) {
    if (items > left() / least_bytes) {
        return fail("more items than bytes");
    }
    if (++depth_ > max_depth) {
        return fail("nested too deep");
    }
    return true;
}

bool cbor_reader::begin_long_array(std::size_t& items) {
    std::uint64_t count = 0;
    if (!head(0x80, count)) {
        return fail("expected an array");
    }
    items = static_cast<std::size_t>(count);
    return enter(count, 1);
}

bool cbor_reader::begin_map(std::size_t& pairs) {
    std::uint64_t count = 0;
    if (!head(0xa0, count)) {
        return fail("expected a map");
    }
    pairs = static_cast<std::size_t>(count);
    return enter(count, 2);
}

bool cbor_reader::take_null() noexcept {
    if (at_ == end_ || *at_ != '\xf6') {
        return false;
    }
    ++at_;
    return true;
}

bool cbor_reader::skip_rare() {
    rare_item item;
    const auto done = cbor_stream_decode(
        reinterpret_cast<const unsigned char*>(at_), left(), &rare_callbacks, &item);
    if (done.status != CBOR_DECODER_FINISHED || item.what == rare_item::kind::refused) {
        return fail("malformed");
    }
    at_ += done.read;
    return true;
}

bool cbor_reader::skip() {
    // A count of items still to pass over, not a recursion: depth costs nothing here, and every
    // item is at least one byte.
    for (std::uint64_t open = 1; open > 0; --open) {
        if (at_ == end_) {
            return fail("cut short");
        }
        const unsigned major = static_cast<unsigned char>(*at_) & major_mask;
        if (major == 0xe0) {
            if (!skip_rare()) {
                return false;
            }
            continue;
        }
        std::uint64_t value = 0;
        std::string_view passed;
        if (!head(major, value)) {
            return fail("malformed");
        }
        if ((major == 0x40 || major == 0x60) && !take(value, passed)) {
            return false;
        }
        if (major == 0x80 || major == 0xa0) {
            const std::uint64_t width = major == 0x80 ? 1 : 2;
            if (value > left() / width) {
                return fail("more items than bytes");
            }
            open += value * width;
        }
        open += major == 0xc0 ? 1U : 0U;  // A tag is followed by what it marks.
    }
    return true;
}

namespace detail {

void write_id(cbor_writer& out, const member_id& id) {
    std::array<char, 16> bytes;
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[i] = static_cast<char>(id.high() >> (56 - 8 * i));
        bytes[i + 8] = static_cast<char>(id.low() >> (56 - 8 * i));
    }
    out.write_bytes({bytes.data(), bytes.size()});
}

bool read_id(cbor_reader& in, member_id& id) {
    std::string_view bytes;
    if (!in.read_bytes(bytes)) {
        return false;
    }
    if (bytes.size() != 16) {
        return in.fail("expected the 16 bytes of a member's id");
    }
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        high = high << 8U | static_cast<unsigned char>(bytes[i]);
        low = low << 8U | static_cast<unsigned char>(bytes[i + 8]);
    }
    id = member_id{high, low};
    return true;
}

error decode_error(std::string_view what, const cbor_reader& in) {
    const char* why = in.why() != nullptr ? in.why() : "malformed";
    return {errc::incompatible,
            "cannot read a '" + std::string{what} + "': " + why + " at byte " +
                std::to_string(in.offset()) +
                "; does the other side run another version of this program?"};
}

}  // namespace detail
}  // namespace muster
