#pragma once

/// @file
/// The way of a process to others while it has the right to speak.

#include "process/host_core.hpp"
#include "process/process_right.hpp"

#include <memory>
#include <string>
#include <utility>

namespace muster::process_detail {

/// Threads: any.
class guarded_router final : public detail::router,
                             public std::enable_shared_from_this<guarded_router> {
public:
    guarded_router(std::shared_ptr<host_core> home, std::shared_ptr<process_right> under)
        : home_{std::move(home)}, under_{std::move(under)} {}

    result<void> deliver(const pid& to, detail::parcel_ptr one) override {
        return under_->allowed() ? home_->deliver(to, std::move(one)) : refused(*one);
    }
    [[nodiscard]] bool sends_far(const pid& to) const noexcept override {
        return home_->sends_far(to);
    }
    result<void> send_far(const pid& to,
                          detail::local_ref from,
                          const detail::message_type& type,
                          const void* body) override {
        return under_->allowed() ? home_->send_far(to, from, type, body)
                                 : std::unexpected{running_code::no_right()};
    }
    result<void> deliver_to(detail::global_core& to, detail::parcel_ptr one) override {
        return under_->allowed() ? home_->deliver_to(to, std::move(one)) : refused(*one);
    }
    result<void> offer(const pid& to, detail::parcel_ptr& one, detail::unsent_fn back) override {
        return under_->allowed() ? home_->offer(to, one, std::move(back)) : refused(*one);
    }
    void lose(const detail::parcel& one, const std::string& global) override {
        home_->lose(one, global);
    }
    void lose(detail::local_ref from, const pid& to) override { home_->lose(from, to); }
    pid spawn(std::move_only_function<process(self)> body) override {
        return under_->allowed() ? home_->spawn(std::move(body)) : home_->ended_pid();
    }
    detail::alarm arm(std::chrono::nanoseconds after,
                      std::move_only_function<void()> fire) override {
        // What it does when it fires may refer to this.
        return home_->arm(
            after, [keep = shared_from_this(), fire = std::move(fire)]() mutable { fire(); });
    }
    void disarm(const detail::alarm& one) override { home_->disarm(one); }
    [[nodiscard]] std::chrono::nanoseconds within_call(
        std::chrono::nanoseconds limit) const override {
        return home_->within_call(limit);
    }
    void set_sender(detail::parcel& one, const pid& from) const override {
        home_->set_sender(one, from);
    }
    [[nodiscard]] detail::name_service* names() const noexcept override { return home_->names(); }
    [[nodiscard]] std::shared_ptr<detail::global_service> globals() const noexcept override {
        return home_->globals();
    }

private:
    static result<void> refused(detail::parcel& one) {
        error why = running_code::no_right();
        if (const auto ticket = std::exchange(one.ticket, nullptr)) {
            ticket->refuse(why);
        }
        return std::unexpected{std::move(why)};
    }

    const std::shared_ptr<host_core> home_;
    const std::shared_ptr<process_right> under_;
};

}  // namespace muster::process_detail
