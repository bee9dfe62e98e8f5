#pragma once

/// @file
/// Cuts what a connection delivers into frames, in place. Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

/// Threads: one at a time.
class frame_reader {
public:
    enum class found : std::uint8_t {
        frame,     ///< `bytes` is the body; it holds until the next `space()`
        more,      ///< not all of the next frame is there
        too_long,  ///< `bytes` is how (16 bytes) a body over the limit begins: skip or give up
        nonsense,  ///< a negative length; `bytes` is what is there
    };
    struct step {
        found what = found::more;
        std::string_view bytes;
        std::int64_t size = 0;  ///< of the body, as announced
    };

    /// Bodies may have up to `limit` bytes.
    explicit frame_reader(std::size_t limit);

    void set_limit(std::size_t limit) { limit_ = limit; }
    /// Where the next bytes go: never empty.
    [[nodiscard]] std::span<char> space();
    void filled(std::size_t count);
    [[nodiscard]] step next();
    /// After `too_long`: passes over that body, whenever it comes.
    void skip();
    /// What is there and not yet taken.
    [[nodiscard]] std::string_view rest() const noexcept;

private:
    static constexpr std::size_t usual = std::size_t{64} * 1024;

    std::size_t limit_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t wanted_ = 0;   ///< bytes the next frame needs altogether, where known
    std::uint64_t skipping_ = 0;
};

}  // namespace muster::zookeeper
