/// @file
/// How long a leader thinks: the built-in planner, and one whole change of a plan. One JSON line
/// for each case, the median of five runs.
///
///     bench_planner [partitions] [members]

#include "cluster/plan/rules.hpp"
#include "muster/planner.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace muster;

planner_input input_of(std::size_t partitions, std::size_t members, std::uint32_t replicas) {
    planner_input input;
    input.resource = "bench";
    input.replicas = replicas;
    for (std::size_t m = 0; m < members; ++m) {
        planned_member& one = input.members.emplace_back();
        one.id = member_id{1, m + 1};
        one.name = "m" + std::to_string(m);
        one.zone = "z" + std::to_string(m % 3);
    }
    for (std::size_t p = 0; p < partitions; ++p) {
        planned_partition& one = input.partitions.emplace_back();
        one.name = std::to_string(p);
        one.owners.resize(replicas);
    }
    return input;
}

template <class F>
double median_ms(F&& run) {
    std::vector<double> took;
    for (int i = 0; i < 5; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        run();
        const std::chrono::duration<double, std::milli> passed =
            std::chrono::steady_clock::now() - begin;
        took.push_back(passed.count());
    }
    std::ranges::sort(took);
    return took[2];
}

std::size_t moved(const planner_input& from, const planned_owners& to) {
    std::size_t count = 0;
    for (std::size_t p = 0; p < to.size(); ++p) {
        for (std::size_t s = 0; s < to[p].size(); ++s) {
            const member_id old = from.partitions[p].owners[s];
            count += !old.empty() && old != to[p][s] ? 1U : 0U;
        }
    }
    return count;
}

void print(const char* what, const planner_input& input, double ms, std::size_t moves) {
    std::printf(
        "{\"bench\":\"planner\",\"case\":\"%s\",\"partitions\":%zu,\"members\":%zu,"
        "\"replicas\":%u,\"ms\":%.1f,\"moved\":%zu}\n",
        what, input.partitions.size(), input.members.size(), input.replicas, ms, moves);
}

void bench_planner(std::size_t partitions, std::size_t members, std::uint32_t replicas) {
    planner_input input = input_of(partitions, members, replicas);
    planned_owners answer;
    const double first = median_ms([&] { answer = balanced(input); });
    print("first", input, first, moved(input, answer));

    for (std::size_t p = 0; p < partitions; ++p) {
        input.partitions[p].owners = answer[p];
    }
    const double same = median_ms([&] { answer = balanced(input); });
    print("unchanged", input, same, moved(input, answer));

    planner_input lost = input;
    const member_id who = lost.members[members / 2].id;
    lost.members.erase(lost.members.begin() + static_cast<std::ptrdiff_t>(members / 2));
    for (planned_partition& one : lost.partitions) {
        std::ranges::replace(one.owners, who, member_id{});
    }
    const double without = median_ms([&] { answer = balanced(lost); });
    print("one_lost", lost, without, moved(lost, answer));

    planner_input joined = input;
    planned_member& fresh = joined.members.emplace_back();
    fresh.id = member_id{2, 1};
    fresh.name = "new";
    const double with = median_ms([&] { answer = balanced(joined); });
    print("one_joined", joined, with, moved(joined, answer));
}

void bench_change(std::size_t partitions, std::size_t members) {
    cluster::specification spec;
    spec.partitions = static_cast<std::uint32_t>(partitions);
    const cluster::plan first = cluster::first_plan(spec, 1);
    cluster::plan_facts facts;
    const planner_input input = input_of(partitions, members, 1);
    facts.takers = input.members;
    for (const planned_member& one : input.members) {
        facts.statuses[one.id].state = cluster::lifecycle::online;
    }
    const double ms = median_ms([&] {
        static_cast<void>(cluster::next_plan(spec, first, facts, 2, instant{}, {}, "bench"));
    });
    print("next_plan", input, ms, 0);
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t partitions = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
    const std::size_t members = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000;
    if (partitions == 0 || members < 2) {
        std::fputs("usage: bench_planner [partitions >= 1] [members >= 2]\n", stderr);
        return 2;
    }
    bench_planner(partitions, members, 1);
    bench_planner(partitions, members, 3);
    bench_change(partitions, members);
    return 0;
}
