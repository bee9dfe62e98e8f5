#include "mesh/mesh.hpp"
#include "runtime/real.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
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

/// A member that posts numbers while it takes one id after the other, and one that hears them.
TEST(real_mesh, row_106_frames_of_one_life_keep_their_order_through_many_connections) {
    const auto machine = runtime::make_real_platform();
    std::vector<std::shared_ptr<runtime::loop>> here{machine->make_loop("a1"),
                                                     machine->make_loop("a2")};
    std::vector<std::shared_ptr<runtime::loop>> there{machine->make_loop("b1"),
                                                      machine->make_loop("b2")};
    // Of whichever worker has the connection of the moment: no two at once, and one after the
    // other.
    std::uint64_t last = 0;
    bool in_order = true;
    std::atomic<std::uint64_t> heard{0};
    std::atomic<std::uint64_t> unconfirmed{0};
    settings hears;
    hears.cluster = "shop";
    hears.life = {2, 9};
    hears.frames[70] = [&](const arrival& one) {
        in_order = in_order && one.id > last;
        last = one.id;
        ++heard;
    };
    auto bob = std::move(*mesh::start(machine, there, hears, [](incoming) {}));
    bob->become({2, 2});
    settings posts;
    posts.cluster = "shop";
    posts.life = {1, 9};
    posts.unconfirmed = [&](const peer&, std::uint8_t, const frame_note&, std::uint32_t count) {
        unconfirmed += count;
    };
    auto ann = std::move(*mesh::start(machine, here, posts, [](incoming) {}));
    ann->become({1, 1});
    const peer to{{2, 2}, bob->local().text()};
    const std::string body(200, 'x');
    std::uint64_t sent = 0;
    const auto comes = [&](const auto& reached) {
        const instant until = machine->now() + 10s;
        while (!reached() && machine->now() < until) {
            static_cast<void>(machine->make_gate()->wait(machine->now() + 1ms));
        }
        return reached();
    };
    for (std::uint64_t round = 2; round < 14; ++round) {
        const std::uint64_t before = heard;
        const auto post = [&](int count) {
            for (int i = 0; i < count; ++i) {
                EXPECT_TRUE(ann->post(to, 70, ++sent, body));
            }
        };
        // More than once: the first may still go to the connection that is about to end.
        EXPECT_TRUE(comes([&] {
            post(10);
            return heard > before;
        }));
        post(2000);
        ann->become({1, round});  // Most of them are under way.
    }
    EXPECT_TRUE(comes([&] { return heard + unconfirmed >= sent; }));
    ann->stop();
    bob->stop();
    for (const auto& one : here) {
        one->stop();
    }
    for (const auto& one : there) {
        one->stop();
    }
    EXPECT_TRUE(in_order);
}

}  // namespace
}  // namespace muster::mesh
