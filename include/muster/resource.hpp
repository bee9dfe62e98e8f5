#pragma once

/// @file
/// Resources: sets of partitions that the leader spreads over the members, and the questions that
/// go to their owners.

#include "muster/detail/await_guard.hpp"
#include "muster/detail/dispatch.hpp"
#include "muster/error.hpp"
#include "muster/ids.hpp"
#include "muster/pending.hpp"
#include "muster/planner.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// What to do with reads while ZooKeeper is lost and the lease has ended.
enum class when_stranded : std::uint8_t { exclusive, serve_stale };
/// What of a handler's doing leaves the process, and whether it carries the fence.
enum class effects : std::uint8_t {
    unfenced,  ///< others see it, and cannot tell an older owner: a delay guards the hand-over
    fenced,    ///< every outside effect is checked against the fence
    none,      ///< nothing leaves the process
};
/// What to do about a handler that does not stop by the lease end.
enum class on_stuck : std::uint8_t {
    abort,  ///< end the process
    fence,  ///< go on; its answers are thrown away (effects fenced or none only)
};

/// What every kind of resource may say. Members must say the same, or are refused (conflict).
struct resource_options {
    std::uint32_t replicas = 1;
    muster::when_stranded when_stranded = muster::when_stranded::exclusive;
    muster::effects effects = muster::effects::unfenced;
    /// After an end that was no clean release: how long nobody is given the partition. Nothing:
    /// 500 ms where effects are unfenced, else 0.
    std::optional<std::chrono::milliseconds> handover_delay{};
    muster::on_stuck on_stuck = muster::on_stuck::abort;
    std::chrono::milliseconds acquire_deadline{30'000};
    std::chrono::milliseconds release_deadline{5'000};
    /// Above 0: a planned move waits until the member that is to get the partition has prepared for
    /// it, but no longer than this; then the partition moves all the same. Meanwhile its owner goes
    /// on. The class of the partitions says how: `static void prepare(const partition_hint&)`. What
    /// nobody serves, as after a crash, waits for nothing. Keep it well below `drain_deadline`.
    std::chrono::milliseconds prepare_deadline{0};
    /// Runs on the leader alone; nothing: the built-in one.
    muster::planner planner{};
};

/// N partitions; a key belongs to floor(XXH64(key) * N / 2^64).
struct by_hash {
    std::uint32_t partitions = 64;
    std::uint32_t replicas = 1;
    muster::when_stranded when_stranded = muster::when_stranded::exclusive;
    muster::effects effects = muster::effects::unfenced;
    std::optional<std::chrono::milliseconds> handover_delay{};
    muster::on_stuck on_stuck = muster::on_stuck::abort;
    std::chrono::milliseconds acquire_deadline{30'000};
    std::chrono::milliseconds release_deadline{5'000};
    std::chrono::milliseconds prepare_deadline{0};
    muster::planner planner{};
};

/// One partition for each first key, ascending by bytes; keys below the first belong to the first.
struct by_range {
    std::vector<std::string> from;
    std::uint32_t replicas = 1;
    muster::when_stranded when_stranded = muster::when_stranded::exclusive;
    muster::effects effects = muster::effects::unfenced;
    std::optional<std::chrono::milliseconds> handover_delay{};
    muster::on_stuck on_stuck = muster::on_stuck::abort;
    std::chrono::milliseconds acquire_deadline{30'000};
    std::chrono::milliseconds release_deadline{5'000};
    std::chrono::milliseconds prepare_deadline{0};
    muster::planner planner{};
};

/// Named partitions that come and go: `add` and `remove` them; the key is the name.
struct by_list {
    std::uint32_t replicas = 1;
    muster::when_stranded when_stranded = muster::when_stranded::exclusive;
    muster::effects effects = muster::effects::unfenced;
    std::optional<std::chrono::milliseconds> handover_delay{};
    muster::on_stuck on_stuck = muster::on_stuck::abort;
    std::chrono::milliseconds acquire_deadline{30'000};
    std::chrono::milliseconds release_deadline{5'000};
    std::chrono::milliseconds prepare_deadline{0};
    muster::planner planner{};
};

/// Where a key is served, by the newest plan this process has read.
/// Threads: a plain value; `resource::route` hands out shared ones, which do not change.
struct route {
    std::string partition;
    member_id owner;      ///< empty: nobody owns it
    std::string member;   ///< the owner's name, "" while unknown
    std::string address;  ///< mesh, "host:port"
    fence_token fence;
    std::int64_t plan = 0;

    friend bool operator==(const route&, const route&) = default;
};

/// An answer, and how old what it was read from may be: 0 where the owner answered, else for how
/// long the lease of the node that answered had ended then (`when_stranded::serve_stale`), by that
/// node's clock. The way of the answer to here is not in it.
template <class Reply>
struct aged {
    Reply reply;
    std::chrono::nanoseconds age{0};
};

/// A partition without an answer in a scatter, and why.
struct missing_partition {
    std::string partition;
    error why;
};

/// What a scatter brought: an answer of each partition but those in `missing`.
template <class Reply>
struct gathered {
    struct item {
        std::string partition;
        Reply reply;
        std::chrono::nanoseconds age{0};  ///< as that of `aged`
        std::int64_t plan = 0;  ///< by which its owner was found: that below, or a newer one
    };
    std::int64_t plan = 0;  ///< the plan whose partitions were asked, each of them once
    std::vector<item> answers;
    std::vector<missing_partition> missing;
};

namespace detail {

/// What came back for one question.
struct answered {
    std::string body;
    std::chrono::nanoseconds age{0};
    std::int64_t plan = 0;  ///< by which its owner was found
};
using answered_fn = std::move_only_function<void(result<answered>)>;

/// The untyped face of a resource within a node.
class resource_core {
public:
    virtual ~resource_core() = default;
    virtual void ask(std::string key,
                     bool key_is_partition,
                     std::string_view type,
                     std::string bytes,
                     std::chrono::nanoseconds within,
                     answered_fn answer) = 0;
    [[nodiscard]] virtual std::shared_ptr<const route> where(std::string_view key) const = 0;
    /// The partitions of the newest plan, in order, and its number; 0: no plan read yet.
    [[nodiscard]] virtual std::pair<std::int64_t, std::vector<std::string>> partitions() const = 0;
    /// Calls `told` once a plan has been read, or the time is up (number 0), with what is left of
    /// the time; maybe at once.
    using planned_fn = std::move_only_function<void(
        std::int64_t, std::vector<std::string>, std::chrono::nanoseconds left)>;
    virtual void when_planned(std::chrono::nanoseconds within, planned_fn told) = 0;
    [[nodiscard]] virtual std::optional<error> trouble() const = 0;
    [[nodiscard]] virtual std::optional<std::string> latest() const = 0;
    virtual void change(std::string partition,
                        bool add,
                        std::chrono::nanoseconds within,
                        std::move_only_function<void(result<void>)> done) = 0;
    [[nodiscard]] virtual std::chrono::nanoseconds default_deadline() const = 0;
    [[nodiscard]] virtual const std::string& name() const = 0;
};

template <class Request>
std::string key_of(const Request& request) {
    if constexpr (requires { std::string{request.key}; }) {
        return std::string{request.key};
    } else if constexpr (requires { std::string{request.key()}; }) {
        return std::string{request.key()};
    } else {
        static_assert(
            requires { request.key; },
            "a request to a resource says where it goes by its field `key`, a string, or "
            "a function `key()`");
        return {};
    }
}

template <class Reply>
result<Reply> decode_reply(result<answered> got) {
    if (!got) {
        return std::unexpected(std::move(got.error()));
    }
    if constexpr (std::is_void_v<Reply>) {
        return {};
    } else {
        return decode<Reply>(got->body);
    }
}

template <class Reply>
result<aged<Reply>> decode_aged(result<answered> got) {
    const std::chrono::nanoseconds age = got ? got->age : std::chrono::nanoseconds{0};
    auto reply = decode_reply<Reply>(std::move(got));
    if (!reply) {
        return std::unexpected(std::move(reply.error()));
    }
    return aged<Reply>{std::move(*reply), age};
}

/// Collects the answers of a scatter; the last one completes it.
template <class Reply>
struct gathering {
    gathering(std::int64_t number,
              std::vector<std::string> partitions,
              completer<gathered<Reply>> whom)
        : plan{number},
          names{std::move(partitions)},
          slots(names.size()),
          left{names.size()},
          done{std::move(whom)} {}
    std::int64_t plan;
    std::vector<std::string> names;
    std::vector<std::optional<result<answered>>> slots;
    std::atomic<std::size_t> left;
    completer<gathered<Reply>> done;
};

}  // namespace detail

/// A resource as code asks it: made by `node::serve` and `node::use`.
///
/// Threads:  any; a value to copy.
/// Lifetime: may outlive its node; then every question ends with `closed`.
template <class P>
class resource {
public:
    explicit resource(std::shared_ptr<detail::resource_core> core) : core_{std::move(core)} {}

    /// The same, with another deadline for what is asked through it.
    [[nodiscard]] resource within(std::chrono::nanoseconds deadline) const {
        resource copy = *this;
        copy.deadline_ = deadline;
        return copy;
    }

    /// Asks the owner of `Request{fields…}.key`, at most once: redirected while the partition is
    /// between owners, never repeated after it may have run.
    /// Errors: unavailable, moving, timed_out, stranded (not done); outcome_unknown (may be done);
    /// handler_failed, incompatible, not_found (no such partition); what the handler returned.
    template <class Request, class... Fields>
    pending<detail::reply_of<Request>> ask(Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields&&> && ...),
                      "pass the request's fields (ask<get>(\"ann\")), or a named variable: GCC 12 "
                      "destroys a message made on the spot in an awaited call twice");
        using reply = detail::reply_of<Request>;
        auto [answer, tell] = make_pending<reply>();
        ask_core(Request{std::forward<Fields>(fields)...},
                 [done = std::move(tell)](result<detail::answered> got) mutable {
                     done(detail::decode_reply<reply>(std::move(got)));
                 });
        return std::move(answer);
    }

    /// As `ask`, and tells how old the answer is: of a resource that says `serve_stale`, it may be
    /// older than now while its owner has lost ZooKeeper.
    template <class Request, class... Fields>
    pending<aged<detail::reply_of<Request>>> ask_with_age(Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields&&> && ...),
                      "pass the request's fields, or a named variable: GCC 12 destroys a message "
                      "made on the spot in an awaited call twice");
        using reply = detail::reply_of<Request>;
        static_assert(!std::is_void_v<reply>, "what is without a reply has no age");
        auto [answer, tell] = make_pending<aged<reply>>();
        ask_core(Request{std::forward<Fields>(fields)...},
                 [done = std::move(tell)](result<detail::answered> got) mutable {
                     done(detail::decode_aged<reply>(std::move(got)));
                 });
        return std::move(answer);
    }

    /// Asks every partition of one plan, the newest read, each of them once. A partition that moves
    /// meanwhile is answered by its next owner, and `item::plan` says by which newer plan; one that
    /// is removed meanwhile is missing, one that is added is not asked. Errors: unavailable (no
    /// plan has been read by the deadline); else the partitions without an answer are named in
    /// `missing`.
    template <class Request, class... Fields>
    pending<gathered<detail::reply_of<Request>>> scatter(Fields&&... fields) const {
        static_assert((detail::awaitable_argument<Fields&&> && ...),
                      "pass the request's fields, or a named variable: GCC 12 destroys a message "
                      "made on the spot in an awaited call twice");
        using reply = detail::reply_of<Request>;
        static_assert(!std::is_void_v<reply>, "a scattered request needs a reply");
        const Request request{std::forward<Fields>(fields)...};
        auto [answer, tell] = make_pending<gathered<reply>>();
        core_->when_planned(deadline(),
                            [core = core_, bytes = encode(request), done = std::move(tell)](
                                std::int64_t plan,
                                std::vector<std::string> names,
                                std::chrono::nanoseconds left) mutable {
                                scatter_over<Request>(
                                    *core, left, bytes, plan, std::move(names), std::move(done));
                            });
        return std::move(answer);
    }

    /// Where `key` is served, by the newest plan and view, without waiting; null: no plan read yet,
    /// or no such partition. Keep it for as long as you like, it stays as it is, and copy it to
    /// keep it for long: it holds the plan that it is of.
    [[nodiscard]] std::shared_ptr<const muster::route> route(std::string_view key) const {
        return core_->where(key);
    }

    /// list: makes the partition `name`, through the leader; done too where it exists.
    pending<void> add(std::string_view name) const { return change(name, true); }
    /// list: releases it for good.
    pending<void> remove(std::string_view name) const { return change(name, false); }
    /// list: the greatest name there is; nothing: none, or no plan read yet.
    [[nodiscard]] std::optional<std::string> latest() const { return core_->latest(); }
    /// The partitions by the newest plan read, in order.
    [[nodiscard]] std::vector<std::string> partitions() const { return core_->partitions().second; }

    /// What keeps this node from serving it, as the others describe the resource otherwise
    /// (conflict), or it cannot be read; nothing: nothing does. Asking goes to the others all the
    /// same.
    [[nodiscard]] std::optional<error> trouble() const { return core_->trouble(); }

private:
    template <class Request>
    void ask_core(const Request& request, detail::answered_fn answer) const {
        core_->ask(detail::key_of(request),
                   false,
                   wire_name_of<Request>(),
                   encode(request),
                   deadline(),
                   std::move(answer));
    }

    template <class Request>
    static void scatter_over(detail::resource_core& core,
                             std::chrono::nanoseconds deadline,
                             const std::string& bytes,
                             std::int64_t plan,
                             std::vector<std::string> names,
                             completer<gathered<detail::reply_of<Request>>> done) {
        using reply = detail::reply_of<Request>;
        if (plan == 0) {
            done(fail(errc::unavailable,
                      "no plan of resource '" + core.name() + "' has been read yet"));
            return;
        }
        if (names.empty()) {
            done(gathered<reply>{.plan = plan, .answers = {}, .missing = {}});
            return;
        }
        const auto all =
            std::make_shared<detail::gathering<reply>>(plan, std::move(names), std::move(done));
        for (std::size_t i = 0; i < all->names.size(); ++i) {
            core.ask(all->names[i],
                     true,
                     wire_name_of<Request>(),
                     bytes,
                     deadline,
                     [all, i](result<detail::answered> got) {
                         all->slots[i] = std::move(got);
                         if (all->left.fetch_sub(1) == 1) {
                             all->done(assemble<reply>(*all));
                         }
                     });
        }
    }

    template <class Reply>
    static result<gathered<Reply>> assemble(detail::gathering<Reply>& all) {
        gathered<Reply> out{.plan = all.plan, .answers = {}, .missing = {}};
        for (std::size_t i = 0; i < all.names.size(); ++i) {
            result<detail::answered>& got = *all.slots[i];
            const std::int64_t by = got ? got->plan : 0;
            auto one = detail::decode_aged<Reply>(std::move(got));
            if (one) {
                out.answers.push_back({all.names[i], std::move(one->reply), one->age, by});
            } else {
                out.missing.push_back({all.names[i], std::move(one.error())});
            }
        }
        return out;
    }

    pending<void> change(std::string_view name, bool add) const {
        auto [answer, tell] = make_pending<void>();
        core_->change(std::string{name}, add, deadline(), std::move(tell));
        return std::move(answer);
    }

    [[nodiscard]] std::chrono::nanoseconds deadline() const {
        return deadline_.value_or(core_->default_deadline());
    }

    std::shared_ptr<detail::resource_core> core_;
    std::optional<std::chrono::nanoseconds> deadline_;
};

}  // namespace muster
