#pragma once

/// @file
/// What a leader decided and why, for people: the children of `history`. docs/format/layout.md has
/// the JSON.

#include "base/life_guard.hpp"
#include "cluster/leader/decide.hpp"
#include "cluster/session_context.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace muster::cluster {

/// No entry is larger, whatever it tells of.
inline constexpr std::size_t bytes_per_history_entry = 4096;

/// At most what the entry about this change, or this result, has.
[[nodiscard]] std::size_t history_bytes(const plan_change& change);
[[nodiscard]] std::size_t history_bytes(const command_record& result);

/// One entry, as stored, for the view, each plan and each result of a decision. `book` is as it was
/// before.
[[nodiscard]] std::vector<std::string> history_of(const leader_decision& decided,
                                                  const leader_book& book,
                                                  const decide_settings& by,
                                                  std::int64_t unix_ms);

/// Keeps the last `most` entries: the oldest go with the multi that adds others, a few at a time.
/// Nothing that is found in `history` keeps a leader from writing.
/// Threads: control loop only.
class history_log {
public:
    history_log(const session_context& at, std::size_t most);

    /// Lists what is there. Until it has been read nothing is taken away.
    void look();
    /// What to do in the same multi as the write that `entries` tell of.
    [[nodiscard]] std::vector<zookeeper::op> ops(std::vector<std::string> entries);
    /// How those ended: the multi was done, or refused.
    void written(std::span<const zookeeper::op_result> results);
    void refused(std::span<const zookeeper::op_result> results);

private:
    const session_context& at_;
    std::size_t most_;
    std::set<std::string> there_;       ///< children, the oldest first
    std::set<std::string> left_alone_;  ///< those that could not be taken away
    std::vector<std::string> going_;    ///< with the present write
    bool listed_ = false;
    bool missing_ = false;  ///< the folder
    bool makes_ = false;    ///< it, with the present write
    life_guard life_;
};

}  // namespace muster::cluster
