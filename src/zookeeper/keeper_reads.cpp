#include "base/text.hpp"
#include "zookeeper/keeper_core.hpp"

#include <algorithm>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

/// Digests are shown only to those who may set the ACL.
acl without_digests(const acl& access) {
    acl shown = access;
    for (acl_entry& entry : shown) {
        if (entry.scheme == "digest") {
            entry.id = entry.id.substr(0, entry.id.find(':')) + ":x";
        }
    }
    return shown;
}

void put_children(std::string& out, const znode& of) {
    const std::vector<std::string_view> names{of.children.begin(), of.children.end()};
    protocol::encode_names(out, names);
}

/// The part of an identity that names the user (ServerAuthenticationProvider.getUserName).
std::string user_of(const identity& who) {
    return who.scheme == "digest" ? who.id.substr(0, who.id.find(':')) : who.id;
}

}  // namespace

answer<const znode*> keeper_core::readable(std::string_view path, const connection& by) const {
    const znode* const node = tree_.find(path);
    if (node == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!permits(*node->access, perm::read, by.who)) {
        return std::unexpected{zk_error::no_auth};
    }
    return node;
}

/// The one read that asks for no permission.
void keeper_core::exists(const request& of) {
    protocol::read_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    if (asked.path.find('\0') != std::string_view::npos) {
        return reply(of, zk_error::bad_arguments);
    }
    if (asked.watch) {
        data_watches_.add(asked.path, of.from, watch_table::mode::once);
    }
    const znode* const node = tree_.find(asked.path);
    reply(of, node == nullptr ? zk_error::no_node : zk_error::ok, [&](std::string& out) {
        protocol::encode(out, node->meta());
    });
}

void keeper_core::get_data(const request& of) {
    protocol::read_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<const znode*> node = readable(asked.path, of.link);
    if (!node) {
        return reply(of, node.error());
    }
    if (asked.watch) {
        data_watches_.add(asked.path, of.from, watch_table::mode::once);
    }
    reply(of, zk_error::ok, [&](std::string& out) {
        protocol::encode(out, (*node)->data, (*node)->null_data, (*node)->meta());
    });
}

void keeper_core::get_children(const request& of, bool with_stat) {
    protocol::read_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<const znode*> node = readable(asked.path, of.link);
    if (!node) {
        return reply(of, node.error());
    }
    if (asked.watch) {
        child_watches_.add(asked.path, of.from, watch_table::mode::once);
    }
    reply(of, zk_error::ok, [&](std::string& out) {
        put_children(out, **node);
        if (with_stat) {
            protocol::encode(out, (*node)->meta());
        }
    });
}

void keeper_core::get_acl(const request& of) {
    protocol::path_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const znode* const node = tree_.find(asked.path);
    if (node == nullptr) {
        return reply(of, zk_error::no_node);
    }
    if (!permits(*node->access, perm::read | perm::admin, of.link.who)) {
        return reply(of, zk_error::no_auth);
    }
    const bool may_see = permits(*node->access, perm::admin, of.link.who);
    reply(of, zk_error::ok, [&](std::string& out) {
        protocol::encode(out, may_see ? *node->access : without_digests(*node->access));
        protocol::encode(out, node->meta());
    });
}

void keeper_core::count_children(const request& of) {
    protocol::path_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<const znode*> node = readable(asked.path, of.link);
    if (!node) {
        return reply(of, node.error());
    }
    reply(of, zk_error::ok, [&](std::string& out) {
        jute_writer{out}.int32(static_cast<std::int32_t>(tree_.descendants(**node)));
    });
}

/// Reads one after another; each has an error of its own. Writes its results straight into the
/// reply, for together they may be large.
void keeper_core::multi_read(const request& of) {
    protocol::multi_request asked;
    const auto reads = [](const protocol::multi_op& one) {
        const auto* read = std::get_if<protocol::read_request>(&one);
        return read != nullptr &&
               (read->code == op_code::get_data || read->code == op_code::get_children);
    };
    if (!decode(of.body, asked) || !std::ranges::all_of(asked.ops, reads)) {
        return reply(of, zk_error::marshalling_error);
    }
    std::string& out = output_.out(of.from);
    const std::size_t before = out.size();
    jute_writer frame{out};
    const std::size_t mark = frame.begin_frame();
    protocol::encode(out, protocol::reply_header{of.header.xid, zxid_, zk_error::ok});
    const auto header = [&](op_code code, bool done, zk_error error) {
        frame.int32(static_cast<std::int32_t>(code));
        frame.boolean(done);
        frame.int32(static_cast<std::int32_t>(error));
    };
    for (const protocol::multi_op& one : asked.ops) {
        const auto& read = std::get<protocol::read_request>(one);
        const answer<const znode*> node = readable(read.path, of.link);
        if (!node) {
            header(op_code::error, false, node.error());
            frame.int32(static_cast<std::int32_t>(node.error()));
            continue;
        }
        header(read.code, false, zk_error::ok);
        if (read.code == op_code::get_data) {
            if (read.watch) {
                data_watches_.add(read.path, of.from, watch_table::mode::once);
            }
            protocol::encode(out, (*node)->data, (*node)->null_data, (*node)->meta());
        } else {
            if (read.watch) {
                child_watches_.add(read.path, of.from, watch_table::mode::once);
            }
            put_children(out, **node);
        }
        if (out.size() - before > settings_.max_reply) {
            out.resize(before);
            return drop(of.from, of.link);
        }
    }
    header(op_code::error, true, static_cast<zk_error>(-1));
    frame.end_frame(mark);
    ++sent_;
    ++of.link.facts.sent;
}

void keeper_core::list_ephemerals(const request& of) {
    protocol::path_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    std::vector<std::string_view> paths;
    const std::string_view prefix = base::trimmed(asked.path);
    const bool all = prefix.empty() || prefix == "/";
    const auto& owned = tree_.ephemerals();
    if (const auto at = owned.find(of.link.facts.session); at != owned.end()) {
        for (const std::string_view path : at->second) {
            if (all || path.starts_with(asked.path)) {
                paths.push_back(path);
            }
        }
    }
    reply(of, zk_error::ok, [&](std::string& out) { protocol::encode_names(out, paths); });
}

void keeper_core::who_am_i(const request& of) {
    std::vector<protocol::client_identity> shown;
    for (const identity& one : of.link.who) {
        shown.push_back(protocol::client_identity{one.scheme, user_of(one)});
    }
    reply(of, zk_error::ok, [&](std::string& out) { protocol::encode(out, shown); });
}

/// One server has nothing to catch up with.
void keeper_core::sync(const request& of) {
    protocol::path_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    reply(of, zk_error::ok, [&](std::string& out) { protocol::encode_path(out, asked.path); });
}

}  // namespace muster::zookeeper
