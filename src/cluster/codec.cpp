#include "cluster/codec.hpp"

#include "base/text.hpp"
#include "cluster/stored_json.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace muster::cluster {

namespace json = boost::json;

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

constexpr std::array<std::pair<lifecycle, std::string_view>, 7> lifecycle_names{{
    {lifecycle::stranded, "stranded"},
    {lifecycle::joining, "joining"},
    {lifecycle::initializing, "initializing"},
    {lifecycle::online, "online"},
    {lifecycle::suspect, "suspect"},
    {lifecycle::draining, "draining"},
    {lifecycle::left, "left"},
}};

lifecycle to_lifecycle(stored::reader& in, const json::value& from) {
    const std::string text = in.to_text(from, "state");
    for (const auto& [state, name] : lifecycle_names) {
        if (name == text) {
            return state;
        }
    }
    in.wrong("state \"" + text + "\" is unknown");
    return lifecycle::stranded;
}

template <class Names>
json::array names_of(const Names& names, bool encode) {
    json::array array;
    for (const std::string& one : names) {
        array.push_back(encode ? stored::name(one) : stored::text(one));
    }
    return array;
}

json::object written(const release_record& what) {
    json::object object;
    object["through"] = stored::number(what.through);
    if (!what.except.empty()) {
        object["except"] = names_of(what.except, false);
    }
    if (what.revoked != 0) {
        object["revoked"] = stored::number(what.revoked);
    }
    if (!what.failed.empty()) {
        json::object failed;
        for (const auto& [key, fence] : what.failed) {
            failed[key] = stored::number(fence);
        }
        object["failed"] = std::move(failed);
    }
    if (!what.ready.empty()) {
        object["ready"] = names_of(what.ready, false);
    }
    return object;
}

release_record to_release(stored::reader& in, const json::object& from) {
    release_record record;
    in.read(from, "through", record.through, 0, most_plan_number);
    in.read(from, "revoked", record.revoked, 0, most_plan_number);
    in.read_names(from, "except", record.except, false);
    in.read_names(from, "ready", record.ready, false);
    if (const json::value* const failed = from.if_contains("failed")) {
        for (const auto& [key, fence] : in.to_object(*failed, "failed", stored::most_names)) {
            record.failed[std::string{key}] = in.to_number(fence, "failed", 0, most_plan_number);
        }
    }
    return record;
}

void write(const view_member& what, json::object& into) {
    into["id"] = stored::id(what.id);
    into["state"] = name_of(what.state);
    if (what.drain) {
        into["drain"] = true;
    }
}

view_member to_member(stored::reader& in, const json::object& from) {
    view_member member;
    member.id = in.to_id(in.needed(from, "id"), "member", false);
    member.state = to_lifecycle(in, in.needed(from, "state"));
    in.read(from, "drain", member.drain);
    return member;
}

template <class Record>
result<Record> checked(const stored::reader& in, Record record) {
    if (auto fine = in.check(); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    return record;
}

}  // namespace

std::string_view name_of(lifecycle state) noexcept {
    for (const auto& [one, name] : lifecycle_names) {
        if (one == state) {
            return name;
        }
    }
    return "unknown";
}

std::string encode(const root_record& what) {
    json::object object = stored::fresh();
    object["incarnation"] = what.incarnation;
    object["uuid"] = stored::text(what.uuid);
    object["frozen"] = what.frozen;
    return stored::written(object);
}

template <>
result<root_record> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    root_record record;
    record.incarnation = static_cast<std::int32_t>(
        in.to_small(in.needed(*object, "incarnation"), "incarnation", 1, most_incarnations));
    in.read(*object, "uuid", record.uuid);
    in.read(*object, "frozen", record.frozen);
    return checked(in, std::move(record));
}

std::string encode(const key_record& what) {
    std::string digits;
    for (const char one : what.bytes) {
        digits += base::hex16(static_cast<unsigned char>(one)).substr(14);
    }
    json::object object = stored::fresh();
    object["key"] = digits;
    return stored::written(object);
}

/// What is wrong with it is told without it.
template <>
result<key_record> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    const std::string digits = in.to_text(in.needed(*object, "key"), "key");
    key_record record;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        if (const auto byte = base::parse_hex(std::string_view{digits}.substr(i, 2))) {
            record.bytes.push_back(static_cast<char>(*byte));
        }
    }
    if (digits.size() != 2 * key_record::size || record.bytes.size() != key_record::size) {
        in.wrong("\"key\" is not " + std::to_string(2 * key_record::size) + " hexadecimal digits");
    }
    return checked(in, std::move(record));
}

std::string encode(const descriptor& what) {
    json::object object = stored::fresh();
    object["name"] = stored::name(what.name);
    object["address"] = stored::text(what.address);
    object["admin"] = stored::text(what.admin);
    json::object metadata;
    for (const auto& [key, value] : what.metadata) {
        metadata[stored::text(key)] = stored::text(value);
    }
    object["metadata"] = std::move(metadata);
    object["zone"] = stored::text(what.zone);
    object["weight"] = std::isfinite(what.weight) ? what.weight : 1.0;
    object["roles"] = names_of(what.roles, true);
    object["version"] = stored::text(what.version);
    object["started"] = stored::number(what.started_unix_ms);
    if (!what.life.empty()) {
        object["life"] = stored::id(what.life);
    }
    return stored::written(object);
}

template <>
result<descriptor> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    descriptor record;
    record.name = in.to_name(in.needed(*object, "name"), "name");
    in.read(*object, "address", record.address);
    in.read(*object, "admin", record.admin);
    in.read(*object, "zone", record.zone);
    in.read(*object, "version", record.version);
    in.read(*object, "started", record.started_unix_ms, 0, most);
    if (const json::value* const life = object->if_contains("life")) {
        record.life = in.to_id(*life, "life", true);
    }
    if (const json::value* const weight = object->if_contains("weight")) {
        record.weight = in.to_real(*weight, "weight");
    }
    if (const json::value* const metadata = object->if_contains("metadata")) {
        for (const auto& [key, value] : in.to_object(*metadata, "metadata", stored::most_names)) {
            record.metadata[std::string{key}] = in.to_text(value, "metadata");
        }
    }
    if (const json::value* const roles = object->if_contains("roles")) {
        for (const json::value& role : in.to_array(*roles, "roles", stored::most_names)) {
            record.roles.push_back(in.to_name(role, "roles"));
        }
    }
    return checked(in, std::move(record));
}

std::string encode(const status_record& what) {
    json::object object = stored::fresh();
    object["state"] = name_of(what.state);
    json::object resources;
    for (const auto& [name, release] : what.resources) {
        resources[stored::name(name)] = written(release);
    }
    object["resources"] = std::move(resources);
    json::array unreachable;
    for (const member_id who : what.unreachable) {
        unreachable.push_back(stored::id(who));
    }
    object["unreachable"] = std::move(unreachable);
    object["candidates"] = names_of(what.candidates, true);
    return stored::written(object);
}

template <>
result<status_record> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    status_record record;
    record.state = to_lifecycle(in, in.needed(*object, "state"));
    if (const json::value* const resources = object->if_contains("resources")) {
        for (const auto& [key, release] :
             in.to_object(*resources, "resources", stored::most_names)) {
            record.resources[in.decoded(key, "resource name")] =
                to_release(in, in.to_object(release, "resource", stored::most_names));
        }
    }
    if (const json::value* const peers = object->if_contains("unreachable")) {
        for (const json::value& who : in.to_array(*peers, "unreachable", stored::most_members)) {
            record.unreachable.push_back(in.to_id(who, "unreachable", false));
        }
    }
    in.read_names(*object, "candidates", record.candidates, true);
    return checked(in, std::move(record));
}

std::string encode(const view_head& what) {
    json::object object = stored::fresh();
    object["number"] = stored::number(what.number);
    object["leader"] = stored::id(what.leader);
    object["epoch"] = stored::number(what.epoch);
    object["since"] = stored::number(what.since_unix_ms);
    json::array chunks;
    for (const std::int64_t one : what.chunks) {
        chunks.push_back(stored::number(one));
    }
    object["chunks"] = std::move(chunks);
    object["after"] = stored::number(what.after);
    json::array changes;
    for (const changed_member& one : what.changes) {
        json::object change;
        change["number"] = stored::number(one.number);
        change["chunk"] = one.chunk;
        if (one.gone) {
            change["id"] = stored::id(one.member.id);
        } else {
            write(one.member, change);
        }
        changes.push_back(std::move(change));
    }
    object["changes"] = std::move(changes);
    return stored::written(object);
}

template <>
result<view_head> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    view_head record;
    record.number = in.to_number(in.needed(*object, "number"), "number", 0, most_plan_number);
    record.leader = in.to_id(in.needed(*object, "leader"), "leader", true);
    record.epoch = in.to_number(in.needed(*object, "epoch"), "epoch", 0, most_plan_number);
    in.read(*object, "since", record.since_unix_ms, 0, most);
    for (const json::value& one :
         in.to_array(in.needed(*object, "chunks"), "chunks", stored::most_members)) {
        record.chunks.push_back(in.to_number(one, "chunks", 0, record.number));
    }
    record.after = in.to_number(in.needed(*object, "after"), "after", 0, record.number);
    std::int64_t newest = record.after + 1;
    for (const json::value& one :
         in.to_array(in.needed(*object, "changes"), "changes", stored::most_members)) {
        const json::object& from = in.to_object(one, "change", stored::most_names);
        changed_member change;
        change.number = in.to_number(in.needed(from, "number"), "change", newest, record.number);
        change.chunk = static_cast<std::uint32_t>(in.to_small(
            in.needed(from, "chunk"), "chunk of a change", 0, std::ssize(record.chunks) - 1));
        change.gone = !from.contains("state");
        if (change.gone) {
            change.member.id = in.to_id(in.needed(from, "id"), "change", false);
        } else {
            change.member = to_member(in, from);
        }
        if (in.is_wrong()) {
            break;
        }
        newest = change.number;
        record.changes.push_back(change);
    }
    return checked(in, std::move(record));
}

std::string encode(const view_chunk& what) {
    json::object object = stored::fresh();
    object["number"] = stored::number(what.number);
    json::array members;
    for (const view_member& one : what.members) {
        write(one, members.emplace_back(json::object{}).as_object());
    }
    object["members"] = std::move(members);
    return stored::written(object);
}

template <>
result<view_chunk> decode(std::string_view text, std::string_view path) {
    auto object = stored::parse(text, path);
    if (!object) {
        return std::unexpected(std::move(object.error()));
    }
    stored::reader in{path};
    view_chunk record;
    record.number = in.to_number(in.needed(*object, "number"), "number", 0, most_plan_number);
    for (const json::value& one :
         in.to_array(in.needed(*object, "members"), "members", members_per_chunk)) {
        const view_member member = to_member(in, in.to_object(one, "member", stored::most_names));
        if (!record.members.empty() && member.id <= record.members.back().id) {
            in.wrong("members are not in the order of their ids, each once");
        }
        if (in.is_wrong()) {
            break;
        }
        record.members.push_back(member);
    }
    return checked(in, std::move(record));
}

}  // namespace muster::cluster
