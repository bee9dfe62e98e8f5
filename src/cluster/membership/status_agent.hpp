#pragma once

/// @file
/// Writes the member's one dynamic znode, one write at a time, newest wish last.

#include "base/life_guard.hpp"
#include "cluster/records.hpp"
#include "cluster/session_context.hpp"

#include <functional>

namespace muster::cluster {

/// Threads: control loop only. Begins once the znode exists with `first` in it.
class status_agent {
public:
    /// Called with what ZooKeeper has acknowledged.
    using on_written = std::function<void(const status_record& now)>;

    status_agent(const session_context& at, status_record first, on_written written);

    /// Changes the wish; what is equal to what is stored is not written.
    void change(const std::function<void(status_record&)>& edit);

    /// Says a last thing, at once and once, and nothing more.
    void say_last(const std::function<void(status_record&)>& edit);

    /// Writes nothing from now on: the session is over.
    void mute() { muted_ = true; }

    [[nodiscard]] const status_record& wanted() const { return wanted_; }
    [[nodiscard]] const status_record& stored() const { return stored_; }

private:
    void write();

    const session_context& at_;
    status_record wanted_;
    status_record stored_;
    on_written written_;
    bool writing_ = false;
    bool scheduled_ = false;
    bool muted_ = false;
    life_guard life_;
};

}  // namespace muster::cluster
