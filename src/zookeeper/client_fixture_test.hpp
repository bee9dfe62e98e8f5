#pragma once

/// @file
/// The ground the client's tests stand on.

#include "zookeeper/client.hpp"
#include "zookeeper/scripted_server_test.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster::zookeeper {

/// A client in a simulated world, and what it hears.
/// Threads: the world's.
class client_test : public testing::Test {
protected:
    client_test() : here(net.add_host("client")), loop(here.make_loop("client")) {}
    ~client_test() override {
        on_loop([this] { zk.reset(); });
    }

    /// Runs `task` on the client's loop, now.
    void on_loop(std::function<void()> task) {
        bool ran = false;
        loop->post([&] {
            task();
            ran = true;
        });
        net.run_until([&] { return ran; }, net.now() + 1s);
    }

    scripted_server& add_server(const std::string& name) {
        hosts.push_back(&net.add_host(name));
        servers.push_back(std::make_unique<scripted_server>(*hosts.back()));
        net.run_for(1ms);
        return *servers.back();
    }

    void start(const std::string& where, client_options options = {}) {
        options.servers = connect_string::parse(where).value();
        on_loop([&] {
            zk = client::start(
                loop,
                options,
                [this](const session_change& change) {
                    changes.push_back(change);
                    if (on_change) {
                        on_change(change);
                    }
                },
                [this](const answered& what) { answers.push_back(what); });
        });
    }

    bool wait_for(session_state state, duration limit = 30s) {
        return wait([&] { return !changes.empty() && changes.back().state == state; }, limit);
    }
    bool wait(const std::function<bool()>& holds, duration limit = 30s) {
        return net.run_until(holds, net.now() + limit);
    }

    void get(const std::string& path, client::on_event watch = {}, duration limit = 5s) {
        on_loop([&] {
            zk->get(path, std::move(watch), loop->now() + limit, [this](reply<node_data> got) {
                ends.push_back(got.how);
                texts.push_back(got.text);
            });
        });
    }
    void set(const std::string& path, duration limit = 5s) {
        on_loop([&] {
            zk->set(path, "data", -1, loop->now() + limit, [this](reply<stat> got) {
                ends.push_back(got.how);
                texts.push_back(got.text);
                stats.push_back(got);
            });
        });
    }
    void close(duration limit = 2s) {
        on_loop([&] {
            zk->close(loop->now() + limit, [this](reply<nothing> got) {
                ends.push_back(got.how);
                texts.push_back(got.text);
            });
        });
    }

    /// A server that answers every set with a stat and every get with data.
    static std::function<bool(scripted_server::peer&, const scripted_server::seen_request&)>
    sound(scripted_server& server) {
        return [&server](auto& peer, const auto& request) {
            std::string body;
            if (request.header.type == protocol::op_code::set_data) {
                protocol::encode(body, stat{});
            } else if (request.header.type == protocol::op_code::get_data) {
                protocol::encode(body, "data", false, stat{});
            } else {
                return false;
            }
            server.reply(peer, request.header.xid, 9, zk_error::ok, body);
            return true;
        };
    }

    runtime::sim::world net{7};
    runtime::sim::host& here;
    std::shared_ptr<runtime::loop> loop;
    std::vector<runtime::sim::host*> hosts;
    std::vector<std::unique_ptr<scripted_server>> servers;
    std::function<void(const session_change&)> on_change;
    std::vector<session_change> changes;
    std::vector<answered> answers;
    std::vector<outcome> ends;
    std::vector<std::string> texts;
    std::vector<reply<stat>> stats;
    std::unique_ptr<client> zk;
};

}  // namespace muster::zookeeper
