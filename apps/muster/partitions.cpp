#include "base/text.hpp"
#include "partition_json.hpp"
#include "show.hpp"
#include "table.hpp"
#include "verbs.hpp"

namespace muster::cli {

boost::json::value partition_json(const resource_facts& of, const std::string& partition) {
    const auto number = base::parse_uint64(partition);
    if (of.spec.kind == cluster::resource_kind::hash && number) {
        return *number;
    }
    return boost::json::string{partition};
}

boost::json::object holder_json(const holder_row& one) {
    boost::json::object item;
    item["owner"] = one.owner;
    item["owner_id"] = one.owner_id.empty() ? "" : one.owner_id.text();
    item["fence"] = std::to_string(one.fence);
    item["phase"] = name_of(one.at);
    item["successor"] = one.successor;
    return item;
}

namespace {

boost::json::object json_of(const resource_facts& of, const partition_row& row) {
    boost::json::object item;
    item["partition"] = partition_json(of, row.partition);
    for (auto& [key, value] : holder_json(row.writer)) {
        item[key] = value;
    }
    boost::json::array replicas;
    for (const holder_row& one : row.replicas) {
        boost::json::object replica = holder_json(one);
        replica["slot"] = one.slot;
        replicas.push_back(std::move(replica));
    }
    item["replicas"] = std::move(replicas);
    return item;
}

std::string replica_names(const partition_row& row) {
    std::string names;
    for (const holder_row& one : row.replicas) {
        names += (names.empty() ? "" : ",") + (one.owner.empty() ? "-" : one.owner);
    }
    return names;
}

}  // namespace

outcome<exit_code> print_partitions(const picture& all,
                                    const std::string& resource,
                                    const style& how,
                                    std::ostream& out) {
    const auto facts = must_have(all, resource);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    const auto rows = partition_rows(all, resource);
    if (how.as == format::json) {
        boost::json::array items;
        for (const partition_row& one : rows) {
            items.push_back(json_of(**facts, one));
        }
        out << boost::json::serialize(document("partitions", all, std::move(items))) << '\n';
    } else if (how.as == format::name) {
        for (const partition_row& one : rows) {
            out << one.partition << '\n';
        }
    } else {
        const bool wide = how.as == format::wide;
        const bool copies = (*facts)->spec.replicas > 1;
        std::vector<table::column> columns{
            {"PARTITION", (*facts)->spec.kind == cluster::resource_kind::hash},
            {"OWNER"},
            {"PHASE"},
            {"FENCE", true}};
        if (copies) {
            columns.push_back({"REPLICAS"});
        }
        if (wide) {
            columns.insert(columns.end(), {{"SUCCESSOR"}, {"OWNER ID"}});
        }
        table page{columns};
        for (const partition_row& one : rows) {
            const holder_row& writer = one.writer;
            std::vector<std::string> cells{one.partition,
                                           writer.owner,
                                           std::string{name_of(writer.at)},
                                           std::to_string(writer.fence)};
            if (copies) {
                cells.push_back(replica_names(one));
            }
            if (wide) {
                cells.insert(
                    cells.end(),
                    {writer.successor, writer.owner_id.empty() ? "" : writer.owner_id.text()});
            }
            page.add(std::move(cells));
        }
        page.print(out, how.colours);
    }
    return exit_code::done;
}

exit_code run_partitions(const given& words, context& at) {
    return show(at, false, [&](const picture& all, const style& how, std::ostream& out) {
        return print_partitions(all, words.arguments[0], how, out);
    });
}

}  // namespace muster::cli
