#pragma once

/// @file
/// Supervisors: processes that start others, and start them again when they end.
///
///     muster::supervision shop;
///     shop.restart = muster::restarts::all;   // one alone, or all together
///     shop.at_most = 3;                       // more often within 10 s: it gives up
///     shop.within = 10s;
///     shop.child("counter", counter, 0L);
///     shop.child("clerk", clerk);
///     const auto top = node.spawn(muster::supervise, std::move(shop));
///
/// A supervisor is a process like any other: it can be a child of another one, and be monitored.

#include "muster/process.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace muster {

/// Who is started again when a child has ended.
enum class restarts : std::uint8_t {
    one,  ///< That child.
    all   ///< All: the others are ended first, the youngest first. For those that need each other.
};

/// When a child is started again.
enum class keeping : std::uint8_t {
    always,           ///< However it ends.
    after_accidents,  ///< Unless it returned.
};

/// What a supervisor is to start, and what to do when that ends.
///
/// Threads: a plain value, one thread at a time.
class supervision {
public:
    restarts restart = restarts::one;
    /// More restarts than these within `within`, and it gives up: it ends all its children and
    /// crashes with a text that says which child ended last, and why.
    std::uint32_t at_most = 3;
    std::chrono::nanoseconds within = std::chrono::seconds{5};
    /// How long a child that is told to end may take until it is killed.
    std::chrono::nanoseconds patience = std::chrono::seconds{5};

    /// One more child: `make(self, args…)`, with fresh copies of `make` and `args` each time it is
    /// started. Children are started in this order; as they run at the same time, whose first step
    /// comes first is not said. The name is for texts.
    template <class Make, class... Args>
    void child(std::string name, Make&& make, Args&&... args) {
        add(std::move(name),
            keeping::always,
            std::forward<Make>(make),
            std::forward<Args>(args)...);
    }
    /// The same, of one that may return: only an accident starts it again.
    template <class Make, class... Args>
    void passing_child(std::string name, Make&& make, Args&&... args) {
        add(std::move(name),
            keeping::after_accidents,
            std::forward<Make>(make),
            std::forward<Args>(args)...);
    }

    /// For Muster itself.
    struct entry {
        std::string name;
        keeping when{};
        std::function<pid(self)> start;  ///< Linked to the process given.
    };
    [[nodiscard]] const std::vector<entry>& children() const noexcept { return children_; }

private:
    template <class Make, class... Args>
    void add(std::string name, keeping when, Make&& make, Args&&... args) {
        // A pointer, that what is kept need not be copied with this value.
        const auto kept = std::make_shared<
            const std::pair<std::decay_t<Make>, std::tuple<std::decay_t<Args>...>>>(
            std::forward<Make>(make),
            std::tuple<std::decay_t<Args>...>{std::forward<Args>(args)...});
        children_.push_back(
            {std::move(name), when, [kept](self me) {
                 return std::apply(
                     [&](const auto&... arg) { return me.spawn_linked(kept->first, arg...); },
                     kept->second);
             }});
    }

    std::vector<entry> children_;
};

/// Runs `how` as a process: `node.spawn(muster::supervise, how)`. It ends when the node stops, when
/// it gives up, when somebody sends it an exit signal (with that reason), or when all its children
/// were `passing_child` and have returned. Whatever ends it, its children end before or with it.
process supervise(self me, supervision how);

}  // namespace muster
