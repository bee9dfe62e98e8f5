#pragma once

/// @file
/// Follows the plan of one resource: watches the head, fetches the chunks that moved, hands out
/// plans read whole, each newer than the last.

#include "base/life_guard.hpp"
#include "cluster/session_context.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace muster::cluster {

/// Which plan of each resource this process has seen last, from one session to the next.
/// Threads: control loop only.
class known_plans {
public:
    /// What a new reader takes for known: the newest is handed out once more.
    [[nodiscard]] plan_number before_newest(const std::string& resource) const;
    void saw(const std::string& resource, plan_number number);

private:
    std::map<std::string, plan_number> newest_;
};

/// Threads: control loop only.
class plan_reader {
public:
    using on_plan = std::function<void(const specification& spec, const plan& whole)>;
    /// The resource cannot be read: not there, a higher format, damaged. Heard once a reason.
    using on_trouble = std::function<void(const error& why)>;

    /// Begins at once; plans with numbers up to `known` are not handed out (a later incarnation
    /// of this process has seen them).
    plan_reader(const session_context& at,
                std::string resource,
                plan_number known,
                on_plan seen,
                on_trouble trouble);

    /// Reads again though no watch fired (anti-entropy).
    void look_again();

    [[nodiscard]] const std::optional<specification>& spec() const { return spec_; }

private:
    void read_spec();
    void read_head();
    void head_seen(zookeeper::reply<zookeeper::node_data> got);
    void read_chunk(std::size_t index);
    void chunk_seen(std::size_t index, zookeeper::reply<zookeeper::node_data> got);
    void finish_if_whole();
    void complain(error why);
    void await_existence(const std::string& path);

    const session_context& at_;
    std::string resource_;
    plan_number handed_out_;
    on_plan seen_;
    on_trouble trouble_;
    std::optional<specification> spec_;
    std::optional<plan_head> wanted_;  ///< newest head read
    std::vector<plan_chunk> chunks_;   ///< newest read of each
    std::size_t outstanding_ = 0;
    bool reading_head_ = false;
    bool head_stale_ = false;  ///< a watch fired while the head was being read
    std::string complained_;
    life_guard life_;
};

}  // namespace muster::cluster
