#include "simulation/storm.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace muster::simulation {

namespace {

using cluster::lifecycle;

/// L1 and what a storm adds to it: reconnects, back-offs after failed handlers, a slow release.
constexpr duration calm = 15s;
constexpr std::array names{"a", "b", "c", "d", "e"};

class storm {
public:
    explicit storm(const storm_options& options)
        : options_{options}, box_{options.seed, shape_of(options)} {}

    storm_result run() {
        prepare();
        const instant end = box_.world().now() + options_.lasts;
        while (box_.world().now() < end && box_.judge().ok()) {
            box_.run_for(some(0ms, 800ms));
            strike();
            if (options_.damage && one_in(3)) {
                damage();
            }
            look_after();
        }
        storm_result out;
        if (box_.judge().ok() && !options_.damage) {
            calm_down();
            const instant since = box_.world().now();
            const bool fine = box_.run_until([this] { return what_is_missing().empty(); }, calm);
            out.settled_after = box_.world().now() - since;
            if (!fine && box_.judge().ok()) {
                out.violation = "L1: " + what_is_missing();
            }
            if (fine) {
                box_.run_for(3s);
                expect_no_ghosts(out);
            }
        }
        if (!box_.judge().ok()) {
            out.violation = box_.judge().violation();
        }
        if (!out.violation.empty()) {
            box_.judge().note("the end: " + out.violation);
            out.report = box_.judge().report();
        }
        out.trace = box_.world().trace();
        out.acquires = box_.judge().acquires();
        out.effects = box_.judge().effects();
        return out;
    }

private:
    static cluster_shape shape_of(const storm_options& options) {
        cluster_shape shape;
        shape.trace = options.trace;
        return shape;
    }

    std::uint64_t below(std::uint64_t bound) { return box_.world().random_below(bound); }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    duration some(duration least, duration most) {
        return least + duration{static_cast<duration::rep>(
                           below(static_cast<std::uint64_t>((most - least).count()) + 1))};
    }
    sim_cluster::node& any() { return *box_.nodes()[below(box_.nodes().size())]; }

    void prepare() {
        box_.start_keeper();
        const auto partitions = static_cast<std::uint32_t>(4 + below(9));
        cluster::specification orders = hash_of(partitions);
        constexpr std::array delays{0ms, 100ms, 500ms};
        orders.handover_delay = delays[below(delays.size())];
        if (one_in(3)) {
            orders.effects = cluster::effects_policy::fenced;
            orders.on_stuck = cluster::stuck_policy::fence;
        }
        const application_shape application = draw_application();
        const std::size_t count = 3 + below(3);
        for (std::size_t i = 0; i < count; ++i) {
            process_shape shape;
            shape.name = names[i];
            shape.serves = {
                {"orders", orders}, {"dates", list_of_names()}, {"globals", list_of_names()}};
            shape.candidates = {"boss"};
            shape.application = application;
            if (options_.spoil) {
                options_.spoil(shape);
            }
            sim_cluster::node& one = box_.add(std::move(shape));
            if (one_in(2)) {
                // Less than the clocks are declared to be off, on either side.
                one.machine->set_clock_drift(static_cast<std::int64_t>(below(160'000)) - 80'000);
            }
            box_.run_for(some(0ms, 300ms));
            box_.start(one);
        }
        witness_ =
            std::make_unique<bystander>(box_.world().add_host("desk"),
                                        box_.judge(),
                                        box_.servers(),
                                        "test",
                                        std::vector<std::string>{"orders", "dates", "globals"},
                                        100ms);
        box_.run_for(some(500ms, 2s));
    }

    application_shape draw_application() {
        application_shape shape;
        shape.acquire_takes = one_in(2) ? 0ms : 60ms;
        constexpr std::array releases{0ms, 30ms, 300ms};
        shape.release_takes = releases[below(releases.size())];
        shape.effect_takes = one_in(4) ? 200ms : 40ms;
        shape.effect_every = 150ms;
        shape.acquire_fails_percent = one_in(4) ? 20 : 0;
        shape.init_takes = one_in(3) ? 400ms : 0ms;
        return shape;
    }

    /// One fault, or one wish.
    void strike() {
        sim_cluster::node& one = any();
        if (options_.more_of != often::nothing && one_in(2)) {
            more();
            return;
        }
        switch (below(16)) {
            case 0:
            case 1:
                if (one.running) {
                    box_.kill(one);
                    later(some(0ms, 4s), [this, &one] { bring_back(one); });
                }
                break;
            case 2:
                if (one.running && !one.running->has_left()) {
                    one.running->leave(some(500ms, 6s));
                    leaving_.push_back(&one);
                }
                break;
            case 3:
            case 4:
                stop_for_a_while(one, one_in(2) ? some(10ms, 1s) : some(1s, 4s));
                break;
            case 5:
            case 6:
            case 7:
                cut_for_a_while(one);
                break;
            case 8:
                box_.judge().note("the connection of " + one.shape.name + " breaks");
                box_.world().break_connections(*one.machine, box_.keeper_host());
                break;
            case 9:
            case 10:
            case 11:
                lose_replies(one, 1 + below(4), below(6));
                break;
            case 12:
                delete_one_of(one);
                break;
            case 13:
                trouble_the_keeper();
                break;
            case 14:
                change_names(one);
                break;
            default:
                change_mind(one);
                break;
        }
    }

    void more() {
        if (options_.more_of == often::robbed_leaders) {
            if (sim_cluster::node* const leader = box_.leader()) {
                rob_of_place(*leader);
            }
            change_names(any());
            return;
        }
        lose_some(any(), false, 1 + below(4), below(6));
    }

    /// What was begun and is due, and those that have left.
    void look_after() {
        for (auto at = due_.begin(); at != due_.end();) {
            if (at->first <= box_.world().now()) {
                auto call = std::move(at->second);
                at = due_.erase(at);
                call();
            } else {
                ++at;
            }
        }
        for (auto at = leaving_.begin(); at != leaving_.end();) {
            sim_cluster::node& one = **at;
            if (!one.running || one.running->has_left()) {
                at = leaving_.erase(at);
                box_.kill(one);
                later(some(0ms, 2s), [this, &one] { bring_back(one); });
            } else {
                ++at;
            }
        }
    }

    void later(duration wait, std::function<void()> what) {
        due_.emplace_back(box_.world().now() + wait, std::move(what));
    }

    void bring_back(sim_cluster::node& one) {
        if (!one.running) {
            box_.restart(one);
        }
    }

    void stop_for_a_while(sim_cluster::node& one, duration how_long) {
        if (!one.running || one.machine->is_paused()) {
            return;
        }
        one.running->pause();
        const std::weak_ptr<sim_process> who = one.running;
        later(how_long, [&one, who] {
            if (const auto here = who.lock(); here && here == one.running) {
                here->resume();
            }
        });
    }

    void cut_for_a_while(sim_cluster::node& one) {
        const std::uint64_t way = below(3);
        const duration how_long = one_in(2) ? some(50ms, 1s) : some(1s, 5s);
        box_.judge().note(one.shape.name + (way == 0   ? " is not heard by the keeper"
                                            : way == 1 ? " does not hear the keeper"
                                                       : " is cut off from the keeper"));
        if (way != 1) {
            box_.world().cut(*one.machine, box_.keeper_host());
        }
        if (way != 0) {
            box_.world().cut(box_.keeper_host(), *one.machine);
        }
        later(how_long, [this, &one] {
            box_.judge().note(one.shape.name + " is healed");
            box_.world().heal(*one.machine, box_.keeper_host());
            box_.world().heal(box_.keeper_host(), *one.machine);
        });
    }

    /// The connection breaks just before a reply is delivered, or a request: the write was done, or
    /// was not.
    void lose_replies(sim_cluster::node& one, std::uint64_t how_many, std::uint64_t after) {
        lose_some(one, !one_in(3), how_many, after);
    }

    void lose_some(sim_cluster::node& one,
                   bool replies,
                   std::uint64_t how_many,
                   std::uint64_t after) {
        box_.judge().note(one.shape.name + " loses " + std::to_string(how_many) +
                          (replies ? " replies" : " requests"));
        box_.world().set_filter([replies, name = one.shape.name, left = how_many, after](
                                    const runtime::sim::packet_info& packet) mutable {
            using runtime::sim::verdict;
            if ((replies ? packet.from : packet.to) != "zk" ||
                (replies ? packet.to : packet.from) != name || left == 0) {
                return verdict::deliver;
            }
            if (after > 0) {
                --after;
                return verdict::deliver;
            }
            --left;
            after = 3;
            return verdict::break_before;
        });
    }

    /// Row 23: never both of `members` and `status`, which would be the end of a session by hand.
    void delete_one_of(sim_cluster::node& one) {
        if (!one.running || one.running->ids().empty()) {
            return;
        }
        const member_id id = one.running->ids().back();
        if (!deleted_of_.insert(id).second) {
            return;
        }
        switch (below(3)) {
            case 0:
                witness_->remove(witness_->where().member(id));
                break;
            case 1:
                witness_->remove(witness_->where().status(id));
                break;
            default:
                rob_of_place(one);
                break;
        }
    }

    /// The next in line leads before the one robbed has noticed; its writes are fenced.
    void rob_of_place(sim_cluster::node& one) {
        const std::string id = one.running->ids().back().text();
        for (const std::string& child : witness_->children(witness_->where().succession())) {
            if (child.starts_with(id)) {
                box_.judge().excuse_leaders(true);
                witness_->remove(witness_->where().succession() + "/" + child);
            }
        }
    }

    /// Row 123.
    void damage() {
        const auto& where = witness_->where();
        std::vector<std::string> paths{where.view(), where.root()};
        for (const char* resource : {"orders", "dates", "globals"}) {
            paths.push_back(where.resource(resource));
            paths.push_back(where.plan(resource));
            paths.push_back(where.chunk(resource, 0));
        }
        if (sim_cluster::node& one = any(); one.running && !one.running->ids().empty()) {
            paths.push_back(where.status(one.running->ids().back()));
            paths.push_back(where.member(one.running->ids().back()));
        }
        constexpr std::array rubbish{"",
                                     "x",
                                     "{}",
                                     "[]",
                                     "{\"format\":2}",
                                     "{\"format\":1}",
                                     "{\"format\":1,\"number\":\"-1\"}",
                                     "{\"format\":1,\"number\":\"99999999999999999999\"}"};
        witness_->set(paths[below(paths.size())], rubbish[below(rubbish.size())]);
    }

    void trouble_the_keeper() {
        if (keeper_in_trouble_) {
            return;
        }
        keeper_in_trouble_ = true;
        if (one_in(5)) {
            // An empty server knows of no lease that was given out before it, so it may not come
            // back before they are over.
            box_.kill_keeper();
            keeper_back_ = box_.world().now() + 2500ms;
            later(some(2500ms, 4s), [this] {
                box_.start_keeper();
                keeper_in_trouble_ = false;
            });
            return;
        }
        box_.judge().note("the keeper freezes");
        box_.keeper_host().pause();
        later(one_in(2) ? some(50ms, 1s) : some(1s, 4s), [this] {
            box_.judge().note("the keeper goes on");
            box_.keeper_host().resume();
            keeper_in_trouble_ = false;
        });
    }

    void change_names(sim_cluster::node& one) {
        if (!one.running) {
            return;
        }
        const std::string name = "2026-01-0" + std::to_string(1 + below(6));
        const bool add = !one_in(3);
        one.running->ask([this, name, add, weak = std::weak_ptr{one.running}](
                             cluster::member& self) {
            if (const auto here = weak.lock()) {
                box_.judge().note(here->title() + (add ? " adds " : " removes ") + name);
                self.change_list(
                    "dates", name, add, here->control()->now() + 3s, [](const result<void>&) {});
            }
        });
    }

    void change_mind(sim_cluster::node& one) {
        if (!one.running) {
            return;
        }
        const bool yes = one_in(2);
        std::set<std::string> candidates;
        for (const char* global : {"boss", "clerk"}) {
            if (one_in(2)) {
                candidates.insert(global);
            }
        }
        one.running->ask([yes, candidates, what = below(2)](cluster::member& self) {
            if (what == 0) {
                self.suspect_itself(yes);
            } else {
                self.stand_for(candidates);
            }
        });
    }

    /// No more faults; whoever is away comes back.
    void calm_down() {
        while (box_.world().now() < keeper_back_ && box_.judge().ok()) {
            box_.run_for(100ms);
        }
        box_.judge().note("--- peace");
        for (auto& [when, what] : std::exchange(due_, {})) {
            what();
        }
        for (sim_cluster::node* one : std::exchange(leaving_, {})) {
            box_.kill(*one);
        }
        for (auto& [when, what] : std::exchange(due_, {})) {
            what();
        }
        box_.world().set_filter({});
        box_.world().heal();
        for (auto& one : box_.nodes()) {
            bring_back(*one);
            if (one->machine->is_paused()) {
                one->running->resume();
            }
            one->running->application().acquire_fails_percent = 0;
            one->running->ask([](cluster::member& self) {
                self.suspect_itself(false);
                self.stand_for({"boss", "clerk"});
            });
        }
    }

    /// Why this is not yet a cluster at peace, or "".
    std::string what_is_missing() {
        for (auto& one : box_.nodes()) {
            if (!one->running) {
                box_.restart(*one);  // It ended itself: `on_stuck` says so.
            }
        }
        std::map<std::string, std::size_t> wanted;
        for (const char* resource : {"orders", "dates", "globals"}) {
            std::shared_ptr<const cluster::plan_snapshot> newest;
            for (auto& one : box_.nodes()) {
                const auto plan = one->running->plan(resource);
                if (!plan) {
                    return one->shape.name + " has no plan of " + resource;
                }
                if (!newest || plan->number() > newest->number()) {
                    newest = plan;
                }
            }
            wanted[resource] = newest->partitions().size();
        }
        if (wanted["globals"] != 2) {
            return std::to_string(wanted["globals"]) + " of 2 globals are planned";
        }
        return box_.unsettled(wanted);
    }

    /// X5: every ephemeral belongs to the present session of a member that runs, one of each.
    void expect_no_ghosts(storm_result& out) {
        std::set<std::string> present;
        for (auto& one : box_.nodes()) {
            if (one->running && !one->running->ids().empty()) {
                present.insert(one->running->ids().back().text());
            }
        }
        for (const std::string& path : {witness_->where().members(),
                                        witness_->where().statuses(),
                                        witness_->where().succession()}) {
            std::set<std::string> found;
            for (const std::string& child : witness_->children(path)) {
                const std::string id = child.substr(0, 32);
                if (!present.contains(id)) {
                    out.violation = "X5: " + path + "/" + child + " belongs to nobody";
                } else if (!found.insert(id).second) {
                    out.violation = "X5: two of " + path + " belong to " + id;
                }
            }
            if (found.size() != present.size() && out.violation.empty()) {
                out.violation = "X5: " + std::to_string(found.size()) + " of " +
                                std::to_string(present.size()) + " stand in " + path;
            }
        }
    }

    const storm_options& options_;
    sim_cluster box_;
    std::unique_ptr<bystander> witness_;
    std::vector<std::pair<instant, std::function<void()>>> due_;
    std::vector<sim_cluster::node*> leaving_;
    std::set<member_id> deleted_of_;
    bool keeper_in_trouble_ = false;
    instant keeper_back_{};  ///< not before
};

}  // namespace

storm_result run_storm(const storm_options& options) {
    return storm{options}.run();
}

}  // namespace muster::simulation
