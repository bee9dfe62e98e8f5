#pragma once

/// @file
/// A node: a program's membership in one cluster.

#include "muster/application.hpp"
#include "muster/config.hpp"
#include "muster/detail/await_guard.hpp"
#include "muster/error.hpp"
#include "muster/global.hpp"
#include "muster/instances.hpp"
#include "muster/ownership.hpp"
#include "muster/pending.hpp"
#include "muster/pid.hpp"
#include "muster/process.hpp"
#include "muster/resource.hpp"
#include "muster/view.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster {

class node;

namespace detail {

struct node_state;

/// What `serve` hands down: the specification and how to make a partition.
struct served {
    enum class kind : std::uint8_t { hash, range, list } what = kind::hash;
    std::uint32_t partitions = 0;
    std::vector<std::string> from;
    resource_options options;
    std::function<std::unique_ptr<partition_object>(ownership)> make;
    std::function<result<void>(const partition_hint&)> prepare;  ///< empty: the class cannot
};

template <class Kind>
resource_options options_of(const Kind& kind) {
    return {kind.replicas,
            kind.when_stranded,
            kind.effects,
            kind.handover_delay,
            kind.on_stuck,
            kind.acquire_deadline,
            kind.release_deadline,
            kind.prepare_deadline,
            kind.planner};
}

/// Makes a body anew for each time that its process is started.
using body_maker = std::function<std::move_only_function<process(self)>()>;

template <class Make, class... Args>
body_maker maker_of(Make&& make, Args&&... args) {
    static_assert(std::is_copy_constructible_v<std::decay_t<Make>> &&
                      (std::is_copy_constructible_v<std::decay_t<Args>> && ...),
                  "a body is started anew each time it is elected: it and its arguments must be "
                  "copyable");
    return [make = std::decay_t<Make>(std::forward<Make>(make)),
            args = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)] {
        return std::apply([&](const auto&... arg) { return process_body(make, arg...); }, args);
    };
}

/// Whether a name leaves its node.
enum class publishing : std::uint8_t { by_prefix, always };

/// Where a node gets its machine from; tests hand in a simulated one.
struct machine;

}  // namespace detail

/// What a node stands for, where more is to be said of it than its name.
struct candidacy {
    std::string name;
    /// What to do about a process whose code has not stopped by the lease end: from then on it says
    /// nothing any more either way. `fence` lets it go on, and is right only where everything that
    /// it does outside of Muster carries the fence, or where it does nothing there.
    muster::on_stuck on_stuck = muster::on_stuck::abort;
};

/// A member of a cluster, or one that wants to be.
///
/// Threads:  any.
/// Lifetime: neither copied nor moved; ends last. The destructor makes sure that everything has
///           stopped, within 6 s.
class node {
public:
    /// Settings from `muster.toml` and the environment; `cluster` is the default of that setting.
    /// Touches nothing and cannot fail; what is wrong with the settings `start` says.
    explicit node(std::string cluster);
    /// Takes exactly these.
    explicit node(config settings, application program = {});
    /// On another machine than this one (tests).
    node(config settings, application program, std::shared_ptr<detail::machine> on);
    node(const node&) = delete;
    node& operator=(const node&) = delete;
    ~node();

    /// Opens the ports and begins to look for ZooKeeper, which need not be there.
    /// Errors: invalid_argument (a setting, with where it came from), unavailable (a port is
    /// taken), conflict (started already).
    result<void> start();

    /// Starts, waits for SIGTERM, SIGINT or `stop()`, hands off, leaves. Returns the exit code for
    /// `main`: 0 left in order; 1 it could not go on, or not everything was handed off; 2 settings;
    /// 130 a second signal came.
    int run();
    /// Makes `run` return, from any thread, a hook or a handler.
    void stop();

    /// Hands everything off and leaves the cluster, within `drain_deadline`.
    /// Errors: timed_out (not everything was handed off), outcome_unknown (ZooKeeper did not
    /// confirm), closed (never started).
    pending<void> leave();

    /// Serves the partitions of `name` that this member is given, as objects of class `P`.
    /// Before `start` or after.
    ///
    /// Where `prepare_deadline` is set, `P` has a `static void prepare(const partition_hint&)`, or
    /// one that returns `std::expected<void, muster::error>`: called, on a thread that may block,
    /// two partitions of a resource at a time, before a planned move to this member. Once it has
    /// returned, the partition moves; an error, or what it throws, is logged.
    template <class P>
    resource<P> serve(std::string name, by_hash how) {
        return serve_as<P>(std::move(name),
                           {.what = detail::served::kind::hash,
                            .partitions = how.partitions,
                            .from = {},
                            .options = detail::options_of(how),
                            .make = {},
                            .prepare = {}});
    }
    template <class P>
    resource<P> serve(std::string name, by_range how) {
        return serve_as<P>(std::move(name),
                           {.what = detail::served::kind::range,
                            .partitions = 0,
                            .from = how.from,
                            .options = detail::options_of(how),
                            .make = {},
                            .prepare = {}});
    }
    template <class P>
    resource<P> serve(std::string name, by_list how) {
        return serve_as<P>(std::move(name),
                           {.what = detail::served::kind::list,
                            .partitions = 0,
                            .from = {},
                            .options = detail::options_of(how),
                            .make = {},
                            .prepare = {}});
    }

    /// A resource that others serve, or this node: to ask, not to own.
    template <class P>
    resource<P> use(std::string name) {
        return resource<P>{use_core(std::move(name))};
    }

    /// The newest picture of all members, without waiting.
    [[nodiscard]] muster::view view() const;
    /// The same without this node.
    [[nodiscard]] std::vector<member> peers() const;
    /// Whom this node has been connected with, or has tried to reach, and what went there and came
    /// from there since it started; ordered by id. Those not used for long may be left out.
    [[nodiscard]] std::vector<peer_traffic> traffic() const;
    [[nodiscard]] std::string name() const;
    [[nodiscard]] member_state state() const;
    /// Where the mesh listens, once started.
    [[nodiscard]] std::string address() const;

    // --- Processes -----------------------------------------------------------------------------

    /// Starts `make(self, args…)` as a process of this node, before `start` or after. It ends with
    /// the node at the latest.
    template <class Make, class... Args>
    muster::pid spawn(Make&& make, Args&&... args) {
        return processes()->spawn(
            detail::process_body(std::forward<Make>(make), std::forward<Args>(args)...));
    }
    /// Sends, from a thread of your own, and never waits. What is lost later is logged, as
    /// `message.lost` once a second at most, and counted in `lost_messages`.
    /// Errors: gone, overloaded, unavailable, invalid_argument (nobody's pid).
    template <class T>
    result<void> send(const muster::pid& to, T message) {
        return detail::send(*processes(), {}, to, std::move(message));
    }
    /// How many messages from threads of yours were accepted, and then lost.
    [[nodiscard]] std::uint64_t lost_messages() const noexcept;
    /// Asks processes with another deadline than `config::ask_deadline`.
    [[nodiscard]] asking_within within(std::chrono::nanoseconds limit) {
        return {processes(), {}, limit};
    }
    /// Sends `T{fields…}`; its reply, or an error by the deadline.
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const muster::pid& to, Fields&&... fields) {
        return within(ask_deadline()).template ask<T>(to, std::forward<Fields>(fields)...);
    }
    /// Lets other members start `make(self, arguments…)` here, by this name.
    template <class... Args>
    void factory(std::string name, process (*make)(self, Args...)) {
        add_factory(
            std::move(name),
            [make](std::string_view bytes) -> result<std::move_only_function<process(self)>> {
                auto given = decode<std::tuple<std::decay_t<Args>...>>(bytes);
                if (!given) {
                    return std::unexpected{std::move(given.error())};
                }
                return std::apply(
                    [make](auto&... one) { return detail::process_body(make, std::move(one)...); },
                    *given);
            });
    }
    /// Starts a process on another member, by the name of a factory there.
    /// Errors: not_found (no such factory), incompatible (it takes other arguments), unavailable,
    /// outcome_unknown.
    template <class... Args>
    [[nodiscard]] pending<muster::pid> spawn_on(const member& where,
                                                std::string_view name,
                                                Args... args) {
        return spawn_there(
            where, std::string{name}, encode(std::tuple<Args...>{std::move(args)...}));
    }

    // --- Names ---------------------------------------------------------------------------------

    /// Registers a process of this node under a name: here at once, and in ZooKeeper by itself if
    /// the name begins with `config::publish_prefix`. Several processes may share a name. It ends
    /// with the process. Before `start` or after.
    /// Errors: invalid_argument (an empty name, nobody's pid, or another node's), gone (it has
    /// ended), overloaded (what this node publishes would pass 256 KiB of paths).
    result<void> register_name(std::string name, const muster::pid& who) {
        return register_as(std::move(name), who, detail::publishing::by_prefix);
    }
    /// The same, published whatever the prefix: for a process without a name, or a further name.
    result<void> announce(std::string name, const muster::pid& who) {
        return register_as(std::move(name), who, detail::publishing::always);
    }
    /// Takes a registration back, before its process ends: here at once, elsewhere a moment later.
    /// Errors: not_found (it had not that name).
    result<void> unregister_name(const std::string& name, const muster::pid& who);
    /// All processes of that name, as `self::find`. Before `start` only this node's are known.
    [[nodiscard]] pending<instances> find(std::string_view name) {
        return detail::find(*processes(), name);
    }
    /// As `self::send_to_all`, from a thread of your own.
    template <class T>
    result<void> send_to_all(std::string_view name, T message) {
        return detail::send_to_each(
            processes(), {}, name, detail::audience::all, std::move(message));
    }
    /// As `self::send_to_peers`, from a thread of your own.
    template <class T>
    result<void> send_to_peers(std::string_view name, T message) {
        return detail::send_to_each(
            processes(), {}, name, detail::audience::peers, std::move(message));
    }
    /// As `asking_within::ask_all`, with the deadline of `config::ask_deadline`.
    template <class T, class... Fields>
    [[nodiscard]] pending<std::vector<answer_of<typename T::reply>>> ask_all(std::string_view name,
                                                                             Fields&&... fields) {
        return within(ask_deadline()).template ask_all<T>(name, std::forward<Fields>(fields)...);
    }

    // --- Global processes, and the leader ------------------------------------------------------

    /// Stages `make(self, args…)`: the cluster elects one of the nodes that stand for `name`, and
    /// there it runs as a process, under a lease and a fence larger than all before it
    /// (`self::ownership`). When it ends, by itself or with its node, or its node is stranded,
    /// another candidate is elected; the same again, after a pause, where there is no other. It is
    /// asked to end when it is to move (`receive` answers `closed`) and killed 5 s later where it
    /// waits next. A second call for the same name replaces the body: a process that runs is asked
    /// to end, and the name is elected anew. Before `start` or after.
    template <class Make, class... Args>
    global candidate(std::string name, Make&& make, Args&&... args) {
        return candidate(candidacy{.name = std::move(name)},
                         std::forward<Make>(make),
                         std::forward<Args>(args)...);
    }
    template <class Make, class... Args>
    global candidate(candidacy how, Make&& make, Args&&... args) {
        return stand(std::move(how),
                     detail::maker_of(std::forward<Make>(make), std::forward<Args>(args)...));
    }
    /// The address of the global process of that name. Answered at once where a plan names it,
    /// which this node keeps current; else it waits, within `config::ask_deadline`. Errors:
    /// not_found (nobody stands for it), unavailable (not started, or no plan has been read yet),
    /// stranded, invalid_argument (a name has 1 to 200 bytes), closed.
    [[nodiscard]] pending<global> find_global(std::string_view name) {
        return detail::find_global(*processes(), name);
    }
    /// Ties `make(self, args…)` to the leadership of the cluster: it runs while this node leads,
    /// under the epoch as its fence, and is started again after a pause where it ends by itself. It
    /// is ended, as a global process is, before anybody else leads. A second call replaces the
    /// body.
    template <class Make, class... Args>
    global lead(Make&& make, Args&&... args) {
        return stand_to_lead(
            detail::maker_of(std::forward<Make>(make), std::forward<Args>(args)...));
    }
    /// The address of the leader's process, here as elsewhere. Where the leader has not called
    /// `lead`, messages wait as for any global that is between members.
    [[nodiscard]] global leader();

    /// For Muster itself: what is sent from a thread of your own, is sent from here.
    [[nodiscard]] detail::site site() { return {processes(), {}, {}}; }

    /// Runs `job` on a thread that may block, and yields what it returns.
    template <class F>
    auto blocking(F&& job) -> pending<std::invoke_result_t<std::decay_t<F>&>> {
        static_assert(detail::awaitable_argument<F&&>,
                      "give the lambda a name first, or capture by reference: GCC 12 destroys a "
                      "closure made on the spot in an awaited call twice");
        using value = std::invoke_result_t<std::decay_t<F>&>;
        auto [answer, tell] = make_pending<value>();
        run_blocking(
            [done = std::move(tell), job = std::decay_t<F>(std::forward<F>(job))]() mutable {
                try {
                    if constexpr (std::is_void_v<value>) {
                        job();
                        done({});
                    } else {
                        done(job());
                    }
                } catch (...) {
                    done(std::unexpected(detail::escaped(std::current_exception())));
                }
            });
        return std::move(answer);
    }

private:
    template <class P>
    resource<P> serve_as(std::string name, detail::served how) {
        how.make = [](ownership mine) -> std::unique_ptr<detail::partition_object> {
            return std::make_unique<detail::partition_of<P, typename P::handles>>(std::move(mine));
        };
        if constexpr (detail::prepares<P>) {
            how.prepare = [](const partition_hint& hint) { return detail::prepare_for<P>(hint); };
        }
        return resource<P>{serve_core(std::move(name), std::move(how))};
    }
    std::shared_ptr<detail::resource_core> serve_core(std::string name, detail::served how);
    std::shared_ptr<detail::resource_core> use_core(std::string name);
    global stand(candidacy how, detail::body_maker make);
    global stand_to_lead(detail::body_maker make);
    void run_blocking(std::move_only_function<void()> job);
    [[nodiscard]] const std::shared_ptr<detail::router>& processes();
    [[nodiscard]] std::chrono::nanoseconds ask_deadline() const;
    void add_factory(
        std::string name,
        std::function<result<std::move_only_function<process(self)>>(std::string_view)> make);
    result<void> register_as(std::string name, const muster::pid& who, detail::publishing how);
    pending<muster::pid> spawn_there(const member& where, std::string name, std::string arguments);

    std::unique_ptr<detail::node_state> state_;
};

}  // namespace muster
