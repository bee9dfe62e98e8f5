#include "mesh/mesh.hpp"
#include "runtime/real.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::mesh {
namespace {

class member {
public:
    member(const std::shared_ptr<runtime::platform>& machine, member_id id) : id_{id} {
        workers_ = {machine->make_loop("one"), machine->make_loop("two")};
        settings wanted;
        wanted.cluster = "shop";
        auto started = mesh::start(machine, workers_, wanted, [this, machine](incoming one) {
            heard.fetch_add(1);
            if (one.body == "elsewhere") {
                auto answer = std::make_shared<responder>(std::move(one.answer));
                machine->run_blocking([answer] { answer->reply("from a thread of its own"); });
                return;
            }
            one.answer.reply(std::string{one.body});
        });
        EXPECT_TRUE(started.has_value());
        net = std::move(*started);
        net->become(id);
    }
    ~member() {
        net->stop();
        for (const auto& one : workers_) {
            one->stop();
        }
    }
    [[nodiscard]] peer as_peer() const { return {id_, net->local().text()}; }

    std::unique_ptr<mesh> net;
    std::atomic<int> heard{0};

private:
    member_id id_;
    std::vector<std::shared_ptr<runtime::loop>> workers_;
};

TEST(real_mesh, answers_every_request_of_many_threads_both_ways) {
    const auto machine = runtime::make_real_platform();
    member ann{machine, {1, 1}};
    member bob{machine, {2, 2}};
    constexpr int each = 2000;
    std::atomic<int> left{4 * each};
    std::mutex mutex;
    std::vector<std::string> wrong;
    const auto done = machine->make_gate();
    const auto ask = [&](member& from, const member& to, int base) {
        for (int i = 0; i < each; ++i) {
            const std::string body = i % 10 == 0 ? "elsewhere" : std::to_string(base + i);
            from.net->request(to.as_peer(), body, machine->now() + 60s, [&, body](auto got) {
                const std::string expected =
                    body == "elsewhere" ? "from a thread of its own" : body;
                if (!got || *got != expected) {
                    const std::lock_guard lock{mutex};
                    wrong.push_back(got ? *got : got.error().text);
                }
                if (left.fetch_sub(1) == 1) {
                    done->open();
                }
            });
        }
    };
    std::vector<std::thread> threads;
    threads.emplace_back([&] { ask(ann, bob, 0); });
    threads.emplace_back([&] { ask(ann, bob, each); });
    threads.emplace_back([&] { ask(bob, ann, 0); });
    threads.emplace_back([&] { ask(bob, ann, each); });
    for (auto& one : threads) {
        one.join();
    }
    EXPECT_TRUE(done->wait(machine->now() + 60s));
    EXPECT_EQ(wrong, std::vector<std::string>{});
    EXPECT_EQ(ann.heard, 2 * each);
    EXPECT_EQ(bob.heard, 2 * each);
    EXPECT_EQ(ann.net->count().connections, 1U);
}

TEST(real_mesh, a_closed_port_is_unavailable) {
    const auto machine = runtime::make_real_platform();
    member ann{machine, {1, 1}};
    std::string nobody;
    {
        member bob{machine, {2, 2}};
        nobody = bob.as_peer().address;
    }
    const std::shared_ptr<runtime::gate> done = machine->make_gate();
    const auto code = std::make_shared<std::atomic<errc>>(errc::closed);
    ann.net->request({{2, 2}, nobody}, "x", machine->now() + 10s, [done, code](auto got) {
        *code = got ? errc::conflict : got.error().code;
        done->open();
    });
    EXPECT_TRUE(done->wait(machine->now() + 10s));
    EXPECT_EQ(*code, errc::unavailable);
}

TEST(real_mesh, stopping_under_load_ends_every_request_once) {
    const auto machine = runtime::make_real_platform();
    for (int round = 0; round < 5; ++round) {
        std::atomic<int> ended{0};
        constexpr int all = 5000;
        {
            member ann{machine, {1, 1}};
            member bob{machine, {2, 2}};
            std::thread asking{[&] {
                for (int i = 0; i < all; ++i) {
                    ann.net->request(bob.as_peer(), "x", machine->now() + 60s, [&](auto) {
                        ended.fetch_add(1);
                    });
                }
            }};
            if (round % 2 == 0) {
                bob.net->stop();
            }
            asking.join();
        }
        EXPECT_EQ(ended, all) << round;
    }
}

}  // namespace
}  // namespace muster::mesh
