#pragma once

/// @file
/// One looked-up service as every thread sees it: others' instances and this node's own, together.

#include "muster/instances.hpp"

#include "discovery/picture.hpp"
#include "discovery/registry.hpp"
#include "runtime/per_thread.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster::discovery {

/// Threads: any; `others_are` and `asked` on the control loop.
class service_entry {
public:
    using own_fn = std::function<std::vector<instance>()>;
    using is_here_fn = std::function<bool(const member_id& life)>;

    /// `own` reads this node's instances of that name, as they are at that moment; of others those
    /// are shown whose life `is_here`, all if that is null; `shown` hears after each change of what
    /// is known.
    service_entry(std::shared_ptr<runtime::loop> by,
                  std::string zone,
                  own_fn own,
                  is_here_fn is_here,
                  std::shared_ptr<runtime::edition> shown);

    /// What is known, counted for this thread; null before `others_are`.
    [[nodiscard]] std::shared_ptr<const detail::service_picture> known() const {
        return known_.lend();
    }
    /// This node's own alone.
    [[nodiscard]] std::shared_ptr<const detail::service_picture> own_only() const;

    /// ZooKeeper has said so, and keeps it current.
    void others_are(std::vector<instance> others);
    /// It cannot be asked any more, or this is kept current no more.
    void may_be_old() const;
    /// This node's own have changed, or who is here.
    void look_again();

    /// When it was asked for last, in new names since.
    std::atomic<std::uint64_t> used{0};

private:
    struct state {
        bool known = false;
        std::vector<instance> others;
        std::shared_ptr<const detail::service_picture> picture;
    };
    /// Whether the picture is another one now.
    bool draw(state& now) const;
    void show(const state& now);

    const std::shared_ptr<runtime::loop> by_;
    const std::string zone_;
    const own_fn own_;
    const is_here_fn is_here_;
    const std::shared_ptr<runtime::edition> shown_;
    runtime::published<state> state_{std::make_shared<const state>()};
    runtime::per_thread<detail::service_picture> known_;
};

}  // namespace muster::discovery
