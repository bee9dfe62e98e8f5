#include "cluster/view/parts.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace muster::cluster {

namespace {

/// Members stay ordered by id.
void carry_over(const changed_member& what, std::vector<view_member>& members) {
    const auto at = std::ranges::lower_bound(members, what.member.id, {}, &view_member::id);
    const bool is_there = at != members.end() && at->id == what.member.id;
    if (what.gone) {
        if (is_there) {
            members.erase(at);
        }
    } else if (is_there) {
        *at = what.member;
    } else {
        members.insert(at, what.member);
    }
}

/// The oldest changes go, all those of a view together.
void forget_old_changes(view_head& head) {
    if (head.changes.size() <= changes_in_head) {
        return;
    }
    head.after = head.changes[head.changes.size() - changes_in_head - 1].number;
    std::erase_if(head.changes,
                  [&](const changed_member& one) { return one.number <= head.after; });
}

/// One change of a view after the other, as long as there are chunks for it.
class change_writer {
public:
    change_writer(const view_parts& stored, view_record next, std::size_t most_chunks)
        : stored_{stored}, most_chunks_{most_chunks} {
        out_.head = stored.head();
        out_.head.number = next.number;
        out_.head.leader = next.leader;
        out_.head.epoch = next.epoch;
        out_.head.since_unix_ms = next.since_unix_ms;
        out_.head.chunks.clear();
        for (std::size_t i = 0; i < stored.chunks().size(); ++i) {
            out_.head.chunks.push_back(stored.chunks()[i].number);
            for (const view_member& one : stored.chunks()[i].members) {
                before_.emplace(one.id, std::pair{i, one});
            }
        }
        out_.next = std::move(next);
    }

    view_change take() {
        std::map<member_id, view_member> wanted;
        for (const view_member& one : out_.next.members) {
            wanted.emplace(one.id, one);
        }
        for (const auto& [id, place] : before_) {
            if (!wanted.contains(id)) {
                change(place.first, {.member = {.id = id}, .gone = true});
            }
        }
        const bool all_have_gone = out_.complete;
        for (const auto& [id, one] : wanted) {
            const auto known = before_.find(id);
            if (known != before_.end() && known->second.second != one) {
                change(known->second.first, {.member = one});
            }
        }
        for (const auto& [id, one] : wanted) {
            if (before_.contains(id)) {
                continue;
            }
            if (all_have_gone) {
                change(chunk_with_room(), {.member = one});
            } else {
                out_.complete = false;
            }
        }
        finish();
        return std::move(out_);
    }

private:
    /// One that is written anyway before one that is not, that before a new one.
    [[nodiscard]] std::size_t chunk_with_room() const {
        for (const auto& [index, chunk] : out_.chunks) {
            if (chunk.members.size() < members_per_chunk) {
                return index;
            }
        }
        for (std::size_t i = 0; i < stored_.chunks().size(); ++i) {
            if (!out_.chunks.contains(i) &&
                stored_.chunks()[i].members.size() < members_per_chunk) {
                return i;
            }
        }
        return out_.head.chunks.size();
    }

    void change(std::size_t index, changed_member what) {
        auto chunk = out_.chunks.find(index);
        if (chunk == out_.chunks.end()) {
            if (out_.chunks.size() == most_chunks_) {
                out_.complete = false;
                return;
            }
            const bool is_new = index == out_.head.chunks.size();
            chunk =
                out_.chunks.emplace(index, is_new ? view_chunk{} : stored_.chunks()[index]).first;
            chunk->second.number = out_.next.number;
            if (is_new) {
                out_.head.chunks.push_back(0);
            }
            out_.head.chunks[index] = out_.next.number;
        }
        what.number = out_.next.number;
        what.chunk = static_cast<std::uint32_t>(index);
        carry_over(what, chunk->second.members);
        out_.head.changes.push_back(what);
    }

    void finish() {
        if (stored_.head().number == 0) {
            // Whoever saw a view that was lost since must not take this one for its continuation.
            out_.head.after = out_.next.number;
            out_.head.changes.clear();
        }
        forget_old_changes(out_.head);
        view_parts written = stored_;
        written.take(out_);
        out_.next.members = std::move(written.whole()->members);
    }

    const view_parts& stored_;
    std::size_t most_chunks_;
    std::map<member_id, std::pair<std::size_t, view_member>> before_;
    view_change out_;
};

}  // namespace

std::vector<std::size_t> view_parts::take(view_head head) {
    if (head.number < head_.number) {
        return {};
    }
    // A chunk of which the last head knew nothing had nobody in it then.
    chunks_.resize(head.chunks.size(), view_chunk{head_.number, {}});
    head_ = std::move(head);
    std::vector<std::size_t> to_read;
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        view_chunk& mine = chunks_[i];
        if (mine.number > head_.number) {
            mine = {};  // It was read before this head: the leader wrote no such thing.
        }
        if (mine.number < head_.chunks[i] && mine.number < head_.after) {
            to_read.push_back(i);
        }
    }
    for (const changed_member& one : head_.changes) {
        view_chunk& mine = chunks_[one.chunk];
        if (one.number > mine.number && mine.number >= head_.after) {
            carry_over(one, mine.members);
        }
    }
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        if (chunks_[i].number >= head_.after) {
            chunks_[i].number = std::max(chunks_[i].number, head_.chunks[i]);
        }
    }
    return to_read;
}

void view_parts::take(std::size_t index, view_chunk chunk) {
    if (index < chunks_.size() && chunk.number > chunks_[index].number) {
        chunks_[index] = std::move(chunk);
    }
}

void view_parts::take(const view_change& written) {
    take(written.head);
    for (const auto& [index, chunk] : written.chunks) {
        take(index, chunk);
    }
}

result<view_record> view_parts::whole() const {
    view_record view{.number = head_.number,
                     .leader = head_.leader,
                     .epoch = head_.epoch,
                     .since_unix_ms = head_.since_unix_ms,
                     .members = {}};
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        if (chunks_[i].number != head_.chunks[i]) {
            return fail(errc::unavailable,
                        "chunk " + std::to_string(i) + " of the view was read at view " +
                            std::to_string(chunks_[i].number) + ", the head is at " +
                            std::to_string(head_.chunks[i]) + "; read it again");
        }
        view.members.insert(
            view.members.end(), chunks_[i].members.begin(), chunks_[i].members.end());
    }
    std::ranges::sort(view.members, {}, &view_member::id);
    const auto twice = std::ranges::adjacent_find(view.members, {}, &view_member::id);
    if (twice != view.members.end()) {
        return fail(errc::invalid_argument,
                    "member " + twice->id.text() + " stands in two chunks of the view");
    }
    return view;
}

view_change change_view(const view_parts& stored, view_record next, std::size_t most_chunks) {
    return change_writer{stored, std::move(next), most_chunks}.take();
}

}  // namespace muster::cluster
