#include "node/log_queue.hpp"

namespace muster::detail {

void log_queue::add(severity level, std::string event, std::string text) {
    {
        const std::lock_guard hold{mutex_};
        if (finished_) {
            return;
        }
        if (waiting_.size() >= max_waiting) {
            ++lost_;
            return;
        }
        waiting_.push_back({level, std::move(event), std::move(text)});
        if (std::exchange(writing_, true)) {
            return;
        }
    }
    jobs_->run(lane::aside, [self = shared_from_this()] { self->write_all(); });
}

void log_queue::finish() {
    {
        const std::lock_guard hold{mutex_};
        finished_ = true;
    }
    static_cast<void>(jobs_->wait_idle(never));
}

void log_queue::write_all() {
    for (;;) {
        std::deque<line> batch;
        {
            const std::lock_guard hold{mutex_};
            batch.swap(waiting_);
            if (const std::size_t lost = std::exchange(lost_, 0); lost > 0) {
                batch.push_back({severity::warning,
                                 "log.lost",
                                 std::to_string(lost) +
                                     " lines are lost: whoever writes the log did not keep up"});
            }
            if (batch.empty()) {
                writing_ = false;
                return;
            }
        }
        for (const line& one : batch) {
            write_({one.level, one.event, one.text, member_});
        }
    }
}

}  // namespace muster::detail
