#pragma once

/// @file
/// Keeps ephemeral znodes that the member wishes for: makes what is missing, removes what is wished
/// for no more. Their parents are containers, which ZooKeeper removes once they are empty.

#include "base/life_guard.hpp"
#include "cluster/session_context.hpp"

#include <set>
#include <string>

namespace muster::cluster {

/// Threads: control loop only. Of one session, from when its member has joined.
class publish_agent {
public:
    publish_agent(const session_context& at, std::set<std::string> wanted);

    /// From here on these and no others are to be there.
    void want(std::set<std::string> all);
    /// Tries again what ZooKeeper has refused.
    void look_again();

private:
    void go_on();
    void make(const std::string& path);
    void make_parent(const std::string& path, zookeeper::create_mode how);
    void compare(const std::string& path);
    void remove(const std::string& path);
    void refused(const std::string& path, const std::string& why);
    /// One operation on `path` has ended.
    void ended(const std::string& path);

    const session_context& at_;
    std::set<std::string> wanted_;
    std::set<std::string> there_;    ///< ours, as ZooKeeper has said
    std::set<std::string> busy_;     ///< an operation is under way
    std::set<std::string> refused_;  ///< left alone until `look_again`
    life_guard life_;
};

}  // namespace muster::cluster
