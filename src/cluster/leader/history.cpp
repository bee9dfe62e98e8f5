#include "cluster/leader/history.hpp"

#include "cluster/codec.hpp"
#include "cluster/stored_json.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace muster::cluster {

namespace json = boost::json;
using zookeeper::zk_error;

namespace {

// What an entry has besides its list of changes stays below the rest of bytes_per_history_entry.
constexpr std::size_t bytes_of_changes = 2500;
constexpr std::size_t longest_name = 256;         ///< as stored; a longer one is left out
constexpr std::size_t bytes_besides = 512;        ///< fields, without names
constexpr std::size_t most_bytes_per_move = 128;  ///< with ids that occur for the first time
constexpr std::size_t goes_at_once = 8;           ///< besides one for each that is added

void put_name(json::object& into, std::string_view field, std::string_view value) {
    json::string stored = stored::name(value);
    if (!value.empty() && stored.size() <= longest_name) {
        into[field] = std::move(stored);
    }
}

/// Puts changes one by one until there is no more room for them, and then counts.
class change_list {
public:
    void put(json::object one) {
        const std::size_t size = json::serialize(one).size() + 1;
        if (!has_room(size)) {
            leave_out();
            return;
        }
        take_room(size);
        put_.push_back(std::move(one));
    }
    [[nodiscard]] bool has_room(std::size_t bytes) const { return more_ == 0 && bytes <= room_; }
    void take_room(std::size_t bytes) { room_ -= std::min(bytes, room_); }
    void leave_out() { ++more_; }

    void finish(json::object& entry, std::string_view field) && {
        entry[field] = std::move(put_);
        if (more_ > 0) {
            entry["more"] = static_cast<std::int64_t>(more_);
        }
    }

private:
    json::array put_;
    std::size_t room_ = bytes_of_changes;
    std::size_t more_ = 0;
};

/// The entries of one decision.
class writer {
public:
    writer(const leader_book& book, const decide_settings& by, std::int64_t unix_ms)
        : book_{book}, by_{by}, unix_ms_{unix_ms} {}

    [[nodiscard]] std::string about(const view_record& next) const;
    [[nodiscard]] std::string about(const std::string& resource, const plan_change& change) const;
    [[nodiscard]] std::string about(const std::string& child, const command_record& result) const;

private:
    [[nodiscard]] json::object begin(std::string_view kind) const;
    [[nodiscard]] json::object step_of(member_id who,
                                       std::string_view from,
                                       std::string_view to) const;

    const leader_book& book_;
    const decide_settings& by_;
    std::int64_t unix_ms_;
};

json::object writer::begin(std::string_view kind) const {
    json::object entry = stored::fresh();
    entry["unix_ms"] = stored::number(unix_ms_);
    entry["leader"] = stored::id(by_.self);
    entry["epoch"] = stored::number(by_.epoch);
    entry["kind"] = kind;
    return entry;
}

json::object writer::step_of(member_id who, std::string_view from, std::string_view to) const {
    json::object step;
    step["id"] = stored::id(who);
    const auto seen = book_.members.find(who);
    if (seen != book_.members.end() && seen->second.described) {
        put_name(step, "name", seen->second.described->name);
    }
    step["from"] = from;
    step["to"] = to;
    return step;
}

/// What people are told of a member's place in a view.
std::string state_in(const std::map<member_id, view_member>& view, member_id who) {
    const auto found = view.find(who);
    if (found == view.end()) {
        return "";
    }
    return std::string{name_of(found->second.state)} + (found->second.drain ? ", to drain" : "");
}

std::map<member_id, view_member> by_id(const view_record& view) {
    std::map<member_id, view_member> members;
    for (const view_member& one : view.members) {
        members.emplace(one.id, one);
    }
    return members;
}

std::string writer::about(const view_record& next) const {
    const auto before = by_id(book_.view);
    const auto after = by_id(next);
    std::set<member_id> all;
    for (const auto* const view : {&before, &after}) {
        for (const auto& [id, one] : *view) {
            all.insert(id);
        }
    }
    std::set<std::string_view> reasons;
    if (next.leader != book_.view.leader || next.epoch != book_.view.epoch) {
        reasons.insert("new_leader");
    }
    change_list changes;
    for (const member_id who : all) {
        const std::string from = state_in(before, who);
        const std::string to = state_in(after, who);
        if (from != to) {
            reasons.insert(from.empty() ? "joined" : to.empty() ? "gone" : "state");
            changes.put(step_of(who, from, to));
        }
    }
    json::object entry = begin("view");
    entry["number"] = stored::number(next.number);
    entry["reasons"] = json::array(reasons.begin(), reasons.end());
    std::move(changes).finish(entry, "members");
    return stored::written(entry);
}

/// Ids, each once, as moves name them.
class id_table {
public:
    /// −1 for nobody.
    std::int64_t place_of(member_id who, change_list& room) {
        if (who.empty()) {
            return -1;
        }
        const auto [at, added] = places_.try_emplace(who, std::ssize(ids_));
        if (added) {
            ids_.push_back(stored::id(who));
            room.take_room(who.text().size() + 3);
        }
        return at->second;
    }
    json::array take() && { return std::move(ids_); }

private:
    std::map<member_id, std::int64_t> places_;
    json::array ids_;
};

std::string writer::about(const std::string& resource, const plan_change& change) const {
    std::set<std::string_view> reasons = change.also;
    change_list moves;
    id_table ids;
    for (const moved_entry& one : change.moved) {
        reasons.insert(one.why);
        if (!moves.has_room(most_bytes_per_move)) {
            moves.leave_out();
            continue;
        }
        const entry& at = change.next.chunks[one.chunk].entries[one.index];
        json::object move;
        move["entry"] = entry_key(at);
        move["from"] = ids.place_of(one.from, moves);
        move["to"] = ids.place_of(at.owner, moves);
        move["why"] = one.why;
        moves.put(std::move(move));
    }
    json::object entry = begin("plan");
    put_name(entry, "resource", resource);
    entry["number"] = stored::number(change.next.number);
    entry["reasons"] = json::array(reasons.begin(), reasons.end());
    entry["ids"] = std::move(ids).take();
    std::move(moves).finish(entry, "moved");
    return stored::written(entry);
}

std::string writer::about(const std::string& child, const command_record& result) const {
    json::object entry = begin("command");
    put_name(entry, "command", child);
    entry["op"] = name_of(result.kind);
    put_name(entry, "resource", result.resource);
    put_name(entry, "partition", result.partition);
    put_name(entry, "member", result.member);
    if (result.outcome) {
        entry["result"] = *result.outcome ? "done" : name_of(result.outcome->error().code);
    }
    return stored::written(entry);
}

}  // namespace

std::size_t history_bytes(const plan_change& change) {
    return std::min(bytes_per_history_entry,
                    longest_name + bytes_besides + most_bytes_per_move * change.moved.size());
}

std::size_t history_bytes(const command_record& result) {
    return bytes_besides + std::min(encode_command(result).size(), 4 * longest_name);
}

std::vector<std::string> history_of(const leader_decision& decided,
                                    const leader_book& book,
                                    const decide_settings& by,
                                    std::int64_t unix_ms) {
    const writer how{book, by, unix_ms};
    std::vector<std::string> entries;
    for (const auto& [child, result] : decided.results) {
        entries.push_back(how.about(child.substr(child.find(':') + 1), result));
    }
    if (decided.view) {
        entries.push_back(how.about(decided.view->next));
    }
    for (const auto& [resource, change] : decided.plans) {
        entries.push_back(how.about(resource, change));
    }
    return entries;
}

// --- The children --------------------------------------------------------------------------------

history_log::history_log(const session_context& at, std::size_t most) : at_{at}, most_{most} {}

void history_log::look() {
    listed_ = false;
    there_.clear();
    reading::children(at_,
                      life_,
                      at_.where.history(),
                      {},
                      [this](zookeeper::reply<zookeeper::node_children> got) {
                          missing_ = got.refused_with(zk_error::no_node);
                          listed_ = got.ok();
                          for (std::string& child : got.value.names) {
                              if (!left_alone_.contains(child)) {
                                  there_.insert(std::move(child));
                              }
                          }
                      });
}

std::vector<zookeeper::op> history_log::ops(std::vector<std::string> entries) {
    std::vector<zookeeper::op> ops;
    makes_ = missing_;
    if (makes_) {
        ops.emplace_back(zookeeper::create_op{.path = at_.where.history(), .data = {}});
    }
    const std::size_t all = there_.size() + entries.size();
    const std::size_t most = entries.size() + goes_at_once;
    going_.clear();
    if (listed_ && all > most_) {
        const std::size_t many = std::min({all - most_, most, there_.size()});
        going_.assign(there_.begin(), std::next(there_.begin(), static_cast<std::ptrdiff_t>(many)));
    }
    for (const std::string& child : going_) {
        ops.emplace_back(zookeeper::remove_op{at_.where.history() + "/" + child});
    }
    for (std::string& entry : entries) {
        ops.emplace_back(
            zookeeper::create_op{.path = at_.where.history() + "/",
                                 .data = std::move(entry),
                                 .mode = zookeeper::create_mode::persistent_sequential});
    }
    return ops;
}

void history_log::written(std::span<const zookeeper::op_result> results) {
    listed_ = listed_ || makes_;
    missing_ = missing_ && !makes_;
    for (const std::string& child : going_) {
        there_.erase(child);
    }
    for (const zookeeper::op_result& one : results.subspan(going_.size() + (makes_ ? 1 : 0))) {
        there_.insert(one.path.substr(one.path.rfind('/') + 1));
    }
}

/// What cannot be taken away, for somebody put something below it, is left alone.
void history_log::refused(std::span<const zookeeper::op_result> results) {
    const std::size_t first = makes_ ? 1 : 0;
    for (std::size_t i = 0; i < going_.size() && first + i < results.size(); ++i) {
        const zk_error why = results[first + i].error;
        if (why != zk_error::ok && why != zk_error::runtime_inconsistency) {
            left_alone_.insert(going_[i]);
        }
    }
}

}  // namespace muster::cluster
