#include "cluster/leader/agent.hpp"

#include "cluster/codec.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace muster::cluster {

using zookeeper::zk_error;

namespace {

constexpr duration gather_time = 20ms;
constexpr duration planner_deadline = 1s;
constexpr std::size_t inline_partitions = 4096;  ///< more are planned off the control loop
// Of the 1 MiB that a request may have; what is left is for the view.
constexpr std::size_t bytes_of_plans = 512U << 10U;
constexpr std::size_t bytes_of_results = 128U << 10U;
constexpr std::size_t bytes_per_op = 256;  ///< path, header and versions
constexpr duration first_retry = 100ms;    ///< after the second write in a row that was refused
constexpr duration longest_retry = 30s;
constexpr std::int64_t command_kept_ms = 3'600'000;

/// Makes a znode, or writes over what is there at that version.
zookeeper::op put(std::string path, std::string data, bool is_new, std::int32_t version) {
    if (is_new) {
        return zookeeper::create_op{.path = std::move(path), .data = std::move(data)};
    }
    return zookeeper::set_op{std::move(path), std::move(data), version};
}

std::string child_of(const std::string& ordered) {
    return ordered.substr(ordered.find(':') + 1);
}

std::size_t partitions_in(const leader_book& book) {
    std::size_t count = 0;
    for (const auto& [name, resource] : book.resources) {
        const specification& spec = resource.spec;
        if (spec.kind != resource_kind::list) {  // Also of what is not written yet.
            count += std::max<std::size_t>(spec.partitions, spec.from.size()) * spec.replicas;
            continue;
        }
        for (const plan_chunk& chunk : resource.whole.chunks) {
            count += chunk.entries.size();
        }
    }
    return count;
}

/// Where the user's planner is late: owners stay, and what nobody owns is placed.
planned_owners place_what_is_unowned(const planner_input& input) {
    planned_owners chosen = balanced(input);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const std::vector<member_id>& now = input.partitions[i].owners;
        for (std::size_t slot = 0; slot < chosen[i].size() && slot < now.size(); ++slot) {
            if (now[slot] != member_id{} && chosen[i][slot] != now[slot]) {
                std::ranges::replace(chosen[i], now[slot], member_id{});
                chosen[i][slot] = now[slot];
            }
        }
    }
    return chosen;
}

}  // namespace

namespace {

/// Takes the last chunk out of a change again. What the head no longer had to say of the chunk as
/// it becomes, it still has to say of the chunk as it stays.
void leave_out_last(plan_change& change, const book_resource& known) {
    const std::size_t last = *change.chunks.rbegin();
    change.chunks.erase(last);
    std::erase_if(change.moved, [last](const moved_entry& one) { return one.chunk == last; });
    if (known.lost || last >= known.whole.chunks.size()) {
        change.next.chunks.resize(last);
        return;
    }
    change.next.chunks[last] = known.whole.chunks[last];
    for (const entry& one : known.whole.chunks[last].entries) {
        const auto since = known.whole.since.find(one.owner);
        if (since != known.whole.since.end() && one.fence < since->second) {
            change.next.since.insert(*since);
        }
    }
}

/// How many of the change's chunks, from the first on, there is room for; takes it.
std::size_t chunks_that_fit(const plan_change& change,
                            const specification& spec,
                            std::size_t& room) {
    std::size_t count = 0;
    for (const std::size_t chunk : change.chunks) {
        const std::size_t size = encode(change.next.chunks[chunk], spec).size() + bytes_per_op;
        if (size > room) {
            break;
        }
        room -= size;
        ++count;
    }
    return count;
}

/// What is left out is carried out and told once more.
bool cut_results(leader_decision& decided) {
    std::size_t room = bytes_of_results;
    for (auto item = decided.results.begin(); item != decided.results.end(); ++item) {
        const std::size_t size =
            encode_command(item->second).size() + history_bytes(item->second) + 2 * bytes_per_op;
        if (size > room) {
            decided.results.erase(item, decided.results.end());
            return true;
        }
        room -= size;
    }
    return false;
}

}  // namespace

bool cut_to_size(leader_decision& decided, const leader_book& book) {
    std::size_t room = bytes_of_plans;
    bool cut = false;
    bool first = true;
    for (auto item = decided.plans.begin(); item != decided.plans.end();) {
        plan_change& change = item->second;
        const book_resource& known = book.resources.at(item->first);
        const std::size_t head =
            encode(head_of(change.next)).size() + history_bytes(change) + 2 * bytes_per_op;
        const bool fits = head <= room;
        room -= std::min(head, room);
        std::size_t count = fits ? chunks_that_fit(change, known.spec, room) : 0;
        if (first) {
            count = std::max<std::size_t>(count, 1);  // Some of it, or it would never be written.
        } else if (!fits || (count == 0 && !change.chunks.empty())) {
            item = decided.plans.erase(item);
            cut = true;
            continue;
        }
        while (change.chunks.size() > count) {
            leave_out_last(change, known);
            cut = true;
        }
        cut = cut || change.more;
        first = false;
        ++item;
    }
    if (cut) {
        decided.results.clear();  // Not done yet: told when the rest is.
    }
    return cut_results(decided) || cut;
}

leader_agent::leader_agent(const session_context& at,
                           std::string own,
                           decide_settings settings,
                           hooks told)
    : at_{at},
      own_{std::move(own)},
      settings_{std::move(settings)},
      told_{std::move(told)},
      history_{at, at.settings.history_kept},
      gather_timer_{at.loop.make_timer()},
      again_timer_{at.loop.make_timer()},
      planner_timer_{at.loop.make_timer()},
      sweep_timer_{at.loop.make_timer()},
      retry_timer_{at.loop.make_timer()} {
    start_over();
    forget_old_commands();
}

void leader_agent::start_over() {
    history_.look();
    leader_book before = keeper_ ? std::move(keeper_->book()) : leader_book{};
    keeper_ = std::make_unique<book_keeper>(at_, [this] { gather(); }, std::move(before));
}

void leader_agent::plan_with(std::map<std::string, planner> planners) {
    settings_.planners = std::move(planners);
    gather();
}

void leader_agent::look_again() {
    if (keeper_->complete()) {
        keeper_->look_again();
    }
}

/// The first change at once; what follows within 20 ms goes into the next decision together.
void leader_agent::gather() {
    if (busy_) {
        dirty_ = true;
        return;
    }
    if (std::exchange(gathering_, true)) {
        return;
    }
    const instant now = at_.loop.now();
    const instant when = last_decision_ ? std::max(now, *last_decision_ + gather_time) : now;
    gather_timer_->set(when, life_.wrap([this] {
        gathering_ = false;
        last_decision_ = at_.loop.now();
        decide_now();
    }));
}

void leader_agent::note_suspects() {
    leader_book& book = keeper_->book();
    std::map<member_id, instant> now;
    for (const view_member& one : book.view.members) {
        if (one.state == lifecycle::suspect) {
            const auto then = book.suspect_since.find(one.id);
            now.emplace(one.id, then == book.suspect_since.end() ? at_.loop.now() : then->second);
        }
    }
    book.suspect_since = std::move(now);
}

void leader_agent::decide_now() {
    if (!keeper_->complete()) {
        return;
    }
    note_suspects();
    note_hints(keeper_->book(), at_.loop.now());
    if (!settings_.planners.empty() || partitions_in(keeper_->book()) > inline_partitions) {
        decide_elsewhere();
        return;
    }
    carry_out(decide(keeper_->book(), settings_, at_.loop.now(), at_.loop.unix_ms()));
}

void leader_agent::decide_elsewhere() {
    busy_ = true;
    const std::uint64_t number = ++decision_number_;
    auto taken = life_.wrap([this, number, rereads = keeper_->rereads()](leader_decision decided) {
        if (number != decision_number_) {
            return;
        }
        late_planners_ = 0;
        planner_timer_->cancel();
        busy_ = false;
        if (rereads == keeper_->rereads()) {
            carry_out(std::move(decided));
        } else {
            gather();  // It was about plans that have been read anew since.
        }
    });
    if (!settings_.planners.empty()) {
        planner_timer_->set(at_.loop.now() + planner_deadline,
                            life_.wrap([this] { planner_late(); }));
    }
    told_.offload([loop = at_.owner,
                   book = keeper_->book(),
                   settings = settings_,
                   now = at_.loop.now(),
                   unix_ms = at_.loop.unix_ms(),
                   taken = std::move(taken)]() mutable {
        leader_decision decided = decide(book, settings, now, unix_ms);
        loop->post([taken = std::move(taken), decided = std::move(decided)]() mutable {
            taken(std::move(decided));
        });
    });
}

void leader_agent::planner_late() {
    ++decision_number_;  // What it answers later is not taken.
    busy_ = false;
    at_.log(log_level::error,
            "planner.late",
            "a planner took longer than 1 s; the built-in one places what is unowned");
    if (++late_planners_ >= 3) {
        told_.step_down();
        return;
    }
    decide_settings plain = settings_;
    for (auto& [resource, choose] : plain.planners) {
        choose = place_what_is_unowned;
    }
    carry_out(decide(keeper_->book(), plain, at_.loop.now(), at_.loop.unix_ms()));
}

void leader_agent::carry_out(leader_decision decided) {
    // An operator may have deleted a request in between: it is done, and there is nobody to tell.
    std::erase_if(decided.results, [this](const auto& one) {
        return !keeper_->book().commands.contains(one.first);
    });
    if (decided.look_again) {
        again_timer_->set(*decided.look_again, life_.wrap([this] { gather(); }));
    }
    if (!decided.empty()) {
        write(std::move(decided));
    } else if (std::exchange(dirty_, false)) {
        gather();
    }
}

std::vector<zookeeper::op> leader_agent::ops_of(const leader_decision& decided) const {
    const leader_book& book = keeper_->book();
    std::vector<zookeeper::op> ops;
    ops.emplace_back(zookeeper::check_op{at_.where.succession() + "/" + own_});
    if (decided.view) {
        ops.push_back(put(at_.where.view(),
                          encode(decided.view->head),
                          book.view_version < 0,
                          book.view_version));
        for (const auto& [index, chunk] : decided.view->chunks) {
            const auto known = book.view_chunks.find(index);
            const bool is_new = known == book.view_chunks.end();
            ops.push_back(put(at_.where.view_chunk(index),
                              encode(chunk),
                              is_new,
                              is_new ? zookeeper::any_version : known->second));
        }
    }
    for (const auto& [name, change] : decided.plans) {
        const book_resource& known = book.resources.at(name);
        ops.push_back(put(
            at_.where.plan(name), encode(head_of(change.next)), known.lost, known.head_version));
        for (const std::size_t i : change.chunks) {
            ops.push_back(put(at_.where.chunk(name, i),
                              encode(change.next.chunks[i], known.spec),
                              known.lost || i >= known.whole.chunks.size(),
                              zookeeper::any_version));
        }
    }
    for (const auto& [ordered, command] : decided.results) {
        ops.emplace_back(zookeeper::set_op{at_.where.commands() + "/" + child_of(ordered),
                                           encode_command(command),
                                           book.commands.at(ordered).version});
    }
    return ops;
}

void leader_agent::write(leader_decision decided) {
    busy_ = true;
    if (cut_to_size(decided, keeper_->book())) {
        dirty_ = true;
    }
    for (const auto& [name, change] : decided.plans) {
        for (const std::string& reason : change.reasons) {
            at_.log(log_level::debug, "plan.changed", reason);
        }
    }
    std::vector<zookeeper::op> ops = ops_of(decided);
    const std::size_t told = ops.size();
    std::ranges::move(
        history_.ops(history_of(decided, keeper_->book(), settings_, at_.loop.unix_ms())),
        std::back_inserter(ops));
    at_.zk.multi(
        std::move(ops),
        never,
        life_.wrap([this, told, rereads = keeper_->rereads(), decided = std::move(decided)](
                       zookeeper::reply<std::vector<zookeeper::op_result>> got) mutable {
            written(std::move(decided), told, rereads, std::move(got));
        }));
}

void leader_agent::written(leader_decision decided,
                           std::size_t told,
                           std::uint64_t rereads,
                           zookeeper::reply<std::vector<zookeeper::op_result>> got) {
    busy_ = false;
    if (got.ok() && rereads != keeper_->rereads()) {
        dirty_ = false;
        start_over();  // It was about a book that has been read anew since.
        return;
    }
    if (got.ok()) {
        refused_in_a_row_ = 0;
        enter_into_book(decided, got);
        history_.written(std::span{got.value}.subspan(told));
        if (std::exchange(dirty_, false)) {
            gather();
        }
        return;
    }
    dirty_ = false;
    history_.refused(std::span{got.value}.subspan(std::min(told, got.value.size())));
    const bool deposed = got.how == zookeeper::outcome::refused && !got.value.empty() &&
                         got.value.front().error == zk_error::no_node;
    if (deposed) {
        told_.deposed();
    } else if (at_.zk.state() == zookeeper::session_state::connected ||
               at_.zk.state() == zookeeper::session_state::connecting) {
        // Unknown, or not as the book has it: what ZooKeeper holds now decides, never a repeat.
        at_.log(log_level::info,
                "leader.reads_again",
                "a fenced write did not go through: " + got.text);
        gather_timer_->cancel();
        gathering_ = false;
        again_timer_->cancel();
        if (refused_in_a_row_++ == 0) {
            start_over();
            return;
        }
        // What is refused though it was read anew is not hammered at.
        busy_ = true;
        const duration pause =
            std::min(longest_retry, first_retry * (1 << std::min(refused_in_a_row_ - 2, 10U)));
        retry_timer_->set(at_.loop.now() + pause, life_.wrap([this] {
            busy_ = false;
            dirty_ = false;
            start_over();
        }));
    }
}

void leader_agent::enter_into_book(const leader_decision& decided,
                                   const zookeeper::reply<std::vector<zookeeper::op_result>>& got) {
    leader_book& book = keeper_->book();
    std::size_t at = 1;  // The first result is that of the check.
    if (decided.view) {
        for (const view_member& one : book.view.members) {
            if (one.drain) {
                book.marked.insert(one.id);
            }
        }
        if (decided.view->complete) {
            book.marked.clear();
        }
        book.view = decided.view->next;
        book.view_version = book.view_version < 0 ? 0 : got.value[at].meta.version;
        ++at;
        book.view_damaged = false;
        book.stored_view.take(*decided.view);
        for (const auto& [index, chunk] : decided.view->chunks) {
            const auto [version, is_new] = book.view_chunks.try_emplace(index, 0);
            version->second = is_new ? 0 : got.value[at].meta.version;
            ++at;
        }
    }
    for (const auto& [name, change] : decided.plans) {
        book_resource& mine = book.resources.at(name);
        mine.whole = change.next;
        mine.head_version = mine.lost ? 0 : got.value[at].meta.version;
        mine.lost = false;
        mine.read_zxid = std::max(mine.read_zxid, got.zxid);
        at += 1 + change.chunks.size();
    }
    for (const auto& [ordered, command] : decided.results) {
        book.commands[ordered] = {command, got.value[at].meta.version};
        ++at;
    }
    note_hints(book, at_.loop.now());
    // Suspects and takers may follow from a view, and what was too much for one.
    dirty_ = dirty_ || decided.view.has_value();
}

/// Results stay for an hour; only the leader deletes commands.
void leader_agent::forget_old_commands() {
    sweep_timer_->set(at_.loop.now() + 60s, life_.wrap([this] { forget_old_commands(); }));
    if (!keeper_->complete()) {
        return;
    }
    for (const auto& [ordered, command] : keeper_->book().commands) {
        if (command.what.outcome &&
            command.what.done_unix_ms < at_.loop.unix_ms() - command_kept_ms) {
            std::vector<zookeeper::op> ops;
            ops.emplace_back(zookeeper::check_op{at_.where.succession() + "/" + own_});
            ops.emplace_back(zookeeper::remove_op{at_.where.commands() + "/" + child_of(ordered)});
            at_.zk.multi(std::move(ops),
                         at_.loop.now() + 10s,
                         [](const zookeeper::reply<std::vector<zookeeper::op_result>>&) {});
        }
    }
}

}  // namespace muster::cluster
