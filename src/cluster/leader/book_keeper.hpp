#pragma once

/// @file
/// Keeps a leader's book: reads everything once, then follows by watches. The only one besides the
/// leader that lists children.

#include "base/life_guard.hpp"
#include "cluster/leader/decide.hpp"
#include "cluster/session_context.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace muster::cluster {

/// Threads: control loop only.
class book_keeper {
public:
    /// `changed` is called when the book is first complete, and after each change from then on.
    /// `before`: an earlier book of this leader, for what cannot be read any more.
    book_keeper(const session_context& at, std::function<void()> changed, leader_book before = {});

    [[nodiscard]] leader_book& book() { return book_; }
    [[nodiscard]] bool complete() const { return complete_; }
    /// How often a resource or the view was read once more since the book was complete: what has
    /// been decided by an older copy of the book is then not to be written.
    [[nodiscard]] std::uint64_t rereads() const { return rereads_; }
    /// Lists and reads everything that may have changed unseen (anti-entropy).
    void look_again();

private:
    /// The view while it is read.
    struct read_of_view {
        view_parts parts;
        std::string damaged;
        std::int32_t before = -1;  ///< what the book said of its version
        std::int32_t version = -1;
        std::int64_t zxid = 0;
        std::map<std::size_t, std::int32_t> chunks;  ///< versions
        std::size_t left = 0;                        ///< of them to read
    };
    void read_view();
    void list_view_chunks(const std::shared_ptr<read_of_view>& fresh);
    void read_view_chunks(const std::shared_ptr<read_of_view>& fresh);
    void enter_view(read_of_view& fresh);
    void look_at_view();
    void list_resources();
    void read_resource(const std::string& name);
    void read_head(const std::string& name, const std::shared_ptr<book_resource>& fresh);
    void read_chunks(const std::string& name,
                     const plan_head& head,
                     const std::shared_ptr<book_resource>& fresh);
    void enter(const std::string& name, book_resource& fresh);
    [[nodiscard]] std::string lost_text(const std::string& name,
                                        const specification& spec,
                                        const plan& before) const;
    void look_at(const std::string& name);
    void read_again(const std::string& name);
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
    leader_book before_;
    leader_book book_;
    std::set<member_id> present_;
    std::size_t reading_ = 0;  ///< reads under way
    bool members_listed_ = false;
    bool complete_ = false;
    bool reading_view_ = false;
    bool view_stale_ = false;
    unsigned view_tries_ = 0;
    unsigned unequal_lists_ = 0;
    bool listing_members_ = false;
    bool members_stale_ = false;
    std::uint64_t rereads_ = 0;
    // Of several watches on one thing only the last one set counts.
    std::uint64_t resources_turn_ = 0, commands_turn_ = 0;
    std::map<member_id, std::uint64_t> status_turns_;
    std::unique_ptr<runtime::timer> relist_timer_;
    life_guard life_;
};

}  // namespace muster::cluster
