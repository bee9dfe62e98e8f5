#include "node/asking.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {
namespace {
constexpr duration first_pause = 1ms;
constexpr duration longest_pause = 50ms;
/// For how long a name that no plan has may be one that is being added.
constexpr duration patience_for_unknown_names = 300ms;
}  // namespace

asking::asking(std::shared_ptr<resource_host> resource,
               std::size_t worker,
               question what,
               answered_fn answer)
    : resource_{std::move(resource)},
      worker_{worker},
      key_{std::move(what.key)},
      key_is_partition_{what.key_is_partition},
      deadline_{what.deadline},
      answer_{std::move(answer)} {
    envelope_.resource = resource_->name();
    envelope_.type = std::move(what.type);
    envelope_.body = std::move(what.body);
}

/// Its node ends, and has dropped what would have answered it.
asking::~asking() {
    if (answer_) {
        finish(sent_ ? fail(errc::outcome_unknown,
                            "this node left while " + where() +
                                " was being asked: it may have been done")
                     : fail(errc::closed, "this node is leaving"));
    }
}

std::string asking::where() const {
    return "'" + key_ + "' of resource '" + resource_->name() + "'";
}

runtime::loop& asking::loop() const {
    return *resource_->services().worker(worker_);
}

void asking::attempt() {
    if (!answer_) {
        return;
    }
    const instant now = loop().now();
    if (resource_->services().stopped()) {
        finish(fail(errc::closed, "this node is leaving"));
        return;
    }
    if (now >= deadline_) {
        const errc code = attempts_ == 0 ? errc::timed_out : last_.code;
        finish(fail(code,
                    "no answer for " + where() + " within the deadline" +
                        (last_.text.empty() ? "" : ": " + last_.text)));
        return;
    }
    ++attempts_;
    const auto by = resource_->plan();
    if (!by) {
        plan_ = 0;
        without_plan();
        return;
    }
    plan_ = by->number();
    const cluster::entry* const one = key_is_partition_ ? by->named(key_) : by->find(key_);
    if (one == nullptr) {
        unknown_here(now);
        return;
    }
    unknown_since_.reset();
    ask_owner(*by, *one);
}

void asking::without_plan() {
    auto why = resource_->services().unseen();
    if (why && why->next() != next_step::wait) {
        finish(std::unexpected{std::move(*why)});
        return;
    }
    if (!why) {
        why = resource_->trouble();
    }
    not_done(
        {errc::unavailable,
         "no plan of '" + resource_->name() + "' has been read yet" +
             (why ? ": " + why->text : " (is ZooKeeper reachable, and does a member serve it?)")});
}

/// It may have been added a moment ago.
void asking::unknown_here(instant now) {
    if (!unknown_since_) {
        unknown_since_ = now;
    }
    error why{errc::not_found,
              "there is no partition " + where() + ", by plan " + std::to_string(plan_)};
    if (resource_->services().stranded()) {
        // Who cannot hear of newer plans cannot say that it is not there.
        not_done({errc::stranded, why.text + ", the last read before ZooKeeper was lost"});
    } else if (now - *unknown_since_ >= patience_for_unknown_names) {
        finish(std::unexpected(std::move(why)));
    } else {
        not_done(std::move(why));
    }
}

void asking::ask_owner(const cluster::plan_snapshot& by, const cluster::entry& one) {
    if (one.owner.empty()) {
        not_done({errc::moving, "nobody owns the partition at the moment"});
        return;
    }
    envelope_.partition = one.partition;
    envelope_.fence = by.fence_of(one).value();
    if (one.owner == resource_->services().self()) {
        ask_here(one.partition, envelope_.fence);
        return;
    }
    const auto seen = resource_->services().newest_view();
    const member* const owner = seen ? seen->find(one.owner) : nullptr;
    mesh::mesh* const net = resource_->services().mesh();
    if (owner == nullptr || net == nullptr) {
        not_done({errc::moving, "the owner is not in the view yet, or no more"});
        return;
    }
    ask_there(*owner, *net);
}

void asking::ask_there(const member& owner, mesh::mesh& net) {
    sent_ = true;
    const mesh::peer to{owner.id, owner.address};
    net.request(to,
                encode(envelope_),
                deadline_,
                [self = shared_from_this(), to, name = owner.name](result<std::string> got) {
                    self->resource_->services().heard(to, got);
                    // The mesh answers on a worker of its own choice.
                    self->loop().post([self, name, got = std::move(got)]() mutable {
                        self->told(name, std::move(got));
                    });
                });
}

void asking::told(const std::string& name, result<std::string> got) {
    if (got) {
        const auto answer = decode<ask_answer>(*got);
        if (answer) {
            ended(*answer);
        } else {
            finish(fail(errc::outcome_unknown,
                        name + " answered what cannot be read: " + answer.error().text));
        }
        return;
    }
    error& why = got.error();
    switch (why.code) {
        case errc::unavailable:
        case errc::overloaded:
            not_done({why.code, name + ": " + why.text});
            break;
        case errc::gone:
            not_done({errc::moving, name + ": " + why.text});
            break;
        case errc::closed:
            if (!resource_->services().stopped()) {
                // The other side is leaving, and has not looked at it.
                not_done({errc::moving, name + ": " + why.text});
                break;
            }
            [[fallthrough]];
        default:
            finish(fail(why.code, name + ": " + why.text));
    }
}

void asking::ask_here(const std::string& partition, std::int64_t fence) {
    sent_ = true;
    claim_ = std::make_shared<call_claim>();
    partition_call one{.type = envelope_.type,
                       .body = envelope_.body,
                       .fence = fence,
                       .from = resource_->services().self(),
                       .deadline = deadline_,
                       .answer =
                           [self = shared_from_this(), claim = claim_](ask_answer got) {
                               self->loop().post([self, claim, got = std::move(got)] {
                                   if (self->claim_ == claim) {
                                       self->ended(got);
                                   }
                               });
                           },
                       .claim = claim_};
    // Nobody else watches this deadline: there is no connection in between.
    set_timer(deadline_, &asking::patience_ends);
    resource_->incoming(partition, std::move(one));
}

void asking::patience_ends() {
    if (claim_ && claim_->take()) {
        finish(
            fail(errc::timed_out,
                 "the partition of " + where() + " was busy with other calls until the deadline"));
    } else {
        finish(fail(errc::outcome_unknown,
                    "the handler of " + where() + " had not answered by the deadline: it goes on"));
    }
}

void asking::ended(const ask_answer& got) {
    claim_.reset();
    switch (got.how) {
        case ask_end::answered:
            finish(answered{got.body, got.age, plan_});
            return;
        case ask_end::failed:
            finish(fail(got.code <= static_cast<std::uint8_t>(errc::closed)
                            ? static_cast<errc>(got.code)
                            : errc::handler_failed,
                        got.text));
            return;
        case ask_end::not_owner:
            not_done({errc::moving, "the member asked does not own the partition, or not yet"});
            return;
        case ask_end::moving:
            not_done({errc::moving, "the partition is between owners"});
            return;
        case ask_end::stranded:
            not_done({errc::stranded, "the owner has lost ZooKeeper, and its lease has ended"});
            return;
    }
    finish(fail(errc::outcome_unknown, "the owner of " + where() + " ended it in an unknown way"));
}

/// Nothing was executed, so trying again is safe.
void asking::not_done(error why) {
    if (!answer_) {
        return;
    }
    sent_ = false;
    last_ = std::move(why);
    const duration pause = std::min(first_pause * (1U << std::min(pauses_++, 6U)), longest_pause);
    set_timer(std::min(deadline_, loop().now() + pause), &asking::woken_by_timer);
    waiting_room& room = resource_->room(worker_);
    ticket_ = room.enter(shared_from_this());
    const auto by = resource_->plan();
    if (by && by->number() != plan_) {
        woken();  // It came between the attempt and the door.
    }
}

void asking::woken_by_timer() {
    resource_->room(worker_).leave(ticket_);
    attempt();
}

void asking::woken() {
    resource_->room(worker_).leave(ticket_);
    timer_->cancel();  // Of the pause: it must not send again what is under way by then.
    pauses_ = 0;
    attempt();
}

void asking::set_timer(instant at, void (asking::*what)()) {
    if (!timer_) {
        timer_ = loop().make_timer();
    }
    timer_->set(at, [weak = weak_from_this(), what] {
        if (const auto self = weak.lock()) {
            (self.get()->*what)();
        }
    });
}

void asking::finish(result<answered> how) {
    timer_.reset();  // Here: the last to hold this may be on another worker.
    if (auto answer = std::exchange(answer_, nullptr)) {
        answer(std::move(how));
    }
}

}  // namespace muster::detail
