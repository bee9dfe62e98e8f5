#include "show.hpp"
#include "table.hpp"
#include "verbs.hpp"

namespace muster::cli {
namespace {

std::string weight_text(double weight) {
    std::string text = std::to_string(weight);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) {
        text.pop_back();
    }
    return text;
}

boost::json::object json_of(const member_row& one) {
    boost::json::object item;
    item["name"] = one.name;
    item["id"] = one.id.text();
    item["state"] = one.state;
    item["address"] = one.address;
    item["admin"] = one.admin;
    item["zone"] = one.zone;
    item["weight"] = one.weight;
    item["version"] = one.version;
    item["started_unix_ms"] = one.started_unix_ms;
    item["leader"] = one.leader;
    item["partitions"] = one.partitions;
    return item;
}

void print_page(const picture& all,
                const std::vector<member_row>& rows,
                const style& how,
                std::ostream& out) {
    const bool wide = how.as == format::wide;
    std::vector<table::column> columns{
        {"NAME"}, {"STATE"}, {"PARTITIONS", true}, {"ADDRESS"}, {"VERSION"}, {"UP", true}};
    if (wide) {
        columns.insert(columns.end(), {{"ZONE"}, {"WEIGHT", true}, {"ADMIN"}, {"ID"}});
    }
    table page{columns};
    for (const member_row& one : rows) {
        std::vector<std::string> cells{one.name + (one.leader ? "*" : ""),
                                       one.state,
                                       grouped(one.partitions),
                                       one.address,
                                       one.version,
                                       age(all.read_unix_ms - one.started_unix_ms)};
        if (wide) {
            cells.insert(cells.end(),
                         {one.zone, weight_text(one.weight), one.admin, one.id.text()});
        }
        page.add(std::move(cells));
    }
    page.print(out, how.colours);
}

}  // namespace

outcome<exit_code> print_members(const picture& all, const style& how, std::ostream& out) {
    if (auto exists = must_exist(all); !exists) {
        return std::unexpected(exists.error());
    }
    const auto rows = member_rows(all);
    if (how.as == format::json) {
        boost::json::array items;
        for (const member_row& one : rows) {
            items.push_back(json_of(one));
        }
        out << boost::json::serialize(document("members", all, std::move(items))) << '\n';
    } else if (how.as == format::name) {
        for (const member_row& one : rows) {
            out << one.name << '\n';
        }
    } else {
        print_page(all, rows, how, out);
    }
    return exit_code::done;
}

exit_code run_members(const given&, context& at) {
    return show(at, false, print_members);
}

}  // namespace muster::cli
