#include "cluster/plan/maker.hpp"

#include "cluster/codec.hpp"
#include "cluster/plan/rules.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace muster::cluster {

using zookeeper::zk_error;

namespace {

// Of the 1 MiB that a request may have.
constexpr std::size_t largest_specification = 1'000'000;
constexpr std::size_t bytes_of_chunks = 512U << 10U;
constexpr std::size_t bytes_per_op = 256;  ///< path, header and ACL

std::string list_of(const std::vector<std::string>& bounds) {
    std::string text;
    for (const std::string& bound : bounds) {
        text += (text.empty() ? "" : ",") + bound;
    }
    return text;
}

void note(std::string& out, const char* what, const std::string& there, const std::string& here) {
    if (there != here) {
        out += (out.empty() ? "" : "; ") + std::string{what} + ": " + there + " there, " + here +
               " here";
    }
}

}  // namespace

std::string difference(const specification& there, const specification& here) {
    std::string out;
    const auto number = [](auto value) { return std::to_string(static_cast<long long>(value)); };
    note(out, "kind", std::string{name_of(there.kind)}, std::string{name_of(here.kind)});
    note(out, "partitions", number(there.partitions), number(here.partitions));
    note(out, "from", list_of(there.from), list_of(here.from));
    note(out, "replicas", number(there.replicas), number(here.replicas));
    note(out, "when_stranded", number(there.when_stranded), number(here.when_stranded));
    note(out, "effects", number(there.effects), number(here.effects));
    note(out, "on_stuck", number(there.on_stuck), number(here.on_stuck));
    note(out,
         "handover_delay (ms)",
         number(there.handover_delay.count()),
         number(here.handover_delay.count()));
    note(out,
         "acquire_deadline (ms)",
         number(there.acquire_deadline.count()),
         number(here.acquire_deadline.count()));
    note(out,
         "release_deadline (ms)",
         number(there.release_deadline.count()),
         number(here.release_deadline.count()));
    note(out,
         "prepare_deadline (ms)",
         number(there.prepare_deadline.count()),
         number(here.prepare_deadline.count()));
    note(out, "planner", there.planner, here.planner);
    if (there.tombstone) {
        out += (out.empty() ? "" : "; ") + std::string{"it was removed"};
    }
    return out;
}

resource_maker::resource_maker(const session_context& at,
                               std::string resource,
                               specification spec,
                               callback<result<void>> done)
    : at_{at}, resource_{std::move(resource)}, spec_{std::move(spec)}, done_{std::move(done)} {
    read();
}

void resource_maker::read() {
    const std::string path = at_.where.resource(resource_);
    reading::get(at_, life_, path, {}, [this, path](zookeeper::reply<zookeeper::node_data> got) {
        if (got.refused_with(zk_error::no_node)) {
            make();
            return;
        }
        if (!got.ok()) {
            finish(fail(errc::unavailable, "could not read " + path + ": " + got.text));
            return;
        }
        const auto there = decode<specification>(got.value.data, path);
        if (there) {
            compare(*there);
        } else {
            finish(std::unexpected(there.error()));
        }
    });
}

void resource_maker::compare(const specification& there) {
    if (there == spec_) {
        finish({});
        return;
    }
    finish(fail(errc::conflict,
                "resource '" + resource_ + "' exists with another specification (" +
                    difference(there, spec_) + "): describe it the same, or give it another name"));
}

/// As many chunks as there is room for; the leader writes the others.
void resource_maker::make() {
    const std::string described = encode(spec_);
    if (auto possible = fits(described.size()); !possible) {
        finish(std::move(possible));
        return;
    }
    plan_head head;
    head.number = next_plan_number(0, at_.zk.last_zxid());
    std::vector<zookeeper::op> chunks;
    std::size_t room = std::min(bytes_of_chunks, largest_specification - described.size());
    for (std::size_t i = 0; i == 0 || entries_in_chunk(spec_, i) > 0; ++i) {
        std::string data = encode(first_chunk(spec_, head.number, i), spec_);
        if (data.size() + bytes_per_op > room) {
            head.fresh = true;
            break;
        }
        room -= data.size() + bytes_per_op;
        head.chunks.push_back(head.number);
        chunks.emplace_back(
            zookeeper::create_op{.path = at_.where.chunk(resource_, i), .data = std::move(data)});
    }
    std::vector<zookeeper::op> ops;
    ops.emplace_back(
        zookeeper::create_op{.path = at_.where.resource(resource_), .data = described});
    ops.emplace_back(zookeeper::create_op{.path = at_.where.plan(resource_), .data = encode(head)});
    std::ranges::move(chunks, std::back_inserter(ops));
    create(std::move(ops));
}

/// Errors: invalid_argument (there can be no such resource).
result<void> resource_maker::fits(std::size_t described) const {
    if (entries_in_chunk(spec_, chunks_per_plan) > 0) {
        return fail(errc::invalid_argument,
                    "resource '" + resource_ + "' is too large: partitions times replicas may be " +
                        std::to_string(chunks_per_plan * entries_per_chunk));
    }
    if (described > largest_specification) {
        return fail(errc::invalid_argument,
                    "resource '" + resource_ + "' is too large: its specification has " +
                        std::to_string(described) + " bytes, ZooKeeper takes " +
                        std::to_string(largest_specification));
    }
    return {};
}

void resource_maker::create(std::vector<zookeeper::op> ops) {
    at_.zk.multi(std::move(ops),
                 never,
                 life_.wrap([this](const zookeeper::reply<std::vector<zookeeper::op_result>>& got) {
                     if (got.ok()) {
                         finish({});
                     } else if (got.refused_with(zk_error::node_exists) ||
                                got.how != zookeeper::outcome::refused) {
                         read();  // Somebody else made it, or we did and were not told.
                     } else {
                         finish(fail(errc::unavailable,
                                     "could not create resource '" + resource_ + "': " + got.text));
                     }
                 }));
}

void resource_maker::finish(result<void> how) {
    auto done = std::move(done_);
    done(std::move(how));
}

}  // namespace muster::cluster
