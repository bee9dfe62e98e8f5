#include "show.hpp"
#include "table.hpp"
#include "verbs.hpp"

namespace muster::cli {

outcome<exit_code> print_leader(const picture& all, const style& how, std::ostream& out) {
    if (auto exists = must_exist(all); !exists) {
        return std::unexpected(exists.error());
    }
    if (!all.leader) {
        if (how.as == format::json) {
            out << boost::json::serialize(document("leader", all, {})) << '\n';
        }
        return std::unexpected(failure{.code = "MUS0102",
                                       .message = "nobody leads cluster '" + all.cluster + "'",
                                       .facts = {},
                                       .hint = "muster members shows who is there"});
    }
    const leader_facts& leader = *all.leader;
    const std::string name = all.name_of(leader.id);
    if (how.as == format::json) {
        boost::json::object item;
        item["name"] = name;
        item["id"] = leader.id.text();
        item["epoch"] = std::to_string(leader.epoch);
        item["since_unix_ms"] = leader.since_unix_ms;
        out << boost::json::serialize(document("leader", all, {std::move(item)})) << '\n';
    } else if (how.as == format::name) {
        out << name << '\n';
    } else {
        std::vector<table::column> columns{{"NAME"}, {"EPOCH"}, {"FOR", true}};
        std::vector<std::string> cells{
            name, std::to_string(leader.epoch), age(all.read_unix_ms - leader.since_unix_ms)};
        if (how.as == format::wide) {
            columns.push_back({"ID"});
            cells.push_back(leader.id.text());
        }
        table page{columns};
        page.add(std::move(cells));
        page.print(out, how.colours);
    }
    return exit_code::done;
}

exit_code run_leader(const given&, context& at) {
    return show(at, false, print_leader);
}

}  // namespace muster::cli
