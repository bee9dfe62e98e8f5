#pragma once

/// @file
/// Whole nodes in a simulated world: a keeper, hosts, programs on them, and what they said.

#include "muster/muster.hpp"

#include "node/machine.hpp"
#include "runtime/sim/world.hpp"
#include "zookeeper/keeper.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// A partition that remembers, and says who keeps it.
struct put {
    using reply = void;
    std::string key, value;
};
struct get {
    using reply = std::optional<std::string>;
    std::string key;
};
struct owner_of {
    using reply = std::string;
    std::string key;
};
struct with_prefix {
    using reply = std::vector<std::string>;
    std::string key;
};
/// Answered `after` so many milliseconds of waiting in a coroutine, on another partition.
struct through {
    using reply = std::string;
    std::string key, to;
};

class shelf {
public:
    using handles = requests<put, get, owner_of, with_prefix, through>;
    explicit shelf(ownership mine) : mine_{std::move(mine)} {}
    void on(put p) { rows_[p.key] = std::move(p.value); }
    std::optional<std::string> on(const get& g) const {
        const auto row = rows_.find(g.key);
        return row == rows_.end() ? std::nullopt : std::optional{row->second};
    }
    std::string on(const owner_of&) const { return mine_.node().name(); }
    std::vector<std::string> on(const with_prefix& what) const {
        std::vector<std::string> found;
        for (const auto& [key, value] : rows_) {
            if (key.starts_with(what.key)) {
                found.push_back(key);
            }
        }
        return found;
    }
    task<std::string> on(through what) {
        const auto others = mine_.node().use<shelf>(mine_.partition().resource);
        const auto got = co_await others.ask<owner_of>(what.to);
        co_return mine_.node().name() + " heard of " + (got ? *got : got.error().text);
    }

private:
    ownership mine_;
    std::map<std::string, std::string> rows_;
};

/// The virtual machine room. Nodes are destroyed before it.
class node_world {
public:
    explicit node_world(std::uint64_t seed = 1, bool trace = false)
        : in{seed, with_trace(trace)}, keeper_host_{in.add_host("zk")} {}
    node_world(const node_world&) = delete;
    node_world& operator=(const node_world&) = delete;
    ~node_world() { nodes_.clear(); }

    void start_keeper() {
        zookeeper::keeper_options options;
        options.listen = {keeper_host_.address(), 2181};
        auto loop = keeper_host_.make_loop("keeper");
        loop->post([this, loop, options] {
            auto made = zookeeper::keeper::start(loop, options);
            ASSERT_TRUE(made) << made.error().text;
            keeper_ = std::move(*made);
        });
    }
    runtime::sim::host& keeper_host() { return keeper_host_; }

    runtime::sim::host& host(const std::string& name) {
        auto& known = hosts_[name];
        if (known == nullptr) {
            known = &in.add_host(name);
        }
        return *known;
    }
    config settings(const std::string& name, int port = 7000) {
        config one;
        one.cluster = "shop";
        one.zookeeper = keeper_host_.address() + ":2181";
        one.name = name;
        one.listen = host(name).address() + ":" + std::to_string(port);
        one.workers = 2;
        return one;
    }
    /// Made, not started.
    node& make(config settings, application program = {}, const std::string& on = "") {
        const std::string name = settings.name;
        if (!program.log) {
            program.log = [this](const log_line& line) {
                in.note(host(std::string{line.member}),
                        std::string{line.event} + ": " + std::string{line.text});
                said.emplace_back(std::string{line.member} + " " + std::string{line.event});
            };
        }
        auto machine = std::make_shared<detail::machine>(host(on.empty() ? name : on).process());
        nodes_[name] =
            std::make_unique<node>(std::move(settings), std::move(program), std::move(machine));
        return *nodes_[name];
    }
    node& start(const std::string& name,
                application program = {},
                by_hash how = {.partitions = 8}) {
        node& one = make(settings(name), std::move(program));
        static_cast<void>(one.serve<shelf>("shelves", std::move(how)));
        EXPECT_EQ(one.start(), result<void>{});
        return one;
    }
    node& at(const std::string& name) { return *nodes_.at(name); }
    void forget(const std::string& name) { nodes_.erase(name); }
    void kill(const std::string& name) {
        host(name).kill();
        nodes_.erase(name);
        host(name).restart();
    }

    /// Runs the world until it holds, a minute at most.
    [[nodiscard]] bool until(const std::function<bool()>& holds, duration within = 60s) {
        return in.run_until(holds, in.now() + within);
    }
    template <class T>
    result<T> answer(pending<T> one, duration within = 60s) {
        if (!until([&] { return one.is_ready(); }, within)) {
            return fail(errc::timed_out, "the test's patience has ended");
        }
        return one.get();
    }
    /// Every partition has an owner that answers, and these are all of them.
    [[nodiscard]] bool settled(const std::vector<std::string>& names, std::size_t partitions = 8) {
        return until([&] {
            for (const std::string& name : names) {
                if (at(name).state() != member_state::online ||
                    at(name).view().members.size() != names.size()) {
                    return false;
                }
            }
            const auto shares = owners(names.front());
            std::size_t sum = 0;
            for (const auto& [name, share] : shares) {
                sum += share;
            }
            return sum == partitions && shares.size() == names.size();
        });
    }
    /// How many partitions each owns, as that node's plan says.
    std::map<std::string, std::size_t> owners(const std::string& by) {
        std::map<std::string, std::size_t> shares;
        const auto shelves = at(by).use<shelf>("shelves");
        for (int i = 0; i < 200; ++i) {
            const auto where = shelves.route(std::to_string(i));
            if (where && !where->member.empty()) {
                seen_[where->partition] = where->member;
            } else {
                return {};
            }
        }
        for (const auto& [partition, member] : std::exchange(seen_, {})) {
            ++shares[member];
        }
        return shares;
    }

    runtime::sim::world in;
    std::vector<std::string> said;

private:
    static runtime::sim::options with_trace(bool trace) {
        runtime::sim::options chosen;
        chosen.trace = trace;
        return chosen;
    }

    runtime::sim::host& keeper_host_;
    std::unique_ptr<zookeeper::keeper> keeper_;
    std::map<std::string, runtime::sim::host*> hosts_;
    std::map<std::string, std::unique_ptr<node>> nodes_;
    std::map<std::string, std::string> seen_;
};

}  // namespace muster
