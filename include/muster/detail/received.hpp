#pragma once

/// @file
/// A message that a process took out of its mailbox.

#include "muster/detail/parcel.hpp"
#include "muster/error.hpp"
#include "muster/pid.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster {

namespace detail {

struct no_reply {};

template <class T>
struct reply_type {
    using type = no_reply;
};
template <class T>
    requires requires { typename T::reply; }
struct reply_type<T> {
    using type = typename T::reply;
};

/// What an asker hears when its request is dropped on this thread now.
[[nodiscard]] error dropped_error();

}  // namespace detail

/// A message, who sent it, and for a request the duty to answer it. Dropped without an answer, the
/// asker hears of it at once.
///
/// Threads:  one at a time; may move to another.
template <class T>
class [[nodiscard]] received {
    using reply_type = typename detail::reply_type<T>::type;
    using duty = detail::ask_of<
        std::conditional_t<std::is_same_v<reply_type, detail::no_reply>, void, reply_type>>;

public:
    received(T&& message, pid&& sender, std::shared_ptr<detail::ask_ticket>&& ticket)
        : body{std::move(message)}, from{std::move(sender)}, ticket_{std::move(ticket)} {}
    /// An empty one, to be filled.
    explicit received(pid&& sender) : body{}, from{std::move(sender)} {}
    received(received&& other) noexcept = default;
    received& operator=(received&& other) noexcept {
        std::swap(body, other.body);
        std::swap(from, other.from);
        std::swap(ticket_, other.ticket_);
        return *this;
    }
    ~received() {
        if (ticket_) {
            ticket_->refuse(detail::dropped_error());
        }
    }

    T body;
    pid from;  ///< Nobody where a plain thread sent it.

    /// Whether somebody waits for an answer: false for what was sent, and once answered.
    [[nodiscard]] bool is_asked() const noexcept { return ticket_ != nullptr; }

    /// Answers; where nobody asked it does nothing.
    template <class Value = reply_type>
        requires std::is_convertible_v<Value&&, result<reply_type>>
    void reply(Value&& value) {
        if (const auto ticket = std::exchange(ticket_, nullptr)) {
            static_cast<duty&>(*ticket).settle(std::forward<Value>(value));
        }
    }
    void reply()
        requires std::is_void_v<reply_type>
    {
        if (const auto ticket = std::exchange(ticket_, nullptr)) {
            static_cast<duty&>(*ticket).settle({});
        }
    }
    /// Answers with `handler_failed` and this text.
    void fail(std::string text) {
        if (const auto ticket = std::exchange(ticket_, nullptr)) {
            ticket->refuse_by_holder(error{errc::handler_failed, std::move(text)});
        }
    }
    /// Hands the request and the duty to answer it to another process, which sees the asker as its
    /// sender. Where that process is known to be gone, the asker hears it.
    void forward(const pid& to) {
        if (const auto ticket = std::exchange(ticket_, nullptr); ticket && ticket->may_answer()) {
            ticket->hold_by(nullptr);
            auto one = std::make_unique<detail::parcel_of<T>>(std::move(body));
            ticket->home()->set_sender(*one, from);
            one->ticket = ticket;
            static_cast<void>(ticket->home()->deliver(to, std::move(one)));
        }
    }

private:
    std::shared_ptr<detail::ask_ticket> ticket_;
};

/// A message of one of several types.
/// Threads: as `received`.
template <class... Messages>
class [[nodiscard]] received_one_of {
public:
    using options = std::variant<received<Messages>...>;

    template <class T>
    received_one_of(std::in_place_type_t<T> /*which*/,
                    T&& message,
                    pid&& sender,
                    std::shared_ptr<detail::ask_ticket>&& ticket)
        : one_{std::in_place_type<received<T>>,
               std::move(message),
               std::move(sender),
               std::move(ticket)} {}
    template <class T>
    received_one_of(std::in_place_type_t<T> /*which*/, pid&& sender)
        : one_{std::in_place_type<received<T>>, std::move(sender)} {}

    /// The message, if it is a `T`; else null.
    template <class T>
    [[nodiscard]] received<T>* get_if() noexcept {
        return std::get_if<received<T>>(&one_);
    }
    /// Calls the one of `cases` that takes it.
    template <class Visitor>
    decltype(auto) visit(Visitor&& visitor) {
        return std::visit(std::forward<Visitor>(visitor), one_);
    }

private:
    options one_;
};

namespace detail {

template <class... Messages>
struct received_as {
    using type = received_one_of<Messages...>;
};
template <class Message>
struct received_as<Message> {
    using type = received<Message>;
};

template <class Answer, class Message, class... Others>
Answer open_as(parcel& one, pid& from) {
    if (one.type == &message_type_of<Message>) {
        auto& mine = static_cast<parcel_of<Message>&>(one);
        // Each is moved once, to where it stays.
        if constexpr (std::is_same_v<typename Answer::value_type, received<Message>>) {
            return Answer{
                std::in_place, std::move(mine.body), std::move(from), std::move(mine.ticket)};
        } else {
            return Answer{std::in_place,
                          std::in_place_type<Message>,
                          std::move(mine.body),
                          std::move(from),
                          std::move(mine.ticket)};
        }
    }
    if constexpr (sizeof...(Others) > 0) {
        return open_as<Answer, Others...>(one, from);
    } else {
        return Answer{std::unexpect, error{errc::incompatible, "a message of another type"}};
    }
}

inline pid sender_of(const far_text& what) {
    return what.from.generation == 0  // A plain thread sent it.
               ? pid{}
               : pid{what.node.life, what.node.name, what.from.index, what.from.generation};
}

/// Reads a message that nobody asked, which is the `which`-th of `Messages`, and puts it as an
/// `Answer` at `at`. False: it cannot be read, and there is none.
template <class Answer, class Message, class... Others>
bool open_far_as(void* at, std::size_t which, const far_text& what) {
    if (which == 0) {
        Answer* one = nullptr;
        received<Message>* opened = nullptr;
        auto sender = sender_of(what);
        if constexpr (std::is_same_v<typename Answer::value_type, received<Message>>) {
            one = std::construct_at(static_cast<Answer*>(at), std::in_place, std::move(sender));
            opened = &**one;
        } else {
            one = std::construct_at(static_cast<Answer*>(at),
                                    std::in_place,
                                    std::in_place_type<Message>,
                                    std::move(sender));
            opened = (*one)->template get_if<Message>();
        }
        cbor_reader reader{what.body};
        if (read_whole(reader, opened->body)) {
            return true;
        }
        std::destroy_at(one);
        return false;
    }
    if constexpr (sizeof...(Others) > 0) {
        return open_far_as<Answer, Others...>(at, which - 1, what);
    } else {
        return false;
    }
}

/// Opens a parcel that holds one of `Messages`.
template <class... Messages>
auto open(parcel_ptr one, pid&& from) {
    return open_as<result<typename received_as<Messages...>::type>, Messages...>(*one, from);
}

}  // namespace detail

}  // namespace muster
