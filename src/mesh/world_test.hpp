#pragma once

/// @file
/// Members with a mesh in a simulated world, for the tests of this room.

#include "mesh/frame.hpp"
#include "mesh/mesh.hpp"
#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace muster::mesh {

using runtime::sim::host;
using runtime::sim::world;

/// One member: a host with two workers and a mesh that keeps what it was asked.
class node {
public:
    node(world& in, const std::string& name, member_id id, settings wanted = {})
        : node{in.add_host(name), id, std::move(wanted)} {}
    node(host& on, member_id id, settings wanted = {}) : host_{on} {
        wanted.cluster = wanted.cluster.empty() ? "shop" : wanted.cluster;
        wanted.listen = {on.address(), 7000};
        machine_ = on.process();
        workers_ = {machine_->make_loop("one"), machine_->make_loop("two")};
        auto started = mesh::start(machine_, workers_, std::move(wanted), [this](incoming one) {
            on_request(std::move(one));
        });
        EXPECT_TRUE(started.has_value());
        mesh_ = std::move(*started);
        if (!id.empty()) {
            mesh_->become(id);
        }
        id_ = id;
    }

    ~node() { mesh_->stop(); }

    [[nodiscard]] peer as_peer() const { return {id_, host_.address() + ":7000"}; }
    [[nodiscard]] host& on() { return host_; }
    [[nodiscard]] mesh& net() { return *mesh_; }
    [[nodiscard]] runtime::loop& worker() { return *workers_[0]; }
    [[nodiscard]] instant now() const { return machine_->now(); }

    struct outcome {
        std::optional<result<std::string>> value;
        int times = 0;
        [[nodiscard]] errc code() const {
            return value && !*value ? value->error().code : errc::invalid_argument;
        }
    };
    std::shared_ptr<outcome> ask(const peer& to, std::string body, duration within = 5s) {
        auto got = std::make_shared<outcome>();
        mesh_->request(to, std::move(body), now() + within, [got](result<std::string> value) {
            got->value = std::move(value);
            ++got->times;
        });
        return got;
    }

    std::function<void(incoming)> answer = [](incoming one) {
        one.answer.reply("re: " + std::string{one.body});
    };
    std::vector<std::string> heard;

private:
    void on_request(incoming one) {
        heard.emplace_back(one.body);
        answer(std::move(one));
    }

    host& host_;
    member_id id_;
    std::shared_ptr<runtime::platform> machine_;
    std::vector<std::shared_ptr<runtime::loop>> workers_;
    std::unique_ptr<mesh> mesh_;
};

class mesh_in_a_world : public testing::Test {
protected:
    void run(duration how_long = 1s) { world_.run_for(how_long); }

    world world_{7};
    node ann_{world_, "ann", member_id{1, 1}};
    node bob_{world_, "bob", member_id{2, 2}};
};

}  // namespace muster::mesh
