#pragma once

/// @file
/// Keeps callbacks from outliving the object they call into.

#include <memory>
#include <utility>

namespace muster {

/// Turns the callbacks an object hands out into no-ops once the object is gone.
///
/// Threads: one loop; the check and the call are one uninterrupted step there.
/// Declare it last, so that it goes first.
class life_guard {
public:
    template <class F>
    [[nodiscard]] auto wrap(F call) const {
        return [alive = std::weak_ptr<const char>{token_},
                call = std::move(call)]<class... Args>(Args&&... args) mutable {
            if (!alive.expired()) {
                call(std::forward<Args>(args)...);
            }
        };
    }

    /// From here on everything wrapped before is a no-op; wrapping again starts afresh.
    void renew() { token_ = std::make_shared<const char>('\0'); }

private:
    std::shared_ptr<const char> token_ = std::make_shared<const char>('\0');
};

}  // namespace muster
