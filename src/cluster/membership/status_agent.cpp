#include "cluster/membership/status_agent.hpp"

#include "cluster/codec.hpp"

#include <utility>

namespace muster::cluster {

status_agent::status_agent(const session_context& at, status_record first, on_written written)
    : at_{at}, wanted_{first}, stored_{std::move(first)}, written_{std::move(written)} {}

void status_agent::change(const std::function<void(status_record&)>& edit) {
    edit(wanted_);
    if (!writing_ && !std::exchange(scheduled_, true)) {
        // What one turn of the loop changes goes out as one write.
        at_.loop.defer(life_.wrap([this] {
            scheduled_ = false;
            write();
        }));
    }
}

void status_agent::say_last(const std::function<void(status_record&)>& edit) {
    edit(wanted_);
    muted_ = true;
    at_.zk.set(at_.where.status(at_.self),
               encode(wanted_),
               zookeeper::any_version,
               never,
               [](const zookeeper::reply<zookeeper::stat>&) {});
}

void status_agent::write() {
    if (muted_ || writing_ || wanted_ == stored_) {
        return;
    }
    writing_ = true;
    // Nobody else writes this znode, so no version is needed, and a write of unknown outcome may
    // be made again: it says the same, or something newer.
    at_.zk.set(at_.where.status(at_.self),
               encode(wanted_),
               zookeeper::any_version,
               never,
               life_.wrap([this, sent = wanted_](zookeeper::reply<zookeeper::stat> got) {
                   writing_ = false;
                   if (got.ok()) {
                       stored_ = sent;
                       written_(stored_);
                   } else if (got.how == zookeeper::outcome::refused) {
                       at_.log(log_level::error,
                               "status.refused",
                               "could not write " + at_.where.status(at_.self) + ": " + got.text);
                       return;  // The heartbeat finds out what is wrong and ends the session.
                   }
                   if (at_.zk.state() == zookeeper::session_state::connected ||
                       at_.zk.state() == zookeeper::session_state::connecting) {
                       write();
                   }
               }));
}

}  // namespace muster::cluster
