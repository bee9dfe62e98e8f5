#pragma once

/// @file
/// Stands in the succession: watches the predecessor only, says when this member leads.

#include "base/life_guard.hpp"
#include "cluster/session_context.hpp"
#include "cluster/succession/rules.hpp"

#include <functional>
#include <string>

namespace muster::cluster {

/// Threads: control loop only.
class succession_agent {
public:
    struct hooks {
        std::function<void()> leads;   ///< no lower succession znode exists
        std::function<void()> absent;  ///< the own znode is not there though the session lives
    };

    succession_agent(const session_context& at, std::string own, hooks told);

    /// Whether `leads` has been said.
    [[nodiscard]] bool leads() const { return leads_; }

private:
    void look();
    void looked(const std::vector<std::string>& children);

    const session_context& at_;
    std::string own_;
    hooks told_;
    bool done_ = false;
    bool leads_ = false;
    life_guard life_;
};

}  // namespace muster::cluster
