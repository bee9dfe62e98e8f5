#pragma once

/// @file
/// The working out of one change of a plan. Used by plan/rules.cpp alone.

#include "cluster/plan/rules.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace muster::cluster {

/// Why an entry has, or gets, the owner it has.
struct reason {
    std::string_view code;  ///< for history
    const char* text;       ///< for people
};

/// One draft: made, asked for its question, given owners, finished. Lives within one call of
/// next_plan and refers to that call's arguments.
class plan_draft {
public:
    plan_draft(const specification& spec,
               const plan& before,
               const plan_facts& facts,
               plan_number number,
               instant now,
               const std::string& resource);

    /// Nothing where no owner is to be chosen.
    [[nodiscard]] const std::optional<planner_input>& question() const { return question_; }
    /// Owners for the partitions of the question, validated.
    void answer(const planned_owners& owners);
    /// `code`: for history; "" for what it is told otherwise.
    void note(std::string_view code, std::string text);
    /// Nothing where nothing changes.
    [[nodiscard]] std::optional<plan_change> finish();
    [[nodiscard]] std::optional<instant> look_again() const { return change_.look_again; }

private:
    /// What is settled about an entry before a planner is asked.
    enum class fate : std::uint8_t {
        open,     ///< to be chosen; its present owner, if it still has one, may stay
        kept,     ///< stays as it is
        unowned,  ///< nobody gets it now
    };
    struct placed {
        std::size_t chunk = 0;
        std::size_t index = 0;
        fate what = fate::open;
        bool keeps_owner = true;      ///< the owner of today may stay
        bool serves = false;          ///< and does its work until somebody else takes it
        const reason* why = nullptr;  ///< it is moved or taken away
    };

    void change_list();
    void drop_unwanted(const std::set<std::string>& wanted);
    void add_wanted(const std::vector<std::string>& names);
    void place_all();
    void judge(placed& one);
    void judge_owner(placed& one, const entry& at);
    void ask();
    void add_question(std::size_t partition);
    [[nodiscard]] std::optional<std::vector<member_id>> choice_for(std::size_t partition) const;
    void settle(placed& one, member_id owner);
    void give(placed& one, member_id owner);
    void note_hint(const placed& one);
    [[nodiscard]] bool prepares(const placed& one, member_id owner) const;
    [[nodiscard]] bool is_due(const placed& one, member_id owner) const;
    void hint(const placed& one, member_id next);
    void drop_hints();
    [[nodiscard]] member_id shown_owner(const placed& one) const;
    void settle_all(std::size_t partition, const std::vector<member_id>& owners);
    void come_again(instant when);
    void clean_waits();
    void limit();
    void readmit();
    void forget_since();
    void say_why(const placed& one, member_id from, member_id to);

    [[nodiscard]] entry& entry_of(const placed& one) {
        return change_.next.chunks[one.chunk].entries[one.index];
    }
    [[nodiscard]] const entry& entry_of(const placed& one) const {
        return change_.next.chunks[one.chunk].entries[one.index];
    }
    [[nodiscard]] bool is_taker(member_id who) const { return takers_.contains(who); }
    [[nodiscard]] bool is_gone(member_id who) const { return facts_.gone.contains(who); }
    /// It ended without a clean release of `of`, and its handover_delay is still running; notes
    /// when that ends.
    bool is_delayed(member_id who, const entry& of);
    [[nodiscard]] bool had_released(member_id who, const entry& of) const;
    [[nodiscard]] const release_record* record_of(member_id who) const;
    [[nodiscard]] bool has_let_go(member_id who, const entry& of) const;
    [[nodiscard]] std::string title(member_id who) const;

    const specification& spec_;
    const plan& before_;
    const plan_facts& facts_;
    plan_number number_;
    instant now_;
    const std::string& resource_;
    std::size_t replicas_;
    std::unordered_map<member_id, const planned_member*> takers_;
    std::map<std::string, std::vector<member_id>> failed_;  ///< entry key -> present members
    std::vector<placed> entries_;                           ///< partition-major
    std::optional<planner_input> question_;
    std::vector<std::size_t> asked_;  ///< for each partition of the question: its place
    plan_change change_;
    std::set<std::size_t> added_chunks_;
    std::size_t reasons_left_out_ = 0;
};

}  // namespace muster::cluster
