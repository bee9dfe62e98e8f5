#include "node/hook_queue.hpp"

#include <utility>

namespace muster::detail {

void hook_queue::add(task_fn hook) {
    if (!finished_) {
        waiting_.push_back(std::move(hook));
        next();
    }
}

void hook_queue::finish(task_fn idle) {
    finished_ = true;
    idle_ = std::move(idle);
    next();
}

void hook_queue::next() {
    if (running_) {
        return;
    }
    if (waiting_.empty()) {
        if (auto idle = std::exchange(idle_, {})) {
            idle();
        }
        return;
    }
    running_ = true;
    jobs_->run(lane::aside,
               [self = shared_from_this(), hook = std::move(waiting_.front())]() mutable {
                   hook();
                   hook = nullptr;
                   auto* const queue = self.get();
                   queue->control_->post([self = std::move(self)] {
                       self->running_ = false;
                       self->next();
                   });
               });
    waiting_.pop_front();
}

}  // namespace muster::detail
