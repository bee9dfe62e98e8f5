#pragma once

/// @file
/// Makes a resource where it is missing: specification, head and the chunks there is room for in
/// one multi; or finds out that it is there, and how.

#include "base/life_guard.hpp"
#include "cluster/records.hpp"
#include "cluster/session_context.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace muster::cluster {

/// Threads: control loop only. One resource, once.
class resource_maker {
public:
    /// Errors: conflict (it exists with another specification; the text says in what they
    /// differ), invalid_argument (it is too large to be stored), and what reading and writing may
    /// end with.
    resource_maker(const session_context& at,
                   std::string resource,
                   specification spec,
                   callback<result<void>> done);

private:
    void read();
    void make();
    [[nodiscard]] result<void> fits(std::size_t described) const;
    void create(std::vector<zookeeper::op> ops);
    void compare(const specification& there);
    void finish(result<void> how);

    const session_context& at_;
    std::string resource_;
    specification spec_;
    callback<result<void>> done_;
    life_guard life_;
};

/// In what two specifications differ, for people: "partitions: 64 there, 32 here".
[[nodiscard]] std::string difference(const specification& there, const specification& here);

}  // namespace muster::cluster
