/// @file
/// The handshake of a connection. The dialler says who it is and whom it wants; the other side
/// refuses, or says who it is, and is connected from then on.

#include "muster/message.hpp"

#include "base/check.hpp"
#include "mesh/connection.hpp"
#include "mesh/mesh_core.hpp"

#include <utility>

namespace muster::mesh {

const char* connection::mismatch(const hello& theirs) const {
    if (theirs.cluster != core_.wanted().cluster) {
        return "it belongs to another cluster";
    }
    const hello mine;
    if (theirs.least_version > mine.version || theirs.version < mine.least_version) {
        return "it speaks another version of the mesh protocol; upgrade the older one";
    }
    return nullptr;
}

void connection::take_greeting(const frame& one) {
    if (one.type == frame_type::refusal && dialled_) {
        const auto note = decode<refusal_note>(one.body);
        if (!note) {
            broken(note.error().text);
            return;
        }
        const auto link = std::exchange(link_, nullptr);
        link->dial_failed(dial_, {code_named(note->code), note->text}, note->duplicate);
        close({errc::unavailable, "refused"});
        return;
    }
    if (one.type != frame_type::hello) {
        broken("it did not greet");
        return;
    }
    auto theirs = decode<hello>(one.body);
    if (!theirs) {
        broken(theirs.error().text);
        return;
    }
    if (dialled_) {
        judge_answer(*theirs);
    } else if (made_as_.empty()) {
        // This node does not know yet who it is: within the deadline of the handshake it will.
        greeting_ = std::move(*theirs);
        phase_ = phase::waiting;
    } else {
        judge(*theirs);
    }
}

void connection::judge(const hello& theirs) {
    if (const char* why = mismatch(theirs)) {
        refuse(errc::incompatible,
               "refused by the member at " + stream_->local().text() + ": " + why);
        return;
    }
    if (!theirs.expected.empty() && theirs.expected != made_as_) {
        refuse(errc::gone,
               "member " + theirs.expected.brief() + " is no longer at " + stream_->local().text() +
                   ", where " + made_as_.brief() + " answers now");
        return;
    }
    if (theirs.self == made_as_) {
        refuse(errc::conflict, "a member does not dial itself");
        return;
    }
    if (!theirs.self.empty()) {
        link_ = core_.link_to({theirs.self, {}});
        dial_ = theirs.dial;
        if (link_ == nullptr) {
            refuse(errc::closed, "the member asked is leaving");
            return;
        }
        if (!link_->offer(shared_from_this(), theirs)) {
            link_ = nullptr;
            refuse(errc::conflict, "these two members are connected already", true);
            return;
        }
    }
    hello mine;
    mine.cluster = core_.wanted().cluster;
    mine.self = made_as_;
    // Ahead of what other threads may have handed to the link since the offer: that comes by a
    // task of its own.
    out_.append(preamble);
    mine.life = core_.wanted().life;
    mine.name = core_.wanted().name;
    append_frame(out_, frame_type::hello, 0, encode(mine));
    open(theirs);
}

void connection::judge_answer(const hello& theirs) {
    const auto link = link_;
    MUSTER_ASSERT(link != nullptr, "a dialled connection has a link until it is closed");
    if (const char* why = mismatch(theirs)) {
        close({errc::incompatible, "the member at " + stream_->remote().text() + ": " + why});
        return;
    }
    if (!link->id().empty() && theirs.self != link->id()) {
        close({errc::gone,
               "member " + link->id().brief() + " is no longer at " + stream_->remote().text() +
                   ", where " + theirs.self.brief() + " answers now"});
        return;
    }
    open(theirs);
    if (!link->opened(shared_from_this())) {
        close({errc::unavailable, "the other side's connection is kept"});
    }
}

void connection::refuse(errc code, std::string text, bool duplicate) {
    core_.tally.refused.fetch_add(1, std::memory_order_relaxed);
    out_.append(preamble);
    append_frame(out_,
                 frame_type::refusal,
                 0,
                 encode(refusal_note{std::string{name_of(code)}, std::move(text), duplicate}));
    phase_ = phase::leaving;
}

}  // namespace muster::mesh
