#pragma once

/// @file
/// A real loop and the means to drive it from a test's thread.

#include "runtime/real.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace muster::live {

/// Threads: the test's.
class loop_room {
public:
    loop_room() : platform_(runtime::make_real_platform()), loop_(platform_->make_loop("test")) {}
    ~loop_room() { loop_->stop(); }
    loop_room(const loop_room&) = delete;
    loop_room& operator=(const loop_room&) = delete;

    [[nodiscard]] const std::shared_ptr<runtime::loop>& loop() const noexcept { return loop_; }
    [[nodiscard]] runtime::platform& platform() const noexcept { return *platform_; }
    [[nodiscard]] instant in(duration how_long) const { return loop_->now() + how_long; }

    /// Runs `task` on the loop and hands back what it returns.
    template <class F>
    auto on(F task) -> decltype(task()) {
        std::promise<decltype(task())> made;
        auto answer = made.get_future();
        loop_->post([&] {
            if constexpr (std::is_void_v<decltype(task())>) {
                task();
                made.set_value();
            } else {
                made.set_value(task());
            }
        });
        return answer.get();
    }

    /// Asks `holds`, on the loop, until it is so or `limit` is over.
    bool wait(const std::function<bool()>& holds, duration limit) {
        for (const instant end = in(limit); loop_->now() < end;) {
            if (on([&] { return holds(); })) {
                return true;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
        return on([&] { return holds(); });
    }

private:
    std::shared_ptr<runtime::platform> platform_;
    std::shared_ptr<runtime::loop> loop_;
};

}  // namespace muster::live
