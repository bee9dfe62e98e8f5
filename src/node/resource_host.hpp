#pragma once

/// @file
/// A resource within a node: owns what the plan gives it, answers what is asked of it, and asks
/// others.

#include "muster/node.hpp"

#include "cluster/host.hpp"
#include "mesh/mesh.hpp"
#include "node/partition_cell.hpp"
#include "node/route_table.hpp"
#include "node/waiting_room.hpp"
#include "runtime/per_thread.hpp"
#include "runtime/published.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::detail {

/// What a resource needs of its node. Threads: any.
class node_services {
public:
    virtual ~node_services() = default;
    [[nodiscard]] virtual const std::shared_ptr<runtime::platform>& platform() const = 0;
    [[nodiscard]] virtual const std::shared_ptr<runtime::loop>& worker(
        std::size_t number) const = 0;
    [[nodiscard]] virtual std::size_t worker_count() const = 0;
    [[nodiscard]] virtual mesh::mesh* mesh() const = 0;  ///< null before the start
    [[nodiscard]] virtual member_id self() const = 0;
    [[nodiscard]] virtual std::shared_ptr<const view> newest_view() const = 0;
    [[nodiscard]] virtual std::chrono::nanoseconds ask_deadline() const = 0;
    [[nodiscard]] virtual bool stopped() const = 0;
    [[nodiscard]] virtual bool stranded() const = 0;
    /// Why nothing is read from ZooKeeper, where that is known.
    [[nodiscard]] virtual std::optional<error> unseen() const { return std::nullopt; }
    /// How a request over the mesh to that member ended.
    virtual void heard(const mesh::peer& from, const result<std::string>& how) = 0;
    /// What had been stuck has stopped.
    virtual void no_longer_stuck(const cluster::right::identity& what) = 0;
    virtual void change_list(const std::string& resource,
                             const std::string& partition,
                             bool add,
                             instant deadline,
                             callback<result<void>> done) = 0;
    /// How globals send to processes; null: not at all, any more.
    [[nodiscard]] virtual std::shared_ptr<router> way() const { return nullptr; }
    virtual void say(severity level, std::string_view event, std::string_view text) const {
        static_cast<void>(level);
        static_cast<void>(event);
        static_cast<void>(text);
    }
};

/// Takes the questions to a resource whose partitions are no cells. Threads: any.
class call_taker {
public:
    virtual ~call_taker() = default;
    virtual void call(std::string_view partition, partition_call one) = 0;
};

/// Threads:  any; `acquire`, `release`, `revoke`, `prepare`, `plan_read` and `view_read` on the
///           control loop.
/// Lifetime: shared.
class resource_host final : public resource_core,
                            public cluster::owner_host,
                            public std::enable_shared_from_this<resource_host> {
public:
    /// As many workers as a node may have.
    static constexpr std::size_t most_workers = 64;

    resource_host(std::string name, std::shared_ptr<node_services> services)
        : name_{std::move(name)},
          services_{std::move(services)},
          cells_{std::make_shared<const cell_map>()} {}

    /// From here on partitions of it are owned here; before, it was merely used.
    void serve(std::shared_ptr<const cell_setting> how) { setting_.replace(std::move(how)); }

    void ask(std::string key,
             bool key_is_partition,
             std::string_view type,
             std::string bytes,
             std::chrono::nanoseconds within,
             answered_fn answer) override;
    [[nodiscard]] std::shared_ptr<const route> where(std::string_view key) const override;
    [[nodiscard]] std::pair<std::int64_t, std::vector<std::string>> partitions() const override;
    void when_planned(std::chrono::nanoseconds within, planned_fn told) override;
    [[nodiscard]] std::optional<error> trouble() const override;
    [[nodiscard]] std::optional<std::string> latest() const override;
    void change(std::string partition,
                bool add,
                std::chrono::nanoseconds within,
                std::move_only_function<void(result<void>)> done) override;
    [[nodiscard]] std::chrono::nanoseconds default_deadline() const override;
    [[nodiscard]] const std::string& name() const override { return name_; }

    void acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) override;
    void release(std::shared_ptr<cluster::right> mine, callback<> done) override;
    void revoke(std::shared_ptr<cluster::right> mine, callback<> done) override;
    void prepare(cluster::planned_move what, callback<result<void>> done) override;
    [[nodiscard]] bool still_runs(const cluster::right& mine) const override;

    void plan_read(std::shared_ptr<const cluster::plan_snapshot> now);
    /// The node's newest view is another one.
    void view_read();
    /// A newer plan or view: who waits looks again.
    void wake_waiting();
    void in_trouble(const error& why) { trouble_.replace(std::make_shared<const error>(why)); }
    void out_of_trouble() { trouble_.replace(nullptr); }
    /// Ends what is left. Only once the workers have stopped.
    void shut();
    /// From here on `who` is asked what comes for partitions here.
    void answered_by(std::shared_ptr<call_taker> who) {
        taker_.replace(std::make_shared<const std::shared_ptr<call_taker>>(std::move(who)));
    }
    /// A question that came for this resource; answered `not_owner` where nothing is owned.
    void incoming(std::string_view partition, partition_call one);

    [[nodiscard]] std::shared_ptr<const cluster::plan_snapshot> plan() const {
        return plan_.read();
    }
    [[nodiscard]] node_services& services() const { return *services_; }
    [[nodiscard]] waiting_room& room(std::size_t worker) { return rooms_[worker]; }

private:
    /// One slot of a partition, and so what a cell is for.
    struct cell_name {
        std::string partition;
        std::uint16_t slot = 0;
    };
    struct cell_key {
        std::string_view partition;
        std::uint16_t slot = 0;
    };
    struct by_cell_key {
        using is_transparent = void;
        template <class A, class B>
        bool operator()(const A& a, const B& b) const noexcept {
            const int order = std::string_view{a.partition}.compare(b.partition);
            return order < 0 || (order == 0 && a.slot < b.slot);
        }
    };
    using cell_map = std::map<cell_name, std::shared_ptr<partition_cell>, by_cell_key>;
    [[nodiscard]] std::shared_ptr<partition_cell> cell_for(const cluster::right& mine);
    void make_cells(const std::vector<cell_name>& names);
    void stop(const std::shared_ptr<cluster::right>& mine, bool by_lease, callback<> done);

    struct preparation {
        cluster::planned_move what;
        callback<result<void>> done;
    };
    void prepare_next();
    [[nodiscard]] bool is_still_planned(const cluster::planned_move& what) const;

    std::string name_;
    std::shared_ptr<node_services> services_;
    runtime::published<cell_setting> setting_;
    runtime::published<cluster::plan_snapshot> plan_;
    runtime::per_thread<route_table> routes_;  ///< by `plan_` and the node's newest view
    runtime::published<cell_map> cells_;
    runtime::published<error> trouble_;
    runtime::published<std::shared_ptr<call_taker>> taker_;
    std::array<waiting_room, most_workers> rooms_;
    std::atomic<std::size_t> next_worker_{0};
    // On the first worker only:
    std::deque<preparation> to_prepare_;
    std::size_t preparing_ = 0;
};

using resource_map = std::map<std::string, std::shared_ptr<resource_host>, std::less<>>;

/// One for each name, so that what was made by `use` is the same once the name is served too; and
/// whether it is new.
[[nodiscard]] std::pair<std::shared_ptr<resource_host>, bool> find_or_make(
    runtime::published<resource_map>& all,
    const std::string& name,
    const std::function<std::shared_ptr<resource_host>()>& make);

}  // namespace muster::detail
