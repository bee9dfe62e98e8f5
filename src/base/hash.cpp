#include "base/hash.hpp"

#include <xxhash.h>

namespace muster::base {

std::uint64_t xxh64(std::string_view bytes) noexcept {
    return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace muster::base
