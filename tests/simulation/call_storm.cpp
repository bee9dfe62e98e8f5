#include "simulation/call_storm.hpp"

#include "node/node_world_test.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace muster::simulation {

namespace {

constexpr std::uint32_t partitions = 8;
constexpr std::uint64_t keys = 24;
constexpr std::size_t story_max = 80;
/// From the deadline until whoever asked is told.
constexpr duration a_turn = 5ms;
constexpr std::array names{"ann", "bob", "cid", "dan"};

enum class deed : std::uint8_t { writes, reads };

/// One call, from the question to its end.
struct asked {
    std::string by;
    deed what = deed::reads;
    std::string key;
    instant deadline{};
    std::optional<result<std::uint64_t>> ended = {};
    unsigned ran = 0;
    std::uint64_t saw = 0;  ///< what a read that ran found
    bool orphan = false;    ///< who asked is dead: nobody hears how it ends
};

/// All that was asked and done, and the store behind the owners, which outlives them.
class book {
public:
    book(std::function<instant()> now, bad_owner wrong) : now_{std::move(now)}, wrong_{wrong} {}

    /// The one that owners of this world write to.
    static book*& present() {
        static book* now = nullptr;
        return now;
    }

    std::uint64_t asks(asked one) {
        calls_.push_back(std::move(one));
        return calls_.size() - 1;
    }

    /// An owner begins.
    std::map<std::string, std::uint64_t> opens(const ownership& mine) {
        const std::string& partition = mine.partition().name;
        note(mine.node().name() + " begins with " + partition + " under " + fence_text(mine));
        moves_ += opened_.contains(partition) ? 1 : 0;
        if (wrong_ == bad_owner::forgets && opened_.contains(partition)) {
            return opened_[partition];
        }
        return opened_[partition] = rows_[partition];
    }

    /// An owner does what was asked; `found` is what it has for the key.
    void ran(std::uint64_t call, const ownership& mine, std::uint64_t found) {
        asked& one = calls_[call];
        const std::string& partition = mine.partition().name;
        ++one.ran;
        const std::string told = text_of(call) + " at " + mine.node().name();
        if (one.ran > 1) {
            broken("S5: " + told + " ran twice");
        }
        if (one.ended && !*one.ended && must_not_run(one.ended->error())) {
            broken("S5: " + told + " ran after it had ended with " + one.ended->error().text);
        }
        fence_token& newest = fences_[partition];
        if (mine.fence() < newest || !mine.valid()) {
            broken("S2: " + told + " ran under " + fence_text(mine) + " after " +
                   std::to_string(newest.value()));
        }
        newest = std::max(newest, mine.fence());
        std::uint64_t& last = rows_[partition][one.key];
        if (found != last) {
            broken("X2: " + told + " found " + std::to_string(found) + " where " +
                   std::to_string(last) + " was written last");
        }
        one.saw = last;
        if (one.what == deed::writes) {
            last = call;
        }
    }

    void ended(std::uint64_t call, result<std::uint64_t> how) {
        asked& one = calls_[call];
        if (one.orphan) {
            return;
        }
        if (one.ended) {
            broken("S5: " + text_of(call) + " ended twice");
        }
        judge_time(one, call);
        if (how) {
            ++answered_;
            if (one.ran != 1) {
                broken("S5: " + text_of(call) + " was answered and ran " + std::to_string(one.ran) +
                       " times");
            } else if (one.what == deed::reads && *how != one.saw) {
                broken("X2: " + text_of(call) + " was answered with " + std::to_string(*how) +
                       " where " + std::to_string(one.saw) + " was found");
            }
        } else if (must_not_run(how.error())) {
            ++refused_;
            if (one.ran != 0) {
                broken("S5: " + text_of(call) + " ran and ended with " + how.error().text);
            }
        } else if (how.error().code == errc::outcome_unknown) {
            ++unknown_;
        } else {
            broken("S5: " + text_of(call) + " ended with " + how.error().text);
        }
        if (!how && fair_.contains(one.by)) {
            broken("S5: only members moved, and " + text_of(call) + " ended with " +
                   how.error().text);
        }
        one.ended = std::move(how);
    }

    /// Nobody may wait past the deadline.
    void expect_all_ended() {
        for (std::uint64_t call = first_open_; call < calls_.size(); ++call) {
            asked& one = calls_[call];
            if (!one.ended && !one.orphan) {
                judge_time(one, call);
            } else if (call == first_open_) {
                ++first_open_;
            }
        }
    }

    /// Whoever it is may be late by as long as its machine was stopped.
    void stops(const std::string& who) { excused_until_[who] = never; }
    void goes_on(const std::string& who) { excused_until_[who] = now_(); }
    void dies(const std::string& who) {
        for (std::uint64_t call = first_open_; call < calls_.size(); ++call) {
            calls_[call].orphan =
                calls_[call].orphan || (calls_[call].by == who && !calls_[call].ended);
        }
        plans_.erase(who);
        excused_until_.erase(who);
        fair_.erase(who);
    }
    /// Every call of this one is answered, or a promise is broken.
    void fair(const std::string& who, bool yes) {
        if (yes) {
            fair_.insert(who);
        } else {
            fair_.erase(who);
        }
    }

    void routes(const std::string& who, std::int64_t plan) {
        std::int64_t& before = plans_[who];
        if (plan < before) {
            broken("S4: " + who + " routes by plan " + std::to_string(plan) + " after " +
                   std::to_string(before));
        }
        before = plan;
    }

    void note(std::string what) {
        story_.push_back(std::to_string((now_() - instant{10'000s}) / 1us) + " us  " +
                         std::move(what));
        if (story_.size() > story_max) {
            story_.pop_front();
        }
    }
    void broken(std::string what) {
        note("BROKEN: " + what);
        if (violation_.empty()) {
            violation_ = std::move(what);
        }
    }

    [[nodiscard]] bad_owner wrong() const { return wrong_; }
    [[nodiscard]] bool ok() const { return violation_.empty(); }
    [[nodiscard]] call_storm_result sum() const {
        call_storm_result out{
            violation_, violation_, calls_.size(), answered_, refused_, unknown_, moves_};
        for (const std::string& line : story_) {
            out.report += "\n  " + line;
        }
        return out;
    }

private:
    static bool must_not_run(const error& why) {
        return why.next() == next_step::wait || why.next() == next_step::stop;
    }
    static std::string fence_text(const ownership& mine) {
        return std::to_string(mine.fence().value());
    }
    [[nodiscard]] std::string text_of(std::uint64_t call) const {
        const asked& one = calls_[call];
        return "call " + std::to_string(call) + " of " + one.by +
               (one.what == deed::writes ? ", which writes " : ", which reads ") + one.key + ",";
    }
    void judge_time(const asked& one, std::uint64_t call) {
        const auto excuse = excused_until_.find(one.by);
        const instant since =
            excuse == excused_until_.end() ? one.deadline : std::max(one.deadline, excuse->second);
        if (since != never && now_() > since + a_turn) {
            broken("S5: " + text_of(call) + " was not over by its deadline");
        }
    }

    std::function<instant()> now_;
    bad_owner wrong_;
    std::vector<asked> calls_;
    std::uint64_t first_open_ = 0;
    std::map<std::string, std::map<std::string, std::uint64_t>> rows_;    ///< by partition, key
    std::map<std::string, std::map<std::string, std::uint64_t>> opened_;  ///< as owners began
    std::map<std::string, fence_token> fences_;
    std::map<std::string, instant> excused_until_;
    std::set<std::string> fair_;
    std::map<std::string, std::int64_t> plans_;
    std::uint64_t answered_ = 0, refused_ = 0, unknown_ = 0, moves_ = 0;
    std::deque<std::string> story_;
    std::string violation_;
};

}  // namespace

// Not in the unnamed namespace: their names travel.
struct write_down {
    using reply = std::uint64_t;
    std::string key;
    std::uint64_t call = 0;
};
struct read_out {
    using reply = std::uint64_t;
    std::string key;
    std::uint64_t call = 0;
};

/// A partition that keeps its rows in memory and writes them through.
class ledger {
public:
    using handles = requests<write_down, read_out>;
    explicit ledger(ownership mine) : mine_{std::move(mine)}, rows_{at().opens(mine_)} {}

    std::uint64_t on(const write_down& what) {
        if (at().wrong() == bad_owner::answers_early) {
            return what.call;
        }
        at().ran(what.call, mine_, rows_[what.key]);
        rows_[what.key] = what.call;
        if (at().wrong() == bad_owner::runs_twice) {
            at().ran(what.call, mine_, rows_[what.key]);
        }
        return what.call;
    }
    std::uint64_t on(const read_out& what) {
        at().ran(what.call, mine_, rows_[what.key]);
        return rows_[what.key];
    }

private:
    static book& at() { return *book::present(); }

    ownership mine_;
    std::map<std::string, std::uint64_t> rows_;
};

namespace {

class call_storm {
public:
    explicit call_storm(const call_storm_options& options)
        : options_{options},
          world_{options.seed},
          book_{[this] { return world_.in.now(); }, options.wrong} {
        book::present() = &book_;
        static_cast<void>(
            book_.asks({.by = "nobody", .key = "", .ended = result<std::uint64_t>{0}}));
    }
    call_storm(const call_storm&) = delete;
    call_storm& operator=(const call_storm&) = delete;
    ~call_storm() { book::present() = nullptr; }

    call_storm_result run() {
        prepare();
        const instant end = world_.in.now() + options_.lasts;
        instant next_strike = world_.in.now() + some(100ms, 1500ms);
        while (world_.in.now() < end && book_.ok()) {
            go_on(some(0ms, 20ms));
            ask(any());
            if (world_.in.now() >= next_strike) {
                strike();
                next_strike = world_.in.now() + some(100ms, 1500ms);
            }
        }
        if (book_.ok()) {
            calm_down();
        }
        if (book_.ok()) {
            expect_what_was_written_last();
        }
        call_storm_result out = book_.sum();
        for (const char* name : names) {
            stop(name);
        }
        return out;
    }

private:
    std::uint64_t below(std::uint64_t bound) { return world_.in.random_below(bound); }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    duration some(duration least, duration most) {
        return least + duration{static_cast<duration::rep>(
                           below(static_cast<std::uint64_t>((most - least).count()) + 1))};
    }
    std::string any() { return names[below(names.size())]; }
    bool runs(const std::string& name) const { return running_.contains(name); }

    void prepare() {
        world_.start_keeper();
        for (const char* name : names) {
            start(name);
        }
        if (!world_.until([this] { return everybody_is_online(); }, 20s)) {
            book_.broken("the cluster has not begun");
        }
        go_on(2s);
        for (const char* name : names) {
            book_.fair(name, options_.how == weather::fair);
        }
    }

    void start(const std::string& name) {
        book_.note(name + " starts");
        config settings = world_.settings(name);
        settings.drain_deadline = 5s;
        node& one = world_.make(std::move(settings));
        static_cast<void>(one.serve<ledger>("ledgers", by_hash{.partitions = partitions}));
        if (!one.start()) {
            book_.broken(name + " does not start");
        }
        running_.insert(name);
    }

    /// The process ends at once, with all that it asked.
    void stop(const std::string& name) {
        if (running_.erase(name) != 0) {
            book_.dies(name);
            leaving_.erase(name);
            paused_.erase(name);
            world_.kill(name);
        }
    }

    void go_on(duration how_long) {
        world_.in.run_for(how_long);
        book_.expect_all_ended();
        for (auto at = due_.begin(); at != due_.end();) {
            if (at->first <= world_.in.now()) {
                auto what = std::move(at->second);
                at = due_.erase(at);
                what();
            } else {
                ++at;
            }
        }
        for (const std::string name : names) {
            const auto leaver = leaving_.find(name);
            if (leaver != leaving_.end() && leaver->second.is_ready()) {
                book_.note(name + " has left");
                leaving_.erase(leaver);
                stop(name);
                later(some(0ms, 2s), [this, name] { back(name); });
            }
        }
    }
    void later(duration wait, std::function<void()> what) {
        due_.emplace_back(world_.in.now() + wait, std::move(what));
    }
    void back(const std::string& name) {
        if (!runs(name)) {
            start(name);
            // Whoever has just come may find no plan yet.
            later(3s, [this, name] {
                book_.fair(name,
                           options_.how == weather::fair && runs(name) && !leaving_.contains(name));
            });
        }
    }

    // --- Calls ---

    void ask(const std::string& by) {
        if (!runs(by) || leaving_.contains(by) || paused_.contains(by)) {
            return;
        }
        constexpr std::array patience{200ms, 1000ms, 5000ms};
        const duration within =
            options_.how == weather::fair ? 5000ms : patience[below(patience.size())];
        const std::string key = "key " + std::to_string(below(keys));
        const bool writes = one_in(2);
        ask_for(by, key, writes ? deed::writes : deed::reads, within);
    }

    void ask_for(const std::string& by, const std::string& key, deed what, duration within) {
        const auto ledgers = world_.at(by).use<ledger>("ledgers").within(within);
        if (const auto where = ledgers.route(key)) {
            book_.routes(by, where->plan);
        }
        const std::uint64_t call =
            book_.asks({.by = by, .what = what, .key = key, .deadline = world_.in.now() + within});
        auto told = [call](result<std::uint64_t> how) {
            if (book* const at = book::present()) {
                at->ended(call, std::move(how));
            }
        };
        if (what == deed::writes) {
            ledgers.ask<write_down>(key, call).then(std::move(told));
        } else {
            ledgers.ask<read_out>(key, call).then(std::move(told));
        }
    }

    // --- Faults ---

    void strike() {
        const std::string name = any();
        if (options_.how == weather::fair) {
            leave(name);
            return;
        }
        switch (below(9)) {
            case 0:
                if (runs(name)) {
                    book_.note(name + " is killed");
                    stop(name);
                    later(some(0ms, 4s), [this, name] { back(name); });
                }
                break;
            case 1:
            case 2:
                leave(name);
                break;
            case 3:
                pause(name);
                break;
            case 4:
                cut(world_.host(name), world_.keeper_host());
                break;
            case 5:
            case 6:
                cut(world_.host(name), world_.host(any()));
                break;
            case 7:
                book_.note("the connections of " + name + " break");
                for (const char* other : names) {
                    if (name != other) {
                        world_.in.break_connections(world_.host(name), world_.host(other));
                    }
                }
                break;
            default:
                lose_some();
                break;
        }
    }

    void leave(const std::string& name) {
        if (!runs(name) || leaving_.contains(name) || paused_.contains(name) ||
            (options_.how == weather::fair && running_.size() < names.size())) {
            return;
        }
        book_.note(name + " leaves");
        book_.fair(name, false);
        leaving_.emplace(name, world_.at(name).leave());
    }

    void pause(const std::string& name) {
        if (!runs(name) || paused_.contains(name)) {
            return;
        }
        book_.note(name + " is stopped");
        paused_.insert(name);
        book_.stops(name);
        world_.host(name).pause();
        later(one_in(2) ? some(10ms, 1s) : some(1s, 7s), [this, name] { resume(name); });
    }
    void resume(const std::string& name) {
        if (paused_.erase(name) != 0) {
            book_.note(name + " goes on");
            book_.goes_on(name);
            world_.host(name).resume();
        }
    }

    void cut(runtime::sim::host& one, runtime::sim::host& other) {
        if (&one == &other) {
            return;
        }
        const std::uint64_t way = below(3);
        book_.note(one.name() +
                   (way == 0   ? " is not heard by "
                    : way == 1 ? " does not hear "
                               : " is cut off from ") +
                   other.name());
        if (way != 1) {
            world_.in.cut(one, other);
        }
        if (way != 0) {
            world_.in.cut(other, one);
        }
        later(one_in(2) ? some(50ms, 1s) : some(1s, 7s), [this, &one, &other] {
            book_.note(one.name() + " and " + other.name() + " are healed");
            world_.in.heal(one, other);
            world_.in.heal(other, one);
        });
    }

    /// Connections between members break just before bytes arrive, or just after.
    void lose_some() {
        book_.note("connections between members break as they are used");
        world_.in.set_filter(
            [this, left = 1 + below(20)](const runtime::sim::packet_info& packet) mutable {
                using runtime::sim::verdict;
                if (packet.from == "zk" || packet.to == "zk" || left == 0 || !one_in(20)) {
                    return verdict::deliver;
                }
                --left;
                return one_in(2) ? verdict::break_before : verdict::break_after;
            });
    }

    // --- Peace ---

    void calm_down() {
        book_.note("--- peace");
        world_.in.set_filter({});
        world_.in.heal();
        for (const char* name : names) {
            resume(name);
        }
        // Who is leaving goes in its own time.
        const instant end = world_.in.now() + 40s;
        while (book_.ok() && world_.in.now() < end &&
               !(due_.empty() && leaving_.empty() && running_.size() == names.size() &&
                 everybody_is_online())) {
            go_on(20ms);
            for (const char* name : names) {
                if (!runs(name) && due_.empty()) {
                    back(name);
                }
            }
        }
        if (!everybody_is_online()) {
            book_.broken("not everybody is online again");
        }
        go_on(10s);
    }

    bool everybody_is_online() {
        return running_.size() == names.size() && std::ranges::all_of(names, [this](const char* n) {
                   return world_.at(n).state() == member_state::online &&
                          world_.at(n).view().members.size() == names.size();
               });
    }

    void expect_what_was_written_last() {
        for (const char* name : names) {
            book_.fair(name, true);
            for (std::uint64_t key = 0; key < keys; ++key) {
                ask_for(name, "key " + std::to_string(key), deed::reads, 5s);
            }
        }
        go_on(6s);
    }

    const call_storm_options& options_;
    node_world world_;
    book book_;
    std::set<std::string> running_, paused_;
    std::map<std::string, pending<void>> leaving_;
    std::vector<std::pair<instant, std::function<void()>>> due_;
};

}  // namespace

call_storm_result run_call_storm(const call_storm_options& options) {
    return call_storm{options}.run();
}

}  // namespace muster::simulation
