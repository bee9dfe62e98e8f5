#pragma once

/// @file
/// A message that came from another life, as it lies in a mailbox: its bytes. Whoever takes it
/// knows its type, and reads it then; a reader of the network would have to know all types.

#include "muster/detail/parcel.hpp"

#include "base/instant.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace muster::process_detail {

/// The type of all of them.
inline constexpr detail::message_type far_type{"", nullptr, nullptr, nullptr, nullptr};

/// Threads: whoever holds it.
class far_parcel final : public detail::parcel {
public:
    far_parcel(pid sender, std::string_view type_name, std::string_view bytes)
        : parcel{&far_type}, name{type_name}, body{bytes} {
        far_from = std::make_unique<pid>(std::move(sender));
        weight = static_cast<std::uint32_t>(sizeof(far_parcel) + name.size() + body.size());
    }
    ~far_parcel() override {
        if (answer) {
            answer(fail(errc::gone, "the process ended before it saw the request"));
        }
    }

    /// The message itself; null if it cannot be read as that type, or nobody waits for it any more.
    [[nodiscard]] detail::parcel_ptr open(const detail::message_type& as,
                                          const std::shared_ptr<detail::router>& home,
                                          instant now) {
        const bool asked = static_cast<bool>(answer);
        if (asked && deadline <= now) {
            answer(fail(errc::timed_out, "the request was still in the mailbox at its deadline"));
            answer = nullptr;
            return nullptr;
        }
        auto one = asked && as.duty == nullptr ? nullptr : as.decode(body);
        if (!one) {
            if (asked) {
                answer(fail(
                    errc::incompatible,
                    "the process cannot read this '" + name + "': does it run another version?"));
                answer = nullptr;
            }
            return nullptr;
        }
        one->far_from = std::move(far_from);
        if (asked) {
            one->ticket = as.duty(home, std::exchange(answer, nullptr));
            static_cast<void>(one->ticket->take());
            one->ticket->hand_over(deadline.time_since_epoch());
        }
        return one;
    }

    std::string name;
    std::string body;
    instant deadline = never;
    detail::answer_bytes_fn answer;  ///< null: nobody asked
};

}  // namespace muster::process_detail
