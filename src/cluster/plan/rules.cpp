#include "cluster/plan/rules.hpp"

#include "cluster/codec.hpp"
#include "cluster/plan/draft.hpp"

#include <algorithm>
#include <exception>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace muster::cluster {

namespace {

std::size_t partition_count(const specification& spec, const std::vector<std::string>& names) {
    switch (spec.kind) {
        case resource_kind::hash:
            return spec.partitions;
        case resource_kind::range:
            return spec.from.size();
        case resource_kind::list:
            return names.size();
    }
    return 0;
}

std::string partition_name(const specification& spec,
                           const std::vector<std::string>& names,
                           std::size_t partition) {
    return spec.kind == resource_kind::hash    ? std::to_string(partition)
           : spec.kind == resource_kind::range ? spec.from[partition]
                                               : names[partition];
}

/// The chosen owners, or why they are refused.
result<planned_owners> ask(const planner& choose, const planner_input& question) {
    planned_owners owners;
    try {
        owners = choose(question);
    } catch (const std::exception& trouble) {
        return fail(errc::handler_failed, std::string{"the planner threw: "} + trouble.what());
    } catch (...) {
        return fail(errc::handler_failed, "the planner threw");
    }
    if (auto fine = validate(question, owners); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    return owners;
}

}  // namespace

bool has_released(const release_record& released, const entry& one, plan_number upto) {
    return released.through >= upto && !released.except.contains(entry_key(one));
}

plan first_plan(const specification& spec,
                plan_number number,
                const std::vector<member_id>& present,
                const std::vector<std::string>& names) {
    plan first;
    first.number = number;
    if (spec.kind == resource_kind::list) {
        first.chunks.emplace_back().number = number;
    }
    const std::size_t room = spec.kind == resource_kind::list
                                 ? entries_per_chunk / spec.replicas * spec.replicas
                                 : entries_per_chunk;
    const std::size_t all = partition_count(spec, names) * spec.replicas;
    for (std::size_t i = 0; i < all; ++i) {
        if (i % room == 0 && i / room == first.chunks.size()) {
            first.chunks.emplace_back().number = number;
        }
        entry& one = first.chunks.back().entries.emplace_back();
        one.partition = partition_name(spec, names, i / spec.replicas);
        one.slot = static_cast<std::uint16_t>(i % spec.replicas);
        one.fence = present.empty() ? 0 : number;
        one.waits = present;
    }
    return first;
}

plan_chunk first_chunk(const specification& spec, plan_number number, std::size_t place) {
    plan_chunk made;
    made.number = number;
    made.entries.resize(entries_in_chunk(spec, place));
    for (std::size_t i = 0; i < made.entries.size(); ++i) {
        const std::size_t at = place * entries_per_chunk + i;
        made.entries[i].partition = partition_name(spec, {}, at / spec.replicas);
        made.entries[i].slot = static_cast<std::uint16_t>(at % spec.replicas);
    }
    return made;
}

void add_unwritten(const specification& spec, plan& whole) {
    while (entries_in_chunk(spec, whole.chunks.size()) > 0) {
        whole.chunks.push_back(first_chunk(spec, 0, whole.chunks.size()));
    }
}

result<plan> assemble(const specification& spec,
                      const plan_head& head,
                      std::vector<plan_chunk> chunks) {
    if (chunks.size() != head.chunks.size()) {
        return fail(errc::invalid_argument,
                    "the plan's head names " + std::to_string(head.chunks.size()) + " chunks, " +
                        std::to_string(chunks.size()) + " were read");
    }
    std::unordered_set<std::string> names;
    for (std::size_t c = 0; c < chunks.size(); ++c) {
        if (chunks[c].number < head.chunks[c]) {
            return fail(errc::unavailable,
                        "chunk " + std::to_string(c) + " was read at plan " +
                            std::to_string(chunks[c].number) + ", the head is at " +
                            std::to_string(head.chunks[c]) + "; read it again");
        }
        const std::size_t due = entries_in_chunk(spec, c);
        if (spec.kind != resource_kind::list && chunks[c].entries.size() != due) {
            return fail(errc::invalid_argument,
                        "chunk " + std::to_string(c) + " has " +
                            std::to_string(chunks[c].entries.size()) +
                            " entries, by the specification " + std::to_string(due));
        }
        for (const entry& one : chunks[c].entries) {
            if (spec.kind == resource_kind::list && !names.insert(entry_key(one)).second) {
                return fail(errc::invalid_argument,
                            "entry " + entry_key(one) + " stands in two chunks");
            }
        }
    }
    plan whole{.number = head.number,
               .since = head.since,
               .chunks = std::move(chunks),
               .fresh = head.fresh};
    add_unwritten(spec, whole);
    return whole;
}

plan_head head_of(const plan& whole) {
    plan_head head{
        .number = whole.number, .chunks = {}, .since = whole.since, .fresh = whole.fresh};
    for (const plan_chunk& chunk : whole.chunks) {
        head.chunks.push_back(chunk.number);
    }
    return head;
}

result<void> validate(const planner_input& input, const planned_owners& answer) {
    if (answer.size() != input.partitions.size()) {
        return fail(errc::invalid_argument,
                    "the planner answered for " + std::to_string(answer.size()) +
                        " partitions, asked were " + std::to_string(input.partitions.size()));
    }
    std::unordered_set<member_id> members;
    for (const planned_member& one : input.members) {
        members.insert(one.id);
    }
    for (std::size_t p = 0; p < answer.size(); ++p) {
        const planned_partition& of = input.partitions[p];
        const auto refuse = [&](const std::string& what) {
            return fail(errc::invalid_argument,
                        "the planner's answer for partition " + of.name + " " + what);
        };
        if (answer[p].size() > input.replicas) {
            return refuse("has more owners than replicas");
        }
        for (std::size_t s = 0; s < answer[p].size(); ++s) {
            const member_id who = answer[p][s];
            if (who.empty()) {
                continue;
            }
            if (!members.contains(who)) {
                return refuse("names " + who.brief() + ", which is no member to choose from");
            }
            if (!of.eligible.empty() && std::ranges::find(of.eligible, who) == of.eligible.end()) {
                return refuse("names " + who.brief() + ", which is not eligible");
            }
            const auto begin = answer[p].begin();
            const auto here = begin + static_cast<std::ptrdiff_t>(s);
            if (std::find(begin, here, who) != here) {
                return refuse("names " + who.brief() + " twice");
            }
        }
    }
    return {};
}

std::optional<planner_input> planner_question(const specification& spec,
                                              const plan& before,
                                              const plan_facts& facts,
                                              instant now,
                                              const std::string& resource) {
    return plan_draft{spec, before, facts, before.number + 1, now, resource}.question();
}

std::optional<instant> look_again_at(const specification& spec,
                                     const plan& before,
                                     const plan_facts& facts,
                                     instant now,
                                     const std::string& resource) {
    return plan_draft{spec, before, facts, before.number + 1, now, resource}.look_again();
}

std::optional<plan_change> next_plan(const specification& spec,
                                     const plan& before,
                                     const plan_facts& facts,
                                     plan_number number,
                                     instant now,
                                     const planner& choose,
                                     const std::string& resource) {
    plan_draft draft{spec, before, facts, number, now, resource};
    if (const auto& question = draft.question()) {
        result<planned_owners> owners =
            choose ? ask(choose, *question) : result<planned_owners>{balanced(*question)};
        if (!owners) {
            draft.note("planner_refused",
                       ": " + owners.error().text + "; the built-in planner decides");
            owners = balanced(*question);
        }
        draft.answer(*owners);
    }
    return draft.finish();
}

}  // namespace muster::cluster
