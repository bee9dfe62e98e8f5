#include "zookeeper/wire.hpp"

#include "base/check.hpp"

#include <bit>
#include <cstring>
#include <limits>

namespace muster::zookeeper {
namespace {

static_assert(std::endian::native == std::endian::little, "big-endian machines are not built for");

}  // namespace

std::int32_t load_int32(const char* from) noexcept {
    std::uint32_t raw = 0;
    std::memcpy(&raw, from, sizeof raw);
    return static_cast<std::int32_t>(__builtin_bswap32(raw));
}

std::int64_t load_int64(const char* from) noexcept {
    std::uint64_t raw = 0;
    std::memcpy(&raw, from, sizeof raw);
    return static_cast<std::int64_t>(__builtin_bswap64(raw));
}

void store_int32(char* to, std::int32_t value) noexcept {
    const std::uint32_t raw = __builtin_bswap32(static_cast<std::uint32_t>(value));
    std::memcpy(to, &raw, sizeof raw);
}

void store_int64(char* to, std::int64_t value) noexcept {
    const std::uint64_t raw = __builtin_bswap64(static_cast<std::uint64_t>(value));
    std::memcpy(to, &raw, sizeof raw);
}

void jute_reader::fail() noexcept {
    ok_ = false;
    rest_ = {};
}

const char* jute_reader::take(std::size_t size) noexcept {
    if (rest_.size() < size) {
        fail();
        return nullptr;
    }
    const char* at = rest_.data();
    rest_.remove_prefix(size);
    return at;
}

std::int32_t jute_reader::int32() noexcept {
    const char* at = take(4);
    return at == nullptr ? 0 : load_int32(at);
}

std::int64_t jute_reader::int64() noexcept {
    const char* at = take(8);
    return at == nullptr ? 0 : load_int64(at);
}

bool jute_reader::boolean() noexcept {
    const char* at = take(1);
    return at != nullptr && *at != '\0';
}

std::string_view jute_reader::text() noexcept {
    bool null = false;
    return buffer(null);
}

std::string_view jute_reader::buffer(bool& null) noexcept {
    const std::int32_t size = int32();
    null = size == -1;
    if (size < -1) {
        fail();
    }
    if (size <= 0) {
        return {};
    }
    const auto length = static_cast<std::size_t>(size);
    const char* at = take(length);
    return at == nullptr ? std::string_view{} : std::string_view{at, length};
}

std::size_t jute_reader::count(std::size_t least) noexcept {
    const std::int32_t value = int32();
    if (value < -1) {
        fail();
    }
    if (value <= 0) {
        return 0;
    }
    const auto many = static_cast<std::size_t>(value);
    if (many > remaining() / least) {
        fail();
        return 0;
    }
    return many;
}

void jute_writer::int32(std::int32_t value) {
    char raw[4];
    store_int32(raw, value);
    out_.append(raw, sizeof raw);
}

void jute_writer::int64(std::int64_t value) {
    char raw[8];
    store_int64(raw, value);
    out_.append(raw, sizeof raw);
}

void jute_writer::text(std::string_view value) {
    count(value.size());
    out_.append(value);
}

void jute_writer::count(std::size_t value) {
    MUSTER_ASSERT(value <= std::numeric_limits<std::int32_t>::max(), "too long for jute");
    int32(static_cast<std::int32_t>(value));
}

std::size_t jute_writer::begin_frame() {
    const std::size_t mark = out_.size();
    out_.append(4, '\0');
    return mark;
}

void jute_writer::end_frame(std::size_t mark) {
    MUSTER_ASSERT(mark + 4 <= out_.size(), "a frame ends after it began");
    const std::size_t size = out_.size() - mark - 4;
    MUSTER_ASSERT(size <= std::numeric_limits<std::int32_t>::max(), "too long for a frame");
    store_int32(out_.data() + mark, static_cast<std::int32_t>(size));
}

}  // namespace muster::zookeeper
