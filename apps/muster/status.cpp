#include "show.hpp"
#include "table.hpp"
#include "verbs.hpp"

#include <algorithm>

namespace muster::cli {
namespace {

constexpr std::size_t most_members_shown = 14;  ///< the page has at most 20 lines

/// "1.2 ms".
std::string milliseconds_of(std::chrono::microseconds time) {
    const auto tenths = time.count() / 100;
    if (tenths == 0) {
        return "<0.1 ms";
    }
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

std::string zookeeper_line(const picture& all) {
    const auto up = std::ranges::count_if(all.servers, &server_facts_seen::up);
    std::string text = "zookeeper  ";
    if (!all.servers.empty()) {
        text += std::to_string(up) + "/" + std::to_string(all.servers.size()) + " up, ";
    }
    return text + milliseconds_of(all.round_trip) + ", session ok";
}

std::string leader_text(const picture& all) {
    if (!all.leader) {
        return "leader  -";
    }
    return "leader  " + all.name_of(all.leader->id) + " (epoch " +
           std::to_string(all.leader->epoch) + ", " +
           age(all.read_unix_ms - all.leader->since_unix_ms) + ")";
}

void print_page(const picture& all, const status_row& status, const style& how, std::ostream& out) {
    const char* const colour = !how.colours ? "" : status.healthy ? "\033[1;32m" : "\033[1;33m";
    out << colour << all.cluster << ": " << status.verdict << (how.colours ? "\033[0m" : "")
        << '\n';
    if (!all.exists) {
        out << "next: " << status.next << '\n';
        return;
    }
    const std::string left = zookeeper_line(all);
    out << left << std::string(left.size() < 50 ? 50 - left.size() : 2, ' ') << leader_text(all)
        << '\n';
    const auto rows = member_rows(all);
    if (!rows.empty()) {
        std::vector<table::column> columns{{"MEMBER"},
                                           {"STATE"},
                                           {"PARTITIONS", true},
                                           {"CALLS/S", true},
                                           {"P99", true},
                                           {"VERSION"},
                                           {"UP", true}};
        if (how.as == format::wide) {
            columns.insert(columns.end(), {{"ZONE"}, {"ADDRESS"}, {"ID"}});
        }
        table members{columns};
        const std::size_t shown =
            how.as == format::wide ? rows.size() : std::min(rows.size(), most_members_shown);
        for (const member_row& one : rows) {
            if (&one == rows.data() + shown) {
                break;
            }
            std::vector<std::string> cells{one.name + (one.leader ? "*" : ""),
                                           one.state,
                                           grouped(one.partitions),
                                           // Only the member itself knows these two, and none can
                                           // be asked yet.
                                           "-",
                                           "-",
                                           one.version,
                                           age(all.read_unix_ms - one.started_unix_ms)};
            if (how.as == format::wide) {
                cells.insert(cells.end(), {one.zone, one.address, one.id.text()});
            }
            members.add(std::move(cells));
        }
        members.print(out, how.colours);
        if (shown < rows.size()) {
            out << "... and " << rows.size() - shown << " more: muster members\n";
        }
    }
    if (!status.next.empty()) {
        out << "next: " << status.next << '\n';
    }
}

boost::json::object json_of(const picture& all, const status_row& status) {
    boost::json::object item;
    item["verdict"] = all.cluster + ": " + status.verdict;
    item["healthy"] = status.healthy;
    item["members"] = status.members;
    item["online"] = status.online;
    item["resources"] = status.resources;
    item["partitions"] = status.partitions;
    item["owned"] = status.owned;
    item["moving"] = status.switching;
    item["unowned"] = status.unowned;
    item["leader"] = all.leader ? all.name_of(all.leader->id) : "";
    item["frozen"] = all.frozen;
    return item;
}

}  // namespace

outcome<exit_code> print_status(const picture& all, const style& how, std::ostream& out) {
    const status_row status = status_of(all);
    switch (how.as) {
        case format::json: {
            boost::json::object made = document("status", all, {json_of(all, status)});
            made["verdict"] = all.cluster + ": " + status.verdict;
            made["healthy"] = status.healthy;
            out << boost::json::serialize(made) << '\n';
            break;
        }
        case format::name:
            out << (status.healthy ? "healthy" : "unhealthy") << '\n';
            break;
        default:
            print_page(all, status, how, out);
            break;
    }
    return status.healthy ? exit_code::done : exit_code::no;
}

exit_code run_status(const given&, context& at) {
    return show(at, true, print_status);
}

}  // namespace muster::cli
