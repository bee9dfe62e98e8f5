#include "importing.hpp"

#include "import_log.hpp"
#include "import_packages.hpp"

#include <algorithm>
#include <utility>

namespace party_grid {

muster::result<import_records> gather_records(const import_source& from) {
    package_sources sources;
    if (!from.packages.empty()) {
        sources.index = {"cat", "--", from.packages};
        sources.status_file.clear();
    }
    auto packages = read_packages(sources);
    if (!packages) {
        return std::unexpected(packages.error());
    }
    import_records out;
    out.source = from.packages.empty() ? packages->source : from.packages;
    out.note = packages->note;
    if (from.limit > 0 && packages->records.size() > from.limit) {
        packages->records.resize(from.limit);
    }
    out.packages = packages->records.size();
    for (record& one : packages->records) {
        out.lines.push_back({std::move(one.key), std::move(one.value), ""});
    }
    auto log = read_package_log(from.log);
    if (!log) {
        out.note += (out.note.empty() ? "" : "; ") + ("no dated records: " + log.error().text);
        return out;
    }
    out.dated = log->records.size();
    out.dates = std::move(log->partitions);
    for (dated_record& one : log->records) {
        out.lines.push_back({std::move(one.key), std::move(one.value), std::move(one.partition)});
    }
    return out;
}

}  // namespace party_grid
