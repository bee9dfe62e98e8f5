#pragma once

/// @file
/// The processes of one node, without the node: what it needs is a platform, loops to run them on,
/// and whose processes they are.

#include "muster/process.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "mesh/mesh.hpp"
#include "process/limits.hpp"
#include "process/process_right.hpp"
#include "runtime/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

namespace process_detail {
class host_core;
}

/// Threads:  any; the destructor not on a worker.
/// Lifetime: of the workers, those not stopped before must go on until its destructor returns.
/// Blocks:   the destructor, until nothing runs any more, blocking jobs included.
class process_host {
public:
    process_host(std::shared_ptr<runtime::platform> on,
                 const std::vector<std::shared_ptr<runtime::loop>>& workers,
                 member_id life,
                 std::string member_name,
                 process_limits limits = {});
    process_host(const process_host&) = delete;
    process_host& operator=(const process_host&) = delete;
    ~process_host();

    /// Starts `make(self, args…)`. After `stop` the pid it returns is gone already.
    template <class Make, class... Args>
    pid spawn(Make&& make, Args&&... args) {
        return router()->spawn(
            detail::process_body(std::forward<Make>(make), std::forward<Args>(args)...));
    }
    /// The same for a process that acts under a right, and ends with it.
    pid spawn_under(std::move_only_function<process(self)> body,
                    std::shared_ptr<process_right> under);
    /// Errors: as `self::send`. What is lost later is counted in `lost`.
    template <class T>
    result<void> send(const pid& to, T message) {
        return detail::send(*router(), {}, to, std::move(message));
    }
    [[nodiscard]] asking_within within(std::chrono::nanoseconds limit) const {
        return {router(), {}, limit};
    }
    template <class T, class... Fields>
    [[nodiscard]] pending<typename T::reply> ask(const pid& to, Fields&&... fields) const {
        return within(default_ask_limit).ask<T>(to, std::forward<Fields>(fields)...);
    }

    /// Where all of it goes through.
    [[nodiscard]] const std::shared_ptr<detail::router>& way() const noexcept { return router_; }

    [[nodiscard]] detail::site site() const { return {router_, {}, {}}; }
    using send_far = std::function<result<void>(const pid& to, detail::parcel_ptr one)>;
    /// From here on what is for processes of other lives goes through `how`, which sends it on by
    /// `way_afar`, or tells its sender that it was lost. Before any is started.
    void go_afar_by(send_far how);
    [[nodiscard]] send_far way_afar() const;
    [[nodiscard]] std::function<void(const detail::local_ref& from, const pid& to)> tells_lost()
        const;

    /// From here on processes find others by name through `how`. Before any is started.
    void look_up_by(std::shared_ptr<detail::name_service> how);
    /// The same for globals. Holds it weakly.
    void find_globals_by(std::weak_ptr<detail::global_service> how);
    /// `how` says what global a process is, or was a moment ago; none: nothing. Before any is
    /// started.
    void name_globals_by(std::function<std::string(const pid&)> how);

    /// Calls `told` once, with why `who` ended; on the worker of `who`, or on this thread if it is
    /// known to have ended.
    void watch(const pid& who, std::move_only_function<void(const pid&, const exit_reason&)> told);
    /// How many watch a process of this node, from here and from elsewhere; none once it has ended.
    [[nodiscard]] pending<std::size_t> watchers_of(const pid& who);
    void exit(const pid& who, std::string text);
    void kill(const pid& who);
    /// To a process of this node as if the node stopped: each `receive` answers `closed`.
    void ask_to_end(const pid& who);

    /// Ends all: each `receive` answers `closed`; what has not ended after `grace` is killed. Then
    /// `stopped` is called, on a worker.
    void stop(duration grace, task_fn stopped);

    // --- Other nodes ---------------------------------------------------------------------------

    [[nodiscard]] const member_id& life() const noexcept;
    /// Names what the mesh is to tell; before it starts.
    void prepare(mesh::settings& how);
    /// From here on processes of other lives can be reached: where `find` says, under the member
    /// names that `name` says. A life that `find` does not know is over where `has_ended` says so.
    /// Once; until `detach`, before the mesh ends.
    void attach(mesh::mesh& net,
                std::function<std::optional<mesh::peer>(const member_id& life)> find,
                std::function<std::string(const member_id& life)> name,
                std::function<bool(const member_id& life)> has_ended);
    void detach();
    /// Whether a request of the mesh was for processes.
    [[nodiscard]] bool take_request(mesh::incoming& what);
    /// The cluster says that this life has ended.
    void life_ended(const member_id& life);
    /// What `find` says has changed.
    void peers_changed();

    /// Lets other nodes start what `make` makes of their arguments.
    void add_factory(
        const std::string& name,
        std::function<result<std::move_only_function<process(self)>>(std::string_view)> make);
    /// Errors: not_found (no such factory there), incompatible (other arguments), unavailable,
    /// outcome_unknown.
    [[nodiscard]] pending<pid> spawn_on(const member_id& life,
                                        std::string name,
                                        std::string arguments);

    /// What a process takes, as JSON (docs/format/shapes.md); not of this node's own.
    /// Errors: gone, unavailable, incompatible, outcome_unknown.
    void shapes_of(const pid& who, callback<result<std::string>> done);
    /// Sends a message whose type this program does not have. Errors: as `self::send`.
    result<void> send_raw(const pid& to, std::string type, std::string body);

    /// How many live; how many messages of plain threads were accepted and then lost.
    [[nodiscard]] std::size_t living() const noexcept;
    [[nodiscard]] std::uint64_t lost() const noexcept;
    /// `how` is called, once a second at most and on a worker, with how many more there are. Before
    /// anything is sent.
    void say_lost_by(std::function<void(std::uint64_t)> how);

private:
    [[nodiscard]] const std::shared_ptr<detail::router>& router() const noexcept { return router_; }

    std::shared_ptr<process_detail::host_core> core_;
    std::shared_ptr<detail::router> router_;
};

}  // namespace muster
