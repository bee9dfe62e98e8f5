#include "base/check.hpp"
#include "cluster/codec.hpp"
#include "cluster/stored_json.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <utility>

// A chunk is stored as columns, since a plan of 100,000 partitions has 100,000 owners but few
// different ones: a table of the ids and one of the fences that occur, then for each entry a place
// in either (-1: nobody). Only entries between owners have more to say; they stand in `unfinished`.

namespace muster::cluster {

namespace json = boost::json;

namespace {

constexpr std::int64_t most_partitions = std::int64_t{1} << 20;
constexpr std::int64_t most_replicas = 128;
constexpr std::int64_t longest_ms = std::int64_t{1} << 40;

constexpr std::array<std::string_view, 3> kind_names{"hash", "range", "list"};
constexpr std::array<std::string_view, 2> stranded_names{"exclusive", "serve_stale"};
constexpr std::array<std::string_view, 3> effects_names{"unfenced", "fenced", "none"};
constexpr std::array<std::string_view, 2> stuck_names{"abort", "fence"};

template <class Enum, std::size_t Size>
void read_enum(stored::reader& in,
               const json::object& from,
               std::string_view key,
               const std::array<std::string_view, Size>& names,
               Enum& into) {
    const json::value* const value = from.if_contains(key);
    if (value == nullptr) {
        return;
    }
    const std::string text = in.to_text(*value, key);
    const auto at = std::ranges::find(names, text);
    if (at == names.end()) {
        in.wrong(std::string{key} + " \"" + text + "\" is unknown");
        return;
    }
    into = static_cast<Enum>(at - names.begin());
}

void read_ms(stored::reader& in,
             const json::object& from,
             std::string_view key,
             std::chrono::milliseconds& into) {
    if (const json::value* const value = from.if_contains(key)) {
        into = std::chrono::milliseconds{in.to_small(*value, key, 0, longest_ms)};
    }
}

/// Numbers things in the order in which they first occur.
template <class Value>
class table {
public:
    std::int64_t place_of(const Value& value) {
        const auto [at, added] = places_.try_emplace(value, std::ssize(values_));
        if (added) {
            values_.push_back(value);
        }
        return at->second;
    }
    [[nodiscard]] const std::vector<Value>& values() const { return values_; }

private:
    std::map<Value, std::int64_t> places_;
    std::vector<Value> values_;
};

/// "17", "H", …: what entry `index` of chunk `chunk` is called. Nothing beyond the end.
std::optional<std::pair<std::string, std::uint16_t>> place_in(const specification& of,
                                                              std::size_t index) {
    const std::size_t replicas = std::max<std::size_t>(of.replicas, 1);
    const std::size_t partition = index / replicas;
    const auto slot = static_cast<std::uint16_t>(index % replicas);
    if (of.kind == resource_kind::hash && partition < of.partitions) {
        return std::pair{std::to_string(partition), slot};
    }
    if (of.kind == resource_kind::range && partition < of.from.size()) {
        return std::pair{of.from[partition], slot};
    }
    return std::nullopt;
}

struct tables {
    std::vector<member_id> ids;
    std::vector<plan_number> fences;
};

tables read_tables(stored::reader& in, const json::object& from, plan_number number) {
    tables read;
    std::set<member_id> seen;
    for (const json::value& one :
         in.to_array(in.needed(from, "ids"), "ids", stored::most_members)) {
        read.ids.push_back(in.to_id(one, "ids", false));
        if (!seen.insert(read.ids.back()).second) {
            in.wrong("ids has one twice");
        }
    }
    for (const json::value& one :
         in.to_array(in.needed(from, "fences"), "fences", entries_per_chunk)) {
        read.fences.push_back(in.to_number(one, "fences", 0, number));
    }
    return read;
}

/// Names the entries of a list; they stand one name for all slots of a partition.
void read_list_names(stored::reader& in,
                     const json::object& from,
                     const specification& of,
                     std::vector<entry>& entries) {
    const json::array& names = in.to_array(in.needed(from, "names"), "names", entries_per_chunk);
    if (names.size() * of.replicas != entries.size()) {
        in.wrong("names and owners differ in number");
        return;
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < names.size() && !in.is_wrong(); ++i) {
        const std::string name = in.to_name(names[i], "names");
        if (!seen.insert(name).second) {
            in.wrong("names has one twice");
        }
        for (std::size_t slot = 0; slot < of.replicas; ++slot) {
            entries[i * of.replicas + slot].partition = name;
            entries[i * of.replicas + slot].slot = static_cast<std::uint16_t>(slot);
        }
    }
    if (const json::value* const removed = from.if_contains("removed")) {
        for (const json::value& one : in.to_array(*removed, "removed", entries_per_chunk)) {
            const std::int64_t at = in.to_small(one, "removed", 0, std::ssize(entries) - 1);
            if (!in.is_wrong()) {
                entries[static_cast<std::size_t>(at)].removed = true;
            }
        }
    }
}

void read_unfinished(stored::reader& in,
                     const json::object& from,
                     const tables& known,
                     std::vector<entry>& entries) {
    const json::value* const unfinished = from.if_contains("unfinished");
    if (unfinished == nullptr) {
        return;
    }
    const std::int64_t last = std::ssize(known.ids) - 1;
    std::set<std::int64_t> seen;
    for (const json::value& value : in.to_array(*unfinished, "unfinished", entries_per_chunk)) {
        const json::object& one = in.to_object(value, "unfinished", stored::most_names);
        const std::int64_t at =
            in.to_small(in.needed(one, "at"), "unfinished", 0, std::ssize(entries) - 1);
        if (in.is_wrong() || !seen.insert(at).second) {
            in.wrong("unfinished has one twice");
            return;
        }
        entry& into = entries[static_cast<std::size_t>(at)];
        if (const json::value* const next = one.if_contains("next")) {
            const std::int64_t who = in.to_small(*next, "next", 0, last);
            into.next = in.is_wrong() ? member_id{} : known.ids[static_cast<std::size_t>(who)];
        }
        const json::value* const waits = one.if_contains("waits");
        if (waits == nullptr) {
            continue;
        }
        for (const json::value& place : in.to_array(*waits, "waits", stored::most_members)) {
            const std::int64_t who = in.to_small(place, "waits", 0, last);
            if (in.is_wrong()) {
                return;
            }
            const member_id id = known.ids[static_cast<std::size_t>(who)];
            if (id == into.owner || std::ranges::find(into.waits, id) != into.waits.end()) {
                in.wrong("waits names one twice, or the owner");
            }
            into.waits.push_back(id);
        }
    }
}

void read_owners(stored::reader& in,
                 const json::object& from,
                 const tables& known,
                 std::vector<entry>& entries) {
    const json::array& owners = in.to_array(in.needed(from, "owners"), "owners", entries_per_chunk);
    const json::array& fences = in.to_array(in.needed(from, "fence"), "fence", entries_per_chunk);
    if (owners.size() != fences.size()) {
        in.wrong("owners and fence differ in number");
        return;
    }
    entries.resize(owners.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto owner = in.to_small(owners[i], "owners", -1, std::ssize(known.ids) - 1);
        const auto fence = in.to_small(fences[i], "fence", 0, std::ssize(known.fences) - 1);
        if (in.is_wrong()) {
            return;
        }
        entries[i].fence = known.fences[static_cast<std::size_t>(fence)];
        if (owner >= 0) {
            entries[i].owner = known.ids[static_cast<std::size_t>(owner)];
            if (entries[i].fence == 0) {
                in.wrong("an owner without a fence");
            }
        }
    }
}

void check_slots(stored::reader& in, const std::vector<entry>& entries) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
        for (std::size_t k = i + 1;
             k < entries.size() && entries[k].partition == entries[i].partition;
             ++k) {
            if (!entries[i].owner.empty() && entries[i].owner == entries[k].owner) {
                in.wrong("one member owns two slots of partition " + entry_key(entries[i]));
                return;
            }
        }
    }
}

}  // namespace

std::string_view name_of(resource_kind kind) noexcept {
    return kind_names[static_cast<std::size_t>(kind)];
}

std::string encode(const specification& what) {
    json::object object = stored::fresh();
    object["kind"] = name_of(what.kind);
    if (what.kind == resource_kind::hash) {
        object["partitions"] = what.partitions;
        object["hash"] = "xxh64/1";
    }
    if (what.kind == resource_kind::range) {
        json::array from;
        for (const std::string& bound : what.from) {
            from.push_back(stored::name(bound));
        }
        object["from"] = std::move(from);
    }
    object["replicas"] = what.replicas;
    object["when_stranded"] = stranded_names[static_cast<std::size_t>(what.when_stranded)];
    object["effects"] = effects_names[static_cast<std::size_t>(what.effects)];
    object["handover_delay_ms"] = what.handover_delay.count();
    object["on_stuck"] = stuck_names[static_cast<std::size_t>(what.on_stuck)];
    object["acquire_deadline_ms"] = what.acquire_deadline.count();
    object["release_deadline_ms"] = what.release_deadline.count();
    if (what.prepare_deadline.count() > 0) {
        object["prepare_deadline_ms"] = what.prepare_deadline.count();
    }
    object["planner"] = stored::text(what.planner);
    if (what.tombstone) {
        object["tombstone"] = true;
    }
    return stored::written(object);
}

template <>
result<specification> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    specification record;
    static_cast<void>(in.needed(*object, "kind"));
    read_enum(in, *object, "kind", kind_names, record.kind);
    if (record.kind == resource_kind::hash) {
        record.partitions = static_cast<std::uint32_t>(
            in.to_small(in.needed(*object, "partitions"), "partitions", 1, most_partitions));
        if (in.to_text(in.needed(*object, "hash"), "hash") != "xxh64/1") {
            in.wrong("hash is not \"xxh64/1\", the only one this program knows");
        }
    }
    if (record.kind == resource_kind::range) {
        for (const json::value& bound :
             in.to_array(in.needed(*object, "from"), "from", most_partitions)) {
            record.from.push_back(in.to_name(bound, "from"));
            if (record.from.size() > 1 &&
                record.from.back() <= record.from[record.from.size() - 2]) {
                in.wrong("from does not ascend");
            }
        }
        if (record.from.empty()) {
            in.wrong("from is empty");
        }
    }
    record.replicas = static_cast<std::uint32_t>(
        in.to_small(in.needed(*object, "replicas"), "replicas", 1, most_replicas));
    read_enum(in, *object, "when_stranded", stranded_names, record.when_stranded);
    read_enum(in, *object, "effects", effects_names, record.effects);
    read_enum(in, *object, "on_stuck", stuck_names, record.on_stuck);
    read_ms(in, *object, "handover_delay_ms", record.handover_delay);
    read_ms(in, *object, "acquire_deadline_ms", record.acquire_deadline);
    read_ms(in, *object, "release_deadline_ms", record.release_deadline);
    read_ms(in, *object, "prepare_deadline_ms", record.prepare_deadline);
    in.read(*object, "planner", record.planner);
    in.read(*object, "tombstone", record.tombstone);
    if (auto fine = in.check(); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    return record;
}

std::string encode(const plan_head& what) {
    json::object object = stored::fresh();
    object["number"] = stored::number(what.number);
    json::array chunks;
    for (const plan_number one : what.chunks) {
        chunks.push_back(stored::number(one));
    }
    object["chunks"] = std::move(chunks);
    json::object since;
    for (const auto& [who, number] : what.since) {
        since[who.text()] = stored::number(number);
    }
    object["since"] = std::move(since);
    if (what.fresh) {
        object["fresh"] = true;
    }
    return stored::written(object);
}

template <>
result<plan_head> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    plan_head record;
    record.number = in.to_number(in.needed(*object, "number"), "number", 1, most_plan_number);
    for (const json::value& one :
         in.to_array(in.needed(*object, "chunks"), "chunks", chunks_per_plan)) {
        record.chunks.push_back(in.to_number(one, "chunks", 1, record.number));
    }
    if (const json::value* const since = object->if_contains("since")) {
        for (const auto& [key, number] : in.to_object(*since, "since", stored::most_members)) {
            const member_id who = in.to_id(json::string{key}, "since", false);
            record.since[who] = in.to_number(number, "since", 1, record.number);
        }
    }
    in.read(*object, "fresh", record.fresh);
    if (auto fine = in.check(); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    return record;
}

std::string encode(const plan_chunk& what, const specification& of) {
    table<member_id> ids;
    table<plan_number> fences;
    json::array owners;
    json::array fence;
    json::array names;
    json::array removed;
    json::array unfinished;
    for (std::size_t i = 0; i < what.entries.size(); ++i) {
        const entry& one = what.entries[i];
        owners.push_back(one.owner.empty() ? -1 : ids.place_of(one.owner));
        fence.push_back(fences.place_of(one.fence));
        if (of.kind == resource_kind::list) {
            MUSTER_ASSERT(one.slot == i % of.replicas, "a list keeps the slots of a name together");
            if (one.slot == 0) {
                names.push_back(stored::name(one.partition));
            }
            if (one.removed) {
                removed.push_back(static_cast<std::int64_t>(i));
            }
        }
        if (one.waits.empty() && one.next.empty()) {
            continue;
        }
        json::object rest;
        rest["at"] = static_cast<std::int64_t>(i);
        json::array waits;
        for (const member_id who : one.waits) {
            waits.push_back(ids.place_of(who));
        }
        rest["waits"] = std::move(waits);
        if (!one.next.empty()) {
            rest["next"] = ids.place_of(one.next);
        }
        unfinished.push_back(std::move(rest));
    }
    json::object object = stored::fresh();
    object["number"] = stored::number(what.number);
    json::array& id_table = object["ids"].emplace_array();
    for (const member_id who : ids.values()) {
        id_table.push_back(stored::id(who));
    }
    json::array& fence_table = object["fences"].emplace_array();
    for (const plan_number one : fences.values()) {
        fence_table.push_back(stored::number(one));
    }
    object["owners"] = std::move(owners);
    object["fence"] = std::move(fence);
    if (of.kind == resource_kind::list) {
        object["names"] = std::move(names);
        object["removed"] = std::move(removed);
    }
    object["unfinished"] = std::move(unfinished);
    return stored::written(object);
}

result<plan_chunk> decode_chunk(std::string_view text,
                                std::string_view path,
                                const specification& of,
                                std::size_t chunk) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    plan_chunk record;
    record.number = in.to_number(in.needed(*object, "number"), "number", 1, most_plan_number);
    const tables known = read_tables(in, *object, record.number);
    read_owners(in, *object, known, record.entries);
    if (of.kind == resource_kind::list) {
        read_list_names(in, *object, of, record.entries);
    } else {
        if (record.entries.size() != entries_in_chunk(of, chunk)) {
            in.wrong("holds " + std::to_string(record.entries.size()) + " entries, not the " +
                     std::to_string(entries_in_chunk(of, chunk)) + " of the specification");
        }
        for (std::size_t i = 0; i < record.entries.size() && !in.is_wrong(); ++i) {
            const auto place = place_in(of, chunk * entries_per_chunk + i);
            record.entries[i].partition = place->first;
            record.entries[i].slot = place->second;
        }
    }
    if (!in.is_wrong()) {
        read_unfinished(in, *object, known, record.entries);
        check_slots(in, record.entries);
    }
    if (auto fine = in.check(); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    return record;
}

std::size_t entries_in_chunk(const specification& of, std::size_t chunk) {
    if (of.kind == resource_kind::list) {
        return 0;
    }
    const std::size_t partitions = of.kind == resource_kind::hash ? of.partitions : of.from.size();
    const std::size_t all = partitions * of.replicas;
    const std::size_t begin = std::min(all, chunk * entries_per_chunk);
    return std::min(entries_per_chunk, all - begin);
}

}  // namespace muster::cluster
