#pragma once

/// @file
/// Jute, ZooKeeper's binary encoding: big-endian integers, and buffers, strings and vectors that
/// begin with a 32-bit length or count, -1 standing for null (zookeeper-jute, BinaryInputArchive
/// and BinaryOutputArchive).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::zookeeper {

/// Reads one frame in place. It never throws and never looks past the end: the first thing that
/// does not fit makes it fail for good, and everything read from then on is zero or empty.
///
/// Threads: one at a time.
/// Lifetime: it and the views it returns point into the bytes it was made of.
class jute_reader {
public:
    explicit jute_reader(std::string_view bytes) noexcept : rest_(bytes) {}

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] std::size_t remaining() const noexcept { return rest_.size(); }

    [[nodiscard]] std::int32_t int32() noexcept;
    [[nodiscard]] std::int64_t int64() noexcept;
    /// Any byte but 0 is true.
    [[nodiscard]] bool boolean() noexcept;

    /// A string, or the bytes of a buffer; null reads as empty.
    [[nodiscard]] std::string_view text() noexcept;
    /// As `text`; `null` says whether it was null rather than empty.
    [[nodiscard]] std::string_view buffer(bool& null) noexcept;

    /// The count of a vector whose elements take at least `least` bytes each; null counts 0.
    /// A count that cannot fit into what remains fails here, before anybody allocates for it.
    [[nodiscard]] std::size_t count(std::size_t least) noexcept;

    void fail() noexcept;

private:
    [[nodiscard]] const char* take(std::size_t size) noexcept;

    std::string_view rest_;
    bool ok_ = true;
};

/// Appends to a string.
/// Threads: one at a time. Lifetime: the string must outlive it.
class jute_writer {
public:
    explicit jute_writer(std::string& out) noexcept : out_(out) {}

    void int32(std::int32_t value);
    void int64(std::int64_t value);
    void boolean(bool value) { out_.push_back(value ? '\1' : '\0'); }
    void text(std::string_view value);
    void null() { int32(-1); }
    void count(std::size_t value);

    /// Begins a frame: leaves room for its length. Returns the mark that `end_frame` wants.
    [[nodiscard]] std::size_t begin_frame();
    /// Writes the length of what has been appended since.
    void end_frame(std::size_t mark);

private:
    std::string& out_;
};

/// Big-endian integers at a place that is known to be long enough.
[[nodiscard]] std::int32_t load_int32(const char* from) noexcept;
[[nodiscard]] std::int64_t load_int64(const char* from) noexcept;
void store_int32(char* to, std::int32_t value) noexcept;
void store_int64(char* to, std::int64_t value) noexcept;

}  // namespace muster::zookeeper
