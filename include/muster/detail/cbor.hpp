#pragma once

/// @file
/// CBOR (RFC 8949) in and out of plain memory: what `muster::codec<T>` specialisations and the
/// generated message encoding are written in. libcbor stands behind it, in the library alone.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace muster {

/// Appends CBOR items to a string, each in its shortest form.
///
/// An array or map is its head followed by that many items (pairs).
/// Threads: one at a time.
/// Lifetime: holds a reference to the string, whose contents are right once the writer is gone.
class cbor_writer {
public:
    explicit cbor_writer(std::string& out) : out_{out}, at_{out.data() + out.size()}, end_{at_} {}
    cbor_writer(const cbor_writer&) = delete;
    cbor_writer& operator=(const cbor_writer&) = delete;
    ~cbor_writer() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }

    void write_uint(std::uint64_t value) { head(0x00, value); }
    void write_int(std::int64_t value) {
        value < 0 ? head(0x20, ~static_cast<std::uint64_t>(value))
                  : head(0x00, static_cast<std::uint64_t>(value));
    }
    void write_bool(bool value) { byte(value ? 0xf5 : 0xf4); }
    void write_null() { byte(0xf6); }
    void write_float(float value);
    void write_double(double value);
    /// Text if it is valid UTF-8, else a byte string.
    void write_string(std::string_view value);
    void write_bytes(std::string_view value) {
        head(0x40, value.size());
        append(value);
    }
    void begin_array(std::size_t items) { head(0x80, items); }
    void begin_map(std::size_t pairs) { head(0xa0, pairs); }

private:
    // Written past the string's size, into room that `grow` made: an append for each item would
    // cost more than the item.
    void need(std::size_t bytes) {
        if (static_cast<std::size_t>(end_ - at_) < bytes) {
            grow(bytes);
        }
    }
    void byte(unsigned value) {
        need(1);
        *at_++ = static_cast<char>(value);
    }
    template <class Number>
    void big_endian(unsigned first, Number value) {
        *at_++ = static_cast<char>(first);
        if constexpr (std::endian::native == std::endian::little) {
            value = std::byteswap(value);
        }
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    void head(unsigned major, std::uint64_t value) {
        need(9);
        if (value < 24) {
            *at_++ = static_cast<char>(major | value);
        } else if (value <= 0xff) {
            big_endian(major | 24U, static_cast<std::uint8_t>(value));
        } else if (value <= 0xffff) {
            big_endian(major | 25U, static_cast<std::uint16_t>(value));
        } else if (value <= 0xffffffff) {
            big_endian(major | 26U, static_cast<std::uint32_t>(value));
        } else {
            big_endian(major | 27U, value);
        }
    }
    void append(std::string_view bytes) {
        need(bytes.size());
        if (!bytes.empty()) {
            std::memcpy(at_, bytes.data(), bytes.size());
            at_ += bytes.size();
        }
    }
    void grow(std::size_t bytes);

    std::string& out_;
    char* at_;
    char* end_;
};

/// Reads CBOR items from memory, never past its end.
///
/// Every function answers whether the next item was what it asked for, and consumes it then; after
/// the first "no" the reader stays failed and `why()` says what was wrong. Lengths are compared
/// with what is left before anything is allocated. Items of indefinite length are refused.
/// Threads: one at a time.
/// Lifetime: holds a view of the bytes; strings read are views of them too.
class cbor_reader {
public:
    /// Arrays and maps within each other.
    static constexpr int max_depth = 64;
    /// What all elements of all lists and maps of one message may take once they are read: an empty
    /// element costs a byte in the message, and much more in memory.
    static constexpr std::size_t max_elements_bytes = std::size_t{256} << 20U;

    explicit cbor_reader(std::string_view bytes) noexcept
        : begin_{bytes.data()}, at_{begin_}, end_{begin_ + bytes.size()} {}

    [[nodiscard]] bool read_uint(std::uint64_t& value) {
        return head(0x00, value) || fail("expected an unsigned number");
    }
    [[nodiscard]] bool read_int(std::int64_t& value);
    [[nodiscard]] bool read_bool(bool& value);
    /// Any number; one beyond 2^53 may lose digits.
    [[nodiscard]] bool read_double(double& value);
    /// Text or a byte string.
    [[nodiscard]] bool read_string(std::string_view& value) {
        if (left() >= 2) {
            const unsigned first = static_cast<unsigned char>(at_[0]);
            const unsigned form = first & 0x1fU;
            const std::size_t head = form < 24 ? 1 : 2;
            const std::size_t length = form < 24 ? form : static_cast<unsigned char>(at_[1]);
            if ((first & 0xc0U) == 0x40 && form <= 24 && length <= left() - head) {
                value = {at_ + head, length};
                at_ += head + length;
                return true;
            }
        }
        return read_long_string(value);
    }
    /// A byte string.
    [[nodiscard]] bool read_bytes(std::string_view& value);

    /// Enters an array of `items` items, all of which must be read (or skipped) before
    /// `end_array()`.
    [[nodiscard]] bool begin_array(std::size_t& items) {
        if (at_ != end_ && depth_ < max_depth) {
            const unsigned count = static_cast<unsigned char>(*at_) - 0x80U;
            if (count < 24 && count < left()) {
                items = count;
                ++at_;
                ++depth_;
                return true;
            }
        }
        return begin_long_array(items);
    }
    void end_array() noexcept { --depth_; }
    [[nodiscard]] bool begin_map(std::size_t& pairs);
    void end_map() noexcept { --depth_; }

    /// Counts an element of `bytes` that is about to be made.
    [[nodiscard]] bool charge(std::size_t bytes) {
        elements_bytes_ += bytes;
        return elements_bytes_ <= max_elements_bytes || fail("too many elements for one message");
    }

    /// Consumes a null if one is next; else nothing is consumed and nothing has failed.
    [[nodiscard]] bool take_null() noexcept;
    /// Passes over one item of any kind, with all it contains.
    [[nodiscard]] bool skip();

    [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
    [[nodiscard]] std::size_t offset() const noexcept {
        return static_cast<std::size_t>(at_ - begin_);
    }
    [[nodiscard]] bool failed() const noexcept { return why_ != nullptr; }
    /// What was wrong first, or nullptr.
    [[nodiscard]] const char* why() const noexcept { return why_; }
    /// Marks the reader failed; always false, so that a codec can `return in.fail("…")`.
    /// `why` is a literal.
    bool fail(const char* why) noexcept;

private:
    // The head of an item of `major` type, definite length.
    [[nodiscard]] bool head(unsigned major, std::uint64_t& value) {
        if (at_ != end_) {
            const unsigned distance = static_cast<unsigned char>(*at_) - major;
            if (distance < 24) {
                value = distance;
                ++at_;
                return true;
            }
        }
        return long_head(major, value);
    }
    [[nodiscard]] bool read_long_string(std::string_view& value);
    [[nodiscard]] bool begin_long_array(std::size_t& items);
    [[nodiscard]] bool long_head(unsigned major, std::uint64_t& value);
    [[nodiscard]] bool take(std::uint64_t length, std::string_view& value);
    [[nodiscard]] bool enter(std::uint64_t items, std::uint64_t least_bytes);
    [[nodiscard]] bool skip_rare();

    const char* begin_;
    const char* at_;
    const char* end_;
    const char* why_ = nullptr;
    std::size_t elements_bytes_ = 0;
    int depth_ = 0;
};

}  // namespace muster
