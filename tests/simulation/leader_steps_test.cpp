// Rows 36, 57, 66, 67, 138: the leader dies at every step there is, one run for each message that
// it sends while members come and go, once with that message and once without it.

#include "simulation/bystander.hpp"
#include "simulation/sim_cluster.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

namespace muster::simulation {
namespace {

enum class last_message : std::uint8_t { arrives, is_lost };

struct step_result {
    bool reached = false;  ///< the leader sent so many messages
    std::string trouble;
};

const std::map<std::string, std::size_t> everything{{"orders", 8}, {"dates", 3}};

class leader_steps {
public:
    explicit leader_steps(std::uint64_t seed) : box_{seed} {}

    step_result run(unsigned dies_after, last_message how) {
        begin();
        sim_cluster::node& leader = *box_.leader();
        unsigned sent = 0;
        bool now = false;
        box_.world().set_filter([&](const runtime::sim::packet_info& packet) {
            using runtime::sim::verdict;
            if (packet.from != leader.shape.name || packet.to != "zk" || ++sent != dies_after) {
                return verdict::deliver;
            }
            now = true;
            return how == last_message::arrives ? verdict::deliver : verdict::break_before;
        });
        come_and_go(leader);
        step_result out;
        out.reached = box_.run_until([&] { return now; }, 3s);
        box_.world().set_filter({});
        if (out.reached) {
            box_.kill(leader);
        }
        // L1, and what a planned move may take besides.
        if (!box_.run_until([&] { return at_rest(); }, 2000ms + 750ms + 500ms + 100ms + 500ms)) {
            out.trouble = "L1: " + box_.unsettled(everything);
        }
        if (out.reached) {
            box_.restart(leader);
            if (!box_.run_until([&] { return at_rest(); }, 5s)) {
                out.trouble = "after its return: " + box_.unsettled(everything);
            }
        }
        if (!box_.judge().ok() || !out.trouble.empty()) {
            out.trouble += box_.judge().report();
        }
        return out;
    }

private:
    void begin() {
        box_.start_keeper();
        cluster::specification orders = hash_of(8);
        orders.handover_delay = 100ms;
        cluster::specification dates = list_of_names();
        dates.handover_delay = 100ms;
        for (const char* name : {"a", "b", "c", "d"}) {
            process_shape shape;
            shape.name = name;
            shape.serves = {{"orders", orders}, {"dates", dates}};
            shape.application.release_takes = 20ms;
            shape.application.effect_takes = 10ms;
            shape.application.effect_every = 20ms;
            sim_cluster::node& one = box_.add(std::move(shape));
            if (one.shape.name != "d") {
                box_.start(one);
            }
        }
        ASSERT_TRUE(box_.run_until([&] { return box_.settled({{"orders", 8}}); }, 5s));
        add("2026-01-01");
        add("2026-01-02");
        ASSERT_TRUE(
            box_.run_until([&] { return box_.settled({{"orders", 8}, {"dates", 2}}); }, 5s));
        box_.run_for(1s);
    }

    void add(const std::string& name) {
        for (auto& one : box_.nodes()) {
            if (one->running && one.get() != box_.leader()) {
                one->running->ask([name, loop = one->running->control()](cluster::member& self) {
                    self.change_list(
                        "dates", name, true, loop->now() + 2s, [](const result<void>&) {});
                });
                return;
            }
        }
    }

    /// One leaves, one comes, one asks: what a leader has to do with in a few milliseconds.
    void come_and_go(const sim_cluster::node& leader) {
        add("2026-01-03");
        for (auto& one : box_.nodes()) {
            if (one.get() != &leader && one->running) {
                leaver_ = one.get();
            }
        }
        leaver_->running->leave(5s);
        box_.start(*box_.nodes().back());
    }

    bool at_rest() {
        if (leaver_->running && leaver_->running->has_left()) {
            box_.kill(*leaver_);
        }
        return !leaver_->running && box_.settled(everything);
    }

    sim_cluster box_;
    sim_cluster::node* leaver_ = nullptr;
};

class a_leader : public testing::TestWithParam<last_message> {};

TEST_P(a_leader, may_die_at_every_step) {
    unsigned steps = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        for (unsigned n = 1;; ++n) {
            const step_result got = leader_steps{seed}.run(n, GetParam());
            ASSERT_TRUE(got.trouble.empty())
                << "seed " << seed << ", message " << n << ": " << got.trouble;
            if (!got.reached) {
                break;
            }
            ++steps;
        }
    }
    EXPECT_GT(steps, 50U);
    std::cout << steps << " steps\n";
}

INSTANTIATE_TEST_SUITE_P(all,
                         a_leader,
                         testing::Values(last_message::arrives, last_message::is_lost),
                         [](const auto& item) {
                             return item.param == last_message::arrives ? "after_its_message"
                                                                        : "before_its_message";
                         });

}  // namespace
}  // namespace muster::simulation
