#pragma once

/// @file
/// How a view is stored: a head, and chunks of members, of which a change writes those it touches.
/// Pure.

#include "muster/error.hpp"

#include "cluster/records.hpp"

#include <cstddef>
#include <map>
#include <vector>

namespace muster::cluster {

struct view_change;

/// A head and its chunks, as far as they are known. The changes in the head spare most readings: a
/// chunk is read only where more happened to it than they tell.
class view_parts {
public:
    /// Takes a head and brings the chunks up to it; an older one is passed over. Returns which
    /// chunks have to be read for it.
    std::vector<std::size_t> take(view_head head);
    /// Takes a chunk as it was read; one that is older than what is known, or of which the newest
    /// head says nothing, is passed over.
    void take(std::size_t index, view_chunk chunk);
    /// Takes what has been written.
    void take(const view_change& written);

    /// The view of the newest head.
    /// Errors: unavailable (chunks are still to be read, or a newer head is), invalid_argument (a
    /// member stands in two of them).
    [[nodiscard]] result<view_record> whole() const;

    [[nodiscard]] const view_head& head() const noexcept { return head_; }
    [[nodiscard]] const std::vector<view_chunk>& chunks() const noexcept { return chunks_; }

private:
    view_head head_;
    std::vector<view_chunk> chunks_;
};

/// What the leader writes: the next view, and where that differs from what is stored.
struct view_change {
    view_record next;
    view_head head;
    std::map<std::size_t, view_chunk> chunks;
    bool complete = true;  ///< else there was too much of it, and the rest is for a view after it
};

/// `next` in place of what `stored` is, or as much of that as `most_chunks` chunks hold: whoever is
/// gone first, then whoever changed; nobody new before all that are gone have gone.
[[nodiscard]] view_change change_view(const view_parts& stored,
                                      view_record next,
                                      std::size_t most_chunks);

}  // namespace muster::cluster
