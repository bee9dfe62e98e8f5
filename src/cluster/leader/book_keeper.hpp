#pragma once

/// @file
/// Keeps a leader's book: reads everything once, then follows by watches. The only one besides the
/// leader that lists children.

#include "base/life_guard.hpp"
#include "cluster/leader/decide.hpp"
#include "cluster/session_context.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace muster::cluster {

/// Threads: control loop only.
class book_keeper {
public:
    /// `changed` is called when the book is first complete, and after each change from then on.
    book_keeper(const session_context& at, std::function<void()> changed);

    [[nodiscard]] leader_book& book() { return book_; }
    [[nodiscard]] bool complete() const { return complete_; }
    /// Lists and reads everything that may have changed unseen (anti-entropy).
    void look_again();

private:
    void read_view();
    void list_resources();
    void read_spec(const std::string& name);
    void read_head(const std::string& name);
    void read_chunks(const std::string& name, const plan_head& head);
    void damaged(const std::string& name, std::string why);
    void list_commands();
    void list_members();
    void list_statuses(std::vector<std::string> described);
    void compare(const std::set<member_id>& described, const std::set<member_id>& with_status);
    void add_member(member_id id, bool described, bool with_status);
    void drop_absent(const std::set<member_id>& described, const std::set<member_id>& with_status);
    void read_descriptor(member_id id);
    void read_status(member_id id);

    void begin() { ++reading_; }
    void end();

    const session_context& at_;
    std::function<void()> changed_;
    leader_book book_;
    std::set<member_id> present_;
    std::size_t reading_ = 0;  ///< reads under way
    bool members_listed_ = false;
    bool complete_ = false;
    unsigned unequal_lists_ = 0;
    bool listing_members_ = false;
    bool members_stale_ = false;
    std::unique_ptr<runtime::timer> relist_timer_;
    life_guard life_;
};

}  // namespace muster::cluster
