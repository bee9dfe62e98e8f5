#pragma once

/// @file
/// Processes of several nodes on a simulated network, for the tests of this room.

#include "process/host.hpp"
#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// What the nodes of a test know of each other, as a view would tell them.
using directory = std::map<member_id, std::pair<mesh::peer, std::string>>;

using texts = std::vector<std::string>;

/// One node: two workers, a mesh, processes.
class place {
public:
    place(runtime::sim::host& on,
          const std::string& name,
          member_id id,
          directory& all,
          process_limits limits = {})
        : on_{on}, machine_{on.process()} {
        workers_ = {machine_->make_loop("one"), machine_->make_loop("two")};
        const member_id life{id.high() + 1000, id.low()};
        host_ = std::make_unique<process_host>(machine_, workers_, life, name, limits);
        mesh::settings how;
        how.cluster = "shop";
        how.listen = {on.address(), 7000};
        how.max_queue = 64 * 1024;
        host_->prepare(how);
        auto made =
            mesh::mesh::start(machine_, workers_, std::move(how), [this](mesh::incoming what) {
                EXPECT_TRUE(host_->take_request(what));
            });
        EXPECT_TRUE(made);
        mesh_ = std::move(*made);
        mesh_->become(id);
        all[life] = {mesh::peer{id, on.address() + ":7000"}, name};
        host_->attach(
            *mesh_,
            [&all](const member_id& whose) -> std::optional<mesh::peer> {
                const auto found = all.find(whose);
                return found == all.end() ? std::nullopt : std::optional{found->second.first};
            },
            [&all](const member_id& whose) {
                const auto found = all.find(whose);
                return found == all.end() ? std::string{} : found->second.second;
            },
            [](const member_id&) { return false; });
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() {
        host_->detach();
        mesh_->stop();
        host_.reset();
        for (const auto& one : workers_) {
            one->stop();
        }
    }

    process_host& host() { return *host_; }
    runtime::sim::host& on() { return on_; }
    mesh::mesh& net() { return *mesh_; }

private:
    runtime::sim::host& on_;
    std::shared_ptr<runtime::platform> machine_;
    std::vector<std::shared_ptr<runtime::loop>> workers_;
    std::unique_ptr<process_host> host_;
    std::unique_ptr<mesh::mesh> mesh_;
};

inline std::string said(const exit_reason& why) {
    static const std::map<ending, std::string> names{{ending::exited, "exited"},
                                                     {ending::crashed, "crashed"},
                                                     {ending::killed, "killed"},
                                                     {ending::no_process, "no process"},
                                                     {ending::node_lost, "node lost"},
                                                     {ending::unreachable, "unreachable"}};
    return names.at(why.how) +
           (why.how == ending::unreachable || why.text.empty() ? "" : ": " + why.text);
}

class two_nodes : public testing::Test {
protected:
    ~two_nodes() override {
        ann.reset();
        bob.reset();
    }
    void run(duration how_long = 1s) { world.run_for(how_long); }
    template <class T>
    result<T> answer(pending<T> awaited) {
        std::optional<result<T>> got;
        awaited.then([&got](result<T> one) { got.emplace(std::move(one)); });
        static_cast<void>(world.run_until([&] { return got.has_value(); }, world.now() + 1h));
        return got ? std::move(*got) : result<T>{fail(errc::closed, "waited for an hour")};
    }
    /// What the monitors of `watcher` hear.
    void watch_from(place& where, const pid& who) {
        where.host().watch(
            who, [this](const pid&, const exit_reason& why) { ends.push_back(said(why)); });
    }

    runtime::sim::world world{11};
    directory all;
    std::optional<place> ann{
        std::in_place, world.add_host("ann"), "ann", member_id{1, 1}, all, process_limits{}};
    std::optional<place> bob{
        std::in_place, world.add_host("bob"), "bob", member_id{2, 2}, all, process_limits{}};
    texts ends;
};

}  // namespace muster
