#pragma once

/// @file
/// A message that came from another life, as it lies in a mailbox: its bytes. Whoever takes it
/// knows its type, and reads it then; a reader of the network would have to know all types.

#include "muster/detail/parcel.hpp"

#include "base/instant.hpp"
#include "runtime/loop.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace muster::process_detail {

/// The type of all of them.
inline constexpr detail::message_type far_type{"", nullptr, nullptr, nullptr, nullptr};

/// What an asker of another life wants back; nothing where `answer` is null.
struct far_asker {
    instant deadline = never;
    detail::answer_bytes_fn answer;
};

/// Makes a message of its bytes; null if it cannot be read as that type, or nobody waits for it any
/// more, and then an asker has its answer.
[[nodiscard]] inline detail::parcel_ptr open_far(const detail::message_type& as,
                                                 std::string_view bytes,
                                                 far_asker asker,
                                                 const std::shared_ptr<detail::router>& home,
                                                 const runtime::loop& here) {
    if (!asker.answer) {
        return as.decode(bytes);
    }
    if (asker.deadline <= here.now()) {
        asker.answer(fail(errc::timed_out, "the request was still in the mailbox at its deadline"));
        return nullptr;
    }
    auto one = as.duty == nullptr ? nullptr : as.decode(bytes);
    if (!one) {
        asker.answer(fail(errc::incompatible,
                          "the process cannot read this '" + std::string{as.name} +
                              "': does it run another version?"));
        return nullptr;
    }
    one->ticket = as.duty(home, std::move(asker.answer));
    static_cast<void>(one->ticket->take());
    one->ticket->hand_over(asker.deadline.time_since_epoch());
    return one;
}

/// Threads: whoever holds it.
class far_parcel final : public detail::parcel {
public:
    far_parcel(std::string_view type_name, std::string_view bytes)
        : parcel{&far_type}, name{type_name}, body{bytes} {
        weight = static_cast<std::uint32_t>(sizeof(far_parcel) + name.size() + body.size());
    }
    ~far_parcel() override {
        if (answer) {
            answer(fail(errc::gone, "the process ended before it saw the request"));
        }
    }

    /// The message itself; null as `open_far` says.
    [[nodiscard]] detail::parcel_ptr open(const detail::message_type& as,
                                          const std::shared_ptr<detail::router>& home,
                                          const runtime::loop& here) {
        auto one = open_far(as, body, {deadline, std::exchange(answer, nullptr)}, home, here);
        if (one) {
            one->from = from;
            one->far_from = far_from;
        }
        return one;
    }

    std::string name;
    std::string body;
    instant deadline = never;
    detail::answer_bytes_fn answer;  ///< null: nobody asked
};

}  // namespace muster::process_detail
