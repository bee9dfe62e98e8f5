#include "zookeeper/frame_reader.hpp"

#include "base/check.hpp"
#include "zookeeper/wire.hpp"

#include <algorithm>
#include <cstring>

namespace muster::zookeeper {
namespace {
constexpr std::size_t prefix = 4;
constexpr std::size_t header = 16;
}  // namespace

frame_reader::frame_reader(std::size_t limit) : limit_(limit), buffer_(usual) {}

std::string_view frame_reader::rest() const noexcept {
    return {buffer_.data() + begin_, end_ - begin_};
}

std::span<char> frame_reader::space() {
    if (begin_ == end_) {
        begin_ = end_ = 0;
        if (buffer_.size() > 4 * usual && wanted_ <= usual) {
            buffer_.resize(usual);
            buffer_.shrink_to_fit();
        }
    }
    const std::size_t needed = std::max(wanted_, end_ - begin_ + 1);
    if (begin_ + needed > buffer_.size()) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        if (needed > buffer_.size()) {
            buffer_.resize(needed);
        }
    }
    return std::span{buffer_}.subspan(end_);
}

void frame_reader::filled(std::size_t count) {
    MUSTER_ASSERT(count <= buffer_.size() - end_, "more bytes than there was room for");
    end_ += count;
}

frame_reader::step frame_reader::next() {
    if (skipping_ != 0) {
        const auto now = std::min<std::uint64_t>(skipping_, end_ - begin_);
        begin_ += static_cast<std::size_t>(now);
        skipping_ -= now;
    }
    wanted_ = 0;
    const std::string_view there = rest();
    if (skipping_ != 0 || there.size() < prefix) {
        return {found::more, {}, 0};
    }
    const std::int32_t size = load_int32(there.data());
    if (size < 0) {
        return {found::nonsense, there, size};
    }
    const auto length = static_cast<std::size_t>(size);
    if (length > limit_) {
        if (there.size() < prefix + header) {
            return {found::more, {}, size};
        }
        return {found::too_long, there.substr(prefix, header), size};
    }
    if (there.size() < prefix + length) {
        wanted_ = prefix + length;
        return {found::more, {}, size};
    }
    begin_ += prefix + length;
    return {found::frame, there.substr(prefix, length), size};
}

void frame_reader::skip() {
    const std::string_view there = rest();
    MUSTER_ASSERT(there.size() >= prefix, "skip follows too_long");
    begin_ += prefix;
    skipping_ = static_cast<std::uint32_t>(load_int32(there.data()));
}

}  // namespace muster::zookeeper
