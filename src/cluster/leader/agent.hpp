#pragma once

/// @file
/// Leads: keeps the book, decides, and writes each decision in one fenced multi.

#include "base/life_guard.hpp"
#include "cluster/leader/book_keeper.hpp"
#include "cluster/leader/decide.hpp"
#include "cluster/leader/history.hpp"
#include "cluster/session_context.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster::cluster {

/// Threads: control loop only.
/// Lifetime: one leadership; destroyed when it ends.
class leader_agent {
public:
    struct hooks {
        /// A fenced write was refused: somebody else leads, or may.
        std::function<void()> deposed;
        /// The user's planner missed three deadlines: let somebody else lead.
        std::function<void()> step_down;
        /// Runs a job on a thread that may block; planners run there.
        std::function<void(task_fn)> offload;
    };

    /// `own` is the child name of the own succession znode.
    leader_agent(const session_context& at, std::string own, decide_settings settings, hooks told);

    void look_again();
    /// The user's planners from now on.
    void plan_with(std::map<std::string, planner> planners);

private:
    void gather();
    void decide_now();
    void decide_elsewhere();
    void carry_out(leader_decision decided);
    void write(leader_decision decided);
    /// `told`: where in the results those of the history begin. `rereads`: the book's at the time.
    void written(leader_decision decided,
                 std::size_t told,
                 std::uint64_t rereads,
                 zookeeper::reply<std::vector<zookeeper::op_result>> got);
    void enter_into_book(const leader_decision& decided,
                         const zookeeper::reply<std::vector<zookeeper::op_result>>& got);
    void start_over();
    void planner_late();
    [[nodiscard]] std::vector<zookeeper::op> ops_of(const leader_decision& decided) const;
    void note_suspects();
    void forget_old_commands();

    const session_context& at_;
    std::string own_;
    decide_settings settings_;
    hooks told_;
    std::unique_ptr<book_keeper> keeper_;
    history_log history_;
    bool gathering_ = false;
    bool busy_ = false;   ///< deciding elsewhere, or writing
    bool dirty_ = false;  ///< the book changed while busy
    std::optional<instant> last_decision_;
    std::uint64_t decision_number_ = 0;
    unsigned late_planners_ = 0;
    unsigned refused_in_a_row_ = 0;  ///< writes
    std::unique_ptr<runtime::timer> gather_timer_, again_timer_, planner_timer_, sweep_timer_,
        retry_timer_;
    life_guard life_;
};

/// Cuts a decision down to what one multi may carry; what is cut is decided again afterwards.
/// True if something was cut.
bool cut_to_size(leader_decision& decided, const leader_book& book);

}  // namespace muster::cluster
