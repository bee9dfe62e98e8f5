#include "zookeeper/keeper_core.hpp"

#include <algorithm>

namespace muster::zookeeper {
namespace {

using mode = watch_table::mode;

}  // namespace

void keeper_core::send_event(connection_id to, event_type type, std::string_view path) {
    const auto link = connections_.find(to);
    if (link == connections_.end() || link->second.closing) {
        return;
    }
    std::string& out = output_.out(to);
    jute_writer frame{out};
    const std::size_t mark = frame.begin_frame();
    protocol::encode(out,
                     protocol::reply_header{protocol::special_xid::watch_event, -1, zk_error::ok});
    protocol::watcher_event event;
    event.type = type;
    event.path = path;
    protocol::encode(out, event);
    frame.end_frame(mark);
    ++sent_;
    ++link->second.facts.sent;
}

/// Whoever watches and may read the znode hears; of a deletion only once.
void keeper_core::tell_watchers(std::int64_t session) {
    const std::vector<tree_event> changes = tree_.take_events();
    if (!changes.empty()) {
        output_.committed(zxid_, session, changes);
    }
    for (const tree_event& event : changes) {
        std::vector<connection_id> told;
        if (event.type != event_type::children_changed) {
            told = data_watches_.trigger(event.path, event.type);
        }
        if (event.type == event_type::children_changed || event.type == event_type::deleted) {
            std::ranges::copy(child_watches_.trigger(event.path, event.type),
                              std::back_inserter(told));
            std::ranges::sort(told);
            told.erase(std::ranges::unique(told).begin(), told.end());
        }
        for (const connection_id to : told) {
            const auto link = connections_.find(to);
            if (link != connections_.end() &&
                permits(*event.access, perm::read, link->second.who)) {
                send_event(to, event.type, event.path);
            }
        }
    }
}

/// A client that has come back lists its watches with the last transaction it saw: what has
/// changed since is told at once, the rest is set.
void keeper_core::set_watches(const request& of) {
    protocol::set_watches_request asked;
    asked.code = of.header.type;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    for (const std::string_view path : asked.data) {
        const znode* const node = tree_.find(path);
        if (node == nullptr) {
            send_event(of.from, event_type::deleted, path);
        } else if (node->mzxid > asked.relative_zxid) {
            send_event(of.from, event_type::data_changed, path);
        } else {
            data_watches_.add(path, of.from, mode::once);
        }
    }
    for (const std::string_view path : asked.exist) {
        if (tree_.find(path) != nullptr) {
            send_event(of.from, event_type::created, path);
        } else {
            data_watches_.add(path, of.from, mode::once);
        }
    }
    for (const std::string_view path : asked.child) {
        const znode* const node = tree_.find(path);
        if (node == nullptr) {
            send_event(of.from, event_type::deleted, path);
        } else if (node->pzxid > asked.relative_zxid) {
            send_event(of.from, event_type::children_changed, path);
        } else {
            child_watches_.add(path, of.from, mode::once);
        }
    }
    const auto add_both = [&](std::span<const std::string_view> paths, mode how) {
        for (const std::string_view path : paths) {
            child_watches_.add(path, of.from, how);
            data_watches_.add(path, of.from, how);
        }
    };
    add_both(asked.persistent, mode::persistent);
    add_both(asked.recursive, mode::recursive);
    reply(of, zk_error::ok);
}

void keeper_core::add_watch(const request& of) {
    protocol::add_watch_request asked;
    if (!decode(of.body, asked) || asked.mode < 0 || asked.mode > 1) {
        return reply(of, zk_error::marshalling_error);
    }
    const bool below = asked.mode == static_cast<std::int32_t>(watch_mode::persistent_recursive);
    const mode how = below ? mode::recursive : mode::persistent;
    data_watches_.add(asked.path, of.from, how);
    child_watches_.add(asked.path, of.from, how);
    // The original sends an ErrorResponse of 0 for a body.
    reply(of, zk_error::ok, [](std::string& out) { jute_writer{out}.int32(0); });
}

void keeper_core::remove_watches(const request& of) {
    protocol::watches_request asked;
    if (!decode(of.body, asked) || asked.type < 1 || asked.type > 3) {
        return reply(of, zk_error::marshalling_error);
    }
    const auto which = static_cast<watcher_type>(asked.type);
    bool removed = false;
    if (which != watcher_type::data) {
        removed = child_watches_.remove(asked.path, of.from);
    }
    if (which != watcher_type::children) {
        removed = data_watches_.remove(asked.path, of.from) || removed;
    }
    reply(of, removed ? zk_error::ok : zk_error::no_watcher);
}

void keeper_core::check_watches(const request& of) {
    protocol::watches_request asked;
    if (!decode(of.body, asked) || asked.type < 1 || asked.type > 3) {
        return reply(of, zk_error::marshalling_error);
    }
    const auto which = static_cast<watcher_type>(asked.type);
    const bool watched = (which != watcher_type::data && child_watches_.contains(asked.path)) ||
                         (which != watcher_type::children && data_watches_.contains(asked.path));
    reply(of, watched ? zk_error::ok : zk_error::no_watcher);
}

}  // namespace muster::zookeeper
