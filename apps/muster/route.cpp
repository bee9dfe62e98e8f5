#include "partition_json.hpp"
#include "show.hpp"
#include "table.hpp"
#include "verbs.hpp"

namespace muster::cli {

outcome<exit_code> print_route(const picture& all,
                               const std::string& resource,
                               const std::string& key,
                               const style& how,
                               std::ostream& out) {
    const auto facts = must_have(all, resource);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    const auto route = route_of(all, resource, key);
    if (!route) {
        return std::unexpected(failure{
            .code = "MUS0609",
            .message = "resource '" + resource + "' has no partition for the key '" + key + "'",
            .facts = {},
            .hint = "muster partitions " + resource + " lists them"});
    }
    const holder_row& writer = route->partition.writer;
    if (how.as == format::json) {
        boost::json::object item;
        item["resource"] = resource;
        item["key"] = key;
        item["partition"] = partition_json(**facts, route->partition.partition);
        item["owner"] = writer.owner;
        item["address"] = route->address;
        item["fence"] = std::to_string(writer.fence);
        item["plan"] = std::to_string(route->plan);
        item["phase"] = name_of(writer.at);
        out << boost::json::serialize(document("route", all, {std::move(item)})) << '\n';
    } else if (how.as == format::name) {
        out << writer.owner << '\n';
    } else {
        std::vector<table::column> columns{
            {"PARTITION"}, {"OWNER"}, {"ADDRESS"}, {"FENCE", true}, {"PHASE"}};
        std::vector<std::string> cells{route->partition.partition,
                                       writer.owner,
                                       route->address,
                                       std::to_string(writer.fence),
                                       std::string{name_of(writer.at)}};
        if (how.as == format::wide) {
            columns.insert(columns.end(), {{"PLAN", true}, {"OWNER ID"}});
            cells.insert(cells.end(),
                         {std::to_string(route->plan),
                          writer.owner_id.empty() ? "" : writer.owner_id.text()});
        }
        table page{columns};
        page.add(std::move(cells));
        page.print(out, how.colours);
    }
    return writer.at == phase::unowned ? exit_code::no : exit_code::done;
}

exit_code run_route(const given& words, context& at) {
    return show(at, false, [&](const picture& all, const style& how, std::ostream& out) {
        return print_route(all, words.arguments[0], words.arguments[1], how, out);
    });
}

}  // namespace muster::cli
