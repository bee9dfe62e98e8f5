/// @file
/// The handshake of a connection. The dialler says who it is and whom it wants; the other side
/// refuses, or says who it is, and is connected from then on. Where there is a key, both prove
/// first that they know it (proof.hpp).

#include "muster/message.hpp"

#include "base/check.hpp"
#include "mesh/connection.hpp"
#include "mesh/mesh_core.hpp"
#include "mesh/proof.hpp"

#include <utility>

namespace muster::mesh {
namespace {

constexpr const char* what_to_do =
    "; members read the key from ZooKeeper when they join: see that both join the same cluster of "
    "the same ensemble, and restart the one that joined before the key was made";

}  // namespace

// --- What both sides do --------------------------------------------------------------------------

bool connection::can_greet() const {
    const auto key = core_.key();
    return (dialled_ || !core_.self().empty()) && (!key || !key->empty());
}

/// What a waiting one lacked may be there.
void connection::go_on() {
    if (!can_greet()) {
        return;
    }
    const auto keep = shared_from_this();
    made_as_ = core_.self();
    phase_ = phase::greeting;
    if (dialled_) {
        greet();
    } else {
        judge();
    }
    flush();
    if (phase_ != phase::closed) {
        take_frames();
        flush();
        read();
    }
}

void connection::say(frame_type type, std::string_view body) {
    if (!std::exchange(preamble_said_, true)) {
        out_.append(preamble);
    }
    append_frame(out_, type, 0, body);
}

std::uint64_t connection::own_features() const noexcept {
    return (max_body_ >= longest_run ? feature_runs : 0) | (key_ ? feature_authentication : 0);
}

hello connection::own_hello() const {
    hello mine;
    mine.cluster = core_.wanted().cluster;
    mine.self = made_as_;
    mine.life = core_.wanted().life;
    mine.name = core_.wanted().name;
    mine.features = own_features();
    return mine;
}

void connection::make_provable(hello& mine) const {
    mine.nonce = fresh_nonce(*loop_);
}

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
    if (dialled_) {
        take_answer(one);
        return;
    }
    if (phase_ == phase::proving) {
        take_proof(one);
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
    greeting_ = std::move(*theirs);
    hello_bytes_ = one.body;
    if (made_as_.empty() || !can_greet()) {
        // This node does not know yet who it is, or what the key is: within the deadline of the
        // handshake it will.
        phase_ = phase::waiting;
    } else {
        judge();
    }
}

// --- The side that was dialled -------------------------------------------------------------------

void connection::judge() {
    const hello& theirs = greeting_;
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
    key_ = core_.key();
    if (!key_) {
        admit();
    } else if ((theirs.features & feature_authentication) == 0 ||
               theirs.nonce.size() < least_nonce) {
        refuse(errc::not_authorized,
               "refused by the member at " + stream_->local().text() +
                   ": it connects to nobody who does not prove that it knows the cluster's key" +
                   what_to_do);
    } else {
        challenge();
    }
}

void connection::challenge() {
    hello mine = own_hello();
    make_provable(mine);
    challenge_note note;
    note.greeting = encode(mine);
    note.proof = proof_of(*key_, prover::acceptor, hello_bytes_, note.greeting);
    awaited_proof_ = proof_of(*key_, prover::dialler, hello_bytes_, note.greeting);
    say(frame_type::challenge, encode(note));
    phase_ = phase::proving;
}

void connection::take_proof(const frame& one) {
    if (one.type != frame_type::proof) {
        broken("it sent something else before its proof");
    } else if (!is_same_proof(one.body, awaited_proof_)) {
        refuse(errc::not_authorized,
               "refused by the member at " + stream_->local().text() +
                   ": what it was shown does not prove the cluster's key" + what_to_do);
    } else {
        admit();
    }
}

void connection::admit() {
    if (made_as_ != core_.self()) {
        refuse(errc::gone, "the member asked has begun a new life");
        return;
    }
    if (!greeting_.self.empty()) {
        link_ = core_.link_to({greeting_.self, {}});
        dial_ = greeting_.dial;
        if (link_ == nullptr) {
            refuse(errc::closed, "the member asked is leaving");
            return;
        }
        if (!link_->offer(shared_from_this(), greeting_)) {
            link_ = nullptr;
            refuse(errc::conflict, "these two members are connected already", true);
            return;
        }
    }
    static_cast<void>(take_over(greeting_.life));  // Always, where the other side has dialled.
    // Ahead of what other threads may have handed to the link since the offer: that comes by a
    // task of its own.
    say(frame_type::hello, encode(own_hello()));
    open(greeting_);
}

void connection::refuse(errc code, std::string text, bool duplicate) {
    core_.tally.refused.fetch_add(1, std::memory_order_relaxed);
    say(frame_type::refusal,
        encode(refusal_note{std::string{name_of(code)}, std::move(text), duplicate}));
    phase_ = phase::leaving;
}

// --- The side that dials -------------------------------------------------------------------------

void connection::greet() {
    key_ = core_.key();
    hello mine = own_hello();
    mine.expected = link_->id();
    mine.dial = dial_;
    mine.seen = seen_;
    if (key_) {
        make_provable(mine);
    }
    hello_bytes_ = encode(mine);
    say(frame_type::hello, hello_bytes_);
}

void connection::take_answer(const frame& one) {
    if (one.type == frame_type::refusal) {
        take_refusal(one);
    } else if (one.type == frame_type::challenge && phase_ == phase::greeting) {
        take_challenge(one);
    } else if (one.type != frame_type::hello) {
        broken("it did not greet");
    } else if (phase_ == phase::proving) {
        connected(greeting_);  // Which has been proven; what it says now has not.
    } else if (key_) {
        distrust("it does not prove that it knows the cluster's key");
    } else if (const auto theirs = decode<hello>(one.body); !theirs) {
        broken(theirs.error().text);
    } else if (is_whom_it_dialled(*theirs)) {
        connected(*theirs);
    }
}

void connection::take_refusal(const frame& one) {
    const auto note = decode<refusal_note>(one.body);
    if (!note) {
        broken(note.error().text);
        return;
    }
    const auto link = std::exchange(link_, nullptr);
    link->dial_failed(dial_, {code_named(note->code), note->text}, note->duplicate);
    close({errc::unavailable, "refused"});
}

void connection::take_challenge(const frame& one) {
    const auto note = decode<challenge_note>(one.body);
    if (!note) {
        broken(note.error().text);
        return;
    }
    auto theirs = decode<hello>(note->greeting);
    if (!theirs) {
        broken(theirs.error().text);
        return;
    }
    if (!key_) {
        distrust("it asks for a proof of the cluster's key, which this process was not given");
    } else if (theirs->nonce.size() < least_nonce ||
               !is_same_proof(note->proof,
                              proof_of(*key_, prover::acceptor, hello_bytes_, note->greeting))) {
        distrust("it does not know the cluster's key, or has another one");
    } else if (is_whom_it_dialled(*theirs)) {
        greeting_ = std::move(*theirs);
        say(frame_type::proof, proof_of(*key_, prover::dialler, hello_bytes_, note->greeting));
        phase_ = phase::proving;
    }
}

/// Closed where it is not.
bool connection::is_whom_it_dialled(const hello& theirs) {
    const auto link = link_;
    MUSTER_ASSERT(link != nullptr, "a dialled connection has a link until it is closed");
    if (const char* why = mismatch(theirs)) {
        close({errc::incompatible, "the member at " + stream_->remote().text() + ": " + why});
        return false;
    }
    if (!link->id().empty() && theirs.self != link->id()) {
        close({errc::gone,
               "member " + link->id().brief() + " is no longer at " + stream_->remote().text() +
                   ", where " + theirs.self.brief() + " answers now"});
        return false;
    }
    return true;
}

void connection::connected(const hello& theirs) {
    const auto link = link_;
    if (!take_over(theirs.life) || !link->opened(shared_from_this())) {
        close({errc::unavailable, "the other side's connection is kept"});
        return;
    }
    open(theirs);
}

void connection::distrust(std::string_view why) {
    core_.tally.refused.fetch_add(1, std::memory_order_relaxed);
    close({errc::not_authorized,
           "the member at " + stream_->remote().text() +
               " is not connected to: " + std::string{why} + what_to_do});
}

// --- Which of two connections counts -------------------------------------------------------------

/// One life has one connection with this node, under whatever id: what it sent on an earlier one is
/// handled before anything of this one, or not at all. False: a newer one than this has come.
bool connection::take_over(const member_id& life) {
    if (life.empty()) {
        return true;
    }
    // One that was dialled here may have been answered long ago, and opens only now.
    const instant now = loop_->now();
    const auto before = core_.succeed(life, shared_from_this(), now, dialled_ ? began_ : never);
    if (!before) {
        return false;
    }
    if (*before != nullptr) {
        held_ = true;
        (*before)->home()->post([old = *before, self = shared_from_this()] {
            old->close({errc::unavailable, "the other side has connected anew"});
            self->home()->post([self] { self->predecessor_ended(); });
        });
    }
    return true;
}

void connection::predecessor_ended() {
    held_ = false;
    if (phase_ == phase::closed) {
        return;
    }
    heard_ = true;  // It was not listened to.
    take_frames();
    flush();
    read();
}

}  // namespace muster::mesh
