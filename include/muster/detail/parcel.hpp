#pragma once

/// @file
/// A message on its way to a mailbox, and the duty to answer it.

#include "muster/detail/shape.hpp"
#include "muster/error.hpp"
#include "muster/message.hpp"
#include "muster/pending.hpp"
#include "muster/pid.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster {

class process;
class self;

namespace detail {

class ask_ticket;
class global_core;
class global_service;
class name_service;
class ownership_core;
class parcel;
class router;

/// Called once with the bytes of an answer.
using answer_bytes_fn = std::move_only_function<void(result<std::string>)>;

/// What is known of the type of a message when its body is not: its name, how it travels, and how
/// the duty to answer it is taken on for an asker far away (null where it has no reply), and what
/// it is made of.
struct message_type {
    std::string_view name;
    void (*encode)(std::string& out, const void* body);
    std::unique_ptr<parcel> (*decode)(std::string_view bytes);
    std::shared_ptr<ask_ticket> (*duty)(std::shared_ptr<router> home, answer_bytes_fn answer);
    void (*describe)(std::string& out);
};

template <class T>
void encode_body(std::string& out, const void* body) {
    encode_to(out, *static_cast<const T*>(body));
}
template <class T>
std::unique_ptr<parcel> decode_parcel(std::string_view bytes);
template <class T>
std::shared_ptr<ask_ticket> take_on(std::shared_ptr<router> home, answer_bytes_fn answer);

template <class T>
constexpr auto duty_of()
    -> std::shared_ptr<ask_ticket> (*)(std::shared_ptr<router>, answer_bytes_fn) {
    if constexpr (requires { typename T::reply; }) {
        return &take_on<T>;
    } else {
        return nullptr;
    }
}

/// One object for each type of message: its address is how a mailbox tells them apart.
template <class T>
inline constexpr message_type message_type_of{
    wire_name_of<T>(), &encode_body<T>, &decode_parcel<T>, duty_of<T>(), &describe_message<T>};

/// Bytes that `value` holds outside of itself, about.
template <class T>
std::size_t held_bytes(const T& value) {
    if constexpr (std::is_trivially_copyable_v<T> || has_codec<T>) {
        return 0;
    } else if constexpr (std::is_same_v<T, std::string>) {
        return value.size();
    } else if constexpr (is_a<T, std::optional>) {
        return value ? held_bytes(*value) : 0;
    } else if constexpr (is_a<T, std::variant>) {
        return std::visit([](const auto& chosen) { return held_bytes(chosen); }, value);
    } else if constexpr (is_a<T, std::pair> || is_a<T, std::tuple> || is_std_array<T>) {
        return std::apply([](const auto&... part) { return (held_bytes(part) + ... + 0U); }, value);
    } else if constexpr (container<T>) {
        std::size_t sum = value.size() * sizeof(typename T::value_type);
        if constexpr (!std::is_trivially_copyable_v<typename T::value_type>) {
            for (const auto& element : value) {
                sum += held_bytes(element);
            }
        }
        return sum;
    } else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>) {
        return std::apply([](const auto&... field) { return (held_bytes(field) + ... + 0U); },
                          tie_fields(const_cast<T&>(value)));
    } else {
        return 0;
    }
}

/// A process of this member, by its place; none where the generation is 0.
struct local_ref {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;

    friend bool operator==(const local_ref&, const local_ref&) = default;
};

/// Another node as its processes are known here: one for all that comes from it.
struct far_node {
    member_id life;
    short_text name;  ///< Its member's.
};

/// A message of another node as it was read from the network, live during a call only.
struct far_text {
    std::string_view body;
    const far_node& node;
    local_ref from;
};
/// Reads `what` as the `which`-th of the types waited for, to where the waiter at `at` finds it;
/// false: it cannot be read.
using open_at_fn = bool (*)(void* at, std::size_t which, const far_text& what);

/// A timer that was set, to be unset.
struct alarm {
    std::uint32_t worker = 0;
    std::chrono::nanoseconds when{0};
    std::uint64_t number = 0;  ///< 0: none
};

/// Whether a process may still speak: false for good once a right that it acts under has ended.
/// Threads: any.
class speech {
public:
    virtual ~speech() = default;
    [[nodiscard]] virtual bool allowed() const noexcept = 0;
};

/// The duty to answer one ask. Whoever is first ends it: the answer, an error, or the deadline.
/// Threads: any.
class ask_ticket {
public:
    explicit ask_ticket(std::shared_ptr<router> home) : home_{std::move(home)} {}
    ask_ticket(const ask_ticket&) = delete;
    ask_ticket& operator=(const ask_ticket&) = delete;
    virtual ~ask_ticket() = default;

    /// A process is about to see the request; false if the asker has gone on already, in which case
    /// it must not see it.
    [[nodiscard]] bool take() noexcept {
        int seen = waiting;
        return state_.compare_exchange_strong(seen, taken, std::memory_order_acq_rel) ||
               seen == taken;
    }
    /// Ends it with an error.
    void refuse(error why);
    /// The same by whoever holds the request, who may have lost the right to speak.
    void refuse_by_holder(error why);
    /// From here on `who` says whether the holder of the request may answer; null: it may.
    void hold_by(std::shared_ptr<const speech> who) noexcept { holder_ = std::move(who); }
    /// Whether the holder may answer; where it may not, the asker hears so.
    [[nodiscard]] bool may_answer();
    /// The deadline has come.
    void expire();
    /// Sets what ends it after `limit`. Before it is sent.
    static void arm(const std::shared_ptr<ask_ticket>& one, std::chrono::nanoseconds limit);
    /// When it ends, by the clock of its node.
    [[nodiscard]] std::chrono::nanoseconds due() const noexcept { return due_; }
    /// Somebody else sees to it that it ends in time.
    void hand_over();
    void hand_over(std::chrono::nanoseconds due) noexcept { due_ = due; }
    /// Ends it with what came from far away.
    virtual void answer_bytes(result<std::string> got) = 0;
    [[nodiscard]] bool is_over() const noexcept {
        return state_.load(std::memory_order_acquire) == done;
    }
    /// Whether all that hears of its end now is a coroutine of a strand.
    [[nodiscard]] virtual bool is_awaited() const noexcept = 0;
    [[nodiscard]] const std::shared_ptr<router>& home() const noexcept { return home_; }

protected:
    /// Whether the caller is the one that ends it.
    [[nodiscard]] bool claim();
    virtual void answer_error(error why) = 0;

private:
    enum : int { waiting, taken, done };
    std::atomic<int> state_{waiting};
    alarm alarm_;
    std::chrono::nanoseconds due_{0};
    const std::shared_ptr<router> home_;
    std::shared_ptr<const speech> holder_;  ///< Whoever holds the request alone touches it.
};

/// The duty to answer with an `R`.
template <class R>
class ask_of final : public ask_ticket {
public:
    explicit ask_of(std::shared_ptr<router> home)
        : ask_ticket{std::move(home)}, state_{std::make_shared<pending_state<R>>()} {}
    /// For an asker far away.
    ask_of(std::shared_ptr<router> home, answer_bytes_fn far)
        : ask_ticket{std::move(home)}, far_{std::move(far)} {}

    /// Not of one for an asker far away.
    [[nodiscard]] pending<R> answer() const { return pending<R>{state_}; }
    void settle(result<R> value) {
        if (may_answer() && claim()) {
            complete(std::move(value));
        }
    }
    [[nodiscard]] bool is_awaited() const noexcept override {
        return state_ && state_->is_awaited();
    }
    void answer_bytes(result<std::string> got) override {
        if (!got) {
            refuse(std::move(got.error()));
        } else if constexpr (std::is_void_v<R>) {
            settle({});
        } else {
            settle(decode<R>(*got));
        }
    }

private:
    void answer_error(error why) override { complete(std::unexpected{std::move(why)}); }
    void complete(result<R> value) {
        if (state_) {
            state_->complete(std::move(value));
        } else if (!value) {
            far_(std::unexpected{std::move(value.error())});
        } else if constexpr (std::is_void_v<R>) {
            far_(std::string{});
        } else {
            far_(encode(*value));
        }
    }

    const std::shared_ptr<pending_state<R>> state_;  ///< Null for an asker far away.
    answer_bytes_fn far_;
};

/// A message, or a signal of Muster's own (without a type), in a mailbox.
/// Threads: whoever holds it.
class parcel {
public:
    explicit parcel(const message_type* of) : type{of} {}
    parcel(const parcel&) = delete;
    parcel& operator=(const parcel&) = delete;
    /// Dropped with a duty to answer: the asker hears that the process is gone.
    virtual ~parcel();

    // Those of one size class come from a store of the thread, which spares the allocator.
    static void* operator new(std::size_t size);
    static void operator delete(void* memory, std::size_t size) noexcept;

    /// What `type->encode` takes; null of what never travels.
    [[nodiscard]] virtual const void* content() const noexcept { return nullptr; }
    /// Its sender on this node; none where that lives elsewhere.
    [[nodiscard]] local_ref local_sender() const noexcept { return far_from ? local_ref{} : from; }

    parcel* next = nullptr;
    const message_type* const type;
    std::shared_ptr<ask_ticket> ticket;
    local_ref from;                            ///< Its sender; none where it is a thread.
    std::shared_ptr<const far_node> far_from;  ///< Where its sender lives, if not on this node.
    std::uint32_t generation = 0;              ///< The life it is addressed to.
    std::uint32_t weight = 0;
};

template <class T>
class parcel_of final : public parcel {
public:
    explicit parcel_of(T&& value) : parcel{&message_type_of<T>}, body{std::move(value)} {
        const std::size_t bytes = sizeof(parcel_of) + held_bytes(body);
        weight = bytes > 0x7fff'ffff ? 0x7fff'ffff : static_cast<std::uint32_t>(bytes);
    }
    template <class... Fields>
    explicit parcel_of(std::in_place_t /*fields*/, Fields&&... fields)
        : parcel_of{T{std::forward<Fields>(fields)...}} {}

    [[nodiscard]] const void* content() const noexcept override { return &body; }

    T body;
};

using parcel_ptr = std::unique_ptr<parcel>;
using unsent_fn = std::move_only_function<void(parcel_ptr one, const error& why)>;

/// Of the weight of an empty one: its mailbox has counted the bytes it was read from.
template <class T>
std::unique_ptr<parcel> decode_parcel(std::string_view bytes) {
    auto one = std::make_unique<parcel_of<T>>(T{});
    cbor_reader reader{bytes};
    return read_whole(reader, one->body) ? std::move(one) : nullptr;
}

/// Where processes are found: all of one node.
/// Threads: any.
class router {
public:
    virtual ~router() = default;
    /// Puts it into the mailbox of `to`; an ask that could not be put there has its answer then.
    /// Errors: gone, overloaded, unavailable, invalid_argument.
    virtual result<void> deliver(const pid& to, parcel_ptr one) = 0;
    /// Whether `send_far` sends to it: a message that leaves this node needs no parcel.
    [[nodiscard]] virtual bool sends_far(const pid& to) const noexcept = 0;
    /// Sends `body`, a message of that type. Errors: as `deliver`.
    virtual result<void> send_far(const pid& to,
                                  local_ref from,
                                  const message_type& type,
                                  const void* body) = 0;
    /// The same for a process of which the cluster has one.
    virtual result<void> deliver_to(global_core& to, parcel_ptr one) = 0;
    /// As `deliver`, but what was certainly not taken is not lost: where this returns an error,
    /// `one` is still there, and `back` gets an ask of which that shows later, on any thread.
    virtual result<void> offer(const pid& to, parcel_ptr& one, unsent_fn back) = 0;
    /// A message to a global was accepted, and is lost now: its sender hears so, or the log.
    virtual void lose(const parcel& one, const std::string& global) = 0;
    /// The same of a message of `from` to `to`, or to nobody that could be found.
    virtual void lose(local_ref from, const pid& to) = 0;
    virtual pid spawn(std::move_only_function<process(self)> body) = 0;
    [[nodiscard]] virtual alarm arm(std::chrono::nanoseconds after,
                                    std::move_only_function<void()> fire) = 0;
    virtual void disarm(const alarm& one) = 0;
    /// Of `limit` from now, what is left until the request that this thread answers must be
    /// answered: an ask made while answering another does not outlive it.
    [[nodiscard]] virtual std::chrono::nanoseconds within_call(
        std::chrono::nanoseconds limit) const = 0;
    /// Says who sends it.
    virtual void set_sender(parcel& one, const pid& from) const = 0;
    /// Where names are looked up; null: nowhere.
    [[nodiscard]] virtual name_service* names() const noexcept { return nullptr; }
    /// Where globals are; null: nowhere.
    [[nodiscard]] virtual std::shared_ptr<global_service> globals() const noexcept {
        return nullptr;
    }
};

template <class T>
std::shared_ptr<ask_ticket> take_on(std::shared_ptr<router> home, answer_bytes_fn answer) {
    return std::make_shared<ask_of<typename T::reply>>(std::move(home), std::move(answer));
}

/// Sends a message. Errors: as `router::deliver`.
template <class T>
result<void> send(router& by, local_ref from, const pid& to, T&& message) {
    static_assert(!std::is_reference_v<T>, "moved, or made for it");
    if (by.sends_far(to)) {
        return by.send_far(to, from, message_type_of<T>, &message);
    }
    auto one = std::make_unique<parcel_of<T>>(std::move(message));
    one->from = from;
    return by.deliver(to, std::move(one));
}

/// Sends `T{fields…}` and answers its reply. A plain function, so that the message is no temporary
/// of an awaiting expression (docs/internals/coroutines.md).
template <class T, class... Fields>
pending<typename T::reply> ask(const std::shared_ptr<router>& by,
                               local_ref from,
                               const pid& to,
                               std::chrono::nanoseconds limit,
                               Fields&&... fields) {
    auto ticket = std::make_shared<ask_of<typename T::reply>>(by);
    auto answer = ticket->answer();
    auto one = std::make_unique<parcel_of<T>>(std::in_place, std::forward<Fields>(fields)...);
    one->from = from;
    ask_ticket::arm(ticket, limit);
    one->ticket = std::move(ticket);
    static_cast<void>(by->deliver(to, std::move(one)));
    return answer;
}

}  // namespace detail
}  // namespace muster
