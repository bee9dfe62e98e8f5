#include "show.hpp"
#include "table.hpp"
#include "verbs.hpp"

namespace muster::cli {

outcome<exit_code> print_resources(const picture& all, const style& how, std::ostream& out) {
    if (auto exists = must_exist(all); !exists) {
        return std::unexpected(exists.error());
    }
    const auto rows = resource_rows(all);
    if (how.as == format::json) {
        boost::json::array items;
        for (const resource_row& one : rows) {
            boost::json::object item;
            item["name"] = one.name;
            item["kind"] = one.kind;
            item["partitions"] = one.partitions;
            item["replicas"] = one.replicas;
            item["policy"] = one.policy;
            item["plan"] = std::to_string(one.plan);
            item["unowned"] = one.unowned;
            item["moving"] = one.moving;
            items.push_back(std::move(item));
        }
        out << boost::json::serialize(document("resources", all, std::move(items))) << '\n';
    } else if (how.as == format::name) {
        for (const resource_row& one : rows) {
            out << one.name << '\n';
        }
    } else {
        const bool wide = how.as == format::wide;
        std::vector<table::column> columns{{"NAME"},
                                           {"KIND"},
                                           {"PARTITIONS", true},
                                           {"REPLICAS", true},
                                           {"UNOWNED", true},
                                           {"MOVING", true}};
        if (wide) {
            columns.insert(columns.end(), {{"POLICY"}, {"PLAN", true}});
        }
        table page{columns};
        for (const resource_row& one : rows) {
            std::vector<std::string> cells{one.name,
                                           one.kind,
                                           grouped(one.partitions),
                                           std::to_string(one.replicas),
                                           grouped(one.unowned),
                                           grouped(one.moving)};
            if (wide) {
                cells.insert(cells.end(), {one.policy, std::to_string(one.plan)});
            }
            page.add(std::move(cells));
        }
        page.print(out, how.colours);
    }
    return exit_code::done;
}

exit_code run_resources(const given&, context& at) {
    return show(at, false, print_resources);
}

}  // namespace muster::cli
