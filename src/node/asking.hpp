#pragma once

/// @file
/// One question on its way to the owner of a partition: at most once, within its deadline.

#include "node/resource_host.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster::detail {

/// What is asked, of whom.
struct question {
    std::string key;
    bool key_is_partition = false;
    std::string type;
    std::string body;
    instant deadline{};
};

/// Finds the owner by the newest plan, asks it, and tries again only while it is certain that
/// nothing was executed: at once when a newer plan or view has been read, else after a pause that
/// grows. Whatever holds it keeps it alive; the last to let go answers for it.
/// Threads: its worker's only.
class asking final : public waiting_one, public std::enable_shared_from_this<asking> {
public:
    asking(std::shared_ptr<resource_host> resource,
           std::size_t worker,
           question what,
           answered_fn answer);
    asking(const asking&) = delete;
    asking& operator=(const asking&) = delete;
    ~asking() override;

    void attempt();
    void woken() override;

private:
    void without_plan();
    void unknown_here(instant now);
    void ask_owner(const cluster::plan_snapshot& by, const cluster::entry& one);
    void ask_there(const member& owner, mesh::mesh& net);
    void ask_here(const std::string& partition, std::int64_t fence);
    void told(const std::string& name, result<std::string> got);
    void ended(const ask_answer& got);
    void not_done(error why);
    void woken_by_timer();
    void set_timer(instant at, void (asking::*what)());
    void patience_ends();
    void finish(result<answered> how);
    [[nodiscard]] std::string where() const;
    [[nodiscard]] runtime::loop& loop() const;

    std::shared_ptr<resource_host> resource_;
    std::size_t worker_;
    std::string key_;
    bool key_is_partition_;
    ask_envelope envelope_;
    instant deadline_;
    answered_fn answer_;
    error last_{errc::unavailable, ""};
    std::int64_t plan_ = 0;  ///< by which the last attempt went
    unsigned attempts_ = 0;
    unsigned pauses_ = 0;  ///< in a row, without news
    std::uint64_t ticket_ = 0;
    std::optional<instant> unknown_since_;
    bool sent_ = false;  ///< it may have been executed
    std::shared_ptr<call_claim> claim_;
    std::unique_ptr<runtime::timer> timer_;
};

}  // namespace muster::detail
