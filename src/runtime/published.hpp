#pragma once

/// @file
/// A value that one thread replaces and any thread reads.

#include <memory>
#include <mutex>
#include <utility>

namespace muster::runtime {

/// Threads: any. A reader keeps what it read for as long as it likes.
template <class T>
class published {
public:
    explicit published(std::shared_ptr<const T> first = nullptr) : value_{std::move(first)} {}

    [[nodiscard]] std::shared_ptr<const T> read() const {
        const std::lock_guard hold{mutex_};
        return value_;
    }

    void replace(std::shared_ptr<const T> next) {
        {
            const std::lock_guard hold{mutex_};
            value_.swap(next);
        }
        // The old value is destroyed here, outside the lock.
    }

    /// Replaces a copy changed by `edit`; two of these take turns.
    template <class Edit>
    void change(Edit edit) {
        const std::lock_guard turn{changing_};
        auto copy = std::make_shared<T>(*read());
        edit(*copy);
        replace(std::move(copy));
    }

private:
    std::mutex changing_;
    mutable std::mutex mutex_;
    std::shared_ptr<const T> value_;
};

}  // namespace muster::runtime
