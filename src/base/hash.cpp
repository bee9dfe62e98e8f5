#include "base/hash.hpp"

// Compiled in here: most keys are short, and a call into the library costs as much as its work.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace muster::base {

std::uint64_t xxh64(std::string_view bytes) noexcept {
    return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace muster::base
