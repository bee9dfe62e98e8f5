#include "line_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace muster::cli {
namespace {

constexpr std::size_t capacity = 256U << 10U;  ///< bytes
constexpr std::chrono::seconds last_patience{1};

/// False where nobody reads any more.
bool write_out(int fd, std::string_view rest) {
    while (!rest.empty()) {
        const ssize_t count = ::write(fd, rest.data(), rest.size());
        if (count < 0 && errno == EAGAIN) {
            pollfd place{fd, POLLOUT, 0};  // Somebody else made it non-blocking.
            ::poll(&place, 1, -1);
        } else if (count < 0 && errno != EINTR) {
            return false;
        }
        rest.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return true;
}

}  // namespace

/// Shared with the thread, which may outlive the writer: in a write that never comes back.
struct line_writer::state {
    int fd = -1;
    std::function<std::string(std::size_t)> of_dropped;
    mutable std::mutex mutex;  ///< of all below
    std::condition_variable changed;
    std::string queued;
    std::size_t dropped = 0;
    bool ending = false;
    bool ended = false;
};

line_writer::line_writer(int fd, std::function<std::string(std::size_t)> of_dropped)
    : state_{std::make_shared<state>()} {
    state_->fd = fd;
    state_->of_dropped = std::move(of_dropped);
    thread_ = std::thread{[of = state_] { work(of); }};
}

line_writer::~line_writer() {
    std::unique_lock lock{state_->mutex};
    state_->ending = true;
    state_->changed.notify_all();
    if (state_->changed.wait_for(lock, last_patience, [this] { return state_->ended; })) {
        lock.unlock();
        thread_.join();
        return;
    }
    // It hangs in a write. Should that come back after all, nothing is left for it to do.
    state_->queued.clear();
    state_->dropped = 0;
    state_->of_dropped = {};
    lock.unlock();
    thread_.detach();
}

void line_writer::work(const std::shared_ptr<state>& of) {
    std::unique_lock lock{of->mutex};
    for (;;) {
        of->changed.wait(lock,
                         [&] { return of->ending || !of->queued.empty() || of->dropped > 0; });
        std::string lines = std::exchange(of->queued, {});
        if (const std::size_t lost = std::exchange(of->dropped, 0); lost > 0) {
            lines += of->of_dropped(lost);
        }
        if (lines.empty()) {
            break;
        }
        lock.unlock();
        const bool heard = write_out(of->fd, lines);
        lock.lock();
        if (!heard) {
            // As a log to a closed pipe goes: nobody is there to be told.
            of->queued.clear();
            of->dropped = 0;
        }
    }
    of->ended = true;
    of->changed.notify_all();
}

void line_writer::write(std::string_view lines) {
    {
        const std::lock_guard lock{state_->mutex};
        // After a drop everything waits for its turn behind the word of it, which keeps the order.
        if (state_->dropped > 0 || state_->queued.size() + lines.size() > capacity) {
            ++state_->dropped;
            return;
        }
        state_->queued += lines;
    }
    state_->changed.notify_all();
}

bool line_writer::has_room() const {
    const std::lock_guard lock{state_->mutex};
    return state_->dropped == 0 && state_->queued.size() <= capacity / 2;
}

}  // namespace muster::cli
