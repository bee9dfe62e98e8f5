#include "demo_show.hpp"

#include "party_grid/grid_client.hpp"
#include "table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

namespace muster::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::array names{"ann",
                           "ben",
                           "cleo",
                           "dora",
                           "emil",
                           "fay",
                           "gus",
                           "hana",
                           "ivan",
                           "jule",
                           "karl",
                           "lena",
                           "marc",
                           "nora",
                           "otto",
                           "pia"};
constexpr std::size_t hash_partitions = 64;
constexpr std::chrono::milliseconds patience = 20s;

std::string milliseconds(double value) {
    return grouped(static_cast<std::uint64_t>(std::llround(value))) + " ms";
}

/// A pause of a planned move: too short for whole milliseconds.
std::string short_span(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), value < 10 ? "%.1f ms" : "%.0f ms", value);
    return text.data();
}

/// "ann, ben and cleo"
std::string listed(const std::vector<std::string>& items) {
    std::string out;
    for (std::size_t i = 0; i < items.size(); ++i) {
        out += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
    }
    return out;
}

std::string plural(std::size_t number, std::string_view what) {
    return grouped(number) + ' ' + std::string{what} + (number == 1 ? "" : "s");
}

double longest(const std::vector<demo_move>& moves) {
    double most = 0;
    for (const demo_move& one : moves) {
        most = std::max(most, one.unowned_ms);
    }
    return most;
}

}  // namespace

demo_show::demo_show(demo_order what, demo_screen& screen, std::function<bool()> give_up)
    : order_{std::move(what)}, screen_{screen}, give_up_{std::move(give_up)} {}

demo_show::~demo_show() {
    load_.reset();
    if (gathering_.valid()) {
        gathering_.wait();
    }
}

result<void> demo_show::wait_for(std::string_view what,
                                 std::chrono::milliseconds time,
                                 const std::function<bool()>& enough) {
    if (events_.wait(time, give_up_, enough)) {
        return {};
    }
    if (give_up_()) {
        return fail(errc::closed, "interrupted");
    }
    return fail(
        errc::timed_out,
        std::string{what} + " did not happen within " + std::to_string(time.count() / 1000) + " s");
}

result<void> demo_show::pause(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    static_cast<void>(events_.wait(
        time, give_up_, [until] { return std::chrono::steady_clock::now() >= until; }));
    return give_up_() ? result<void>{fail(errc::closed, "interrupted")} : result<void>{};
}

result<demo_result> demo_show::run() {
    gathering_ = std::async(std::launch::async, [] { return party_grid::gather_records({}); });
    result<void> how = start_keeper();
    how = how ? start_members() : how;
    how = how ? import() : how;
    if (!how) {
        return std::unexpected(how.error());
    }
    load_ = std::make_unique<demo_load>(addresses(), records_.lines);
    load_->start();
    screen_.step("load",
                 std::to_string(demo_callers) +
                     " callers read and write over HTTP, at every member, from now on");
    how = pause(500ms);

    actor* const leader = named(events_.leader().first);
    if (leader == nullptr) {
        return fail(errc::timed_out, "nobody leads");
    }
    how = how ? kill_and_return(*leader, true) : how;
    // Neither the one that was just killed nor the new leader.
    actor* other = nullptr;
    actor* last = nullptr;
    for (actor& one : actors_) {
        const bool leads = one.name == events_.leader().first;
        if (&one != leader) {
            (leads || other != nullptr ? last : other) = &one;
        }
    }
    other = other == nullptr ? last : other;
    how = how ? kill_and_return(*other, other == last) : how;
    how = how ? check() : how;
    how = how && last != nullptr && last != other ? drain(*last) : how;
    how = how ? check() : how;
    if (!how) {
        return std::unexpected(how.error());
    }
    tell_load();
    return result_;
}

// --- Start ---------------------------------------------------------------------------------------

result<void> demo_show::start_keeper() {
    std::promise<std::string> ready;
    auto where = ready.get_future();
    auto started =
        demo_child::start({.program = order_.muster,
                           .words = {"keeper", "--listen", "127.0.0.1:0", "--tick-time", "500ms"},
                           .folder = order_.folder,
                           .log = order_.folder + "/keeper.log",
                           .told = [&ready, said = false](std::string_view line) mutable {
                               if (!said && line.starts_with("ready ")) {
                                   said = true;
                                   ready.set_value(std::string{line.substr(6)});
                               }
                           }});
    if (!started) {
        return std::unexpected(started.error());
    }
    keeper_ = std::move(*started);
    if (where.wait_for(10s) != std::future_status::ready) {
        keeper_.reset();  // Before `ready` goes.
        return fail(errc::timed_out, "the keeper did not get ready");
    }
    keeper_at_ = where.get();
    screen_.step("keeper", "coordinates, as ZooKeeper would: " + keeper_at_ + ", in memory");
    return {};
}

result<void> demo_show::start_members() {
    for (std::size_t i = 0; i < order_.members; ++i) {
        actors_.push_back({.name = names[i], .http = "127.0.0.1:0", .process = nullptr});
    }
    std::vector<std::string> all;
    for (actor& one : actors_) {
        if (auto how = start_member(one); !how) {
            return how;
        }
        all.push_back(one.name);
    }
    screen_.progress("members", "starting " + listed(all) + " …");
    auto how = wait_for("the first plan", patience, [this] {
        return events_.owned_partitions() >= hash_partitions && !events_.leader().first.empty();
    });
    if (!how) {
        return how;
    }
    for (actor& one : actors_) {
        one.http = events_.http_of(one.name);
    }
    std::string spread;
    for (const actor& one : actors_) {
        spread += (spread.empty() ? "" : ", ") + one.name + ' ' +
                  std::to_string(events_.owned_by(one.name).size());
    }
    static_cast<void>(events_.take_moves());
    screen_.step("members", listed(all) + ", a process each; " + events_.leader().first + " leads");
    screen_.more("each owns a part of 64 partitions: " + spread);
    return {};
}

result<void> demo_show::start_member(actor& one) {
    auto started =
        demo_child::start({.program = order_.party_grid,
                           .words = {"--name",
                                     one.name,
                                     "--cluster",
                                     "demo",
                                     "--zookeeper",
                                     keeper_at_,
                                     "--store",
                                     order_.folder + "/records.db",
                                     "--http",
                                     one.http,
                                     "--journal",
                                     "-",
                                     "--session-timeout",
                                     "2s",
                                     "--min-members",
                                     std::to_string(order_.members)},
                           .folder = order_.folder,
                           .log = order_.folder + "/" + one.name + ".log",
                           .told = [this](std::string_view line) { events_.hear(line); }});
    if (!started) {
        return std::unexpected(started.error());
    }
    one.process = std::move(*started);
    return {};
}

result<void> demo_show::import() {
    while (gathering_.wait_for(50ms) != std::future_status::ready) {
        screen_.progress("import", "reading this machine's package index …");
        if (give_up_()) {
            return fail(errc::closed, "interrupted");
        }
    }
    auto gathered = gathering_.get();
    if (!gathered) {
        return std::unexpected(gathered.error());
    }
    records_ = std::move(*gathered);
    result_.records = records_.lines.size();
    const auto begin = std::chrono::steady_clock::now();
    auto sent = party_grid::send_all(
        {actors_.front().http}, records_.lines, 3, [this](party_grid::progress now) {
            screen_.progress("import", grouped(now.done) + " of " + grouped(now.total));
        });
    if (!sent) {
        return sent;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::array<char, 64> rate{};
    std::snprintf(rate.data(), rate.size(), " in %.1f s, ", seconds);
    screen_.step(
        "import",
        grouped(records_.packages) + " packages and " + plural(records_.dated, "dated record") +
            rate.data() +
            grouped(static_cast<std::uint64_t>(static_cast<double>(result_.records) / seconds)) +
            " a second");
    screen_.more("real records of this machine (" + records_.source +
                 "), in the memory of their owner and in a database");
    if (!records_.note.empty()) {
        screen_.more("note: " + records_.note);
    }
    static_cast<void>(events_.take_moves());
    return {};
}

// --- A kill and a return -------------------------------------------------------------------------

result<void> demo_show::kill_and_return(actor& victim, bool leads) {
    const auto owned = events_.owned_by(victim.name);
    static_cast<void>(events_.take_moves());
    screen_.gap();
    const boot_time at = boot_now();
    victim.process->signal(SIGKILL);
    static_cast<void>(victim.process->wait(5s));
    victim.process.reset();  // Everything it printed has been heard.
    events_.killed(victim.name, at);
    screen_.step("SIGKILL",
                 victim.name + (leads ? ", the leader and owner of " : ", the owner of ") +
                     plural(owned.size(), "partition"),
                 demo_screen::mood::bad);
    screen_.progress("takeover", "the others wait until its session has ended …");
    auto how = wait_for("the takeover", patience, [this, leads, at] {
        return events_.unowned() == 0 && (!leads || events_.leader().second > at);
    });
    if (!how) {
        return how;
    }
    const auto moves = events_.take_moves();
    tell_takeover(victim, leads, at, moves);
    if (how = pause(300ms); !how) {
        return how;
    }
    return take_back(victim);
}

void demo_show::tell_takeover(const actor& victim,
                              bool leads,
                              boot_time at,
                              const std::vector<demo_move>& moves) {
    std::map<std::string, std::size_t> to;
    double least = longest(moves);
    for (const demo_move& one : moves) {
        if (one.unowned_ms > 0) {
            ++to[one.to];
            least = std::min(least, one.unowned_ms);
        }
    }
    result_.unowned_ms_max = std::max(result_.unowned_ms_max, longest(moves));
    std::vector<std::string> heirs;
    for (const auto& [name, number] : to) {
        heirs.push_back(name + " (" + std::to_string(number) + ")");
    }
    std::string text;
    if (leads) {
        const auto [leader, since] = events_.leader();
        result_.takeover_ms = static_cast<double>(since - at) / 1e6;
        text = leader + " leads, " + milliseconds(result_.takeover_ms) + " after the kill; ";
    }
    screen_.step("takeover",
                 text + victim.name + "'s partitions went to " + listed(heirs),
                 demo_screen::mood::good);
    screen_.more("each was without an owner for " + milliseconds(least) + " to " +
                 milliseconds(longest(moves)) + ", the session's 2 s timeout included");
}

result<void> demo_show::take_back(actor& victim) {
    if (auto how = start_member(victim); !how) {
        return how;
    }
    screen_.progress("return", victim.name + " is started again …");
    const std::size_t fair = hash_partitions / actors_.size();
    auto how = wait_for(victim.name + "'s return", patience, [this, &victim, fair] {
        return events_.owned_by(victim.name).size() >= fair && events_.unowned() == 0;
    });
    if (!how) {
        return how;
    }
    if (how = pause(200ms); !how) {
        return how;
    }
    const auto moves = events_.take_moves();
    screen_.step("return",
                 victim.name + " runs again and was handed " +
                     plural(events_.owned_by(victim.name).size(), "partition"),
                 demo_screen::mood::good);
    screen_.more("planned moves: none was without an owner for more than " +
                 short_span(longest(moves)));
    return {};
}

result<void> demo_show::drain(actor& one) {
    const auto owned = events_.owned_by(one.name);
    static_cast<void>(events_.take_moves());
    screen_.gap();
    load_->start();
    if (auto how = pause(300ms); !how) {
        return how;
    }
    one.process->signal(SIGTERM);
    screen_.step("SIGTERM",
                 one.name + " is asked to leave; it owns " + plural(owned.size(), "partition"));
    std::optional<int> code;
    auto how = wait_for(one.name + "'s end", 30s, [&code, &one] {
        code = one.process->wait(0ms);
        return code.has_value();
    });
    if (!how) {
        return how;
    }
    one.process.reset();
    if (*code != 0) {
        return fail(errc::unavailable,
                    one.name + " ended with exit code " + std::to_string(*code) + " instead of 0");
    }
    how = wait_for("the hand-over", patience, [this] { return events_.unowned() == 0; });
    if (!how) {
        return how;
    }
    const auto moves = events_.take_moves();
    screen_.step("drained",
                 one.name + " handed everything over and ended with exit code 0",
                 demo_screen::mood::good);
    screen_.more("none was without an owner for more than " + short_span(longest(moves)));
    return pause(300ms);
}

// --- The check -----------------------------------------------------------------------------------

/// With the load held, so that what every record must be is known.
result<void> demo_show::check() {
    load_->stop();
    std::vector<char> everywhere(records_.lines.size(), 1);
    std::string each;
    const auto who = running();
    for (const actor& one : actors_) {
        if (!one.process) {
            continue;
        }
        screen_.progress("check", "every record, asked from " + one.name + " …");
        std::vector<char> right(records_.lines.size(), 1);
        if (auto how = party_grid::check_all(one.http, records_.lines, right); !how) {
            return how;
        }
        for (std::size_t i = 0; i < right.size(); ++i) {
            everywhere[i] = static_cast<char>(everywhere[i] != 0 && right[i] != 0);
        }
        each += (each.empty() ? "" : ", ") + one.name + ' ' +
                grouped(static_cast<std::uint64_t>(std::ranges::count(right, 1)));
        if (give_up_()) {
            return fail(errc::closed, "interrupted");
        }
    }
    const auto seen = load_->figures();
    result_.answered = static_cast<std::size_t>(std::ranges::count(everywhere, 1));
    // A read of the load that was answered by an older value is a loss too.
    lost_ = std::max(lost_, records_.lines.size() - result_.answered);
    result_.lost = lost_ + seen.wrong;
    result_.failed_calls = seen.failed;
    if (who.size() == actors_.size()) {
        screen_.gap();
    }
    screen_.step("check",
                 "each of " + plural(records_.lines.size(), "record") + " asked from " +
                     listed(who) + ": " + grouped(result_.lost) + " lost",
                 result_.lost == 0 ? demo_screen::mood::good : demo_screen::mood::bad);
    screen_.more("right, with the newest acknowledged value: " + each);
    return {};
}

void demo_show::tell_load() {
    const auto seen = load_->figures();
    screen_.step("load",
                 grouped(seen.calls) + " calls, " + grouped(seen.failed) +
                     " failed; the longest waited " + milliseconds(seen.longest_ms),
                 seen.failed == 0 ? demo_screen::mood::good : demo_screen::mood::bad);
    if (!seen.example.empty()) {
        screen_.more("for example " + seen.example);
    }
}

// --- Who is there --------------------------------------------------------------------------------

demo_show::actor* demo_show::named(const std::string& name) {
    const auto found = std::ranges::find(actors_, name, &actor::name);
    return found == actors_.end() ? nullptr : &*found;
}

std::vector<std::string> demo_show::running() const {
    std::vector<std::string> all;
    for (const actor& one : actors_) {
        if (one.process) {
            all.push_back(one.name);
        }
    }
    return all;
}

std::vector<std::string> demo_show::addresses() const {
    std::vector<std::string> all;
    for (const actor& one : actors_) {
        if (one.process) {
            all.push_back(one.http);
        }
    }
    return all;
}

std::string demo_show::some_key() const {
    const auto known = std::ranges::find(records_.lines, "bash", &party_grid::batch_line::key);
    return known == records_.lines.end() ? records_.lines.front().key : known->key;
}

std::string demo_show::complaints() const {
    std::string all;
    for (const actor& one : actors_) {
        std::ifstream log{order_.folder + "/" + one.name + ".log"};
        all += std::string{std::istreambuf_iterator<char>{log}, {}};
    }
    constexpr std::size_t most = 4'000;
    return all.size() <= most ? all : "…" + all.substr(all.size() - most);
}

}  // namespace muster::cli
