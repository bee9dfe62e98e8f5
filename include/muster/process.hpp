#pragma once

/// @file
/// Processes: coroutines with a mailbox, which share nothing and send each other plain structs.

#include "muster/detail/await_guard.hpp"
#include "muster/detail/broadcast.hpp"
#include "muster/detail/parcel.hpp"
#include "muster/detail/received.hpp"
#include "muster/error.hpp"
#include "muster/global.hpp"
#include "muster/instances.hpp"
#include "muster/ownership.hpp"
#include "muster/pending.hpp"
#include "muster/pid.hpp"

#include <array>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster {

/// What a process coroutine returns: `muster::process counter(muster::self me, long sum)`.
///
/// Threads:  started by `spawn` and run by Muster only.
/// Lifetime: owns the coroutine; destroying it destroys the coroutine where it stands.
class [[nodiscard]] process {
public:
    class promise_type {
    public:
        process get_return_object() {
            return process{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { escaped = std::current_exception(); }

        std::exception_ptr escaped;
    };

    process() = default;
    explicit process(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}
    process(process&& other) noexcept : frame_{std::exchange(other.frame_, {})} {}
    process& operator=(process&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~process() {
        if (frame_) {
            frame_.destroy();
        }
    }

    /// For Muster itself: its coroutine.
    [[nodiscard]] std::coroutine_handle<promise_type> frame() const noexcept { return frame_; }

private:
    std::coroutine_handle<promise_type> frame_;
};

/// The member that a process runs on.
struct home_member {
    std::string name;
    member_id life;  ///< of the running program, through all its sessions
};

namespace detail {

/// What stands behind `self`.
/// Threads: where its process runs.
class process_room {
public:
    virtual ~process_room() = default;
    [[nodiscard]] virtual const pid& own() const noexcept = 0;
    [[nodiscard]] virtual const std::shared_ptr<router>& home() const noexcept = 0;
    [[nodiscard]] virtual const home_member& member() const noexcept = 0;
    [[nodiscard]] virtual muster::ownership ownership() const { return {}; }
    [[nodiscard]] virtual pid sender_of(const parcel& one) const = 0;
    [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;

    /// Begins to wait for a message of one of `types`; whether there is an outcome already.
    [[nodiscard]] virtual bool begin_wait(std::span<const message_type* const> types,
                                          std::optional<std::chrono::nanoseconds> limit) = 0;
    /// `open_at` at `at` takes what comes from far while it waits.
    virtual void suspend(std::coroutine_handle<> waiting, open_at_fn open_at, void* at) = 0;
    /// The outcome: a message, or null and why.
    [[nodiscard]] virtual parcel_ptr end_wait(error& why) = 0;

    [[nodiscard]] virtual std::uint64_t monitor(const pid& who) = 0;
    virtual void demonitor(std::uint64_t which) = 0;
    virtual void link(const pid& who) = 0;
    virtual pid spawn_linked(std::move_only_function<process(muster::self)> body) = 0;
    virtual void unlink(const pid& who) = 0;
    virtual void trap_exits(bool wanted) = 0;
    virtual void exit(const pid& who, std::string text) = 0;
    virtual void kill(const pid& who) = 0;
    virtual void run_blocking(std::move_only_function<void()> job) = 0;
    virtual void when_writable(const pid& who, completer<void> told) = 0;
};

/// Awaits a message. Trivial to destroy, since GCC 12 may do so twice.
template <class... Messages>
class message_awaiter {
    using answer = result<typename received_as<Messages...>::type>;

public:
    message_awaiter(process_room& room, std::optional<std::chrono::nanoseconds> limit) noexcept
        : room_{&room}, limit_{limit} {}

    bool await_ready() { return room_->begin_wait(types, limit_); }
    void await_suspend(std::coroutine_handle<> waiting) {
        room_->suspend(waiting, &open_here, this);
    }
    answer await_resume() {
        if (std::exchange(holds_, false)) {
            answer* const here = opened();
            answer out{std::move(*here)};
            std::destroy_at(here);
            return out;
        }
        error why;
        auto one = room_->end_wait(why);
        if (!one) {
            return answer{std::unexpect, std::move(why)};
        }
        auto sender = room_->sender_of(*one);
        return open<Messages...>(std::move(one), std::move(sender));
    }

private:
    static constexpr std::array<const message_type*, sizeof...(Messages)> types{
        &message_type_of<Messages>...};

    static bool open_here(void* at, std::size_t which, const far_text& what) {
        auto& self = *static_cast<message_awaiter*>(at);
        self.holds_ = open_far_as<answer, Messages...>(self.place_.data(), which, what);
        return self.holds_;
    }
    [[nodiscard]] answer* opened() noexcept {
        return std::launder(reinterpret_cast<answer*>(place_.data()));
    }

    process_room* room_;
    std::optional<std::chrono::nanoseconds> limit_;
    bool holds_ = false;
    /// The message that ended the wait, from when it was read until the process goes on, which is
    /// in the same call.
    alignas(answer) std::array<std::byte, sizeof(answer)> place_;
};

/// Awaits a time, or the end of the node. As above.
template <>
class message_awaiter<> {
public:
    message_awaiter(process_room& room, std::chrono::nanoseconds limit) noexcept
        : room_{&room}, limit_{limit} {}

    bool await_ready() { return room_->begin_wait({}, limit_); }
    void await_suspend(std::coroutine_handle<> waiting) {
        room_->suspend(waiting, nullptr, nullptr);
    }
    result<void> await_resume() {
        error why;
        static_cast<void>(room_->end_wait(why));
        return why.code == errc::timed_out ? result<void>{}
                                           : result<void>{std::unexpect, std::move(why)};
    }

private:
    process_room* room_;
    std::chrono::nanoseconds limit_;
};

/// Where something is sent from: processes of a node, and which of them it is.
struct site {
    std::shared_ptr<router> by;
    local_ref from{};  ///< None where it is a thread.
    pid own{};         ///< Nobody where it is a thread.
};

/// The body of a process: `make`, called with its `self` and `args`, where it runs.
template <class Make, class... Args>
std::move_only_function<process(self)> process_body(Make&& make, Args&&... args);

}  // namespace detail

/// How long an ask waits where nothing else is said.
inline constexpr std::chrono::nanoseconds default_ask_limit = std::chrono::seconds{5};

/// Asks with a deadline: `me.within(1s).ask<total>(other)`.
/// Threads: any.
class [[nodiscard]] asking_within {
public:
    asking_within(const std::shared_ptr<detail::router>& by,
                  detail::local_ref from,
                  std::chrono::nanoseconds limit) noexcept
        : by_{&by}, from_{from}, limit_{limit} {}

    /// Sends `T{fields…}`; its reply, or an error by the deadline.
    /// Errors: gone, overloaded, timed_out (it was not seen), outcome_unknown, handler_failed.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const pid& to, Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields> && ...),
                      "GCC 12 destroys such a temporary twice: name it first, then "
                      "ask<T>(to, std::move(name)), or pass its fields: ask<T>(to, a, b)");
        return detail::ask<T>(*by_, from_, to, limit_, std::forward<Fields>(fields)...);
    }
    /// The same of the process that a global stands for; see `global::ask`.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const global& to, Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields> && ...),
                      "GCC 12 destroys such a temporary twice: name it first, then "
                      "ask<T>(to, std::move(name)), or pass its fields: ask<T>(to, a, b)");
        return detail::ask_global<T>(
            *by_, from_, to.core(), limit_, std::forward<Fields>(fields)...);
    }
    /// Asks every process of that name; what each has said by the deadline, in their order. One
    /// that does not answer has its error there, and keeps nobody else's answer back.
    /// Errors: as `self::find`, timed_out (the name was not found by the deadline).
    template <class T, class... Fields>
    [[nodiscard]] pending<std::vector<answer_of<typename T::reply>>> ask_all(
        std::string_view name, Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields> && ...),
                      "GCC 12 destroys such a temporary twice: name it first, then "
                      "ask_all<T>(name, std::move(field)), or pass its fields");
        return detail::ask_all<T>(*by_, from_, name, limit_, std::forward<Fields>(fields)...);
    }

private:
    const std::shared_ptr<detail::router>* by_;
    detail::local_ref from_;
    std::chrono::nanoseconds limit_;
};

/// A timer of `send_after`, to be cancelled.
using timer_ref = detail::alarm;

/// A process as it sees itself.
///
/// Threads:  where its process runs; nowhere else.
/// Lifetime: a reference; good as long as its process.
class self {
public:
    explicit self(detail::process_room& room) noexcept : room_{&room} {}

    [[nodiscard]] const muster::pid& pid() const noexcept { return room_->own(); }
    /// The member it runs on.
    [[nodiscard]] const home_member& member() const noexcept { return room_->member(); }
    /// The time since some moment, which is another on each machine; it never goes back.
    [[nodiscard]] std::chrono::nanoseconds now() const { return room_->now(); }
    /// The right under which a global process runs, or the process of the leader: `fence()` goes
    /// with what others can see of it, `valid()` says whether it still holds. Of any other process
    /// it is never valid.
    [[nodiscard]] muster::ownership ownership() const { return room_->ownership(); }

    /// The next message of one of these types, which may have come long ago; others stay where they
    /// are. Ends with `closed` when the node stops, with `timed_out` after `limit`.
    template <class... Messages>
        requires(sizeof...(Messages) > 0)
    [[nodiscard]] auto receive() const {
        return detail::message_awaiter<Messages...>{*room_, std::nullopt};
    }
    template <class... Messages>
        requires(sizeof...(Messages) > 0)
    [[nodiscard]] auto receive(std::chrono::nanoseconds limit) const {
        return detail::message_awaiter<Messages...>{*room_, limit};
    }
    /// Waits that long; an error, `closed`, when the node stops.
    [[nodiscard]] auto pause(std::chrono::nanoseconds how_long) const {
        return detail::message_awaiter<>{*room_, how_long};
    }

    /// Sends, and never waits. What is lost later comes back as `undelivered`.
    /// Errors: gone, overloaded, unavailable, invalid_argument (nobody's pid).
    template <class T>
    result<void> send(const muster::pid& to, T message) const {
        return detail::send(*room_->home(), here(), to, std::move(message));
    }
    /// Sends to the process that a global stands for, or lets it wait there until one is elected.
    /// What is lost later comes back as `undelivered`, with the global's name.
    /// Errors: as `global::send`.
    template <class T>
    result<void> send(const global& to, T message) const {
        if (!to.core()) {
            return std::unexpected{detail::no_global()};
        }
        auto one = std::make_unique<detail::parcel_of<T>>(std::move(message));
        one->from = here();
        return room_->home()->deliver_to(*to.core(), std::move(one));
    }
    /// Sends after a while, also if this process has ended by then; a global process sends nothing
    /// after its end.
    template <class T>
    timer_ref send_after(std::chrono::nanoseconds after, muster::pid to, T message) const {
        auto one = std::make_unique<detail::parcel_of<T>>(std::move(message));
        one->from = here();
        return room_->home()->arm(after,
                                  [home = room_->home().get(),
                                   from = here(),
                                   to = std::move(to),
                                   one = std::move(one)]() mutable {
                                      if (!home->deliver(to, std::move(one))) {
                                          home->lose(from, to);
                                      }
                                  });
    }
    /// After it, `one` sends nothing any more; what it has sent stays sent.
    void cancel(const timer_ref& one) const { room_->home()->disarm(one); }

    [[nodiscard]] asking_within within(std::chrono::nanoseconds limit) const {
        return {room_->home(), here(), limit};
    }
    /// As `within`, with the deadline of 5 s.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const muster::pid& to, Fields&&... fields) const {
        return within(default_ask_limit).ask<T>(to, std::forward<Fields>(fields)...);
    }
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const global& to, Fields&&... fields) const {
        return within(default_ask_limit).ask<T>(to, std::forward<Fields>(fields)...);
    }
    /// The address of a global process; see `node::find_global`.
    [[nodiscard]] pending<global> find_global(std::string_view name) const {
        return detail::find_global(*room_->home(), name);
    }
    /// All processes of that name. Waits only the first time a name is asked for here; then it is
    /// kept current, and answered at once, also while ZooKeeper is away (`instances::age`).
    /// Errors: unavailable (it was never found, and ZooKeeper cannot be asked), invalid_argument
    /// (an empty name), closed.
    [[nodiscard]] pending<instances> find(std::string_view name) const {
        return detail::find(*room_->home(), name);
    }
    /// Sends a copy to every process of that name: at once, or where the name has never been asked
    /// for here, when it has been found; what this process sends afterwards may then be faster.
    /// Errors: as `find`, where they are known at once.
    template <class T>
    result<void> send_to_all(std::string_view name, T message) const {
        return detail::send_to_each(
            room_->home(), here(), name, detail::audience::all, std::move(message));
    }
    /// The same without those of this node.
    template <class T>
    result<void> send_to_peers(std::string_view name, T message) const {
        return detail::send_to_each(
            room_->home(), here(), name, detail::audience::peers, std::move(message));
    }
    /// Asks every process of that name; see `asking_within`. The deadline is 5 s.
    template <class T, class... Fields>
    [[nodiscard]] pending<std::vector<answer_of<typename T::reply>>> ask_all(
        std::string_view name, Fields&&... fields) const {
        return within(default_ask_limit).ask_all<T>(name, std::forward<Fields>(fields)...);
    }
    /// Waits until the mailbox of `to` is at most half full.
    /// Errors: gone.
    [[nodiscard]] pending<void> writable(const muster::pid& to) const {
        auto [answer, told] = make_pending<void>();
        room_->when_writable(to, std::move(told));
        return std::move(answer);
    }

    /// Starts `make(self, args…)` as a process of this node.
    template <class Make, class... Args>
    muster::pid spawn(Make&& make, Args&&... args) const {
        return room_->home()->spawn(
            detail::process_body(std::forward<Make>(make), std::forward<Args>(args)...));
    }

    /// The same, linked to this one from its first step on, so that not even an end at once is
    /// missed; see `link`.
    template <class Make, class... Args>
    muster::pid spawn_linked(Make&& make, Args&&... args) const {
        return room_->spawn_linked(
            detail::process_body(std::forward<Make>(make), std::forward<Args>(args)...));
    }

    /// From here on, the end of `who` comes as exactly one `down`, at once if it has ended already
    /// or never was. Each call is a monitor of its own.
    std::uint64_t monitor(const muster::pid& who) const { return room_->monitor(who); }
    /// After it no `down` of that monitor comes, even if one was waiting in the mailbox.
    void demonitor(std::uint64_t which) const { room_->demonitor(which); }
    /// Ties the two together: if one ends other than by returning, the other ends too, for the same
    /// reason, or gets an `exit_signal` if it traps exits.
    void link(const muster::pid& who) const { room_->link(who); }
    void unlink(const muster::pid& who) const { room_->unlink(who); }
    /// Whether exit signals come as messages instead of ending this process.
    void trap_exits(bool wanted) const { room_->trap_exits(wanted); }
    /// Sends an exit signal: ends `who`, unless it traps exits. Without text it ends nobody.
    void exit(const muster::pid& who, std::string text) const { room_->exit(who, std::move(text)); }
    /// Ends `who` where it waits next, whatever it traps.
    void kill(const muster::pid& who) const { room_->kill(who); }

    /// Runs `job` on a thread that may block, and answers what it returns. This process does not
    /// end before the job has, so that it may refer to variables here if it is awaited at once.
    /// Errors: handler_failed (it threw).
    template <class Job>
    [[nodiscard]] auto blocking(Job&& job) const {
        static_assert(detail::awaitable_argument<Job>,
                      "GCC 12 destroys such a closure twice: capture by reference, or name it "
                      "first and pass it by std::ref or std::move");
        using value = std::invoke_result_t<std::decay_t<Job>&>;
        auto [answer, told] = make_pending<value>();
        room_->run_blocking([work = std::decay_t<Job>(std::forward<Job>(job)),
                             tell = std::move(told)]() mutable { answer_with(work, tell); });
        return std::move(answer);
    }

    /// For Muster itself: what is sent, is sent from here.
    [[nodiscard]] detail::site site() const { return {room_->home(), here(), pid()}; }

private:
    [[nodiscard]] detail::local_ref here() const noexcept {
        const auto& mine = room_->own();
        return {mine.index(), mine.generation()};
    }

    template <class Job, class Value>
    static void answer_with(Job& job, completer<Value>& told) {
        try {
            if constexpr (std::is_void_v<Value>) {
                job();
                told({});
            } else {
                told(result<Value>{job()});
            }
        } catch (const std::exception& one) {
            told(muster::fail(errc::handler_failed, std::string{"the job threw: "} + one.what()));
        } catch (...) {
            told(muster::fail(errc::handler_failed,
                              "the job threw something that is no std::exception"));
        }
    }

    detail::process_room* room_;
};

namespace detail {

template <class Make, class... Args>
std::move_only_function<process(self)> process_body(Make&& make, Args&&... args) {
    static_assert(
        std::is_invocable_r_v<process, std::decay_t<Make>&, self, std::decay_t<Args>&&...>,
        "a process is started with a function of (muster::self, arguments…) that returns "
        "muster::process, and with those arguments");
    return [make = std::decay_t<Make>(std::forward<Make>(make)),
            args = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](
               self me) mutable -> process {
        return std::apply([&](auto&... arg) { return make(me, std::move(arg)...); }, args);
    };
}

}  // namespace detail

}  // namespace muster
