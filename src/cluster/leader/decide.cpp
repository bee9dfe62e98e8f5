#include "cluster/leader/decide.hpp"

#include "cluster/codec.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {
namespace {

/// One decision in the making.
class decider {
public:
    decider(const leader_book& book,
            const decide_settings& settings,
            instant now,
            std::int64_t unix_ms)
        : book_{book}, settings_{settings}, now_{now}, unix_ms_{unix_ms} {}

    leader_decision take() {
        take_commands();
        decide_view();
        if (!out_.view || out_.view->complete) {
            decide_plans();
        } else {
            // Nobody loses or gets a partition, and no mark is said to be set, by half of a view.
            out_.results.clear();
        }
        return std::move(out_);
    }

private:
    void look_again(instant when) {
        out_.look_again = std::min(out_.look_again.value_or(never), when);
    }

    void finish(const std::string& child, command_record done, result<void> outcome) {
        done.outcome = std::move(outcome);
        done.done_unix_ms = unix_ms_;
        out_.results.emplace(child, std::move(done));
    }

    void take_commands() {
        for (const auto& [child, command] : book_.commands) {
            if (command.what.outcome) {
                continue;
            }
            switch (command.what.kind) {
                case command_kind::add_partition:
                case command_kind::remove_partition:
                    if (is_unread(command.what.resource)) {
                        break;  // Taken when it has been read.
                    }
                    finish(child, command.what, change_list(command.what));
                    break;
                case command_kind::drain:
                case command_kind::resume:
                    finish(child, command.what, mark(command.what));
                    break;
            }
        }
    }

    [[nodiscard]] bool is_unread(const std::string& resource) const {
        const auto found = book_.resources.find(resource);
        return found != book_.resources.end() && found->second.unread;
    }

    result<void> change_list(const command_record& what) {
        const auto found = book_.resources.find(what.resource);
        if (found != book_.resources.end() && !found->second.damaged.empty()) {
            return fail(errc::unavailable,
                        "resource '" + what.resource +
                            "' is damaged, nothing is changed: " + found->second.damaged);
        }
        if (found == book_.resources.end() || found->second.spec.kind != resource_kind::list) {
            return fail(errc::not_found, "there is no list resource '" + what.resource + "'");
        }
        if (found->second.spec.tombstone) {
            return fail(errc::not_found, "resource '" + what.resource + "' was removed");
        }
        if (!is_whole(found->second)) {
            return fail(errc::unavailable,
                        "the plan of '" + what.resource + "' is lost, and no new one is there yet");
        }
        if (what.resource == globals_resource || what.partition.empty()) {
            return fail(
                errc::invalid_argument,
                "partitions of '" + what.resource + "' need a name and are not added by hand");
        }
        const bool adds = what.kind == command_kind::add_partition;
        (adds ? added_ : removed_)[what.resource].insert(what.partition);
        (adds ? removed_ : added_)[what.resource].erase(what.partition);
        return {};
    }

    /// By id, or by name: then the incarnation that is admitted, not one that waits for its end.
    [[nodiscard]] member_id member_called(const std::string& name) const {
        member_id named;
        for (const auto& [id, seen] : book_.members) {
            if (id.text() == name) {
                return id;
            }
            const bool admitted = std::ranges::find(book_.view.members, id, &view_member::id) !=
                                  book_.view.members.end();
            if (seen.described && seen.described->name == name && (named.empty() || admitted)) {
                named = id;
            }
        }
        return named;
    }

    result<void> mark(const command_record& what) {
        const member_id who = member_called(what.member);
        if (who.empty()) {
            return fail(errc::not_found, "there is no member '" + what.member + "'");
        }
        if (what.kind == command_kind::drain) {
            drained_.emplace(who, "command");
            resumed_.erase(who);
        } else {
            resumed_.insert(who);
            drained_.erase(who);
        }
        return {};
    }

    void decide_view() {
        view_inputs inputs;
        inputs.before = book_.view;
        inputs.leader = settings_.self;
        inputs.epoch = settings_.epoch;
        inputs.unix_ms = unix_ms_;
        inputs.read_zxid = book_.view_zxid;
        inputs.present = book_.members;
        inputs.drained = drained_;
        for (const member_id who : book_.marked) {
            inputs.drained.emplace(who, "before");
        }
        inputs.resumed = resumed_;
        inputs.damaged = book_.view_damaged;
        if (auto next = next_view(inputs)) {
            out_.view = change_view(book_.stored_view, std::move(*next), view_chunks_at_once);
        }
        view_ = out_.view ? out_.view->next : book_.view;
    }

    void decide_plans() {
        for (const auto& [name, resource] : book_.resources) {
            if (resource.unread || !resource.damaged.empty()) {
                continue;
            }
            if (is_whole(resource)) {
                decide_plan(name, resource);
            } else {
                begin_plan(name, resource);
            }
        }
    }

    /// Who may be given partitions of `resource`, and who merely keeps them.
    void choose_takers(const std::string& resource, plan_facts& facts) {
        for (const view_member& one : view_.members) {
            const auto seen = book_.members.find(one.id);
            if (seen == book_.members.end() || !seen->second.described || !seen->second.status ||
                !seen->second.status->resources.contains(resource)) {
                continue;
            }
            const bool drains = one.drain || one.state == lifecycle::draining;
            if (!drains &&
                (one.state == lifecycle::online || one.state == lifecycle::initializing)) {
                const descriptor& who = *seen->second.described;
                facts.takers.push_back({one.id, who.name, who.zone, who.weight, who.metadata});
            } else if (!drains && one.state == lifecycle::suspect) {
                const auto since = book_.suspect_since.find(one.id);
                const instant until = (since == book_.suspect_since.end() ? now_ : since->second) +
                                      settings_.suspect_grace;
                if (now_ < until) {
                    facts.keepers.insert(one.id);
                    look_again(until);
                }
            }
        }
        std::ranges::sort(facts.takers, [](const planned_member& a, const planned_member& b) {
            return std::pair{a.name, a.id} < std::pair{b.name, b.id};
        });
    }

    /// The names a list resource shall have: those it has, and what commands change.
    void choose_names(const std::string& name, const book_resource& resource, plan_facts& facts) {
        if (resource.spec.kind != resource_kind::list) {
            return;
        }
        std::vector<std::string> wanted;
        if (name == globals_resource) {
            for (const auto& [id, status] : facts.statuses) {
                for (const std::string& global : status.candidates) {
                    facts.eligible[global].push_back(id);
                }
            }
            for (const auto& [global, who] : facts.eligible) {
                wanted.push_back(global);
            }
        } else {
            std::set<std::string> names = added_[name];
            for (const plan_chunk& chunk : resource.whole.chunks) {
                for (const entry& one : chunk.entries) {
                    if (!one.removed && !removed_[name].contains(one.partition)) {
                        names.insert(one.partition);
                    }
                }
            }
            wanted.assign(names.begin(), names.end());
        }
        facts.wanted = std::move(wanted);
    }

    static bool never_owned(const plan& whole) {
        return std::ranges::all_of(whole.chunks, [](const plan_chunk& chunk) {
            return std::ranges::all_of(chunk.entries,
                                       [](const entry& one) { return one.fence == 0; });
        });
    }

    /// The first plan waits for company, or the first member would take all and give most away.
    bool waits_for_company(const std::string& name,
                           const book_resource& resource,
                           const plan_facts& facts) {
        if (name == globals_resource || !never_owned(resource.whole)) {
            return false;
        }
        if (facts.takers.size() < settings_.min_members) {
            return true;
        }
        const instant until = book_.last_join + settings_.settle;
        if (book_.last_join != instant::min() && now_ < until) {
            look_again(until);
            return true;
        }
        return false;
    }

    /// Not lost, nor a new one that is still being written, in several steps.
    static bool is_whole(const book_resource& resource) {
        return !resource.lost &&
               (resource.spec.kind == resource_kind::list ||
                entries_in_chunk(resource.spec, resource.whole.chunks.size()) == 0);
    }

    /// Whoever is present may own any partition by a plan that was lost, unless its status says
    /// that it serves no such resource.
    [[nodiscard]] std::vector<member_id> may_own_of(const std::string& name) const {
        std::vector<member_id> present;
        for (const auto& [id, seen] : book_.members) {
            if (!seen.status || seen.status->resources.contains(name)) {
                present.push_back(id);
            }
        }
        return present;
    }

    /// The rest of a new plan that was too large for the multi that began it, or a plan in the
    /// place of one that was lost: then all who may own of that are waited for.
    void begin_plan(const std::string& name, const book_resource& resource) {
        const bool fresh = resource.whole.fresh && !resource.lost;
        const std::vector<member_id> present = fresh ? std::vector<member_id>{} : may_own_of(name);
        const plan& before = resource.whole;
        if (resource.spec.kind == resource_kind::list && before.chunks.empty() &&
            !present.empty()) {
            return;  // Nobody knows the names; one that came again would wait for nobody.
        }
        std::set<std::string> names;
        if (resource.spec.kind == resource_kind::list) {
            for (const plan_chunk& chunk : before.chunks) {
                for (const entry& one : chunk.entries) {
                    names.insert(one.partition);
                }
            }
        }
        plan first = first_plan(resource.spec,
                                next_plan_number(before.number, resource.read_zxid),
                                present,
                                {names.begin(), names.end()});
        plan_change change;
        change.next.number = first.number;
        if (!resource.lost) {
            change.next = before;
            change.next.number = first.number;
        }
        for (std::size_t i = change.next.chunks.size(); i < first.chunks.size(); ++i) {
            change.next.chunks.push_back(std::move(first.chunks[i]));
            change.chunks.insert(i);
        }
        change.also.insert(fresh ? "begun" : "plan_lost");
        change.reasons.push_back(
            name + (fresh ? ": more of its first plan"
                          : ": the plan was lost; a new one waits for all who are here"));
        out_.plans.emplace(name, std::move(change));
    }

    void decide_plan(const std::string& name, const book_resource& resource) {
        plan_facts facts;
        for (const auto& [id, seen] : book_.members) {
            if (seen.status) {
                facts.statuses.emplace(id, *seen.status);
            }
        }
        facts.gone = book_.gone;
        facts.gone_at = book_.gone_at;
        std::erase_if(facts.gone_at, [&](const auto& one) {
            const auto said = book_.last_said.find(one.first);
            return said != book_.last_said.end() && said->second.state == lifecycle::left;
        });
        facts.last_said = book_.last_said;
        if (const auto hints = book_.hints.find(name); hints != book_.hints.end()) {
            facts.hints = hints->second;
        }
        choose_takers(name, facts);
        choose_names(name, resource, facts);
        if (waits_for_company(name, resource, facts)) {
            facts.takers.clear();  // Names are added all the same; nobody is given one yet.
        }
        const auto chosen = settings_.planners.find(name);
        const planner& choose =
            chosen == settings_.planners.end() ? planner{balanced} : chosen->second;
        auto change = next_plan(resource.spec,
                                resource.whole,
                                facts,
                                next_plan_number(resource.whole.number, resource.read_zxid),
                                now_,
                                choose,
                                name);
        if (const auto when = look_again_at(resource.spec, resource.whole, facts, now_, name)) {
            look_again(*when);
        }
        if (!change) {
            return;
        }
        if (change->look_again) {
            look_again(*change->look_again);
        }
        if (!change->chunks.empty() || change->next.since != resource.whole.since) {
            out_.plans.emplace(name, std::move(*change));
        }
    }

    const leader_book& book_;
    const decide_settings& settings_;
    instant now_;
    std::int64_t unix_ms_;
    view_record view_;
    std::map<std::string, std::set<std::string>> added_, removed_;
    std::map<member_id, std::string> drained_;
    std::set<member_id> resumed_;
    leader_decision out_;
};

}  // namespace

leader_decision decide(const leader_book& book,
                       const decide_settings& settings,
                       instant now,
                       std::int64_t unix_ms) {
    return decider{book, settings, now, unix_ms}.take();
}

void note_hints(leader_book& book, instant now) {
    std::map<std::string, std::map<std::string, seen_hint>> hints;
    for (const auto& [name, resource] : book.resources) {
        if (resource.spec.prepare_deadline <= std::chrono::milliseconds{0}) {
            continue;
        }
        const auto& before = book.hints[name];
        for (const plan_chunk& chunk : resource.whole.chunks) {
            for (const entry& one : chunk.entries) {
                if (one.next.empty()) {
                    continue;
                }
                const std::string key = entry_key(one);
                const auto seen = before.find(key);
                const bool known = seen != before.end() && seen->second.next == one.next;
                hints[name].emplace(key, known ? seen->second : seen_hint{one.next, now});
            }
        }
    }
    book.hints = std::move(hints);
}

std::set<member_id> named_ids(const leader_book& book) {
    std::set<member_id> named;
    for (const view_member& one : book.view.members) {
        named.insert(one.id);
    }
    for (const auto& [name, resource] : book.resources) {
        for (const auto& [id, since] : resource.whole.since) {
            named.insert(id);
        }
        for (const plan_chunk& chunk : resource.whole.chunks) {
            for (const entry& one : chunk.entries) {
                named.insert(one.waits.begin(), one.waits.end());
                named.insert(one.owner);
                named.insert(one.next);
            }
        }
    }
    named.erase(member_id{});
    return named;
}

}  // namespace muster::cluster
