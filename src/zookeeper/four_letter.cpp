#include "zookeeper/four_letter.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

constexpr std::string_view version = "3.8.0-muster";

std::string hex(std::int64_t value) {
    std::array<char, 20> text{};
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), static_cast<std::uint64_t>(value), 16)
            .ptr;
    return "0x" + std::string{text.data(), end};
}

std::string_view short_name(op_code code) {
    switch (code) {
        case op_code::create:
        case op_code::create2:
        case op_code::create_ttl:
        case op_code::create_container:
            return "CREA";
        case op_code::remove:
            return "DELE";
        case op_code::exists:
            return "EXIS";
        case op_code::get_data:
            return "GETD";
        case op_code::set_data:
            return "SETD";
        case op_code::get_acl:
            return "GETA";
        case op_code::set_acl:
            return "SETA";
        case op_code::get_children:
        case op_code::get_children2:
            return "GETC";
        case op_code::sync:
            return "SYNC";
        case op_code::ping:
            return "PING";
        case op_code::multi:
            return "MULT";
        case op_code::multi_read:
            return "MLTR";
        case op_code::set_watches:
            return "SETW";
        case op_code::set_watches2:
            return "STW2";
        case op_code::add_watch:
            return "ADDW";
        case op_code::remove_watches:
            return "REMW";
        case op_code::check_watches:
            return "CHKW";
        case op_code::get_ephemerals:
            return "GETE";
        case op_code::get_all_children_number:
            return "GETACN";
        case op_code::who_am_i:
            return "HOMI";
        case op_code::close_session:
            return "CLOS";
        default:
            return "NA";
    }
}

std::string connection_line(const connection_facts& of, bool brief) {
    std::string line = " /" + of.remote + "[1](queued=0,recved=" + std::to_string(of.received) +
                       ",sent=" + std::to_string(of.sent);
    if (!brief && of.session != 0) {
        line += ",sid=" + hex(of.session) + ",lop=" + std::string{short_name(of.last_op)} +
                ",est=" + std::to_string(of.established_ms) +
                ",to=" + std::to_string(of.timeout.count());
        if (of.last_xid >= 0) {
            line += ",lcxid=" + hex(of.last_xid);
        }
        line += ",lzxid=" + hex(of.last_zxid) + ",lresp=" + std::to_string(of.last_response_ms) +
                ",llat=0,minlat=0,avglat=0,maxlat=0";
    }
    return line + ")\n";
}

std::string server_lines(const keeper_core& core, bool with_clients) {
    std::string text = "Zookeeper version: " + std::string{version} + "\n";
    const auto connections = core.connections();
    if (with_clients) {
        text += "Clients:\n";
        for (const connection_facts& one : connections) {
            text += connection_line(one, true);
        }
        text += "\n";
    }
    return text + "Latency min/avg/max: 0/0.0/0\nReceived: " + std::to_string(core.received()) +
           "\nSent: " + std::to_string(core.sent()) +
           "\nConnections: " + std::to_string(connections.size()) +
           "\nOutstanding: 0\nZxid: " + hex(core.zxid()) +
           "\nMode: standalone\nNode count: " + std::to_string(core.data().node_count()) + "\n";
}

std::string monitor_lines(const keeper_core& core, const keeper_facts& facts) {
    std::string text = "zk_version\t" + std::string{version} + "\nzk_server_state\tstandalone\n";
    const auto line = [&](std::string_view name, std::uint64_t value) {
        text += "zk_" + std::string{name} + "\t" + std::to_string(value) + "\n";
    };
    line("avg_latency", 0);
    line("max_latency", 0);
    line("min_latency", 0);
    line("packets_received", core.received());
    line("packets_sent", core.sent());
    line("num_alive_connections", core.connections().size());
    line("outstanding_requests", 0);
    line("znode_count", core.data().node_count());
    line("watch_count", core.data_watches().size() + core.child_watches().size());
    line("ephemerals_count", core.data().ephemeral_count());
    line("approximate_data_size", core.data().data_size());
    line("global_sessions", core.sessions().size());
    line("uptime",
         static_cast<std::uint64_t>(
             std::max<std::int64_t>(facts.now.unix_ms - facts.started_ms, 0)));
    return text;
}

std::string configuration_lines(const keeper_facts& facts) {
    std::string text;
    const auto line = [&](std::string_view name, std::int64_t value) {
        text += std::string{name} + "=" + std::to_string(value) + "\n";
    };
    line("clientPort", facts.port);
    line("secureClientPort", -1);
    text += "dataDir=\ndataDirSize=0\ndataLogDir=\ndataLogSize=0\n";
    line("tickTime", facts.tick.count());
    line("maxClientCnxns", static_cast<std::int64_t>(facts.max_connections_per_ip));
    line("minSessionTimeout", facts.min_timeout.count());
    line("maxSessionTimeout", facts.max_timeout.count());
    line("clientPortListenBacklog", -1);
    line("serverId", facts.server_id);
    return text;
}

std::string watch_summary(const watch_table& watches) {
    return std::to_string(watches.watchers()) + " connections watching " +
           std::to_string(watches.paths()) +
           " paths\nTotal watches:" + std::to_string(watches.size()) + "\n";
}

std::string watch_list(const keeper_core& core, bool by_path) {
    std::string text;
    const watch_table& watches = core.data_watches();
    if (by_path) {
        for (const auto& [path, watchers] : watches.by_path()) {
            text += path + "\n";
            for (const auto& [who, how] : watchers) {
                text += "\t" + hex(core.session_of(who)) + "\n";
            }
        }
    } else {
        for (const auto& [who, paths] : watches.by_watcher()) {
            text += hex(core.session_of(who)) + "\n";
            for (const std::string_view path : paths) {
                text += "\t" + std::string{path} + "\n";
            }
        }
    }
    return text + "\n";
}

std::string dump_lines(const keeper_core& core, const keeper_facts& facts) {
    const session_table& sessions = core.sessions();
    std::string text = "SessionTracker dump:\nSession Sets (" +
                       std::to_string(sessions.buckets().size()) + ")/(" +
                       std::to_string(sessions.size()) + "):\n";
    for (const auto& [expires, ids] : sessions.buckets()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(expires - facts.now.now);
        text += std::to_string(ids.size()) + " expire at " +
                std::to_string(facts.now.unix_ms + left.count()) + ":\n";
        for (const std::int64_t id : ids) {
            text += "\t" + hex(id) + "\n";
        }
    }
    const auto& owned = core.data().ephemerals();
    text +=
        "ephemeral nodes dump:\nSessions with Ephemerals (" + std::to_string(owned.size()) + "):\n";
    for (const auto& [session, paths] : owned) {
        text += hex(session) + ":\n";
        for (const std::string_view path : paths) {
            text += "\t" + std::string{path} + "\n";
        }
    }
    text += "Connections dump:\n";
    for (const connection_facts& one : core.connections()) {
        text += "\t/" + one.remote + " " + hex(one.session) + "\n";
    }
    return text;
}

std::string connection_lines(const keeper_core& core) {
    std::string text;
    for (const connection_facts& one : core.connections()) {
        text += connection_line(one, false);
    }
    return text + "\n";
}

constexpr std::array<std::string_view, 12> known{
    "conf", "cons", "dump", "envi", "isro", "mntr", "ruok", "srvr", "stat", "wchc", "wchp", "wchs"};

}  // namespace

bool is_four_letter_word(std::string_view word) {
    return std::ranges::find(known, word) != known.end();
}

std::string answer_word(std::string_view word,
                        const std::vector<std::string>& enabled,
                        const keeper_core& core,
                        const keeper_facts& facts) {
    if (std::ranges::none_of(enabled,
                             [&](const std::string& one) { return one == "*" || one == word; })) {
        return std::string{word} + " is not executed because it is not in the whitelist.\n";
    }
    if (word == "ruok") {
        return "imok";
    }
    if (word == "isro") {
        return "rw";
    }
    if (word == "srvr" || word == "stat") {
        return server_lines(core, word == "stat");
    }
    if (word == "mntr") {
        return monitor_lines(core, facts);
    }
    if (word == "conf") {
        return configuration_lines(facts);
    }
    if (word == "cons") {
        return connection_lines(core);
    }
    if (word == "wchs") {
        return watch_summary(core.data_watches());
    }
    if (word == "wchc" || word == "wchp") {
        return watch_list(core, word == "wchp");
    }
    if (word == "dump") {
        return dump_lines(core, facts);
    }
    return "Environment:\nzookeeper.version=" + std::string{version} + "\n";
}

}  // namespace muster::zookeeper
