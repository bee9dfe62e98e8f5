#pragma once

/// @file
/// A small healthy cluster, as a literal for tests.

#include "picture.hpp"

namespace muster::cli {

inline constexpr member_id id_a{1, 1};
inline constexpr member_id id_b{2, 2};

/// "shop": a1 leads, b2 does not; the four partitions of "orders" alternate between them.
inline picture two_members() {
    picture all;
    all.cluster = "shop";
    all.exists = true;
    all.read_unix_ms = 1'000'000;
    all.view = cluster::view_record{.number = 7,
                                    .leader = id_a,
                                    .epoch = 5,
                                    .since_unix_ms = 940'000,
                                    .members = {{id_a, cluster::lifecycle::online, false},
                                                {id_b, cluster::lifecycle::online, false}}};
    all.leader = leader_facts{id_a, (std::int64_t{1} << 56) + 5, 940'000};
    const auto add = [&](member_id id, const char* name, const char* address) {
        cluster::descriptor described;
        described.name = name;
        described.address = address;
        described.version = "0.1.0";
        described.started_unix_ms = 900'000;
        all.members.emplace(id, described);
        cluster::status_record status;
        status.state = cluster::lifecycle::online;
        status.resources["orders"] = {};
        all.statuses.emplace(id, status);
    };
    add(id_a, "a1", "10.0.0.1:7000");
    add(id_b, "b2", "10.0.0.2:7000");
    resource_facts orders;
    orders.spec.partitions = 4;
    cluster::plan plan{.number = 100, .since = {}, .chunks = {{.number = 100, .entries = {}}}};
    for (int i = 0; i < 4; ++i) {
        plan.chunks[0].entries.push_back({.partition = std::to_string(i),
                                          .slot = 0,
                                          .owner = i % 2 == 0 ? id_a : id_b,
                                          .fence = 100,
                                          .waits = {},
                                          .next = {},
                                          .removed = false});
    }
    orders.plan = std::move(plan);
    all.resources.emplace("orders", std::move(orders));
    all.servers = {{"zk1:2181", true}};
    all.round_trip = std::chrono::microseconds{1'200};
    return all;
}

}  // namespace muster::cli
