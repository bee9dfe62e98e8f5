#include "front_answers.hpp"

#include "json_quoted.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;

http_response json_response(unsigned status, std::string body) {
    body += '\n';
    return {.status = status,
            .body = std::move(body),
            .content_type = "application/json",
            .headers = {}};
}

void append_records(std::string& body, const std::vector<const record*>& records) {
    body += "\"records\":[";
    for (std::size_t i = 0; i < records.size(); ++i) {
        body += i == 0 ? "{\"key\":" : ",{\"key\":";
        body += json_quoted(records[i]->key);
        body += ",\"value\":";
        body += json_quoted(records[i]->value);
        body += '}';
    }
    body += ']';
}

bool gather(const muster::gathered<page>& from, std::vector<const record*>& into) {
    bool more = false;
    for (const auto& one : from.answers) {
        more = more || one.reply.more;
        for (const record& each : one.reply.records) {
            into.push_back(&each);
        }
    }
    return more;
}

void append_missing(std::string& body,
                    std::string_view resource,
                    const std::vector<muster::missing_partition>& missing,
                    bool& first) {
    for (const auto& one : missing) {
        body += first ? "" : ",";
        first = false;
        body += "{\"resource\":" + json_quoted(resource) +
                ",\"partition\":" + json_quoted(one.partition) +
                ",\"code\":" + json_quoted(muster::name_of(one.why.code)) +
                ",\"message\":" + json_quoted(one.why.text) + '}';
    }
}

http_response page_response(const muster::gathered<page>& parties,
                            const muster::gathered<page>& dates,
                            std::uint32_t limit) {
    std::vector<const record*> all;
    bool more = gather(parties, all);
    more = gather(dates, all) || more;
    std::ranges::sort(all, {}, [](const record* one) -> std::string_view { return one->key; });
    if (all.size() > limit) {
        all.resize(limit);
        more = true;
    }
    std::string body = "{\"plan\":\"" + std::to_string(parties.plan) + "\",";
    append_records(body, all);
    body += std::string{",\"more\":"} + (more ? "true" : "false") + ",\"missing\":[";
    bool first = true;
    append_missing(body, "parties", parties.missing, first);
    append_missing(body, "dates", dates.missing, first);
    body += "]}";
    return json_response(first ? 200 : 207, std::move(body));
}

}  // namespace

unsigned status_of(errc code) {
    switch (code) {
        case errc::outcome_unknown:
            return 504;
        case errc::gone:
            return 410;
        case errc::invalid_argument:
            return 400;
        case errc::not_found:
            return 404;
        case errc::conflict:
            return 409;
        case errc::not_authorized:
            return 403;
        case errc::incompatible:
            return 502;
        case errc::handler_failed:
            return 500;
        // Nothing was done, and there is, or will be, an owner who can.
        case errc::fenced:
        case errc::closed:
        default:
            return 503;
    }
}

http_response error_response(const muster::error& what) {
    auto answer = json_response(status_of(what.code),
                                "{\"error\":{\"code\":" + json_quoted(muster::name_of(what.code)) +
                                    ",\"message\":" + json_quoted(what.text) + "}}");
    if (answer.status == 503) {
        answer.headers.emplace_back("Retry-After", "1");
    }
    return answer;
}

http_response value_response(std::string value) {
    const bool structured = value.starts_with('{') || value.starts_with('[');
    return {.status = 200,
            .body = std::move(value),
            .content_type = structured ? "application/json" : "text/plain; charset=utf-8",
            .headers = {}};
}

std::vector<std::string> unseen_dates(const muster::gathered<page>& parties,
                                      const muster::gathered<page>& dates) {
    std::set<std::string> unseen;
    for (const auto& one : parties.answers) {
        unseen.insert(one.reply.dates.begin(), one.reply.dates.end());
    }
    for (const auto& one : dates.answers) {
        unseen.erase(one.partition);
    }
    for (const auto& one : dates.missing) {
        unseen.erase(one.partition);
    }
    return {unseen.begin(), unseen.end()};
}

muster::result<std::string> newest_date(const muster::gathered<page>& parties) {
    std::string newest;
    for (const auto& one : parties.answers) {
        for (const std::string& name : one.reply.dates) {
            newest = std::max(newest, name);
        }
    }
    if (!parties.missing.empty()) {
        return std::unexpected(parties.missing.front().why);
    }
    if (newest.empty()) {
        return muster::fail(errc::not_found, "there are no dated records");
    }
    return newest;
}

http_response list_response(const muster::result<muster::gathered<page>>& parties,
                            muster::result<muster::gathered<page>> dates,
                            std::uint32_t limit) {
    if (!parties) {
        return error_response(parties.error());
    }
    muster::gathered<page> dated;
    if (!dates) {
        dated.missing.push_back({"*", dates.error()});
    } else {
        dated = std::move(*dates);
        for (const std::string& name : unseen_dates(*parties, dated)) {
            dated.missing.push_back(
                {name, {errc::unavailable, "this member has not read a plan with this date yet"}});
        }
    }
    return page_response(*parties, dated, limit);
}

http_response latest_response(const std::string& partition, const page& got) {
    std::vector<const record*> all;
    for (const record& each : got.records) {
        all.push_back(&each);
    }
    std::string body = "{\"partition\":" + json_quoted(partition) + ',';
    append_records(body, all);
    body += std::string{",\"more\":"} + (got.more ? "true}" : "false}");
    return json_response(200, std::move(body));
}

http_response stats_response(const muster::node& node,
                             const std::vector<std::shared_ptr<const shelf_figures>>& owned,
                             const store_figures& written,
                             std::uint64_t requests) {
    struct sums {
        std::uint64_t partitions = 0;
        std::uint64_t records = 0;
    };
    std::map<std::string, sums> by_resource{{"dates", {}}, {"parties", {}}};
    std::string shelves;
    for (const auto& one : owned) {
        const std::uint64_t records = one->records.load(std::memory_order_relaxed);
        auto& sum = by_resource[one->resource];
        ++sum.partitions;
        sum.records += records;
        shelves += (shelves.empty() ? "" : ",") + ("{\"resource\":" + json_quoted(one->resource)) +
                   ",\"partition\":" + json_quoted(one->partition) + ",\"fence\":\"" +
                   std::to_string(one->fence) + "\",\"records\":" + std::to_string(records) + '}';
    }
    std::string body = "{\"member\":" + json_quoted(node.name()) +
                       ",\"state\":" + json_quoted(muster::name_of(node.state())) +
                       ",\"requests\":" + std::to_string(requests) +
                       ",\"writes\":" + std::to_string(written.writes) +
                       ",\"fenced\":" + std::to_string(written.fenced) +
                       ",\"commits\":" + std::to_string(written.commits);
    for (const auto& [name, sum] : by_resource) {
        body += ',' + json_quoted(name) + ":{\"partitions\":" + std::to_string(sum.partitions) +
                ",\"records\":" + std::to_string(sum.records) + '}';
    }
    return json_response(200, body + ",\"owned\":[" + shelves + "]}");
}

http_response members_response(const muster::view& now) {
    std::string body = "{\"view\":\"" + std::to_string(now.number) + "\",\"members\":[";
    for (std::size_t i = 0; i < now.members.size(); ++i) {
        const muster::member& one = now.members[i];
        const auto http = one.metadata.find("http");
        body += (i == 0 ? "{\"name\":" : ",{\"name\":") + json_quoted(one.name) + ",\"id\":\"" +
                one.id.text() + "\",\"state\":" + json_quoted(muster::name_of(one.state)) +
                ",\"http\":" + json_quoted(http == one.metadata.end() ? "" : http->second) +
                ",\"address\":" + json_quoted(one.address) +
                ",\"leader\":" + (one.id == now.leader ? "true}" : "false}");
    }
    return json_response(200, body + "]}");
}

}  // namespace party_grid
