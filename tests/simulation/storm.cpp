#include "simulation/storm.hpp"

#include "simulation/ghosts.hpp"
#include "simulation/storm_shapes.hpp"

#include <algorithm>
#include <array>
#include <expected>
#include <map>
#include <set>
#include <utility>

namespace muster::simulation {

namespace {

using cluster::lifecycle;

/// Until everybody is Online, which L1 says nothing of: back-offs are over, and names are free.
constexpr duration calm = 15s;
/// What a storm adds to L1: bytes that were held back set out again, handlers start and stop.
constexpr duration slack = 250ms;
constexpr std::array names{"a", "b", "c", "d", "e"};
constexpr std::array resources{"orders", "ranges", "dates", "globals"};

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
            bool fine = wait_for_owners(out);
            if (!fine && box_.judge().ok()) {
                out.violation = "L1: " + what_is_unowned();
            }
            fine = fine && box_.run_until([this] { return what_is_missing().empty(); }, calm);
            out.settled_after = box_.world().now() - last_fault_;
            if (!fine && box_.judge().ok() && out.violation.empty()) {
                out.violation = "not at peace: " + what_is_missing();
            }
            if (fine) {
                // Whoever ended itself just now still has a session.
                box_.run_for(box_.shape().session_timeout + box_.shape().tick * 2 + 500ms);
                out.violation = ghosts(box_, *witness_);
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
        out.leader_writes = box_.judge().leader_writes();
        out.delayed_acquires = box_.judge().delayed_acquires();
        out.prepares = box_.judge().prepares();
        return out;
    }

private:
    static cluster_shape shape_of(const storm_options& options) {
        cluster_shape shape;
        shape.trace = options.trace;
        shape.ensemble = options.seed % 3 == 0 || options.more_of == often::cut_followers;
        if (shape.ensemble) {
            shape.session_timeout = 3500ms;  // The least for its ticks.
        }
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
        if (one_in(2)) {
            box_.leader_host().set_clock_drift(options_.more_of == often::cut_followers ? most_drift
                                                                                        : drift());
        }
        box_.start_keeper();
        const auto serves = choose_resources();
        const application_shape application =
            draw_application([this](std::uint64_t bound) { return below(bound); });
        const std::size_t count = 3 + below(3);
        for (std::size_t i = 0; i < count; ++i) {
            process_shape shape;
            shape.name = names[i];
            shape.serves = serves;
            shape.candidates = {"boss"};
            shape.application = application;
            if (options_.spoil) {
                options_.spoil(shape);
            }
            sim_cluster::node& one = box_.add(std::move(shape));
            if (one_in(2)) {
                one.machine->set_clock_drift(options_.more_of == often::cut_followers ? -most_drift
                                                                                      : drift());
            }
            box_.run_for(some(0ms, 300ms));
            box_.start(one);
        }
        witness_ = std::make_unique<bystander>(
            box_.world().add_host("desk"),
            box_.judge(),
            box_.servers(),
            "test",
            std::vector<std::string>{resources.begin(), resources.end()},
            100ms);
        box_.run_for(some(500ms, 2s));
    }

    /// Less than the clocks are declared to be off, on either side.
    static constexpr std::int64_t most_drift = 80'000;
    std::int64_t drift() { return static_cast<std::int64_t>(below(2 * most_drift)) - most_drift; }

    std::map<std::string, cluster::specification> choose_resources() {
        auto all = draw_resources([this](std::uint64_t bound) { return below(bound); });
        for (const auto& [name, spec] : all) {
            if (spec.effects == cluster::effects_policy::unfenced) {
                box_.judge().expect_delay(name, spec.handover_delay);
            }
            longest_delay_ = std::max<duration>(longest_delay_, spec.handover_delay);
        }
        return all;
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
                box_.judge().hindered(one.shape.name, box_.world().now());
                box_.world().break_connections(*one.machine, *one.server);
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
        if (options_.more_of == often::cut_followers) {
            trouble_the_ensemble();
            return;
        }
        sim_cluster::node& one = any();
        if (options_.more_of == often::unheard_joins) {
            box_.kill(one);
            bring_back(one);
            lose_some(one, true, 1, below(25));
            return;
        }
        lose_some(one, false, 1 + below(4), below(6));
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
        box_.judge().hindered(one.shape.name, box_.world().now() + how_long);
        if (way != 1) {
            box_.world().cut(*one.machine, *one.server);
        }
        if (way != 0) {
            box_.world().cut(*one.server, *one.machine);
        }
        later(how_long, [this, &one] {
            box_.judge().note(one.shape.name + " is healed");
            box_.judge().hindered(one.shape.name, box_.world().now());
            box_.world().heal(*one.machine, *one.server);
            box_.world().heal(*one.server, *one.machine);
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
        box_.world().set_filter([this,
                                 replies,
                                 name = one.shape.name,
                                 server = one.server->name(),
                                 left = how_many,
                                 after](const runtime::sim::packet_info& packet) mutable {
            using runtime::sim::verdict;
            if ((replies ? packet.from : packet.to) != server ||
                (replies ? packet.to : packet.from) != name || left == 0) {
                return verdict::deliver;
            }
            if (after > 0) {
                --after;
                return verdict::deliver;
            }
            --left;
            after = 3;
            box_.judge().hindered(name, box_.world().now());
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
                witness_->remove(witness_->where().succession() + "/" + child);
            }
        }
    }

    /// Row 123.
    void damage() {
        const auto& where = witness_->where();
        std::vector<std::string> paths{where.view(), where.view_chunk(0), where.root()};
        for (const char* resource : resources) {
            paths.push_back(where.resource(resource));
            paths.push_back(where.plan(resource));
            paths.push_back(where.chunk(resource, 0));
        }
        if (sim_cluster::node& one = any(); one.running && !one.running->ids().empty()) {
            paths.push_back(where.status(one.running->ids().back()));
            paths.push_back(where.member(one.running->ids().back()));
        }
        witness_->set(paths[below(paths.size())], rubbish[below(rubbish.size())]);
    }

    void trouble_the_keeper() {
        if (keeper_in_trouble_) {
            return;
        }
        if (box_.shape().ensemble && one_in(2)) {
            trouble_the_ensemble();
            return;
        }
        keeper_in_trouble_ = true;
        if (one_in(5)) {
            // An empty server knows of no lease that was given out before it, so it may not come
            // back before they are over.
            box_.kill_keeper();
            const duration leases = box_.shape().session_timeout + 500ms;
            keeper_back_ = box_.world().now() + leases;
            all_hindered(keeper_back_);
            later(some(leases, leases + 1500ms), [this] {
                box_.start_keeper();
                keeper_in_trouble_ = false;
            });
            return;
        }
        box_.judge().note("the keeper freezes");
        box_.keeper_host().pause();
        const duration how_long = one_in(2) ? some(50ms, 1s) : some(1s, 4s);
        all_hindered(box_.world().now() + how_long);
        later(how_long, [this] {
            box_.judge().note("the keeper goes on");
            all_hindered(box_.world().now());
            box_.keeper_host().resume();
            keeper_in_trouble_ = false;
        });
    }

    /// Rows 1 and 4: the follower goes on answering, and its leader does not hear it, or it does
    /// not hear its leader; row 2: the leader freezes behind it.
    void trouble_the_ensemble() {
        if (keeper_in_trouble_) {
            return;
        }
        keeper_in_trouble_ = true;
        const std::uint64_t way = below(4);
        const duration how_long = one_in(2) ? some(50ms, 1s) : some(1s, 5s);
        box_.judge().note(way == 0   ? "the follower is not heard by its leader"
                          : way == 1 ? "the follower does not hear its leader"
                          : way == 2 ? "the follower is cut off from its leader"
                                     : "the leader of the ensemble freezes");
        all_hindered(box_.world().now() + how_long);
        if (way == 3) {
            box_.leader_host().pause();
        }
        if (way == 0 || way == 2) {
            box_.world().cut(box_.keeper_host(), box_.leader_host());
        }
        if (way == 1 || way == 2) {
            box_.world().cut(box_.leader_host(), box_.keeper_host());
        }
        later(how_long, [this] {
            box_.judge().note("the ensemble is whole");
            all_hindered(box_.world().now());
            box_.leader_host().resume();
            box_.world().heal(box_.keeper_host(), box_.leader_host());
            box_.world().heal(box_.leader_host(), box_.keeper_host());
            keeper_in_trouble_ = false;
        });
    }

    void all_hindered(instant until) {
        for (const auto& one : box_.nodes()) {
            box_.judge().hindered(one->shape.name, until);
        }
    }

    void change_names(sim_cluster::node& one) {
        if (!one.running) {
            return;
        }
        const std::string name = dates[below(dates.size())];
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

    /// L1: what the loss of a host takes, for in peace whoever was away comes back under its old
    /// name. A clock may be as slow as is declared.
    duration bound() const {
        const duration timeout = box_.shape().session_timeout;
        const duration tick = box_.shape().tick;
        return (timeout + tick * 3 / 2 + 500ms + longest_delay_) * 109 / 100 + slack;
    }

    /// Whoever ends itself meanwhile, for a handler did not stop in time, is one more crash: the
    /// time counts from there.
    bool wait_for_owners(storm_result& out) {
        out.owned_by = bound();
        last_fault_ = box_.world().now();
        for (;;) {
            const instant since = last_fault_;
            const bool fine = box_.run_until([this] { return what_is_unowned().empty(); },
                                             since + out.owned_by - box_.world().now());
            if (fine || !box_.judge().ok() || last_fault_ == since) {
                out.owned_after = box_.world().now() - last_fault_;
                return fine;
            }
        }
    }

    /// Why not every partition has an owner, or "".
    std::string what_is_unowned() {
        for (auto& one : box_.nodes()) {
            if (!one->running) {
                box_.restart(*one);  // It ended itself: `on_stuck` says so.
                last_fault_ = box_.world().now();
            }
        }
        const auto wanted = planned();
        return wanted ? box_.unowned(*wanted) : wanted.error();
    }

    /// Why this is not yet a cluster at peace, or "".
    std::string what_is_missing() {
        const std::string unowned = what_is_unowned();
        const auto wanted = planned();
        return !unowned.empty() ? unowned : wanted ? box_.unsettled(*wanted) : wanted.error();
    }

    /// How many owners each resource should have, by the newest plan that anybody has read.
    std::expected<std::map<std::string, std::size_t>, std::string> planned() {
        std::map<std::string, std::size_t> wanted;
        for (const char* resource : resources) {
            std::shared_ptr<const cluster::plan_snapshot> newest;
            for (auto& one : box_.nodes()) {
                const auto plan = one->running->plan(resource);
                if (!plan) {
                    return std::unexpected{one->shape.name + " has no plan of " + resource};
                }
                if (!newest || plan->number() > newest->number()) {
                    newest = plan;
                }
            }
            wanted[resource] = newest->partitions().size() * newest->spec().replicas;
        }
        if (wanted["globals"] != 2) {
            return std::unexpected{std::to_string(wanted["globals"]) + " of 2 globals are planned"};
        }
        return wanted;
    }

    const storm_options& options_;
    sim_cluster box_;
    std::unique_ptr<bystander> witness_;
    std::vector<std::pair<instant, std::function<void()>>> due_;
    std::vector<sim_cluster::node*> leaving_;
    std::set<member_id> deleted_of_;
    bool keeper_in_trouble_ = false;
    instant keeper_back_{};  ///< not before
    duration longest_delay_{};
    instant last_fault_{};
};

}  // namespace

storm_result run_storm(const storm_options& options) {
    return storm{options}.run();
}

}  // namespace muster::simulation
