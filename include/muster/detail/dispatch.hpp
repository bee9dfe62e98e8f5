#pragma once

/// @file
/// From bytes to the `on` of a partition, and back: what `serve` makes of the user's class.

#include "muster/detail/shape.hpp"
#include "muster/error.hpp"
#include "muster/ids.hpp"
#include "muster/message.hpp"
#include "muster/ownership.hpp"
#include "muster/pending.hpp"
#include "muster/task.hpp"

#include <chrono>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster {

/// The requests that a partition answers: `using handles = muster::requests<put, get>;`.
template <class... Requests>
struct requests {};

/// Who asks, until when, and how old the answer is: an optional second parameter of `on`.
/// Threads: a plain value; as the call began, and not kept current.
struct call {
    member_id from;                         ///< empty: a client
    std::chrono::nanoseconds remaining{0};  ///< until the asker stops waiting
    /// 0: the partition is owned here. Above 0, on a resource that says `serve_stale` alone: for
    /// how long the lease of this node had ended, by its clock, when this read began; for so long
    /// others may have owned the partition, and changed what is read here. The asker hears the same
    /// (`resource::ask_with_age`, `gathered::item`).
    std::chrono::nanoseconds age{0};
};

namespace detail {

using answer_fn = std::move_only_function<void(result<std::string>)>;

/// A partition of any class.
class partition_object {
public:
    virtual ~partition_object() = default;
    /// Answers once, maybe later; the object must live until then. What it returns is the handler's
    /// coroutine, if it is one: whoever drops it before the answer ends the handler where it waits.
    [[nodiscard]] virtual std::shared_ptr<void> handle(std::string_view type,
                                                       std::string_view bytes,
                                                       const call& who,
                                                       answer_fn answer) = 0;
    /// Whether requests of that type change nothing: marked `using reads = void;`, or answered by
    /// a const `on`.
    [[nodiscard]] virtual bool is_read(std::string_view type) const = 0;
};

template <class T>
struct is_expected : std::false_type {};
template <class T>
struct is_expected<std::expected<T, error>> : std::true_type {};
template <class T>
struct is_task : std::false_type {};
template <class T>
struct is_task<task<T>> : std::true_type {};

template <class Request>
using reply_of = typename Request::reply;

/// The bytes of what `on` returned, as the reply that its request promises; none for void.
template <class Want, class Got>
result<std::string> encode_reply(Got&& value) {
    using got = std::remove_cvref_t<Got>;
    if constexpr (is_expected<got>::value) {
        if (!value) {
            return std::unexpected(value.error());
        }
        if constexpr (std::is_void_v<typename got::value_type>) {
            static_assert(std::is_void_v<Want>,
                          "`on` returns nothing, but its request has a reply");
            return std::string{};
        } else {
            return encode_reply<Want>(*std::forward<Got>(value));
        }
    } else if constexpr (std::is_same_v<got, Want>) {
        return encode(value);
    } else {
        static_assert(std::is_convertible_v<Got&&, Want>,
                      "`on` must return the request's `reply`, or std::expected<reply, "
                      "muster::error>, or a muster::task of either");
        const Want converted = std::forward<Got>(value);
        return encode(converted);
    }
}

/// What escaped a handler, as its caller hears it.
inline error escaped(std::exception_ptr what) {
    try {
        std::rethrow_exception(std::move(what));
    } catch (const std::exception& one) {
        return {errc::handler_failed, std::string{"the handler threw: "} + one.what()};
    } catch (...) {
        return {errc::handler_failed, "the handler threw something that is no std::exception"};
    }
}

/// Keeps a handler's coroutine, what it was called with and the way to its asker together. Its
/// owner is whoever keeps what this returns; it ends through its strand, never inside its own
/// final suspend, where GCC 12 does not survive the end of the frame.
template <class Want, class T, class Kept>
std::shared_ptr<void> run_task(task<T> made, std::shared_ptr<Kept> kept, answer_fn answer) {
    struct running {
        std::shared_ptr<Kept> kept;  // Outlives the coroutine, whose parameters may refer to it.
        answer_fn answer;
        task<T> body;
    };
    auto one = std::make_shared<running>(std::move(kept), std::move(answer), std::move(made));
    const auto home = strand::current();
    one->body.start([weak = std::weak_ptr<running>{one}, home] {
        auto mine = weak.lock();
        if (!mine) {
            return;
        }
        home->post([mine = std::move(mine)] {
            result<std::string> out;
            try {
                if constexpr (std::is_void_v<T>) {
                    static_assert(std::is_void_v<Want>,
                                  "`on` returns nothing, but its request has a reply");
                    mine->body.result();
                    out = std::string{};
                } else {
                    out = encode_reply<Want>(mine->body.result());
                }
            } catch (...) {
                out = std::unexpected(escaped(std::current_exception()));
            }
            mine->answer(std::move(out));
        });
    });
    return one;
}

template <class P, class Request>
std::shared_ptr<void> handle_one(P& object,
                                 std::string_view bytes,
                                 const call& who,
                                 answer_fn answer) {
    auto decoded = decode<Request>(bytes);
    if (!decoded) {
        answer(std::unexpected(decoded.error()));
        return nullptr;
    }
    const auto invoke = [&object](Request&& request, const call& from) -> decltype(auto) {
        if constexpr (requires { object.on(std::move(request), from); }) {
            return object.on(std::move(request), from);
        } else {
            return object.on(std::move(request));
        }
    };
    using returned = std::remove_cvref_t<decltype(invoke(std::declval<Request>(), who))>;
    using reply = reply_of<Request>;
    result<std::string> out;
    try {
        if constexpr (is_task<returned>::value) {
            // What a coroutine takes by reference must live as long as it does.
            struct arguments {
                Request request;
                call who;
            };
            auto kept = std::make_shared<arguments>(std::move(*decoded), who);
            auto made = invoke(std::move(kept->request), kept->who);
            return run_task<reply>(std::move(made), std::move(kept), std::move(answer));
        } else if constexpr (std::is_void_v<returned>) {
            static_assert(std::is_void_v<reply>,
                          "`on` returns nothing, but its request has a reply");
            invoke(std::move(*decoded), who);
            out = std::string{};
        } else {
            out = encode_reply<reply>(invoke(std::move(*decoded), who));
        }
    } catch (...) {
        out = std::unexpected(escaped(std::current_exception()));
    }
    if (answer) {
        answer(std::move(out));
    }
    return nullptr;
}

template <class P, class Handles>
class partition_of;

template <class P, class... Requests>
class partition_of<P, requests<Requests...>> final : public partition_object {
public:
    explicit partition_of(ownership mine) : object_{make(std::move(mine))} {}

    std::shared_ptr<void> handle(std::string_view type,
                                 std::string_view bytes,
                                 const call& who,
                                 answer_fn answer) override {
        if (type == shapes_type) {
            answer(describe_all({&describe_message<Requests>...}));
            return nullptr;
        }
        std::shared_ptr<void> running;
        const bool known =
            ((type == wire_name_of<Requests>() &&
              (running = handle_one<P, Requests>(*object_, bytes, who, std::move(answer)), true)) ||
             ...);
        if (!known) {
            answer(fail(errc::incompatible,
                        "the owner does not answer '" + std::string{type} +
                            "': does it run an older version?"));
        }
        return running;
    }

    [[nodiscard]] bool is_read(std::string_view type) const override {
        return type == shapes_type ||
               ((type == wire_name_of<Requests>() && reads_only<Requests>()) || ...);
    }

private:
    template <class Request>
    static constexpr bool reads_only() {
        return requires { typename Request::reads; } || requires(const P& object, Request one) {
            object.on(std::move(one));
        } || requires(const P& object, Request one, const call& who) {
            object.on(std::move(one), who);
        };
    }

    static std::unique_ptr<P> make(ownership mine) {
        if constexpr (std::is_constructible_v<P, ownership>) {
            return std::make_unique<P>(std::move(mine));
        } else {
            static_assert(std::is_default_constructible_v<P>,
                          "a partition is made as P(ownership) or P()");
            return std::make_unique<P>();
        }
    }
    std::unique_ptr<P> object_;
};

/// Whether the class can prepare for a partition of its kind.
template <class P>
concept prepares = requires(const partition_hint& hint) { P::prepare(hint); };

template <prepares P>
result<void> prepare_for(const partition_hint& hint) {
    try {
        if constexpr (std::is_void_v<decltype(P::prepare(hint))>) {
            P::prepare(hint);
            return {};
        } else {
            static_assert(std::is_convertible_v<decltype(P::prepare(hint)), result<void>>,
                          "`prepare` returns nothing, or std::expected<void, muster::error>");
            return P::prepare(hint);
        }
    } catch (...) {
        return std::unexpected(escaped(std::current_exception()));
    }
}

}  // namespace detail

}  // namespace muster
