#include "zookeeper/protocol.hpp"

namespace muster::zookeeper::protocol {
namespace {

void put_path_version(std::string& out, std::string_view path, std::int32_t version) {
    jute_writer w{out};
    w.text(path);
    w.int32(version);
}

void put_data(jute_writer& w, std::string_view data, bool null_data) {
    if (null_data) {
        w.null();
    } else {
        w.text(data);
    }
}

void put_list(jute_writer& w, const std::vector<std::string_view>& texts) {
    w.count(texts.size());
    for (const std::string_view text : texts) {
        w.text(text);
    }
}

void take_list(jute_reader& in, std::vector<std::string_view>& texts) {
    texts.clear();
    const std::size_t many = in.count(4);
    texts.reserve(many);
    for (std::size_t i = 0; i < many && in.ok(); ++i) {
        texts.push_back(in.text());
    }
}

}  // namespace

// --- The handshake ------------------------------------------------------------------------------

void encode(std::string& out, const connect_request& what) {
    jute_writer w{out};
    w.int32(what.protocol_version);
    w.int64(what.last_zxid_seen);
    w.int32(what.timeout_ms);
    w.int64(what.session);
    w.text(what.password);
    if (what.has_read_only) {
        w.boolean(what.read_only);
    }
}

void encode(std::string& out, const connect_response& what) {
    jute_writer w{out};
    w.int32(what.protocol_version);
    w.int32(what.timeout_ms);
    w.int64(what.session);
    w.text(what.password);
    if (what.has_read_only) {
        w.boolean(what.read_only);
    }
}

bool decode(jute_reader& in, connect_request& what) {
    what.protocol_version = in.int32();
    what.last_zxid_seen = in.int64();
    what.timeout_ms = in.int32();
    what.session = in.int64();
    what.password = in.text();
    what.has_read_only = in.ok() && in.remaining() > 0;
    what.read_only = what.has_read_only && in.boolean();
    return in.ok();
}

bool decode(jute_reader& in, connect_response& what) {
    what.protocol_version = in.int32();
    what.timeout_ms = in.int32();
    what.session = in.int64();
    what.password = in.text();
    what.has_read_only = in.ok() && in.remaining() > 0;
    what.read_only = what.has_read_only && in.boolean();
    return in.ok();
}

// --- Headers ------------------------------------------------------------------------------------

void encode(std::string& out, const request_header& what) {
    jute_writer w{out};
    w.int32(what.xid);
    w.int32(static_cast<std::int32_t>(what.type));
}

void encode(std::string& out, const reply_header& what) {
    char raw[reply_header_size];
    store_int32(raw, what.xid);
    store_int64(raw + 4, what.zxid);
    store_int32(raw + 12, static_cast<std::int32_t>(what.error));
    out.append(raw, sizeof raw);
}

bool decode(jute_reader& in, request_header& what) {
    what.xid = in.int32();
    what.type = static_cast<op_code>(in.int32());
    return in.ok();
}

bool decode(jute_reader& in, reply_header& what) {
    what.xid = in.int32();
    what.zxid = in.int64();
    what.error = static_cast<zk_error>(in.int32());
    return in.ok();
}

// --- Request bodies -----------------------------------------------------------------------------

void encode(std::string& out, const create_request& what) {
    jute_writer w{out};
    w.text(what.path);
    put_data(w, what.data, what.null_data);
    encode(out, what.access);
    w.int32(what.flags);
    if (what.code == op_code::create_ttl) {
        w.int64(what.ttl_ms);
    }
}

void encode(std::string& out, const delete_request& what) {
    put_path_version(out, what.path, what.version);
}

void encode(std::string& out, const set_data_request& what) {
    jute_writer w{out};
    w.text(what.path);
    put_data(w, what.data, what.null_data);
    w.int32(what.version);
}

void encode(std::string& out, const check_request& what) {
    put_path_version(out, what.path, what.version);
}

void encode(std::string& out, const path_request& what) {
    jute_writer{out}.text(what.path);
}

void encode(std::string& out, const read_request& what) {
    jute_writer w{out};
    w.text(what.path);
    w.boolean(what.watch);
}

void encode(std::string& out, const set_acl_request& what) {
    jute_writer{out}.text(what.path);
    encode(out, what.access);
    jute_writer{out}.int32(what.version);
}

void encode(std::string& out, const add_watch_request& what) {
    put_path_version(out, what.path, what.mode);
}

void encode(std::string& out, const watches_request& what) {
    put_path_version(out, what.path, what.type);
}

void encode(std::string& out, const set_watches_request& what) {
    jute_writer w{out};
    w.int64(what.relative_zxid);
    put_list(w, what.data);
    put_list(w, what.exist);
    put_list(w, what.child);
    if (what.code == op_code::set_watches2) {
        put_list(w, what.persistent);
        put_list(w, what.recursive);
    }
}

void encode(std::string& out, const auth_request& what) {
    jute_writer w{out};
    w.int32(what.type);
    w.text(what.scheme);
    w.text(what.credentials);
}

bool decode(jute_reader& in, create_request& what) {
    what.path = in.text();
    what.data = in.buffer(what.null_data);
    static_cast<void>(decode(in, what.access));
    what.flags = in.int32();
    what.ttl_ms = what.code == op_code::create_ttl ? in.int64() : 0;
    return in.ok();
}

bool decode(jute_reader& in, delete_request& what) {
    what.path = in.text();
    what.version = in.int32();
    return in.ok();
}

bool decode(jute_reader& in, set_data_request& what) {
    what.path = in.text();
    what.data = in.buffer(what.null_data);
    what.version = in.int32();
    return in.ok();
}

bool decode(jute_reader& in, check_request& what) {
    what.path = in.text();
    what.version = in.int32();
    return in.ok();
}

bool decode(jute_reader& in, path_request& what) {
    what.path = in.text();
    return in.ok();
}

bool decode(jute_reader& in, read_request& what) {
    what.path = in.text();
    what.watch = in.boolean();
    return in.ok();
}

bool decode(jute_reader& in, set_acl_request& what) {
    what.path = in.text();
    static_cast<void>(decode(in, what.access));
    what.version = in.int32();
    return in.ok();
}

bool decode(jute_reader& in, add_watch_request& what) {
    what.path = in.text();
    what.mode = in.int32();
    return in.ok();
}

bool decode(jute_reader& in, watches_request& what) {
    what.path = in.text();
    what.type = in.int32();
    return in.ok();
}

bool decode(jute_reader& in, set_watches_request& what) {
    what.relative_zxid = in.int64();
    take_list(in, what.data);
    take_list(in, what.exist);
    take_list(in, what.child);
    what.persistent.clear();
    what.recursive.clear();
    if (what.code == op_code::set_watches2) {
        take_list(in, what.persistent);
        take_list(in, what.recursive);
    }
    return in.ok();
}

bool decode(jute_reader& in, auth_request& what) {
    what.type = in.int32();
    what.scheme = in.text();
    what.credentials = in.text();
    return in.ok();
}

// --- Reply bodies -------------------------------------------------------------------------------

void encode(std::string& out, const stat& what) {
    char raw[68];
    store_int64(raw, what.czxid);
    store_int64(raw + 8, what.mzxid);
    store_int64(raw + 16, what.ctime);
    store_int64(raw + 24, what.mtime);
    store_int32(raw + 32, what.version);
    store_int32(raw + 36, what.cversion);
    store_int32(raw + 40, what.aversion);
    store_int64(raw + 44, what.ephemeral_owner);
    store_int32(raw + 52, what.data_length);
    store_int32(raw + 56, what.num_children);
    store_int64(raw + 60, what.pzxid);
    out.append(raw, sizeof raw);
}

void encode(std::string& out, std::string_view data, bool null_data, const stat& meta) {
    jute_writer w{out};
    put_data(w, data, null_data);
    encode(out, meta);
}

void encode_path(std::string& out, std::string_view path) {
    jute_writer{out}.text(path);
}

void encode_names(std::string& out, std::span<const std::string_view> names) {
    jute_writer w{out};
    w.count(names.size());
    for (const std::string_view name : names) {
        w.text(name);
    }
}

void encode(std::string& out, const acl& what) {
    jute_writer w{out};
    w.count(what.size());
    for (const acl_entry& entry : what) {
        w.int32(entry.permissions);
        w.text(entry.scheme);
        w.text(entry.id);
    }
}

void encode(std::string& out, const watcher_event& what) {
    jute_writer w{out};
    w.int32(static_cast<std::int32_t>(what.type));
    w.int32(what.state);
    w.text(what.path);
}

void encode(std::string& out, std::span<const client_identity> what) {
    jute_writer w{out};
    w.count(what.size());
    for (const client_identity& identity : what) {
        w.text(identity.scheme);
        w.text(identity.user);
    }
}

bool decode(jute_reader& in, stat& what) {
    what.czxid = in.int64();
    what.mzxid = in.int64();
    what.ctime = in.int64();
    what.mtime = in.int64();
    what.version = in.int32();
    what.cversion = in.int32();
    what.aversion = in.int32();
    what.ephemeral_owner = in.int64();
    what.data_length = in.int32();
    what.num_children = in.int32();
    what.pzxid = in.int64();
    return in.ok();
}

bool decode(jute_reader& in, created& what) {
    what.path = in.text();
    return decode(in, what.meta);
}

bool decode(jute_reader& in, node_data& what) {
    what.data = in.text();
    return decode(in, what.meta);
}

bool decode(jute_reader& in, node_children& what) {
    return decode(in, what.names) && decode(in, what.meta);
}

bool decode(jute_reader& in, std::vector<std::string>& names) {
    names.clear();
    const std::size_t many = in.count(4);
    names.reserve(many);
    for (std::size_t i = 0; i < many && in.ok(); ++i) {
        names.emplace_back(in.text());
    }
    return in.ok();
}

bool decode(jute_reader& in, acl& what) {
    what.clear();
    const std::size_t many = in.count(12);
    what.reserve(many);
    for (std::size_t i = 0; i < many && in.ok(); ++i) {
        acl_entry entry;
        entry.permissions = in.int32();
        entry.scheme = in.text();
        entry.id = in.text();
        what.push_back(std::move(entry));
    }
    return in.ok();
}

bool decode(jute_reader& in, watcher_event& what) {
    what.type = static_cast<event_type>(in.int32());
    what.state = in.int32();
    what.path = in.text();
    return in.ok();
}

bool decode(jute_reader& in, std::vector<client_identity>& what) {
    what.clear();
    const std::size_t many = in.count(8);
    for (std::size_t i = 0; i < many && in.ok(); ++i) {
        client_identity identity;
        identity.scheme = in.text();
        identity.user = in.text();
        what.push_back(std::move(identity));
    }
    return in.ok();
}

}  // namespace muster::zookeeper::protocol
