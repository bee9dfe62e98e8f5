#pragma once

/// @file
/// The ground the tests of whole members stand on: a keeper, members with an application that does
/// what a test says, and an operator with a client of its own.

#include "cluster/codec.hpp"
#include "cluster/leader/commands.hpp"
#include "cluster/member.hpp"
#include "cluster/paths.hpp"
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

namespace muster::cluster {

using std::chrono::milliseconds;

inline specification hash_of(std::uint32_t partitions) {
    specification spec;
    spec.partitions = partitions;
    spec.handover_delay = milliseconds{0};
    return spec;
}

inline specification list_of_names() {
    specification spec;
    spec.kind = resource_kind::list;
    spec.handover_delay = milliseconds{0};
    return spec;
}

/// Starts at once what it is given, and stops it at once unless it hangs.
class application final : public owner_host, public member_host {
public:
    bool hangs = false;
    /// Whether code runs under what hangs; else it merely waits for its turn.
    std::function<bool(const right&)> runs = [](const right&) { return true; };
    std::map<std::string, std::shared_ptr<right>> owned;  ///< by "resource/partition"
    std::vector<callback<>> hanging;
    std::shared_ptr<runtime::loop> clock;
    int begun_without_right = 0;
    bool holds_preparing = false;
    bool holds_init = false;
    std::vector<callback<result<void>>> initializing;
    std::vector<planned_move> to_prepare;  ///< all that it was asked to
    std::vector<callback<result<void>>> preparing;
    std::vector<std::string> stuck_on;
    std::vector<std::string> troubles;
    std::vector<errc> trouble_codes;  ///< of each of them
    std::optional<error> failure;
    std::vector<std::string> keys;  ///< one for each incarnation
    std::shared_ptr<const view_snapshot> view;
    std::map<std::string, std::shared_ptr<const plan_snapshot>> plans;
    bool leads = false;

    [[nodiscard]] std::size_t count(const std::string& resource) const {
        std::size_t many = 0;
        for (const auto& [name, mine] : owned) {
            many += name.starts_with(resource + "/") ? 1U : 0U;
        }
        return many;
    }

    void acquire(std::shared_ptr<right> mine, callback<result<void>> done) override {
        begun_without_right += clock && !mine->valid(clock->now()) ? 1 : 0;
        owned[name_of(*mine)] = std::move(mine);
        done({});
    }
    void release(std::shared_ptr<right> mine, callback<> done) override {
        owned.erase(name_of(*mine));
        if (hangs) {
            hanging.push_back(std::move(done));
        } else {
            done();
        }
    }
    void revoke(std::shared_ptr<right> mine, callback<> done) override {
        release(std::move(mine), std::move(done));
    }

    void prepare(planned_move what, callback<result<void>> done) override {
        to_prepare.push_back(std::move(what));
        if (holds_preparing) {
            preparing.push_back(std::move(done));
        } else {
            done({});
        }
    }

    [[nodiscard]] bool still_runs(const right& mine) const override { return runs(mine); }

    void became(member_id, milliseconds) override {}
    void cluster_key(std::string key) override { keys.push_back(std::move(key)); }
    void stepped(lifecycle, lifecycle) override {}
    void view_changed(std::shared_ptr<const view_snapshot> now) override { view = std::move(now); }
    void plan_changed(std::shared_ptr<const plan_snapshot> now) override {
        plans[now->resource()] = std::move(now);
    }
    void leadership(bool gained, leader_epoch) override { leads = gained; }
    void initialize(std::vector<right::identity>, callback<result<void>> done) override {
        if (holds_init) {
            initializing.push_back(std::move(done));
        } else {
            done({});
        }
    }
    void failed(const error& why) override { failure = why; }
    void resource_trouble(const std::string& resource, const error& why) override {
        troubles.push_back(resource + ": " + why.text);
        trouble_codes.push_back(why.code);
    }
    void stuck(const right::identity& what) override {
        stuck_on.push_back(what.resource + "/" + what.partition);
    }

private:
    static std::string name_of(const right& mine) {
        return mine.what().resource + "/" + mine.what().partition;
    }
};

class member_test : public testing::Test {
protected:
    struct node {
        runtime::sim::host* machine = nullptr;
        std::shared_ptr<runtime::loop> control;
        std::shared_ptr<application> app = std::make_shared<application>();
        std::unique_ptr<member> self;
        std::vector<task_fn> offloaded;  ///< where `offloads` is false
        bool offloads = true;
    };

    ~member_test() override {
        for (const auto& one : nodes) {
            one->machine->kill();
            one->self.reset();
        }
        operator_host.kill();
        zk.reset();
        keeper_host.kill();
    }

    void start_keeper(milliseconds least_timeout = {}, milliseconds most_timeout = {}) {
        zookeeper::keeper_options options;
        options.min_session_timeout = least_timeout;
        options.max_session_timeout = most_timeout;
        options.listen = {keeper_host.address(), 2181};
        options.tick_time = milliseconds{500};
        const auto loop = keeper_host.make_loop("keeper");
        loop->post([this, loop, options] {
            server = std::move(zookeeper::keeper::start(loop, options).value());
        });
        operator_loop = operator_host.make_loop("operator");
        operator_loop->post([this] {
            zookeeper::client_options how;
            how.servers = zookeeper::connect_string::parse(keeper_host.address() + ":2181").value();
            zk = zookeeper::client::start(
                operator_loop, how, [](const zookeeper::session_change&) {});
        });
        net.run_for(50ms);
    }

    /// A machine with a member of that name; it starts at once.
    node& start(const std::string& name,
                const std::map<std::string, specification>& serves = {},
                const std::function<void(member_settings&)>& edit = {}) {
        nodes.push_back(std::make_unique<node>());
        node& one = *nodes.back();
        one.machine = &net.add_host(name);
        one.control = one.machine->make_loop("control");
        one.app->clock = one.control;
        member_settings settings;
        settings.cluster = "test";
        settings.servers =
            zookeeper::connect_string::parse(keeper_host.address() + ":2181").value();
        settings.self.name = name;
        settings.session_timeout = milliseconds{2000};
        if (edit) {
            edit(settings);
        }
        on(one, [&](node& at) {
            at.self = member::start(at.control, settings, at.app, [&at](task_fn job) {
                if (at.offloads) {
                    at.machine->process()->run_blocking(std::move(job));
                } else {
                    at.offloaded.push_back(std::move(job));
                }
            });
            for (const auto& [resource, spec] : serves) {
                at.self->serve(resource, spec, at.app);
            }
        });
        return one;
    }

    /// Does something on the loop of that member, now.
    void on(node& at, const std::function<void(node&)>& what) {
        bool ran = false;
        at.control->post([&] {
            what(at);
            ran = true;
        });
        wait([&] { return ran; }, 1s);
    }

    bool wait(const std::function<bool()>& holds, duration limit = 20s) {
        return net.run_until(holds, net.now() + limit);
    }

    bool wait_owned(node& by, const std::string& resource, std::size_t partitions) {
        return wait([&] { return by.app->count(resource) == partitions; });
    }

    /// What an operator does by hand, and its result code.
    zookeeper::reply<std::vector<zookeeper::op_result>> write(std::vector<zookeeper::op> ops) {
        std::optional<zookeeper::reply<std::vector<zookeeper::op_result>>> got;
        operator_loop->post([&] {
            zk->multi(std::move(ops), operator_loop->now() + 5s, [&](auto reply) {
                got = std::move(reply);
            });
        });
        wait([&] { return got.has_value(); }, 6s);
        EXPECT_TRUE(got && got->ok()) << (got ? got->text : "no answer");
        return got.value_or(zookeeper::reply<std::vector<zookeeper::op_result>>{});
    }

    zookeeper::reply<zookeeper::node_data> read(const std::string& path) {
        std::optional<zookeeper::reply<zookeeper::node_data>> got;
        operator_loop->post([&] {
            zk->get(
                path, {}, operator_loop->now() + 5s, [&](auto reply) { got = std::move(reply); });
        });
        wait([&] { return got.has_value(); }, 6s);
        return got.value_or(zookeeper::reply<zookeeper::node_data>{});
    }

    status_record status_of(node& whose) {
        const std::string path = where.status(whose.self->id());
        return decode<status_record>(read(path).value.data, path).value_or(status_record{});
    }

    void command(const command_record& what) {
        write({zookeeper::create_op{.path = where.commands() + "/by-hand-",
                                    .data = encode_command(what),
                                    .mode = zookeeper::create_mode::persistent_sequential}});
    }

    void drain(const std::string& name) {
        command({.kind = command_kind::drain,
                 .resource = {},
                 .partition = {},
                 .member = name,
                 .outcome = std::nullopt});
    }

    /// Adds or removes a name of a list through that member; what came of it.
    result<void> change(node& through,
                        const std::string& resource,
                        const std::string& name,
                        bool add) {
        std::optional<result<void>> how;
        on(through, [&](node& at) {
            at.self->change_list(
                resource, name, add, at.control->now() + 10s, [&](result<void> got) {
                    how = std::move(got);
                });
        });
        wait([&] { return how.has_value(); }, 11s);
        return how.value_or(fail(errc::timed_out, "no answer"));
    }

    runtime::sim::world net{11};
    runtime::sim::host& keeper_host{net.add_host("zk")};
    runtime::sim::host& operator_host{net.add_host("operator")};
    const paths where{"test"};
    std::unique_ptr<zookeeper::keeper> server;
    std::shared_ptr<runtime::loop> operator_loop;
    std::unique_ptr<zookeeper::client> zk;
    std::vector<std::unique_ptr<node>> nodes;
};

}  // namespace muster::cluster
